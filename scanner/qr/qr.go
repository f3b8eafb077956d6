// Package qr finds the QR codes in a picture and reads them.
//
// The picture is not trusted: whatever it shows, the work ends within Limit. gozxing reads the bits of a symbol once its
// modules are known (package qrcode/decoder); where they are is found here, since gozxing's own readers are cubic in what
// looks like a finder pattern and cannot be interrupted.
package qr

import (
	"context"
	"image"
)

// A Code is one symbol that was read.
type Code struct {
	Text    string         // in UTF-8
	Raw     []byte         // the bytes as the symbol has them, before any character set
	Corners [4]image.Point // of the symbol in the picture, clockwise from its own top left
}

// Decode reads all QR codes in the picture. What it has found when ctx ends or Limit is over it returns; the error is ctx's.
func Decode(ctx context.Context, img image.Image) ([]Code, error) {
	b := newBudget(ctx)
	r := img.Bounds()
	if r.Dx() < 21 || r.Dy() < 21 {
		return nil, ctx.Err()
	}
	g := luminance(img, b)
	if g == nil {
		return nil, ctx.Err()
	}
	s := search{budget: b}
	s.picture(g)
	codes := make([]Code, len(s.found))
	scale := float64(r.Dx()) / float64(g.w)
	for i, f := range s.found {
		codes[i] = Code{Text: f.text, Raw: f.raw}
		for k, c := range f.outline {
			codes[i].Corners[k] = image.Pt(int(c.x*scale), int(c.y*scale)).Add(r.Min)
		}
	}
	return codes, ctx.Err()
}
