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
)

const (
	qrModule = 8 // pixels; whole, so that no edge is blurred
	qrQuiet  = 4 // modules of white around (ISO/IEC 18004)
)

// PNG draws the text of a pass as a QR code, error correction level M, in black
// and white. Base45 goes into the code's alphanumeric mode, 5.5 bits a character.
func PNG(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("draw QR code: no text")
	}
	code, err := encoder.Encoder_encode(text, decoder.ErrorCorrectionLevel_M, nil)
	if err != nil {
		return nil, fmt.Errorf("draw QR code of %d bytes: %w", len(text), err)
	}
	modules := code.GetMatrix()
	size := (modules.GetWidth() + 2*qrQuiet) * qrModule
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range size {
		for x := range size {
			mx, my := x/qrModule-qrQuiet, y/qrModule-qrQuiet
			if mx >= 0 && my >= 0 && mx < modules.GetWidth() && my < modules.GetHeight() && modules.Get(mx, my) == 1 {
				img.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	return out.Bytes(), nil
}

// WritePNG writes what [PNG] draws to a file of mode 0600. It follows no link.
func WritePNG(path, text string) error {
	picture, err := PNG(text)
	if err != nil {
		return err
	}
	return durable.Replace(path, picture)
}
