package qr

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"
)

// An imprint is a symbol as printed: 1 black, row by row.
type imprint struct {
	dim  int
	pix  []byte
	text string
}

func (p *imprint) black(x, y int) bool {
	return x >= 0 && y >= 0 && x < p.dim && y < p.dim && p.pix[y*p.dim+x] == 1
}

var levels = map[byte]decoder.ErrorCorrectionLevel{
	'L': decoder.ErrorCorrectionLevel_L, 'M': decoder.ErrorCorrectionLevel_M,
	'Q': decoder.ErrorCorrectionLevel_Q, 'H': decoder.ErrorCorrectionLevel_H,
}

func printOf(t testing.TB, text string, version int, level byte, hints map[gozxing.EncodeHintType]any) *imprint {
	t.Helper()
	h := map[gozxing.EncodeHintType]any{}
	for k, v := range hints {
		h[k] = v
	}
	if version > 0 {
		h[gozxing.EncodeHintType_QR_VERSION] = version
	}
	code, err := encoder.Encoder_encode(text, levels[level], h)
	if err != nil {
		t.Fatalf("version %d, level %c, %d bytes: %v", version, level, len(text), err)
	}
	m := code.GetMatrix()
	p := &imprint{dim: m.GetWidth(), text: text}
	for y := range p.dim {
		for x := range p.dim {
			p.pix = append(p.pix, byte(m.Get(x, y)))
		}
	}
	return p
}

// randomPrint fills a symbol of the version with text, in capitals or small letters.
func randomPrint(t testing.TB, r *rand.Rand, version int, level byte) *imprint {
	v, err := decoder.Version_GetVersionForNumber(version)
	if err != nil {
		t.Fatal(err)
	}
	room := v.GetTotalCodewords() - v.GetECBlocksForLevel(levels[level]).GetTotalECCodewords() - 3
	chars := "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/.-"
	if r.IntN(2) == 0 {
		chars = "abcdefghijklmnopqrstuvwxyz0123456789:/?=&%"
	}
	n := max(1, room*(60+r.IntN(40))/100)
	text := make([]byte, n)
	for i := range text {
		text[i] = chars[r.IntN(len(chars))]
	}
	return printOf(t, string(text), version, level, nil)
}

func (p *imprint) mirrored() *imprint {
	o := &imprint{p.dim, make([]byte, len(p.pix)), p.text}
	for y := range p.dim {
		for x := range p.dim {
			o.pix[y*p.dim+x] = p.pix[y*p.dim+p.dim-1-x]
		}
	}
	return o
}

// A sticker is a imprint somewhere in a scene.
type sticker struct {
	*imprint
	corner  [4]point // of the symbol without its quiet zone, clockwise
	quiet   float64  // modules of paper around it
	bend    float64  // the paper lies around a cylinder, by so many radians to either side
	bulge   float64  // and the cylinder is seen from above
	dots    bool     // modules are round
	inverse bool     // black and white exchanged
	hole    float64  // part of the side that a logo takes in the middle
	inv     [9]float64
}

// A scene is what the camera sees.
type scene struct {
	w, h     int
	stickers []*sticker
	ground   func(x, y float64) float64 // 0…1
	light    func(x, y float64) float64
	glare    func(x, y float64) float64 // levels
	blots    []blot
	blur     float64 // standard deviation in pixels
	motion   point
	noise    float64 // standard deviation in levels
	lo, hi   float64 // levels of black and white
	jpeg     int     // quality
}

type blot struct {
	point
	r, v float64
}

func (s *sticker) place() {
	p0, p1, p2, p3 := s.corner[0], s.corner[1], s.corner[2], s.corner[3]
	e := p0.sub(p1).add(p2).sub(p3)
	d1, d2 := p1.sub(p2), p3.sub(p2)
	det := cross(d1, d2)
	g, h := cross(e, d2)/det, cross(d1, e)/det
	a, b, c := p1.x-p0.x+g*p1.x, p3.x-p0.x+h*p3.x, p0.x
	d, f, k := p1.y-p0.y+g*p1.y, p3.y-p0.y+h*p3.y, p0.y
	s.inv = [9]float64{f - k*h, c*h - b, b*k - c*f, k*g - d, a - c*g, c*d - a*k, d*h - f*g, b*g - a*h, a*f - b*d}
}

