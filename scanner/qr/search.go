package qr

// A search is the state of looking through one picture.
type search struct {
	*budget
	found []found
}

type found struct {
	payload
	outline [4]point
}

const (
	maxTries = 24 // guesses that are read in one view
	moreFor  = .8 // how good a ring three finders must be that no code has claimed for the search to go on
)

// A view is one way to look at a picture: which luminance, and what of it is black.
type view struct {
	name string
	of   func(g *gray, b *budget) (*gray, *bitmap)
}

// views are in order of yield.
var views = []view{
	{"as it is", func(g *gray, b *budget) (*gray, *bitmap) { return g, adaptive(g, g.small()/8, 13, b) }},
	{"fine", func(g *gray, b *budget) (*gray, *bitmap) { return g, adaptive(g, g.small()/24, 13, b) }},
	{"sharp", func(g *gray, b *budget) (*gray, *bitmap) {
		g = g.sharpened(2, 2, b)
		return g, adaptive(g, g.small()/8, 13, b)
	}},
	{"sharper", func(g *gray, b *budget) (*gray, *bitmap) {
		g = g.sharpened(4, 3, b)
		return g, adaptive(g, g.small()/8, 13, b)
	}},
	{"smooth", func(g *gray, b *budget) (*gray, *bitmap) {
		g = g.box(1, b)
		return g, adaptive(g, g.small()/8, 13, b)
	}},
	{"inverted", func(g *gray, b *budget) (*gray, *bitmap) {
		g = g.invert()
		return g, adaptive(g, g.small()/8, 13, b)
	}},
	{"half", func(g *gray, b *budget) (*gray, *bitmap) {
		g = g.half(b)
		return g, adaptive(g, g.small()/8, 13, b)
	}},
	{"global", func(g *gray, b *budget) (*gray, *bitmap) { return g, global(g, b) }},
}

// picture looks for codes in one view of the picture after another, and stops at the first that shows any; unless there are
// finders left that look as if another code were in the picture, which the next view may show.
func (s *search) picture(g *gray) {
	more := 0
	for _, v := range views {
		if s.late() {
			return
		}
		vg, m := v.of(g, s.budget)
		if vg == nil || m == nil || vg.small() < 21 {
			continue
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
	tries := 0
	for _, t := range triples(g, m, fs, s.budget) {
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
	left := 0
	for i, f := range fs {
		if !used[i] && f.ring >= moreFor {
			left++
		}
	}
	return left >= 3
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
	if s.late() {
		return payload{}, q, false
	}
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
