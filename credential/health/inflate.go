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

// inflater is a reader of zlib or flate. One that was used is kept for the next code: a new one takes 40 KiB, a certificate 1.
type inflater interface {
	io.Reader
	Reset(from io.Reader, dict []byte) error
}

var zlibReaders, flateReaders sync.Pool

// inflate returns what data holds: zlib (RFC 1950), or deflate without its header and checksum (RFC 1951) if raw is set. A code of
// one picture can hold three megabytes of zeros; what holds more than limit bytes is errTooLarge, and no more of it is unpacked.
// Bytes after the end are an error: they would be a part of the code that nobody looks at.
func inflate(data []byte, raw bool, limit int) ([]byte, error) {
	in := bytes.NewReader(data)
	pool := &zlibReaders
	if raw {
		pool = &flateReaders
	}
	r, used := pool.Get().(inflater)
	switch {
	case used:
		if err := r.Reset(in, nil); err != nil {
			return nil, err
		}
	case raw:
		r = flate.NewReader(in).(inflater)
	default:
		z, err := zlib.NewReader(in)
		if err != nil {
			return nil, err
		}
		r = z.(inflater)
	}
	defer func() {
		in.Reset(nil) // the reader still holds in, which must not keep the code
		pool.Put(r)
	}()
	plain, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	switch {
	case err != nil:
		return nil, err
	case len(plain) > limit:
		return nil, errTooLarge
	case in.Len() > 0:
		return nil, errTrailing
	}
	return plain, nil
}