// at is the sticker's colour at a place in the picture, if it covers it.
func (s *sticker) at(x, y float64) (float64, bool) {
	w := s.inv[6]*x + s.inv[7]*y + s.inv[8]
	u, v := (s.inv[0]*x+s.inv[1]*y+s.inv[2])/w, (s.inv[3]*x+s.inv[4]*y+s.inv[5])/w
	if s.bend > 0 {
		k := (2*u - 1) * math.Sin(s.bend)
		if math.Abs(k) >= .999 {
			return 0, false
		}
		angle := math.Asin(k)
		u = (angle/s.bend + 1) / 2
		v += s.bulge * (1 - math.Cos(angle))
	}
	d := float64(s.dim)
	u, v = u*d, v*d
	if u < -s.quiet || v < -s.quiet || u > d+s.quiet || v > d+s.quiet {
		return 0, false
	}
	black := false
	mx, my := int(math.Floor(u)), int(math.Floor(v))
	black = s.black(mx, my)
	if s.dots && black {
		inFinder := (mx < 7 || mx >= s.dim-7) && my < 7 || mx < 7 && my >= s.dim-7
		fx, fy := u-float64(mx)-.5, v-float64(my)-.5
		black = inFinder || fx*fx+fy*fy < .45*.45
	}
	if s.hole > 0 && math.Abs(u-d/2) < s.hole*d/2 && math.Abs(v-d/2) < s.hole*d/2 {
		return .6, true
	}
	if black != s.inverse {
		return 0, true
	}
	return 1, true
}

func (s *scene) render(t testing.TB, r *rand.Rand) *gray {
	for _, st := range s.stickers {
		st.place()
	}
	if s.hi == 0 {
		s.lo, s.hi = 20, 235
	}
	v := make([]float64, s.w*s.h)
	const sub = 2
	for y := range s.h {
		for x := range s.w {
			sum := 0.0
			for j := range sub {
				for i := range sub {
					px, py := float64(x)+(float64(i)+.5)/sub, float64(y)+(float64(j)+.5)/sub
					c, covered := 0.0, false
					for _, st := range s.stickers {
						if k, ok := st.at(px, py); ok {
							c, covered = k, true
							break
						}
					}
					if !covered {
						c = .85
						if s.ground != nil {
							c = s.ground(px, py)
						}
					}
					for _, b := range s.blots {
						if math.Hypot(px-b.x, py-b.y) < b.r {
							c = b.v
						}
					}
					sum += c
				}
			}
			c := sum / (sub * sub)
			if s.light != nil {
				c *= s.light(float64(x), float64(y))
			}
			v[y*s.w+x] = s.lo + c*(s.hi-s.lo)
			if s.glare != nil {
				v[y*s.w+x] += s.glare(float64(x), float64(y))
			}
		}
	}
	if s.motion != (point{}) {
		n := int(2*s.motion.length()) + 1
		o := make([]float64, len(v))
		for k := range n {
			f := float64(k)/float64(max(1, n-1)) - .5
			dx, dy := int(math.Round(s.motion.x*f)), int(math.Round(s.motion.y*f))
			for y := range s.h {
				for x := range s.w {
					o[y*s.w+x] += v[min(max(y+dy, 0), s.h-1)*s.w+min(max(x+dx, 0), s.w-1)] / float64(n)
				}
			}
		}
		v = o
	}
	if s.blur > 0 {
		v = gauss(v, s.w, s.h, s.blur)
	}
	g := newGray(s.w, s.h)
	for i, f := range v {
		if s.noise > 0 {
			f += r.NormFloat64() * s.noise
		}
		g.pix[i] = byte(min(max(f+.5, 0), 255))
	}
	if s.jpeg > 0 {
		var buf bytes.Buffer
		if err := jpeg.Encode(&buf, g.image(), &jpeg.Options{Quality: s.jpeg}); err != nil {
			t.Fatal(err)
		}
		img, err := jpeg.Decode(&buf)
		if err != nil {
			t.Fatal(err)
		}
		copy(g.pix, luminance(img, calm(t)).pix)
	}
	return g
}

