package scanner

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var small = Config{EndBytes: "\r\n", Min: 4, Max: 8, Gap: 500 * time.Millisecond}

// feed returns what comes out of f for the chunks: codes in quotes, causes bare.
func feed(f *framer, at time.Time, chunks ...[]byte) (out []string) {
	note := func(cause string) {
		if cause != "" {
			out = append(out, cause)
		}
	}
	for _, rest := range chunks {
		note(f.arrived(at))
		for len(rest) > 0 {
			var code []byte
			var cause string
			code, cause, rest = f.next(rest)
			note(cause)
			if code != nil {
				out = append(out, fmt.Sprintf("%q", code))
			}
		}
	}
	return out
}

func TestFramer(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"CODE", ""},
		{"CODE\r", `"CODE"`},
		{"CODE\n", `"CODE"`},
		{"CODE\r\n", `"CODE"`},
		{"\r\n\r\n\n\r", ""},
		{"CODE\r\n\r\nNEXT\r\n", `"CODE" "NEXT"`},
		{"ABC\r", "too-short"},
		{"A\rCODE\r", `too-short "CODE"`},
		{"12345678\r", `"12345678"`},
		{"123456789\r", "too-long"},
		{"123456789", "too-long"},
		{"123456789 and more\rCODE\r", `too-long "CODE"`},
		{"123456789\r\nCODE\r\n", `too-long "CODE"`},
		{"\x00\x00\x00\x00\r", `"\x00\x00\x00\x00"`},
		{"\xff\xfe\xfd\xfc\r", `"\xff\xfe\xfd\xfc"`},
	} {
		got := strings.Join(feed(newFramer(small), time.Time{}, []byte(tt.in)), " ")
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestFramerSilence(t *testing.T) {
	t0 := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	f := newFramer(small)
	if !f.deadline().IsZero() {
		t.Error("an empty framer waits for an end")
	}
	feed(f, t0, []byte("CO"))
	feed(f, t0.Add(400*time.Millisecond), []byte("D"))
	if got, want := f.deadline(), t0.Add(900*time.Millisecond); !got.Equal(want) {
		t.Errorf("got deadline %v, want %v: the gap runs from the last byte", got, want)
	}
	if got := f.silence(); got != Timeout {
		t.Errorf("got %q, want %q", got, Timeout)
	}
	if got, want := feed(f, t0.Add(time.Second), []byte("E\r"), []byte("NEXT\r")), []string{TooShort, `"NEXT"`}; !cmp.Equal(got, want) {
		t.Errorf("after the half code: got %q, want %q", got, want)
	}

	// An overlong frame is counted once, and over after a silence.
	feed(f, t0, []byte("0123456789"))
	if f.deadline().IsZero() {
		t.Error("an overlong frame is under way and has no deadline")
	}
	if got := f.silence(); got != "" {
		t.Errorf("silence after an overlong frame: got %q, want nothing", got)
	}
	if got, want := feed(f, t0, []byte("NEXT\r")), []string{`"NEXT"`}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A half code is never completed with, nor cut off before, bytes of which
// nobody knows when they came.
func TestFramerUnwatchedSilence(t *testing.T) {
	t0 := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	f := newFramer(small)
	got := feed(f, t0, []byte("CO"))
	got = append(got, feed(f, t0.Add(small.Gap), []byte("DEXX\r"), []byte("NEXT\r"))...)
	if want := []string{Timeout, `"NEXT"`}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	// Between codes any silence will do.
	got = feed(f, t0.Add(time.Hour), []byte("LATE\r"))
	if want := []string{`"LATE"`}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// reference is the framer's contract without its chunks and state.
func reference(c Config, in []byte) (out []string) {
	for len(in) > 0 {
		i := bytes.IndexAny(in, c.EndBytes)
		ended := i >= 0
		if !ended {
			i = len(in)
		}
		switch {
		case i > c.Max:
			out = append(out, TooLong)
		case !ended:
			return append(out, Timeout)
		case i >= c.Min:
			out = append(out, fmt.Sprintf("%q", in[:i]))
		case i > 0:
			out = append(out, TooShort)
		}
		in = in[min(i+1, len(in)):]
	}
	return out
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte("CODE\r\nNEXT\r\nhalf"), uint64(1), uint8(4), uint8(4))
	f.Add([]byte("\x00\xff\r\r\n\n123456789012345678901234567890\rCODE\n"), uint64(2), uint8(1), uint8(9))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, shortest, span uint8) {
		c := Config{EndBytes: "\r\n", Min: 1 + int(shortest), Gap: time.Second}
		c.Max = c.Min + int(span)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var chunks [][]byte
		for rest := bytes.Clone(in); len(rest) > 0; {
			n := 1 + rnd.IntN(min(len(rest), 70))
			chunks, rest = append(chunks, rest[:n:n]), rest[n:]
		}
		fr := newFramer(c)
		got := feed(fr, time.Time{}, chunks...)
		if cap(fr.half) > 2*c.Max+64 {
			t.Errorf("holds %d bytes for codes of at most %d", cap(fr.half), c.Max)
		}
		if cause := fr.silence(); cause != "" {
			got = append(got, cause)
		}
		if diff := cmp.Diff(reference(c, in), got); diff != "" {
			t.Errorf("%q in chunks (-want +got):\n%s", chunks, diff)
		}
	})
}

func TestFramerHoweverTheBytesAreCut(t *testing.T) {
	rnd := rand.New(rand.NewPCG(20261123, 1))
	alphabet := []byte("AB\r\n\x00\xffxyz")
	for range 2000 {
		in := make([]byte, rnd.IntN(200))
		for i := range in {
			in[i] = alphabet[rnd.IntN(len(alphabet))]
			if rnd.IntN(3) > 0 {
				in[i] = 'C'
			}
		}
		want := reference(small, in)
		for range 5 {
			var chunks [][]byte
			for rest := in; len(rest) > 0; {
				n := 1 + rnd.IntN(min(len(rest), 1+rnd.IntN(40)))
				chunks, rest = append(chunks, rest[:n]), rest[n:]
			}
			f := newFramer(small)
			got := feed(f, time.Time{}, chunks...)
			if cause := f.silence(); cause != "" {
				got = append(got, cause)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%q in chunks (-want +got):\n%s", chunks, diff)
			}
		}
	}
}

func BenchmarkFramer(b *testing.B) {
	pass := append(bytes.Repeat([]byte("A"), 199), '\r', '\n') // the length of a resident pass
	f := newFramer(Default())
	b.SetBytes(int64(len(pass)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := pass; len(rest) > 0; {
			_, _, rest = f.next(rest)
		}
	}
}
