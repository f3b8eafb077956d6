package health

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"sync"
)

// errTooLarge says that there is more in the compressed data than it may hold.
var errTooLarge = errors.New("inflate: too large")

// errTrailing says that something follows the compressed data.
var errTrailing = errors.New("inflate: bytes after the end")

// inflater is kept and used again: a new one costs 40 KiB, forty times a code.
type inflater struct {
	in   bytes.Reader
	r    io.Reader // a zlib or a flate reader over in
	tail [1]byte
}

// inflaters are those not in use: of zlib, and of raw deflate.
var inflaters, rawInflaters sync.Pool

// inflate appends to dst what data holds: zlib (RFC 1950), or deflate without its
// header and checksum (RFC 1951) if raw is set. A code of one picture can hold
// three megabytes of zeros; nothing beyond limit bytes is ever written out, and what
// holds more is errTooLarge. Bytes after the end are an error: they would be a
// part of the code that nobody looks at. The result shares dst's memory where that
// was large enough, and is nil with an error.
func inflate(dst []byte, data []byte, raw bool, limit int) ([]byte, error) {
	pool := &inflaters
	if raw {
		pool = &rawInflaters
	}
	f, _ := pool.Get().(*inflater)
	if f == nil {
		f = &inflater{}
	}
	defer func() {
		f.in.Reset(nil) // do not keep the code
		pool.Put(f)
	}()
	f.in.Reset(data)
	if err := f.reset(raw); err != nil {
		return nil, err
	}

	begin := len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = append(dst, 0)[:len(dst)]
		}
		// No more than is allowed, so that the memory of a bomb is never asked for.
		room := dst[len(dst):min(cap(dst), begin+limit)]
		if len(room) == 0 {
			n, err := f.r.Read(f.tail[:])
			if n > 0 {
				return nil, errTooLarge
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return nil, err
			}
			continue
		}
		n, err := f.r.Read(room)
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if f.in.Len() > 0 {
		return nil, errTrailing
	}
	return dst, nil
}

// reset makes f.r read f.in from its beginning.
func (f *inflater) reset(raw bool) (err error) {
	switch {
	case f.r != nil && raw:
		return f.r.(flate.Resetter).Reset(&f.in, nil)
	case f.r != nil:
		return f.r.(zlib.Resetter).Reset(&f.in, nil)
	case raw:
		f.r = flate.NewReader(&f.in)
	default:
		f.r, err = zlib.NewReader(&f.in)
		if err != nil {
			f.r = nil // it may be a typed nil
		}
	}
	return err
}
