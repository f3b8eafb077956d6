package qr

// A bitmap is a picture in black (1) and white (0).
type bitmap struct {
	w, h int
	pix  []byte
}

func (m *bitmap) row(y int) []byte { return m.pix[y*m.w:][:m.w] }

// localSums goes down the picture and tells each line's sums over the squares of 2r+1 pixels around. Beyond the edges the
// first and last lines and columns repeat.
func localSums(g *gray, r int, b *budget, line func(y int, sum []int32)) bool {
	// col[r+x] is the sum of the column x over the rows y-r…y+r.
	col := make([]int32, g.w+2*r+1)
	sums := make([]int32, g.w)
	for k := -r; k <= r; k++ {
		mid := col[r:][:g.w]
		for x, v := range g.row(max(0, min(g.h-1, k))) {
			mid[x] += int32(v)
		}
	}
	for y := range g.h {
		if b.late() {
			return false
		}
		sum := int32(0)
		for i := range r {
			col[i] = col[r]
			col[g.w+r+i] = col[g.w+r-1]
		}
		for _, v := range col[:2*r+1] {
			sum += v
		}
		leave, enter := col[:len(sums)], col[2*r+1:][:len(sums)]
		for x := range sums {
			sums[x] = sum
			sum += enter[x] - leave[x]
		}
		line(y, sums)
		in, out, mid := g.row(min(g.h-1, y+r+1)), g.row(max(0, y-r)), col[r:][:len(sums)]
		in, out = in[:len(mid)], out[:len(mid)]
		for x := range mid {
			mid[x] += int32(in[x]) - int32(out[x])
		}
	}
	return true
}

// adaptive calls black what is darker than the mean of the square of 2r+1 pixels around it, by bias parts in 256. Light
// that falls unevenly moves the mean with it; the bias keeps noise on plain paper white.
func adaptive(g *gray, r, bias int, b *budget) *bitmap {
	r = max(1, min(r, g.small()/2-1, 127))
	m := &bitmap{g.w, g.h, make([]byte, g.w*g.h)}
	n := int64((2*r + 1) * (2*r + 1) * 256)
	k := int64(256 - bias)
	if !localSums(g, r, b, func(y int, sum []int32) {
		src, dst := g.row(y)[:len(sum)], m.row(y)[:len(sum)]
		for x, s := range sum {
			dst[x] = byte(uint64(int64(src[x])*n-int64(s)*k) >> 63) // v < sum/(2r+1)² · k/256
		}
	}) {
		return nil
	}
	return m
}

// global calls black what is below one threshold for the whole picture, the one that parts its histogram best (Otsu 1979).
func global(g *gray, b *budget) *bitmap {
	var hist [256]int
	for y := range g.h {
		if b.late() {
			return nil
		}
		for _, v := range g.row(y) {
			hist[v]++
		}
	}
	n, sum := float64(len(g.pix)), 0.0
	for v, c := range hist {
		sum += float64(v * c)
	}
	below, belowSum, best, t := 0.0, 0.0, -1.0, byte(127)
	for v, c := range hist {
		below += float64(c)
		belowSum += float64(v * c)
		if below == 0 || below == n {
			continue
		}
		d := belowSum/below - (sum-belowSum)/(n-below)
		if s := below * (n - below) * d * d; s > best {
			best, t = s, byte(v)
		}
	}
	m := &bitmap{g.w, g.h, make([]byte, g.w*g.h)}
	for y := range g.h {
		if b.late() {
			return nil
		}
		dst := m.row(y)
		for x, v := range g.row(y) {
			if v <= t {
				dst[x] = 1
			}
		}
	}
	return m
}
