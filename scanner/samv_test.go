package scanner

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The frames that makers of such readers publish.
func TestCommandsAreFramedAsPublished(t *testing.T) {
	for want, command := range map[string][2]byte{
		"AA AA AA 96 69 00 03 20 01 22": findCard,
		"AA AA AA 96 69 00 03 20 02 21": selectCard,
		"AA AA AA 96 69 00 03 30 01 32": readCard,
	} {
		if got := frame(command); !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("got % X, want %s", got, want)
		}
	}
}

// took is what comes of bytes that arrive in these chunks: a status and what was behind it, or an error.
func took(chunks ...[]byte) string {
	var a answer
	for i, c := range chunks {
		whole, rest, err := a.take(c)
		switch {
		case err != nil:
			return err.Error()
		case whole:
			return fmt.Sprintf("%02X text=%v rest=% X", a.status(), a.text() != nil, slices.Concat(append([][]byte{rest}, chunks[i+1:]...)...))
		}
	}
	return ""
}

// framed is a module's answer.
func framed(payload ...byte) []byte {
	n := len(payload) + 1
	sum := byte(n>>8) ^ byte(n)
	for _, b := range payload {
		sum ^= b
	}
	return slices.Concat(preamble[:], []byte{byte(n >> 8), byte(n)}, payload, []byte{sum})
}

// information is an answer to readCard with lengths of one's own choice.
func information(text, photo int, sizes ...byte) []byte {
	if sizes == nil {
		sizes = []byte{byte(text >> 8), byte(text), byte(photo >> 8), byte(photo)}
	}
	return framed(slices.Concat([]byte{0, 0, 0x90}, sizes, bytes.Repeat([]byte("T"), text), bytes.Repeat([]byte("P"), photo))...)
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   []byte
		want string
	}{
		{"found, as published", unhex(t, "AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97"), "9F text=false rest="},
		{"selected, as published", unhex(t, "AA AA AA 96 69 00 0C 00 00 90 00 00 00 00 00 00 00 00 9C"), "90 text=false rest="},
		{"none", unhex(t, "AA AA AA 96 69 00 04 00 00 80 84"), "80 text=false rest="},
		{"SW1 and SW2 of the card", unhex(t, "AA AA AA 96 69 00 04 69 82 41 AE"), "41 text=false rest="},
		{"a card", information(256, 1024), "90 text=true rest="},
		{"a card without a photo", information(256, 0), "90 text=true rest="},
		{"text too short", information(255, 1024), "90 text=false rest="},
		{"text too long", information(257, 1024), "90 text=false rest="},
		{"lengths that lie", information(256, 1024, 1, 0, 3, 0), "90 text=false rest="},
		{"lengths swapped", information(256, 1024, 4, 0, 1, 0), "90 text=false rest="},
		{"nothing", nil, ""},
		{"noise before it", slices.Concat([]byte("\x00\xff noise \xaa\x96"), unhex(t, "AA AA AA 96 69 00 04 00 00 80 84")), "80 text=false rest="},
		{"AA before it", unhex(t, "AA AA AA AA AA 96 69 00 04 00 00 80 84"), "80 text=false rest="},
		{"half a preamble before it", unhex(t, "AA AA AA 96 AA AA AA 96 69 00 04 00 00 80 84"), "80 text=false rest="},
		{"glued", unhex(t, "AA AA AA 96 69 00 04 00 00 80 84 AA AA"), "80 text=false rest=AA AA"},
		{"cut off", unhex(t, "AA AA AA 96 69 00 04 00 00 80"), ""},
		{"wrong check", unhex(t, "AA AA AA 96 69 00 04 00 00 80 85"), errCheck.Error()},
		{"wrong byte", unhex(t, "AA AA AA 96 69 00 04 00 00 90 84"), errCheck.Error()},
		{"no status", unhex(t, "AA AA AA 96 69 00 03 00 00 03"), errLength.Error()},
		{"empty", unhex(t, "AA AA AA 96 69 00 00"), errLength.Error()},
		{"the longest", information(256, 1024+1024+2), "90 text=true rest="},
		{"one byte more", information(256, 1024+1024+3), errLength.Error()},
		{"as long as can be said", unhex(t, "AA AA AA 96 69 FF FF"), errLength.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := took(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			var bytewise [][]byte
			for i := range tt.in {
				bytewise = append(bytewise, tt.in[i:i+1])
			}
			if got := took(bytewise...); got != tt.want {
				t.Errorf("byte by byte: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestAPhotoOnlyGoesThroughTheChecksum(t *testing.T) {
	var a answer
	if whole, _, err := a.take(information(256, 1024)); !whole || err != nil {
		t.Fatal(whole, err)
	}
	if bytes.ContainsRune(a.keep[:], 'P') {
		t.Error("a byte of the photo was kept")
	}
	if want := bytes.Repeat([]byte("T"), 256); !bytes.Equal(a.text(), want) {
		t.Errorf("got text %q", a.text())
	}
	a.clear()
	if a != (answer{}) {
		t.Error("the text is still there after clear")
	}
}

// FuzzAnswer: whatever comes, however it is cut, the same comes out of it, and a good answer is found behind what is not one.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	f.Add(unhex(f, "AA AA AA 96 69 00 04 00 00 80 84 AA"), uint64(2))
	f.Add(unhex(f, "AA AA AA AA 96 69 00 08 00 00 9F 00 00 00 00 97"), uint64(3))
	f.Add(information(256, 1024), uint64(4))
	f.Add(information(256, 9000), uint64(5))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		want := took(in)
		rng := rand.New(rand.NewPCG(seed, 1))
		var chunks [][]byte
		for rest := in; len(rest) > 0; {
			n := 1 + rng.IntN(min(len(rest), 70))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		if got := took(chunks...); got != want {
			t.Fatalf("in %d chunks: got %q, want %q", len(chunks), got, want)
		}
		if want == "" { // a frame that was begun swallows what follows, but not more than it named
			got := took(in, bytes.Repeat([]byte{1}, maxAnswer), unhex(t, "AA AA AA 96 69 00 04 00 00 80 84"))
			if got == "" {
				t.Fatal("the parser waits for ever")
			}
		}
	})
}
