package qr

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"
)

// calm is a budget that a busy machine does not cut short.
func calm(t testing.TB) *budget { return &budget{ctx: t.Context(), end: time.Now().Add(time.Minute)} }

// stresses are kinds of hardship, each a scene at random and the part of them that must be read at least.
var stresses = []struct {
	name  string
	floor float64
	scene func(t testing.TB, r *rand.Rand) *scene
}{
	{"plain", 1, func(t testing.TB, r *rand.Rand) *scene { return one(t, r, 1+r.IntN(10), 2.5+3*r.Float64(), 0, 0) }},
	{"turned", 1, func(t testing.TB, r *rand.Rand) *scene {
		return one(t, r, 1+r.IntN(10), 2.5+3*r.Float64(), 7*r.Float64(), 0)
	}},
	{"slanted", .97, func(t testing.TB, r *rand.Rand) *scene {
		return one(t, r, 1+r.IntN(8), 4+3*r.Float64(), 7*r.Float64(), .5+.4*r.Float64())
	}},
	{"steep", .85, func(t testing.TB, r *rand.Rand) *scene {
		return one(t, r, 1+r.IntN(6), 6+2*r.Float64(), 7*r.Float64(), .9+.2*r.Float64())
	}},
	{"blur", .9, func(t testing.TB, r *rand.Rand) *scene {
		m := 2.5 + 4*r.Float64()
		s := one(t, r, 1+r.IntN(8), m, 7*r.Float64(), .3*r.Float64())
		s.blur = m * (.4 + .25*r.Float64())
		return s
	}},
	{"more blur", .1, func(t testing.TB, r *rand.Rand) *scene {
		m := 3 + 4*r.Float64()
		s := one(t, r, 1+r.IntN(6), m, 7*r.Float64(), .3*r.Float64())
		s.blur = m * (.65 + .15*r.Float64())
		return s
	}},
	{"motion", .95, func(t testing.TB, r *rand.Rand) *scene {
		m := 3 + 4*r.Float64()
		s := one(t, r, 1+r.IntN(6), m, 7*r.Float64(), .3*r.Float64())
		a := 7 * r.Float64()
		s.motion = point{math.Cos(a), math.Sin(a)}.times(m * (.9 + .6*r.Float64()))
		return s
	}},
	{"noise", .95, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.noise = 25 + 25*r.Float64()
		return s
	}},
	{"faint", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.lo = 60 + 80*r.Float64()
		s.hi, s.noise = s.lo+18+20*r.Float64(), 1.5
		return s
	}},
	{"shadow", .95, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		a, depth, soft := 7*r.Float64(), .2+.2*r.Float64(), 1+8*r.Float64()
		d := point{math.Cos(a), math.Sin(a)}
		s.light = func(x, y float64) float64 {
			k := ((x-float64(s.w)/2)*d.x + (y-float64(s.h)/2)*d.y) / soft
			return depth + (1-depth)/(1+math.Exp(-k))
		}
		s.noise = 2
		return s
	}},
	{"uneven", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		c := point{r.Float64() * float64(s.w), r.Float64() * float64(s.h)}
		s.light = func(x, y float64) float64 {
			return .12 + .88*math.Exp(-math.Pow(distance(c, point{x, y})/(.5*float64(s.w)), 2))
		}
		s.noise = 2
		return s
	}},
	{"glare", .95, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 2+r.IntN(6), 4+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		c := point{(.3 + .4*r.Float64()) * float64(s.w), (.3 + .4*r.Float64()) * float64(s.h)}
		w := float64(s.w) * (.06 + .04*r.Float64())
		s.lo, s.hi = 30, 170
		light := func(x, y float64) float64 { return 220 * math.Exp(-math.Pow(distance(c, point{x, y})/w, 2)) }
		st := s.stickers[0]
		st.quiet = 4
		s.light = nil
		s.glare = light
		return s
	}},
	{"small", .95, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 1.6+.6*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.blur, s.noise = .5, 3
		return s
	}},
	{"tiny", .9, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(6), 1.15+.45*r.Float64(), 7*r.Float64(), .2*r.Float64())
		s.blur, s.noise = .4, 2
		return s
	}},
	{"at the edge", .97, func(t testing.TB, r *rand.Rand) *scene {
		m := 2 + 4*r.Float64()
		s := one(t, r, 1+r.IntN(8), m, 0, 0)
		side := m * float64(s.stickers[0].dim)
		s.w, s.h = int(side)+1, int(side)+1
		s.stickers[0].corner = [4]point{{.2, .1}, {.2 + side, .3}, {.1 + side, .2 + side}, {0, side}}
		s.noise = 4
		return s
	}},
	{"frame", .97, func(t testing.TB, r *rand.Rand) *scene {
		m := 2 + 4*r.Float64()
		s := one(t, r, 3+r.IntN(8), m, 7*r.Float64(), .6*r.Float64())
		size := float64(s.w)
		s = amid(s, r, 1400/size, cloud(r, 200))
		s.w, s.h = 1400, 1120
		s.blur, s.noise, s.jpeg = .3*m, 5, 70
		return s
	}},
	{"large", .95, func(t testing.TB, r *rand.Rand) *scene {
		m := 14 + 16*r.Float64()
		s := one(t, r, 1+r.IntN(3), m, 7*r.Float64(), .5*r.Float64())
		s.blur, s.noise = m*.2*r.Float64(), 12
		return s
	}},
	{"damaged", .85, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 2+r.IntN(7), 4+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		st := s.stickers[0]
		st.imprint = randomPrint(t, r, (st.dim-17)/4, 'H')
		for range 3 {
			s.blots = append(s.blots, blot{point{float64(s.w) * (.25 + .5*r.Float64()), float64(s.h) * (.25 + .5*r.Float64())},
				float64(s.w) * .035, float64(r.IntN(2))})
		}
		return s
	}},
	{"logo", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 3+r.IntN(7), 4+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		st := s.stickers[0]
		st.imprint = randomPrint(t, r, (st.dim-17)/4, 'H')
		st.hole = .22
		return s
	}},
	{"dots", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 2+r.IntN(7), 4+4*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.stickers[0].dots = true
		s.blur = .7
		return s
	}},
	{"inverted", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.stickers[0].inverse = true
		s.noise = 3
		return s
	}},
	{"mirrored", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.stickers[0].imprint = s.stickers[0].mirrored()
		return s
	}},
	{"curved", .9, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(7), 5+3*r.Float64(), 7*r.Float64(), .2*r.Float64())
		s.stickers[0].bend = .4 + .4*r.Float64()
		s.stickers[0].bulge = .3 * r.Float64()
		return s
	}},
	{"more curved", .1, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 2+r.IntN(8), 5+3*r.Float64(), 7*r.Float64(), .2*r.Float64())
		s.stickers[0].bend = .8 + .3*r.Float64()
		s.stickers[0].bulge = .4 * r.Float64()
		return s
	}},
	{"tight", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.stickers[0].quiet = .7 + r.Float64()
		s.ground = func(x, y float64) float64 { return .1 }
		return s
	}},
	{"version 11-25", .97, func(t testing.TB, r *rand.Rand) *scene {
		return one(t, r, 11+r.IntN(15), 2.5+1.5*r.Float64(), 7*r.Float64(), .3*r.Float64())
	}},
	{"version 26-40", .95, func(t testing.TB, r *rand.Rand) *scene {
		return one(t, r, 26+r.IntN(15), 2.2+r.Float64(), 7*r.Float64(), .2*r.Float64())
	}},
	{"jpeg", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 3+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		s.blur, s.jpeg = .7, 8+r.IntN(12)
		return s
	}},
	{"clutter", .97, func(t testing.TB, r *rand.Rand) *scene {
		s := one(t, r, 1+r.IntN(8), 2.5+3*r.Float64(), 7*r.Float64(), .3*r.Float64())
		return amid(s, r, 2.2, textLike(r, 1.5+2*r.Float64()))
	}},
	{"scene", .97, func(t testing.TB, r *rand.Rand) *scene {
		m := 2.2 + 3*r.Float64()
		s := one(t, r, 1+r.IntN(10), m, 7*r.Float64(), .7*r.Float64())
		s = amid(s, r, 1.5+r.Float64(), cloud(r, 10+60*r.Float64()))
		c := point{r.Float64() * float64(s.w), r.Float64() * float64(s.h)}
		s.light = func(x, y float64) float64 { return .35 + .65*math.Exp(-distance(c, point{x, y})/float64(s.w)) }
		s.blur, s.noise, s.jpeg = m*.3*r.Float64(), 8*r.Float64(), 40+r.IntN(50)
		s.lo, s.hi = 20+40*r.Float64(), 150+90*r.Float64()
		return s
	}},
	{"hard scene", .8, func(t testing.TB, r *rand.Rand) *scene {
		m := 2 + 2*r.Float64()
		s := one(t, r, 1+r.IntN(8), m, 7*r.Float64(), .8*r.Float64())
		s = amid(s, r, 1.5+r.Float64(), cloud(r, 10+60*r.Float64()))
		s.stickers[0].bend, s.stickers[0].bulge = .01+.4*r.Float64(), .2*r.Float64()
		c := point{r.Float64() * float64(s.w), r.Float64() * float64(s.h)}
		s.light = func(x, y float64) float64 { return .3 + .7*math.Exp(-distance(c, point{x, y})/float64(s.w)) }
		s.blur, s.noise, s.jpeg = m*(.3+.2*r.Float64()), 4+8*r.Float64(), 30+r.IntN(50)
		s.lo, s.hi = 30+40*r.Float64(), 130+90*r.Float64()
		return s
	}},
}

