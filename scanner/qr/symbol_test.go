package qr

import (
	"math/rand/v2"
	"testing"
	"unicode/utf8"

	"github.com/makiuchi-d/gozxing"
)

func (p *imprint) bits() *gozxing.BitMatrix {
	bits, _ := gozxing.NewBitMatrix(p.dim, p.dim)
	for y := range p.dim {
		for x := range p.dim {
			if p.black(x, y) {
				bits.Set(x, y)
			}
		}
	}
	return bits
}

func TestSymbolsOfAllVersionsAndLevels(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 1))
	for version := 1; version <= 40; version += stride {
		for _, level := range "LMQH" {
			p := randomPrint(t, r, version, byte(level))
			if got, ok := symbol(p.bits()); !ok || got.text != p.text || string(got.raw) != p.text {
				t.Errorf("version %d-%c: got %q, %v; want %q", version, level, got.text, ok, p.text)
			}
			if got, ok := symbol(p.mirrored().transposed().bits()); ok && got.text != p.text {
				t.Errorf("version %d-%c, turned: read %q", version, level, got.text)
			}
		}
	}
}

func (p *imprint) transposed() *imprint {
	o := &imprint{p.dim, make([]byte, len(p.pix)), p.text}
	for y := range p.dim {
		for x := range p.dim {
			o.pix[x*p.dim+y] = p.pix[y*p.dim+x]
		}
	}
	return o
}

func TestATransposedSymbolIsRead(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 1))
	for version := 1; version <= 40; version += 3 {
		p := randomPrint(t, r, version, 'M')
		if got, ok := symbol(p.transposed().bits()); !ok || got.text != p.text {
			t.Errorf("version %d: got %q, %v", version, got.text, ok)
		}
	}
}

// As much damage as the level corrects is corrected; more is no symbol, and never another text.
func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 1))
	read := map[int]int{}
	for range 200 {
		p := randomPrint(t, r, 4, 'H')
		for _, share := range []int{5, 40} {
			bits := p.bits()
			// A strip of whole columns in the middle, which have nothing but data.
			for x := 12; x < 12+share*p.dim/100; x++ {
				for y := 8; y < p.dim; y++ {
					if r.IntN(2) == 0 {
						bits.Flip(x, y)
					}
				}
			}
			got, ok := symbol(bits)
			if ok && got.text != p.text {
				t.Fatalf("read %q; want %q", got.text, p.text)
			}
			if ok {
				read[share]++
			}
		}
	}
	if read[5] < 195 || read[40] > 5 {
		t.Errorf("of 200 each, read with little and with much damage: %v", read)
	}
}

func TestModulesAtRandomAreNoSymbol(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 1))
	n := 0
	for range 3000 {
		bits, _ := gozxing.NewBitMatrix(21, 21)
		for i := range 21 * 21 {
			if r.IntN(2) == 0 {
				bits.Set(i%21, i/21)
			}
		}
		if _, ok := symbol(bits); ok {
			n++
		}
	}
	if n > 0 {
		t.Errorf("%d of 3000 were read", n)
	}
	for _, dim := range []int{1, 20, 22, 23} {
		bits, _ := gozxing.NewBitMatrix(dim, dim)
		if _, ok := symbol(bits); ok {
			t.Errorf("a symbol of %d modules", dim)
		}
	}
}

func FuzzSymbol(f *testing.F) {
	r := rand.New(rand.NewPCG(16, 1))
	for _, v := range []int{1, 2, 7, 14} {
		f.Add(v, randomPrint(f, r, v, 'M').pix)
	}
	f.Fuzz(func(t *testing.T, version int, pix []byte) {
		if version < 1 || version > 40 {
			return
		}
		dim := dimension(version)
		bits, _ := gozxing.NewBitMatrix(dim, dim)
		for i, v := range pix[:min(len(pix), dim*dim)] {
			if v&1 == 1 {
				bits.Set(i%dim, i/dim)
			}
		}
		if p, ok := symbol(bits); ok && (len(p.raw) == 0 || !utf8.ValidString(p.text)) {
			t.Errorf("read %q", p.text)
		}
	})
}
