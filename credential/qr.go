package credential

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"gated/durable"

	"github.com/makiuchi-d/gozxing/qrcode/decoder"
	"github.com/makiuchi-d/gozxing/qrcode/encoder"
	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

const (
	qrModule = 8 // pixels; whole, so that no edge is blurred
	qrQuiet  = 4 // modules of white around (ISO/IEC 18004)
)

// PNG draws the text of a pass as a QR code, error correction level M, in black
// and white. Base45 goes into the code's alphanumeric mode, 5.5 bits a character.
func PNG(text string) ([]byte, error) { return PNGWith(text, "") }

// captionScale makes a letter of 7 by 13 pixels one that is read at arm's length.
const captionScale = 6

// PNGWith is PNG with some ASCII below the code, such as digits that say the same.
func PNGWith(text, caption string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("draw QR code: no text")
	}
	code, err := encoder.Encoder_encode(text, decoder.ErrorCorrectionLevel_M, nil)
	if err != nil {
		return nil, fmt.Errorf("draw QR code of %d bytes: %w", len(text), err)
	}
	modules := code.GetMatrix()
	size := (modules.GetWidth() + 2*qrQuiet) * qrModule
	under := 0
	if caption != "" {
		under = (basicfont.Face7x13.Height + qrQuiet) * captionScale
	}
	img := image.NewPaletted(image.Rect(0, 0, size, size+under), color.Palette{color.White, color.Black})
	for y := range size {
		for x := range size {
			mx, my := x/qrModule-qrQuiet, y/qrModule-qrQuiet
			if mx >= 0 && my >= 0 && mx < modules.GetWidth() && my < modules.GetHeight() && modules.Get(mx, my) == 1 {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	write(img, caption, size)
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return out.Bytes(), nil
}

// write writes letters in the middle of a picture, below some height.
func write(img *image.Paletted, text string, below int) {
	face := basicfont.Face7x13
	letters := image.NewGray(image.Rect(0, 0, face.Advance*len(text), face.Height))
	d := font.Drawer{Dst: letters, Src: image.White, Face: face, Dot: fixed.P(0, face.Ascent)}
	d.DrawString(text)
	left := (img.Bounds().Dx() - letters.Rect.Dx()*captionScale) / 2
	for y := range letters.Rect.Dy() * captionScale {
		for x := range letters.Rect.Dx() * captionScale {
			if letters.GrayAt(x/captionScale, y/captionScale).Y > 127 {
				img.SetColorIndex(left+x, below+y, 1)
			}
		}
	}
}

// WritePNG writes what [PNG] draws to a file of mode 0600. It follows no link.
func WritePNG(path, text string) error {
	picture, err := PNG(text)
	if err != nil {
		return err
	}
	return durable.Replace(path, picture)
}
