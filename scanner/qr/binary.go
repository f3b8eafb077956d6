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

// block is the side of the squares of pixels that share a threshold.
const block = 4

// blocks is the picture in squares of block×block pixels, each its mean. The last ones of a line or column may be cut off.
func (g *gray) blocks(b *budget) *gray {
	o := newGray((g.w+block-1)/block, (g.h+block-1)/block)
	sums := make([]int, o.w)
	for by := range o.h {
		if b.late() {
			return nil
		}
		clear(sums)
		dst := o.row(by)
		y0, y1 := by*block, min(g.h, by*block+block)
		for y := y0; y < y1; y++ {
			for x, v := range g.row(y) {
				sums[x/block] += int(v)
			}
		}
		for bx, sum := range sums {
			n := (y1 - y0) * min(block, g.w-bx*block)
			dst[bx] = byte((sum + n/2) / n)
		}
	}
	return o
}

// adaptive calls black what is darker than the mean of about r pixels around it to all sides, by bias parts in 256. Light
// that falls unevenly moves the mean with it; the bias keeps noise on plain paper white.
func adaptive(g *gray, r, bias int, b *budget) *bitmap {
	blocks := g.blocks(b)
	if blocks == nil {
		return nil
	}
	r = max(1, min(r/block, blocks.small()/2-1, 127))
	m := &bitmap{g.w, g.h, make([]byte, g.w*g.h)}
	n := int64((2*r + 1) * (2*r + 1) * 256)
	k := int64(256 - bias)
	below := make([]byte, blocks.w*block) // what is below is black
	if !localSums(blocks, r, b, func(by int, sum []int32) {
		for bx, s := range sum {
			t := byte((int64(s)*k + n - 1) / n)
			for i := range block {
				below[bx*block+i] = t
			}
		}
		for y := by * block; y < min(g.h, by*block+block); y++ {
			darker(m.row(y), g.row(y), below)
		}
	}) {
		return nil
	}
	return m
}

// darker sets to 1 what of src is below its threshold, to 0 the others.
func darker(dst, src, below []byte) {
	below = below[:len(src)]
	dst = dst[:len(src)]
	for x, v := range src {
		dark := byte(0)
		if v < below[x] {
			dark = 1
		}
		dst[x] = dark
	}
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
