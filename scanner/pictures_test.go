package scanner_test

import (
	"fmt"
	"image"
	"image/draw"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/scanner/qr"
)

// vectors is the directory of other people's test pictures; the test is skipped where they are not at hand.
func vectors(t testing.TB) string {
	dir := os.Getenv("VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(filepath.Join(dir, "qr")); err != nil {
		t.Skipf("no pictures in %s: set VECTORS to a directory with qr/<set>/*.png and *.txt", filepath.Join(dir, "qr"))
	}
	return filepath.Join(dir, "qr")
}

type photo struct {
	name, text string
	img        image.Image
}

func photos(t testing.TB, set string) []photo {
	files, err := filepath.Glob(filepath.Join(set, "*.png"))
	if err != nil {
		t.Fatal(err)
	}
	jpgs, _ := filepath.Glob(filepath.Join(set, "*.jpg"))
	files = append(files, jpgs...)
	var ps []photo
	for _, file := range files {
		text, err := os.ReadFile(strings.TrimSuffix(file, filepath.Ext(file)) + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		f.Close()
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		ps = append(ps, photo{filepath.Base(file), string(text), img})
	}
	return ps
}

// turned is the picture turned clockwise by quarters of a circle.
func turned(img image.Image, quarters int) image.Image {
	r := img.Bounds()
	src := image.NewNRGBA(image.Rect(0, 0, r.Dx(), r.Dy()))
	draw.Draw(src, src.Bounds(), img, r.Min, draw.Src)
	for range quarters {
		w, h := src.Rect.Dx(), src.Rect.Dy()
		dst := image.NewNRGBA(image.Rect(0, 0, h, w))
		for y := range h {
			for x := range w {
				dst.SetNRGBA(h-1-y, x, src.NRGBAAt(x, y))
			}
		}
		src = dst
	}
	return src
}

func TestPictures(t *testing.T) {
	sets, _ := filepath.Glob(filepath.Join(vectors(t), "*"))
	var times []time.Duration
	all, allFound := 0, 0
	fmt.Printf("%-12s %9s %9s %9s %9s\n", "set", "0°", "90°", "180°", "270°")
	for _, set := range sets {
		ps := photos(t, set)
		line := fmt.Sprintf("%-12s", filepath.Base(set))
		for q := range 4 {
			n := 0
			for _, p := range ps {
				img := turned(p.img, q)
				start := time.Now()
				codes, err := qr.Decode(t.Context(), img)
				d := time.Since(start)
				times = append(times, d)
				if err != nil {
					t.Fatal(err)
				}
				ok := slices.ContainsFunc(codes, func(c qr.Code) bool { return c.Text == p.text || c.Text == strings.TrimRight(p.text, "\n") })
				if ok {
					n++
				} else {
					t.Logf("%s/%s turned %d: %d codes, %v", filepath.Base(set), p.name, q*90, len(codes), d)
				}
				all++
			}
			allFound += n
			line += fmt.Sprintf(" %4d/%4d", n, len(ps))
		}
		fmt.Println(line)
	}
	slices.Sort(times)
	fmt.Printf("found %d of %d, %.1f %%; median %v, p99 %v, max %v\n", allFound, all, 100*float64(allFound)/float64(all), times[len(times)/2], times[len(times)*99/100], times[len(times)-1])
}
