package qr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"os"
	"time"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/webp"
)

// MaxFile is the size of the largest file that is read. Photographs of 40 megapixels have 10 to 20 MB.
const MaxFile = 48 << 20

// ErrNoPicture is a file that is no picture of a kind that is read, or a damaged one.
var ErrNoPicture = errors.New("no picture")

// maxScanned is how many pixels the passes of a JPEG may have together. A small file can ask for thousands of passes over a
// large picture; cameras ask for one, programs for about ten.
const maxScanned = 500_000_000

// maxMemory is how much decoding a picture may take: a gate box has little, and a small file can ask for a lot.
const maxMemory = 4 * MaxPixels

// ReadFile reads all QR codes in a picture file. The time that decoding the file takes is not part of Limit.
func ReadFile(ctx context.Context, file []byte) ([]Code, error) {
	img, err := load(ctx, file)
	if err != nil {
		return nil, err
	}
	return Decode(ctx, img)
}

// Load decodes a PNG, JPEG, GIF (its first frame), WebP or BMP file, after a look at its size. How a camera was held (EXIF
// orientation) does not matter to a QR code.
func Load(ctx context.Context, r io.Reader) (image.Image, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxFile+1))
	if err != nil {
		return nil, err
	}
	return load(ctx, data)
}

// Picture is what was read of a picture file.
type Picture struct {
	File  string   `json:"file"`
	Codes []string `json:"codes"` // never null
	MS    float64  `json:"ms"`    // how long it took once the file was decoded
}

// ReadPath reads all QR codes in a picture file within a limit of its own, once the file was decoded. Its errors do not name the
// file.
func ReadPath(ctx context.Context, path string, limit time.Duration) (p Picture, err error) {
	f, err := os.Open(path)
	if err != nil {
		return p, errors.Unwrap(err)
	}
	defer f.Close()
	img, err := Load(ctx, f)
	var reading *os.PathError
	if errors.As(err, &reading) {
		err = reading.Err
	}
	if err != nil {
		return p, err
	}
	began := time.Now()
	found, err := within(ctx, img, limit)
	p = Picture{path, []string{}, float64(time.Since(began).Microseconds()) / 1e3}
	for _, code := range found {
		p.Codes = append(p.Codes, code.Text)
	}
	return p, err
}

func load(ctx context.Context, data []byte) (image.Image, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: the file has more than %d MiB", ErrTooLarge, MaxFile>>20)
	}
	config, kind, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPicture, err)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return nil, fmt.Errorf("%w: %d×%d", ErrNoPicture, config.Width, config.Height)
	}
	most := min(MaxPixels, maxMemory/bytesPerPixel(kind, config.ColorModel, data))
	if kind == "jpeg" {
		scans, _ := jpegScans(data)
		most = min(most, maxScanned/max(1, scans))
	}
	if err := checkSize(config.Width, config.Height, most); err != nil {
		return nil, err
	}
	img, _, err := image.Decode(&cancelled{ctx, bytes.NewReader(data)})
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPicture, err)
	}
	return img, nil
}

// bytesPerPixel is the most that the decoders of Go take at a time for each pixel of a picture.
func bytesPerPixel(kind string, model color.Model, data []byte) int {
	n := 4
	switch model {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		n = 8 // of Gray16, if a colour of it is transparent
	}
	switch {
	case kind == "png" && len(data) > 28 && data[28] != 0: // interlaced: each pass is a picture, besides the whole
		n += n / 2
	case kind == "jpeg":
		if _, progressive := jpegScans(data); progressive { // all coefficients, of 4 bytes, and then the picture
			n = 5 * 3
			if model == color.CMYKModel {
				n = 5*4 + 4
			}
		}
	case kind == "webp" && model == color.NRGBAModel: // its transforms make the picture anew
		n = 9
	}
	return n
}

// cancelled reads until its context ends.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

func (c *cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// jpegScans counts the passes over the picture in a JPEG (ITU-T T.81, B.1 and B.2), and says whether each makes it a little
// better, for which the decoder keeps all coefficients.
func jpegScans(data []byte) (n int, progressive bool) {
	for i := 2; i+3 < len(data); {
		if data[i] != 0xff {
			i++ // the coded picture
			continue
		}
		switch m := data[i+1]; {
		case m == 0xff: // padding
			i++
		case m == 0 || m == 1 || m >= 0xd0 && m <= 0xd8: // a byte 0xFF of the coded picture, restart
			i += 2
		case m == 0xd9: // the end
			return n, progressive
		default:
			if m == 0xda {
				n++
			}
			if m == 0xc2 {
				progressive = true
			}
			i += 2 + max(2, int(data[i+2])<<8|int(data[i+3]))
		}
	}
	return n, progressive
}
