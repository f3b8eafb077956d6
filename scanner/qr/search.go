package qr

// A search is the state of looking through one picture.
type search struct {
	*budget
	found []found
	hard  int // guesses refined without success
}

type found struct {
	payload
	outline [4]point
}

const (
	few      = 8  // finders that are looked at first
	maxTries = 24 // guesses that are read in one view
	maxHard  = 6  // guesses that are refined, in all views
	moreFor  = .8 // how good a ring three finders must be that no code has claimed for the search to go on
)

// A view is one way to look at a picture: at which luminance, and what of it is black.
type view struct {
	name   string
	gray   func(g *gray, b *budget) *gray // nil if time runs out
	bitmap func(g *gray, b *budget) *bitmap
}

// views are in order of yield.
var views = []view{
	{"plain", (*gray).itself, broad},
	{"fine", (*gray).itself, narrow},
	{"inverted", (*gray).inverted, broad},
	{"sharp", func(g *gray, b *budget) *gray { return g.sharpened(2, 2, b) }, broad},
	{"sharper", func(g *gray, b *budget) *gray { return g.sharpened(4, 3, b) }, broad},
	{"smooth", func(g *gray, b *budget) *gray { return g.box(1, b) }, broad},
	{"half", (*gray).half, broad},
	{"global", (*gray).itself, global},
}

func (g *gray) itself(*budget) *gray { return g }

// broad looks far around for what counts as black, narrow less far, which shadows demand.
func broad(g *gray, b *budget) *bitmap  { return adaptive(g, g.small()/8, 13, b) }
func narrow(g *gray, b *budget) *bitmap { return adaptive(g, g.small()/24, 13, b) }

// picture looks for codes in one view of the picture after another, and stops at the first that shows any; unless there are
// finders left that look as if another code were in the picture, which the next view may show.
func (s *search) picture(g *gray) {
	more := 0
	for _, v := range views {
		vg := v.gray(g, s.budget)
		if vg == nil || vg.small() < dimension(1) {
			continue
		}
		m := v.bitmap(vg, s.budget)
		if m == nil {
			return
		}
		left := s.view(vg, m, float64(g.w)/float64(vg.w))
		if len(s.found) > 0 {
			if more++; !left || more > 2 {
				return
			}
		}
	}
}

// view reads what it can in one view, of which a pixel is scale pixels of the picture, and says whether the finders look as
// if there were more.
func (s *search) view(g *gray, m *bitmap, scale float64) (more bool) {
	step := 2
	if g.h < 400 {
		step = 1
	}
	fs := m.finders(step, s.budget)
	used := make([]bool, len(fs))
	claim := func(outline [4]point) {
		for i, f := range fs {
			used[i] = used[i] || covers(outline, f.point.times(scale))
		}
	}
	for _, f := range s.found {
		claim(f.outline)
	}
	left := func() int {
		n := 0
		for i, f := range fs {
			if !used[i] && f.ring >= moreFor {
				n++
			}
		}
		return n
	}
	// First what the best few finders say: three of eight are 56, three of all are 2,024.
	before := len(s.found)
	tries := 0
	for from, to := 0, min(few, len(fs)); from < len(fs); from, to = to, len(fs) {
		for _, t := range triples(g, m, candidates{fs[:to], used, from}, s.budget) {
			if used[t.at[0]] || used[t.at[1]] || used[t.at[2]] {
				continue
			}
			if tries++; tries > maxTries || s.late() {
				break
			}
			p, q, ok := s.read(g, m, t.grid)
			if !ok {
				continue
			}
			f := found{p, q.outline()}
			for i := range f.outline {
				f.outline[i] = f.outline[i].times(scale)
			}
			s.found = append(s.found, f)
			claim(f.outline)
		}
		if len(s.found) > before && left() < 3 {
			return false
		}
	}
	return left() >= 3
}

// covers says whether p lies in a convex outline.
func covers(o [4]point, p point) bool {
	for i := range o {
		if cross(o[(i+1)&3].sub(o[i]), p.sub(o[i])) < 0 {
			return false
		}
	}
	return true
}

// read tries to read the symbol of a guess, with the grid as it is, fitted by its alignment pattern, and refined.
func (s *search) read(g *gray, m *bitmap, q grid) (payload, grid, bool) {
	start := q
	if q.version >= 2 {
		if a, ok := q.align(g, s.budget); ok {
			q = a
		}
	}
	if p, ok := s.bits(g, m, q, false); ok {
		return p, q, true
	}
	if s.late() || s.hard >= maxHard {
		return payload{}, q, false
	}
	s.hard++
	q = q.refine(g, false, s.budget)
	if p, ok := s.bits(g, m, q, true); ok {
		return p, q, true
	}
	if q.version >= 2 && !s.late() {
		q = start.refine(g, false, s.budget)
		if p, ok := s.bits(g, m, q, true); ok {
			return p, q, true
		}
	}
	if !s.late() {
		q = q.refine(g, true, s.budget)
		if p, ok := s.bits(g, m, q, true); ok {
			return p, q, true
		}
	}
	return payload{}, q, false
}

// bits tries to read the symbol where the grid lies, by its grey levels, with the blur taken away, and if it is worth it with
// much blur taken away, by the bitmap, and by the grey levels close by.
func (s *search) bits(g *gray, bm *bitmap, q grid, hard bool) (payload, bool) {
	m, ok := q.sample(g)
	if !ok {
		return payload{}, false
	}
	if p, ok := symbol(m.bits()); ok {
		return p, true
	}
	if p, ok := symbol(m.sharp(.12, 2).bits()); ok || !hard {
		return p, ok
	}
	for _, k := range []float32{.16, .22} {
		if s.late() {
			return payload{}, false
		}
		if p, ok := symbol(m.sharp(k, 8).bits()); ok {
			return p, true
		}
	}
	if p, ok := symbol(q.sampleBits(bm)); ok {
		return p, true
	}
	m.around(2)
	return symbol(m.bits())
}
