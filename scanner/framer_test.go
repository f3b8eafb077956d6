package scanner

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var small = Config{EndBytes: "\r\n", Min: 4, Max: 8, Gap: 500 * time.Millisecond}

// hush is the silence after what was fed: what comes out then.
func hush(f *framer) (out []string) {
	code, cause := f.silence()
	if code != nil {
		out = append(out, fmt.Sprintf("%q", code))
	}
	if cause != "" {
		out = append(out, cause)
	}
	return out
}

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
		{"123456789 and more\rCODE\r", `too-long too-long "CODE"`},
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
	if got := hush(f); !cmp.Equal(got, []string{Timeout}) {
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
	if got := hush(f); got != nil {
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

func TestFramerStartBytes(t *testing.T) {
	c := small
	c.StartBytes, c.EndBytes = "\x02", "\x03"
	for _, tt := range []struct{ in, want string }{
		{"\x02CODE\x03", `"CODE"`},
		{"\x02CODE\x03\x02NEXT\x03", `"CODE" "NEXT"`},
		{"CODE\x03\x02NEXT\x03", `no-start "NEXT"`},
		{"noise\x02NEXT\x03", `no-start "NEXT"`},
		{"\x02HALF\x02NEXT\x03", `too-short "NEXT"`},
		{"\x02\x02NEXT\x03", `"NEXT"`},
		{"\x02\x03\x03\x02NEXT\x03", `"NEXT"`},
		{"\x02CO\rDE\x03", `"CO\rDE"`},
		{"\x02123456789 and more\x02NEXT\x03", `too-long too-long "NEXT"`},
		{"some noise\x03\x02ABC\x03", `no-start too-short`},
		{"noise", "no-start"},
		{"\x02HALF", "timeout"},
		{"\x02", ""},
	} {
		f := newFramer(c)
		got := strings.Join(append(feed(f, time.Time{}, []byte(tt.in)), hush(f)...), " ")
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
		if f.pending() || !f.deadline().IsZero() {
			t.Errorf("%q: something is under way after a silence", tt.in)
		}
	}
}

// A scanner that sends no end byte: its codes end when it is silent.
func TestFramerEndGap(t *testing.T) {
	t0 := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	c := small
	c.EndGap = 150 * time.Millisecond
	f := newFramer(c)
	got := feed(f, t0, []byte("CO"), []byte("DE"))
	if want := t0.Add(c.EndGap); !f.deadline().Equal(want) {
		t.Errorf("got deadline %v, want %v", f.deadline(), want)
	}
	got = append(got, hush(f)...)
	got = append(got, feed(f, t0.Add(time.Second), []byte("NEXT\r\n"))...) // an end byte ends it sooner
	got = append(got, hush(f)...)
	got = append(got, feed(f, t0.Add(2*time.Second), []byte("ABC"))...)
	got = append(got, hush(f)...)
	got = append(got, feed(f, t0.Add(3*time.Second), []byte("123456789"))...)
	got = append(got, hush(f)...)
	// Nobody watched the silence: was it one code or two?
	got = append(got, feed(f, t0.Add(4*time.Second), []byte("HALF"))...)
	got = append(got, feed(f, t0.Add(4*time.Second+c.EndGap), []byte("CODE"))...)
	got = append(got, hush(f)...)
	got = append(got, feed(f, t0.Add(5*time.Second), []byte("LAST"))...)
	got = append(got, hush(f)...)
	if want := []string{`"CODE"`, `"NEXT"`, TooShort, TooLong, Timeout, `"LAST"`}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFramerDeafUntilSilence(t *testing.T) {
	t0 := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	f := newFramer(small)
	got := feed(f, t0, []byte("HAL"))
	f.dropUntilSilence(t0)
	got = append(got, feed(f, t0, []byte("F\rCODE\r"), []byte("NEXT\r"))...)
	if want := t0.Add(small.Gap); !f.deadline().Equal(want) {
		t.Errorf("got deadline %v, want %v", f.deadline(), want)
	}
	got = append(got, hush(f)...)
	got = append(got, feed(f, t0.Add(time.Second), []byte("LAST\r"))...)
	if want := []string{`"LAST"`}; !cmp.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// reference is the framer's contract without its chunks and state, for the
// bytes up to a silence.
func reference(c Config, in []byte) (out []string) {
	half, started, noise, long := []byte{}, c.StartBytes == "", false, 0
	begin := func() { half, started, noise, long = nil, c.StartBytes == "", false, 0 }
	note := func(s string) { out = append(out, s) }
	end := func() {
		switch {
		case long > 0:
		case noise:
			note(NoStart)
		case len(half) == 0:
		case len(half) < c.Min:
			note(TooShort)
		default:
			note(fmt.Sprintf("%q", half))
		}
		begin()
	}
	for _, b := range in {
		switch {
		case strings.IndexByte(c.EndBytes, b) >= 0:
			end()
		case strings.IndexByte(c.StartBytes, b) >= 0:
			switch {
			case noise:
				note(NoStart)
			case len(half) > 0:
				note(TooShort)
			}
			begin()
			started = true
		case long > 0:
			if long++; long%(c.Max+1) == 0 {
				note(TooLong)
			}
		case !started:
			noise = true
		case len(half) == c.Max:
			note(TooLong)
			half, long = nil, c.Max+1
		default:
			half = append(half, b)
		}
	}
	switch {
	case c.EndGap > 0:
		end()
	case noise:
		note(NoStart)
	case len(half) > 0:
		note(Timeout)
	}
	return out
}

// cut cuts in into chunks of at most so many bytes.
func cut(rnd *rand.Rand, in []byte, most int) (chunks [][]byte) {
	for rest := in; len(rest) > 0; {
		n := 1 + rnd.IntN(min(len(rest), most))
		chunks, rest = append(chunks, rest[:n:n]), rest[n:]
	}
	return chunks
}

func FuzzFramer(f *testing.F) {
	f.Add([]byte("CODE\r\nNEXT\r\nhalf"), uint64(1), uint8(4), uint8(4), uint8(0))
	f.Add([]byte("\x00\xff\r\r\n\n123456789012345678901234567890\rCODE\n"), uint64(2), uint8(1), uint8(9), uint8(0))
	f.Add([]byte("noise\x02CODE\x03\x02HALF\x02NEXT\x03\x0212345678901234567890\x03"), uint64(3), uint8(3), uint8(4), uint8(1))
	f.Add([]byte("CODE"), uint64(4), uint8(3), uint8(4), uint8(2))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, shortest, span, mode uint8) {
		c := Config{EndBytes: "\r\n", Min: 1 + int(shortest), Gap: time.Second}
		c.Max = c.Min + int(span)
		if mode&1 != 0 {
			c.StartBytes, c.EndBytes = "\x02", "\x03"
		}
		if mode&2 != 0 {
			c.EndGap = time.Second
		}
		chunks := cut(rand.New(rand.NewPCG(seed, 0)), bytes.Clone(in), 70)
		fr := newFramer(c)
		got := feed(fr, time.Time{}, chunks...)
		if cap(fr.half) > 2*c.Max+64 {
			t.Errorf("holds %d bytes for codes of at most %d", cap(fr.half), c.Max)
		}
		if diff := cmp.Diff(reference(c, in), append(got, hush(fr)...)); diff != "" {
			t.Errorf("%q in chunks (-want +got):\n%s", chunks, diff)
		}
		// Whatever came before: after a silence a whole code is one.
		whole := strings.Repeat("A", c.Min)
		if got, want := feed(fr, time.Time{}, []byte("\x02"[:len(c.StartBytes)]+whole+c.EndBytes)), []string{fmt.Sprintf("%q", whole)}; !cmp.Equal(got, want) {
			t.Errorf("after %q and a silence: got %q, want %q", in, got, want)
		}
	})
}

func TestFramerHoweverTheBytesAreCut(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(20261123, 1))
	alphabet := []byte("AB\r\n\x00\xffxyz\x02\x03")
	started, gap := small, small
	started.StartBytes, started.EndBytes = "\x02", "\x03"
	gap.EndGap = small.Gap
	for range 2000 {
		in := make([]byte, rnd.IntN(200))
		for i := range in {
			in[i] = alphabet[rnd.IntN(len(alphabet))]
			if rnd.IntN(3) > 0 {
				in[i] = 'C'
			}
		}
		for _, c := range []Config{small, started, gap} {
			want := reference(c, in)
			for range 5 {
				chunks := cut(rnd, in, 1+rnd.IntN(40))
				f := newFramer(c)
				if diff := cmp.Diff(want, append(feed(f, time.Time{}, chunks...), hush(f)...)); diff != "" {
					t.Fatalf("%q in chunks (-want +got):\n%s", chunks, diff)
				}
			}
		}
	}
}

// Whatever a line sends, for months: once a code was as long as they get, nothing more is allocated, not for a byte nor for a code.
func TestFramerAllocatesNothing(t *testing.T) {
	c := Default()
	c.StartBytes, c.EndBytes = "\x02", "\x03"
	long := strings.Repeat("A", c.Max)
	for name, in := range map[string][]byte{
		"codes":             []byte("\x02" + long + "\x03\x02A PASS\x03"),
		"without an end":    []byte("\x02" + long + long + "\x03"),
		"noise and fringes": []byte("noise\x02\x03\x02A\x02HALF A CODE\x02\x03\xff"),
	} {
		for _, slice := range []int{1, 64, len(in)} {
			f := newFramer(c)
			feed(f, time.Time{}, []byte("\x02"+long+"\x03"))
			if got := testing.AllocsPerRun(100, func() {
				for p := range slices.Chunk(in, slice) {
					f.arrived(time.Time{})
					for rest := p; len(rest) > 0; {
						_, _, rest = f.next(rest)
					}
				}
				f.silence()
			}); got > 0 {
				t.Errorf("%s, %d bytes at once: got %v allocations for %d bytes, want none", name, slice, got, len(in))
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
