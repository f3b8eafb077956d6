// Package qr finds the QR codes in a picture and reads them.
//
// The picture is not trusted: whatever it shows, the work ends within Limit. gozxing helps to read the bits of a symbol
// once its modules are known (package qrcode/decoder); where they are is found here, since gozxing's own readers are cubic
// in what looks like a finder pattern and cannot be interrupted.
//
// The way of a picture, each step in a file of its own: luminance, binary, finder, triple, grid, sample, symbol, text;
// search goes it, view after view.
package qr

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"
)

// MaxPixels is the size of the largest picture that is looked at.
const MaxPixels = 40_000_000

// ErrTooLarge is a picture of more than MaxPixels, or a file of more than MaxFile bytes.
var ErrTooLarge = errors.New("picture too large")

// A Code is one symbol that was read.
type Code struct {
	Text    string         // in UTF-8
	Raw     []byte         // the bytes as the symbol has them, in whatever character set
	Corners [4]image.Point // of the symbol in the picture, clockwise
}

// Decode reads all QR codes in the picture, none if there is none. What it has found when Limit is over or ctx ends it
// returns; then the error is ctx's.
func Decode(ctx context.Context, img image.Image) ([]Code, error) { return within(ctx, img, Limit) }

func within(ctx context.Context, img image.Image, limit time.Duration) ([]Code, error) {
	codes, err := decode(img, newBudget(ctx, limit))
	if err == nil {
		err = ctx.Err()
	}
	return codes, err
}

func decode(img image.Image, b *budget) ([]Code, error) {
	if img == nil {
		return nil, errors.New("no picture")
	}
	r := img.Bounds()
	if err := checkSize(r.Dx(), r.Dy(), MaxPixels); err != nil {
		return nil, err
	}
	g := luminance(img, b)
	if g == nil || g.small() < dimension(1) {
		return nil, nil
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
	return codes, nil
}

func checkSize(w, h, most int) error {
	if w > 0 && h > most/w {
		return fmt.Errorf("%w: %d×%d is more than %d megapixels", ErrTooLarge, w, h, most/1_000_000)
	}
	return nil
}