func (g *gray) image() *image.Gray {
	return &image.Gray{Pix: g.pix, Stride: g.w, Rect: image.Rect(0, 0, g.w, g.h)}
}

func gauss(v []float64, w, h int, sigma float64) []float64 {
	r := int(math.Ceil(3 * sigma))
	k := make([]float64, 2*r+1)
	sum := 0.0
	for i := range k {
		k[i] = math.Exp(-float64((i-r)*(i-r)) / (2 * sigma * sigma))
		sum += k[i]
	}
	t, o := make([]float64, len(v)), make([]float64, len(v))
	for y := range h {
		for x := range w {
			for i, f := range k {
				t[y*w+x] += f / sum * v[y*w+min(max(x+i-r, 0), w-1)]
			}
		}
	}
	for y := range h {
		for x := range w {
			for i, f := range k {
				o[y*w+x] += f / sum * t[min(max(y+i-r, 0), h-1)*w+x]
			}
		}
	}
	return o
}

// quad is a square of the given side around a centre, turned, and seen at an angle: slant 0 is straight on.
func quad(r *rand.Rand, c point, side, turn, slant float64) [4]point {
	// The plane tilts about a random axis and is seen from a distance of two and a half sides.
	axis := r.Float64() * 2 * math.Pi
	var q [4]point
	for i, k := range [4]point{{-.5, -.5}, {.5, -.5}, {.5, .5}, {-.5, .5}} {
		x, y := k.x*math.Cos(turn)-k.y*math.Sin(turn), k.x*math.Sin(turn)+k.y*math.Cos(turn)
		along, across := x*math.Cos(axis)+y*math.Sin(axis), -x*math.Sin(axis)+y*math.Cos(axis)
		z := 1 + across*math.Sin(slant)/2.5
		across *= math.Cos(slant)
		along, across = along/z, across/z
		q[i] = c.add(point{along*math.Cos(axis) - across*math.Sin(axis), along*math.Sin(axis) + across*math.Cos(axis)}.times(side))
	}
	return q
}

// textLike is a ground that looks like printed lines of words.
func textLike(r *rand.Rand, size float64) func(x, y float64) float64 {
	seed := r.Uint64()
	return func(x, y float64) float64 {
		cx, cy := int(x/size), int(y/size)
		if cy%7 > 4 {
			return .95
		}
		z := seed ^ uint64(cx/9*7919+cy/7*104729)
		if z = (z ^ z>>31) * 0x9e3779b97f4a7c15; z>>60 < 3 {
			return .95
		}
		z = seed ^ uint64(cx*1000003+cy*15485863)
		z = (z ^ z>>29) * 0xbf58476d1ce4e5b9
		if z>>63 == 0 {
			return .95
		}
		return .1
	}
}

// cloud is a ground of soft patches, as of wood, cloth or wall.
func cloud(r *rand.Rand, size float64) func(x, y float64) float64 {
	a := [6][3]float64{}
	for i := range a {
		f := math.Pow(2, float64(i)/1.5) / size
		d := r.Float64() * 2 * math.Pi
		a[i] = [3]float64{f * math.Cos(d), f * math.Sin(d), r.Float64() * 7}
	}
	return func(x, y float64) float64 {
		s := 0.0
		for i, k := range a {
			s += math.Sin(k[0]*x+k[1]*y+k[2]+s) / float64(i+1)
		}
		return .5 + .18*s
	}
}
