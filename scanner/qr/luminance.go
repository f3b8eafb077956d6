package qr

import (
	"image"
	"image/color"
)

// A gray is a picture's luminance: 0 black, 255 white, row by row without gaps.
type gray struct {
	w, h int
	pix  []byte
}

func newGray(w, h int) *gray { return &gray{w, h, make([]byte, w*h)} }

func (g *gray) row(y int) []byte { return g.pix[y*g.w:][:g.w] }

// fullSize is the most pixels that are searched; a picture of more is averaged down. It is 2 Mi so that a camera frame of
// 1920×1080 is searched as it is.
const fullSize = 2 << 20

// luminance takes the brightness of a picture, averaged over squares of n×n pixels where it has more than fullSize. It is
// nil when time runs out. Nothing is allocated per pixel; the Y plane of a JPEG is its luminance already.
func luminance(img image.Image, b *budget) *gray {
	r := img.Bounds()
	n := 1
	for r.Dx()/n*(r.Dy()/n) > fullSize {
		n++
	}
	w, h := r.Dx()/n, r.Dy()/n
	if w == 0 || h == 0 {
		return &gray{}
	}
	if y, ok := plane(img); ok && n == 1 && y.Stride == w {
		return &gray{w, h, y.Pix[:w*h]}
	}
	line := lines(img)
	g := newGray(w, h)
	buf := make([]byte, r.Dx())
	sum := make([]uint32, w)
	// Of a large square it is enough to average some of the rows: noise falls little further after four.
	step := max(1, n/4)
	for y := range h {
		if b.late() {
			return nil
		}
		if n == 1 {
			copy(g.row(y), line(r.Min.Y+y, buf))
			continue
		}
		clear(sum)
		rows := uint32(0)
		for j := 0; j < n; j += step {
			src := line(r.Min.Y+y*n+j, buf)
			for x := range sum {
				s := uint32(0)
				for _, v := range src[x*n:][:n] {
					s += uint32(v)
				}
				sum[x] += s
			}
			rows++
		}
		dst := g.row(y)
		for x, s := range sum {
			dst[x] = byte(s / (rows * uint32(n)))
		}
	}
	return g
}

// plane is the luminance that a picture holds as such.
func plane(img image.Image) (*image.Gray, bool) {
	switch p := img.(type) {
	case *image.Gray:
		if p.Rect.Empty() {
			return p, true
		}
		i := p.PixOffset(p.Rect.Min.X, p.Rect.Min.Y)
		return &image.Gray{Pix: p.Pix[i:], Stride: p.Stride, Rect: p.Rect}, true
	case *image.YCbCr:
		if p.Rect.Empty() {
			return nil, false
		}
		i := p.YOffset(p.Rect.Min.X, p.Rect.Min.Y)
		return &image.Gray{Pix: p.Y[i:], Stride: p.YStride, Rect: p.Rect}, true
	}
	return nil, false
}

// lines is how to read one line of the picture's luminance, into buf if need be. What is transparent is white, as on paper.
func lines(img image.Image) func(y int, buf []byte) []byte {
	r := img.Bounds()
	if p, ok := plane(img); ok {
		return func(y int, buf []byte) []byte { return p.Pix[(y-r.Min.Y)*p.Stride:][:len(buf)] }
	}
	switch p := img.(type) {
	case *image.RGBA:
		return func(y int, buf []byte) []byte {
			s := p.Pix[p.PixOffset(r.Min.X, y):][:4*len(buf)]
			for x := range buf {
				q := s[4*x : 4*x+4 : 4*x+4]
				buf[x] = luma(q[0], q[1], q[2]) + 255 - q[3]
			}
			return buf
		}
	case *image.NRGBA:
		return func(y int, buf []byte) []byte {
			s := p.Pix[p.PixOffset(r.Min.X, y):][:4*len(buf)]
			for x := range buf {
				q := s[4*x : 4*x+4 : 4*x+4]
				v := luma(q[0], q[1], q[2])
				if a := uint32(q[3]); a != 255 {
					v = byte((uint32(v)*a + 255*(255-a)) / 255)
				}
				buf[x] = v
			}
			return buf
		}
	case *image.Paletted:
		var of [256]byte
		for i, c := range p.Palette[:min(256, len(p.Palette))] {
			of[i] = onWhite(color.RGBA64Model.Convert(c).(color.RGBA64))
		}
		return func(y int, buf []byte) []byte {
			for x, v := range p.Pix[p.PixOffset(r.Min.X, y):][:len(buf)] {
				buf[x] = of[v]
			}
			return buf
		}
	case image.RGBA64Image: // all others of package image: 16 bits a channel, CMYK, WebP with transparency
		return func(y int, buf []byte) []byte {
			for x := range buf {
				buf[x] = onWhite(p.RGBA64At(r.Min.X+x, y))
			}
			return buf
		}
	}
	return func(y int, buf []byte) []byte {
		for x := range buf {
			r, g, b, a := img.At(r.Min.X+x, y).RGBA()
			buf[x] = onWhite(color.RGBA64{uint16(r), uint16(g), uint16(b), uint16(a)})
		}
		return buf
	}
}

