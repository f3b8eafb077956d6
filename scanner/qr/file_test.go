package qr

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
)

func drawn(t testing.TB, text string, module int) *image.Gray {
	p := printOf(t, text, 0, 'M', nil)
	size := (p.dim + 8) * module
	img := image.NewGray(image.Rect(0, 0, size, size))
	for i := range img.Pix {
		if !p.black(i%size/module-4, i/size/module-4) {
			img.Pix[i] = 255
		}
	}
	return img
}

func encoded(t testing.TB, kind string, img image.Image) []byte {
	var buf bytes.Buffer
	var err error
	switch kind {
	case "png":
		err = png.Encode(&buf, img)
	case "jpeg":
		err = jpeg.Encode(&buf, img, nil)
	case "gif":
		err = gif.Encode(&buf, img, nil)
	case "bmp":
		err = bmp.Encode(&buf, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// webpOf is the picture as a WebP file without loss, of plain literals. The standard library and x/image have no encoder.
func webpOf(img *image.Gray) []byte {
	var out []byte
	acc, n := uint64(0), 0
	put := func(v uint64, bits int) {
		acc |= v << n
		for n += bits; n >= 8; n -= 8 {
			out = append(out, byte(acc))
			acc >>= 8
		}
	}
	w, h := img.Rect.Dx(), img.Rect.Dy()
	put(0x2f, 8)
	put(uint64(w-1), 14)
	put(uint64(h-1), 14)
	put(0, 1) // no alpha
	put(0, 3) // version
	put(0, 1) // no transform
	put(0, 1) // no colour cache
	put(0, 1) // one set of codes
	for range 3 {
		// Green, red, blue: two symbols, 0 and 255, of one bit each.
		put(1, 1) // a simple code
		put(1, 1) // two symbols
		put(1, 1) // the first has eight bits
		put(0, 8)
		put(255, 8)
	}
	put(1, 1) // alpha: only 255
	put(0, 1)
	put(1, 1)
	put(255, 8)
	put(1, 1) // distance: only 0
	put(0, 1)
	put(0, 1)
	put(0, 1)
	for _, v := range img.Pix {
		put(uint64(v&1)*7, 3)
	}
	put(0, 7)
	if len(out)%2 == 1 {
		out = append(out, 0)
	}
	head := []byte("RIFF....WEBPVP8L....")
	binary.LittleEndian.PutUint32(head[4:], uint32(12+len(out)))
	binary.LittleEndian.PutUint32(head[16:], uint32(len(out)))
	return append(head, out...)
}

func TestFilesOfEveryKind(t *testing.T) {
	const text = "GP1:TEST 123"
	img := drawn(t, text, 5)
	files := map[string][]byte{"webp": webpOf(img)}
	for _, kind := range []string{"png", "jpeg", "gif", "bmp"} {
		files[kind] = encoded(t, kind, img)
	}
	colour := image.NewNRGBA(img.Rect)
	draw.Draw(colour, img.Rect, img, image.Point{}, draw.Src)
	files["png in colour"] = encoded(t, "png", colour)
	files["jpeg in colour"] = encoded(t, "jpeg", colour)
	for kind, data := range files {
		codes, err := ReadFile(t.Context(), data)
		for range 50 { // a busy machine may have no time for it before the limit
			if err != nil || len(codes) > 0 {
				break
			}
			codes, err = ReadFile(t.Context(), data)
		}
		if err != nil || len(codes) != 1 || codes[0].Text != text || string(codes[0].Raw) != text {
			t.Errorf("%s: %v, %v", kind, codes, err)
		}
		if _, err := ReadFile(t.Context(), data[:len(data)/2]); !errors.Is(err, ErrNoPicture) {
			t.Errorf("half a %s: %v", kind, err)
		}
	}
}

// pngHead is the beginning of a PNG of any size.
func pngHead(w, h uint32, depth, kind byte) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, depth, kind, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

func interlaced(png []byte) []byte {
	png[28] = 1
	return binary.BigEndian.AppendUint32(png[:29], crc32.ChecksumIEEE(png[12:29]))
}

func TestWhatIsTooLargeIsRefusedBeforeItIsDecoded(t *testing.T) {
	bomb := encoded(t, "jpeg", image.NewGray(image.Rect(0, 0, 8, 8)))
	size := bomb[bytes.Index(bomb, []byte{0xff, 0xc0})+5:] // what is refused for its size needs no more than to say it
	binary.BigEndian.PutUint16(size, 5000)
	binary.BigEndian.PutUint16(size[2:], 5000)
	sos := bytes.Index(bomb, []byte{0xff, 0xda})
	many := append(bytes.Clone(bomb[:len(bomb)-2]), bytes.Repeat(bomb[sos:sos+10], 30)...)
	progressive := bytes.Clone(bomb)
	progressive[bytes.Index(progressive, []byte{0xff, 0xc0})+1] = 0xc2
	for name, data := range map[string][]byte{
		"8000×5001":              pngHead(8000, 5001, 8, 2),
		"60000×60000":            pngHead(60000, 60000, 1, 0),
		"5000×5000 of 16 bits":   pngHead(5000, 5000, 16, 6),
		"5000×5000 grey of 16":   pngHead(5000, 5000, 16, 0), // 8 bytes a pixel, if a colour is transparent
		"6000×6000 interlaced":   interlaced(pngHead(6000, 6000, 8, 6)),
		"a WebP without loss":    []byte("RIFF\x1a\x00\x00\x00WEBPVP8L\x0d\x00\x00\x00\x2f\x9b\xd8\xe6\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00"), // 6300×6300
		"a JPEG of 30 scans":     many,
		"a progressive JPEG":     progressive,
		"a file of 48 MiB and 1": append(pngHead(10, 10, 8, 2), make([]byte, MaxFile)...),
	} {
		if _, err := ReadFile(t.Context(), data); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadFile(t.Context(), pngHead(8000, 5000, 8, 2)); !errors.Is(err, ErrNoPicture) {
		t.Errorf("8000×5000 without data: %v", err)
	}
	if _, err := Decode(t.Context(), image.NewUniform(color.White)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a picture without end: %v", err)
	}
}

func TestWhatIsNoPicture(t *testing.T) {
	for _, data := range []string{"", "x", "GIF89a", "%PDF-1.7", "\xff\xd8\xff", strings.Repeat("text ", 1000), string(pngHead(0, 0, 8, 0))} {
		if _, err := Load(t.Context(), strings.NewReader(data)); !errors.Is(err, ErrNoPicture) {
			t.Errorf("%.10q: %v", data, err)
		}
	}
	if _, err := Load(t.Context(), io.MultiReader(strings.NewReader("\x89PNG"), failing{})); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a reader that fails: %v", err)
	}
	if _, err := Decode(t.Context(), nil); err == nil {
		t.Error("nil is a picture")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadFile(ctx, encoded(t, "png", drawn(t, "A", 4))); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

func FuzzFile(f *testing.F) {
	img := drawn(f, "A", 2)
	for _, kind := range []string{"png", "jpeg", "gif", "bmp"} {
		f.Add(encoded(f, kind, img))
	}
	f.Add(webpOf(img))
	f.Add(pngHead(8000, 5000, 8, 2))
	f.Fuzz(func(t *testing.T, data []byte) {
		// A few bytes can be a picture of 40 megapixels, rightly: those would only slow the fuzzing down.
		if c, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil && c.Width > 0 && c.Height > 1<<20/c.Width {
			return
		}
		codes, err := ReadFile(t.Context(), data)
		if err != nil && len(codes) > 0 {
			t.Errorf("%d codes and %v", len(codes), err)
		}
	})
}

func FuzzLuminance(f *testing.F) {
	f.Add(45, drawn(f, "https://example.com/", 2).Pix)
	img := drawn(f, "A", 1)
	f.Add(img.Rect.Dx(), img.Pix)
	f.Add(54, tiled(54).pix)
	f.Fuzz(func(t *testing.T, w int, pix []byte) {
		if w < 1 || w > len(pix) {
			return
		}
		h := len(pix) / w
		before := bytes.Clone(pix)
		codes, err := Decode(t.Context(), &image.Gray{Pix: pix, Stride: w, Rect: image.Rect(0, 0, w, h)})
		if err != nil {
			t.Error(err)
		}
		for _, c := range codes {
			if len(c.Raw) == 0 {
				t.Error("a code of nothing")
			}
		}
		if !bytes.Equal(before, pix) {
			t.Error("the picture was written to")
		}
	})
}
