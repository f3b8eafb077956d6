package credential

import (
	"bytes"
	"image"
	"image/png"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
)

// scan reads a QR code that fills its picture. Without PURE_BARCODE the reader
// takes time cubic in the size of the picture.
func scan(t *testing.T, img image.Image) *gozxing.Result {
	t.Helper()
	bitmap, err := gozxing.NewBinaryBitmapFromImage(img)
	if err != nil {
		t.Fatal(err)
	}
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAPassPrintedIsReadBack(t *testing.T) {
	p := longshanPass()
	p.Issuer, p.Scope = "gate.longshan", "3-2-501"
	text := issue(t, longshanKey, p)
	b, err := PNG(text)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	result := scan(t, img)
	if result.GetText() != text {
		t.Errorf("got %q, want %q", result.GetText(), text)
	}
	if got := trusting(t, map[string][]byte{"gate.longshan.pub": MarshalPublicKey(public(longshanKey))}).Check([]byte(result.GetText()), noon); !got.Valid {
		t.Errorf("%+v", got)
	}
	if got := result.GetResultMetadata()[gozxing.ResultMetadataType_ERROR_CORRECTION_LEVEL]; got != "M" {
		t.Errorf("level %v", got)
	}
	const qrModule, qrQuiet = 8, 4 // as printed passes have them
	side := img.Bounds().Dx()
	if side%qrModule != 0 || img.Bounds().Dy() != side {
		t.Errorf("picture %v is not of whole modules", img.Bounds())
	}
	if version := (side/qrModule - 2*qrQuiet - 17) / 4; version > 9 {
		t.Errorf("%d characters make a code of version %d: too fine for a cheap scanner", len(text), version)
	}
	if depth := b[24]; depth != 1 { // IHDR, PNG section 11.2.2
		t.Errorf("%d bits a pixel", depth)
	}
	for i := range side { // four modules of white all around, and then black
		for _, at := range []image.Point{{i, qrQuiet*qrModule - 1}, {qrQuiet*qrModule - 1, i}, {i, side - qrQuiet*qrModule}, {side - qrQuiet*qrModule, i}} {
			if r, _, _, _ := img.At(at.X, at.Y).RGBA(); r != 0xffff {
				t.Fatalf("the quiet zone is not white at %v", at)
			}
		}
	}
	if r, _, _, _ := img.At(qrQuiet*qrModule, qrQuiet*qrModule).RGBA(); r != 0 {
		t.Error("the code does not begin after four modules")
	}
}

func TestTextThatFitsNoQRCodeIsRefused(t *testing.T) {
	for _, text := range []string{"", strings.Repeat("A", CodeLimit)} {
		if _, err := PNG(text); err == nil {
			t.Errorf("%d bytes drawn", len(text))
		}
	}
}

// The code is where it is without a caption, and the digits stand below it in black.
func TestDigitsStandBelowTheCode(t *testing.T) {
	text := issue(t, longshanKey, longshanPass())
	bare, err1 := PNG(text)
	with, err2 := PNGWith(text, "123 456")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	a, err1 := png.Decode(bytes.NewReader(bare))
	b, err2 := png.Decode(bytes.NewReader(with))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if result := scan(t, b.(*image.Paletted).SubImage(a.Bounds())); result.GetText() != text {
		t.Errorf("got %q", result.GetText())
	}
	black := 0
	for y := a.Bounds().Dy(); y < b.Bounds().Dy(); y++ {
		for x := range b.Bounds().Dx() {
			if r, _, _, _ := b.At(x, y).RGBA(); r == 0 {
				black++
			}
		}
	}
	if black < 2000 {
		t.Errorf("%d black pixels below the code", black)
	}
}
