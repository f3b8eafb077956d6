package qr

// A search is the state of looking through one picture.
type search struct {
	*budget
	found []found
}

type found struct {
	payload
	outline [4]point // in the picture that was searched
}

const maxTries = 24

// picture looks for codes in one view of the picture after another, those first that find the most, and stops at the
// first that finds any.
func (s *search) picture(g *gray) {
	small := min(g.w, g.h)
	for _, view := range []func() (*gray, *bitmap){
		func() (*gray, *bitmap) { return g, adaptive(g, small/8, 13, s.budget) },
		func() (*gray, *bitmap) { return g, adaptive(g, small/24, 13, s.budget) },
		func() (*gray, *bitmap) { return g, global(g, s.budget) },
		func() (*gray, *bitmap) { i := g.invert(); return i, adaptive(i, small/8, 13, s.budget) },
	} {
		if s.late() {
			return
		}
		if g, m := view(); m != nil {
			s.view(g, m)
		}
		if len(s.found) > 0 {
			return
		}
	}
}

func (s *search) view(g *gray, m *bitmap) {
	step := 2
	if g.h < 400 {
		step = 1
	}
	fs := m.finders(step, s.budget)
	used := make([]bool, len(fs))
	tries := 0
	for _, t := range triples(g, m, fs, s.budget) {
		if used[t.at[0]] || used[t.at[1]] || used[t.at[2]] {
			continue
		}
		if tries++; tries > maxTries || s.late() {
			return
		}
		p, q, ok := s.read(g, m, t.grid)
		if !ok {
			continue
		}
		s.found = append(s.found, found{p, q.outline()})
		for i, f := range fs {
			used[i] = used[i] || q.covers(f.point)
		}
	}
}

// covers says whether a point of the picture lies in the symbol.
func (q *grid) covers(p point) bool {
	o := q.outline()
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
	q = q.refine(g, 14, s.budget)
	if p, ok := s.bits(g, m, q, true); ok {
		return p, q, true
	}
	if q.version >= 2 && !s.late() {
		q = start.refine(g, 14, s.budget)
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