// one is a scene with one symbol, its modules of m pixels, and a quiet zone around.
func one(t testing.TB, r *rand.Rand, version int, m, turn, slant float64) *scene {
	p := randomPrint(t, r, version, "LMQH"[r.IntN(4)])
	side := m * float64(p.dim)
	size := int(side*(1+.45*math.Abs(math.Sin(2*turn)))) + int(12*m)
	c := point{float64(size)/2 + r.Float64(), float64(size)/2 + r.Float64()}
	return &scene{w: size, h: size, stickers: []*sticker{{imprint: p, corner: quad(r, c, side, turn, slant), quiet: 4}}}
}

// amid makes a scene larger, by a factor, and puts what is in it somewhere.
func amid(s *scene, r *rand.Rand, by float64, ground func(x, y float64) float64) *scene {
	w, h := int(float64(s.w)*by), int(float64(s.h)*by*.8)
	d := point{r.Float64() * float64(w-s.w), r.Float64() * float64(h-s.h)}
	for i := range s.stickers[0].corner {
		s.stickers[0].corner[i] = s.stickers[0].corner[i].add(d)
	}
	s.w, s.h, s.ground = w, h, ground
	return s
}

// TestStress reads symbols under every hardship and says how many it could. STRESS is how many of each, STRESS_OUT a
// directory for those that it could not read.
func TestStress(t *testing.T) {
	n := 6
	if testing.Short() || raceEnabled {
		n = 1
	}
	if v, err := strconv.Atoi(os.Getenv("STRESS")); err == nil {
		n = max(1, v)
	}
	table := ""
	turn := rand.IntN(stride)
	for i, k := range stresses {
		if i%stride != turn {
			continue
		}
		seed := fnv.New64a()
		seed.Write([]byte(k.name))
		r := rand.New(rand.NewPCG(seed.Sum64(), 7))
		found := 0
		var times []time.Duration
		for i := range n {
			s := k.scene(t, r)
			g := s.render(t, r)
			start := time.Now()
			codes, err := decode(g.image(), calm(t))
			times = append(times, time.Since(start))
			if err != nil {
				t.Fatal(err)
			}
			want, read := s.stickers[0].text, false
			for _, c := range codes {
				if c.Text == want {
					read = true
				} else {
					t.Errorf("%s: read %q; want %q", k.name, c.Text, want)
				}
			}
			if read {
				found++
			} else if dir := os.Getenv("STRESS_OUT"); dir != "" {
				var buf bytes.Buffer
				if err := png.Encode(&buf, g.image()); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%03d.png", k.name, i)), buf.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
		slices.Sort(times)
		table += fmt.Sprintf("%-14s %3d / %-3d  median %6.2f ms, most %6.2f ms\n", k.name, found, n, times[n/2].Seconds()*1e3, times[n-1].Seconds()*1e3)
		if n >= 6 && float64(found) < math.Floor(k.floor*float64(n)) {
			t.Errorf("%s: read %d of %d; want %.0f %%", k.name, found, n, 100*k.floor)
		}
	}
	t.Logf("found / total\n%s", table)
}
