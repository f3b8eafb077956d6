package health

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"testing"
)

// deflate compresses data as zlib, or as raw deflate.
func deflate(t testing.TB, data []byte, raw bool) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	if raw {
		w, err = flate.NewWriter(&out, flate.BestCompression)
	} else {
		w, err = zlib.NewWriterLevel(&out, zlib.BestCompression)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestInflate(t *testing.T) {
	const limit = 1000
	for _, raw := range []bool{false, true} {
		for _, size := range []int{0, 1, 511, 512, 513, limit - 1, limit} {
			want := bytes.Repeat([]byte("abc"), limit)[:size]
			got, err := inflate(deflate(t, want, raw), raw, limit)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("raw %v, %d bytes: got %d bytes, %v", raw, size, len(got), err)
			}
		}
	}
}

func TestInflateRefuses(t *testing.T) {
	const limit = 1000
	whole := func(raw bool) []byte { return deflate(t, []byte("0123456789 0123456789"), raw) }
	for _, raw := range []bool{false, true} {
		zip := whole(raw)
		for _, tt := range []struct {
			name string
			data []byte
			want error // nil: any
		}{
			{"nothing", nil, nil},
			{"one byte more than allowed", deflate(t, make([]byte, limit+1), raw), errTooLarge},
			{"a bomb", deflate(t, make([]byte, 2_900_000), raw), errTooLarge},
			{"cut off", zip[:len(zip)-1], io.ErrUnexpectedEOF},
			{"trailing byte", append(bytes.Clone(zip), 0), errTrailing},
			{"a second stream", append(bytes.Clone(zip), zip...), errTrailing},
			{"the other kind", whole(!raw), nil},
		} {
			if got, err := inflate(tt.data, raw, limit); err == nil || got != nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("raw %v, %s: got %d bytes and %v, want %v", raw, tt.name, len(got), err, tt.want)
			}
			// One bad code must not spoil the inflater for the next.
			if _, err := inflate(zip, raw, limit); err != nil {
				t.Errorf("raw %v, a good one after %s: %v", raw, tt.name, err)
			}
		}
	}
	zip := whole(false)
	zip[len(zip)-1] ^= 1
	if _, err := inflate(zip, false, limit); !errors.Is(err, zlib.ErrChecksum) {
		t.Errorf("wrong checksum: got %v", err)
	}
}

func FuzzInflate(f *testing.F) {
	for _, raw := range []bool{false, true} {
		f.Add(deflate(f, []byte("0123456789 0123456789"), raw), raw)
		f.Add(deflate(f, make([]byte, 2_900_000), raw), raw)
	}
	f.Fuzz(func(t *testing.T, data []byte, raw bool) {
		const limit = 1000
		got, err := inflate(data, raw, limit)
		if len(got) > limit {
			t.Fatalf("got %d bytes, more than %d", len(got), limit)
		}
		if err != nil {
			return
		}
		again, err := inflate(deflate(t, got, raw), raw, limit)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("compressed again: got %d bytes, %v, want %d", len(again), err, len(got))
		}
	})
}