// luma weighs the channels as JFIF does (ITU-R BT.601).
func luma(r, g, b byte) byte {
	return byte((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

func onWhite(c color.RGBA64) byte {
	y := (19595*uint32(c.R)+38470*uint32(c.G)+7471*uint32(c.B))>>16 + 0xffff - uint32(c.A)
	return byte(min(y, 0xffff) >> 8)
}

// half averages squares of 2×2 pixels.
func (g *gray) half(b *budget) *gray {
	o := newGray(g.w/2, g.h/2)
	for y := range o.h {
		if b.late() {
			return nil
		}
		p, q, dst := g.row(2 * y)[:2*o.w], g.row(2*y + 1)[:2*o.w], o.row(y)
		for x := range dst {
			i := 2 * x
			dst[x] = byte((uint32(p[i]) + uint32(p[i+1]) + uint32(q[i]) + uint32(q[i+1]) + 2) >> 2)
		}
	}
	return o
}

// inverted makes white of black.
func (g *gray) inverted(*budget) *gray {
	o := newGray(g.w, g.h)
	for i, v := range g.pix {
		o.pix[i] = ^v
	}
	return o
}

// at is the luminance at a place between pixels; the centre of the first pixel is (0.5, 0.5). Beyond the edge the last
// pixel goes on.
func (g *gray) at(p point) float64 {
	x := min(max(p.x-.5, 0), float64(g.w)-1.001)
	y := min(max(p.y-.5, 0), float64(g.h)-1.001)
	ix, iy := int(x), int(y)
	fx, fy := x-float64(ix), y-float64(iy)
	q := g.pix[iy*g.w+ix:]
	r := q[g.w:]
	a := float64(q[0]) + (float64(q[1])-float64(q[0]))*fx
	c := float64(r[0]) + (float64(r[1])-float64(r[0]))*fx
	return a + (c-a)*fy
}

// nearest is the luminance of the pixel that has p, which is in the picture.
func (g *gray) nearest(p point) byte { return g.pix[int(p.y)*g.w+int(p.x)] }

// clamped is that of the pixel nearest to p, which may be beyond the edge.
func (g *gray) clamped(p point) byte {
	return g.nearest(point{min(max(p.x, 0), float64(g.w)-.1), min(max(p.y, 0), float64(g.h)-.1)})
}

// small is the lesser of width and height.
func (g *gray) small() int { return min(g.w, g.h) }

// box averages squares of 2r+1 pixels around each.
func (g *gray) box(r int, b *budget) *gray {
	o := newGray(g.w, g.h)
	n := uint64((2*r + 1) * (2*r + 1))
	inv := 1<<32/n + 1
	if !localSums(g, r, b, func(y int, sum []int32) {
		dst := o.row(y)[:len(sum)]
		for x, s := range sum {
			dst[x] = byte((uint64(s) + n/2) * inv >> 32)
		}
	}) {
		return nil
	}
	return o
}

// sharpened adds amount times of what differs from the surroundings within about 2r pixels.
func (g *gray) sharpened(r, amount int, b *budget) *gray {
	soft := g.box(r, b)
	if soft != nil {
		soft = soft.box(r, b)
	}
	if soft == nil {
		return nil
	}
	for i, v := range g.pix {
		soft.pix[i] = byte(min(max(int(v)+amount*(int(v)-int(soft.pix[i])), 0), 255))
	}
	return soft
}
