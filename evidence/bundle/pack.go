package bundle

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// The container: a zip file of stored members, of which every byte follows from names and contents (PKWARE APPNOTE 4.3).

const (
	maxZip  = 1<<32 - 1 - 1<<20 // bytes of all members, without zip64
	zipDate = 1<<5 | 1          // 1980-01-01
	zipMode = 0o100600 << 16

	headerSize = 30 // bytes before the name of a member
)

// measure takes what is written to it for the headers of a member and for the manifest.
type measure struct {
	size int64
	crc  hash.Hash32
	sha  hash.Hash
}

func newMeasure() *measure { return &measure{crc: crc32.NewIEEE(), sha: sha256.New()} }

func (m *measure) Write(p []byte) (int, error) {
	m.size += int64(len(p))
	m.crc.Write(p)
	return m.sha.Write(p)
}

// pack writes the members that were measured, each as content writes it.
func pack(w io.Writer, measured map[string]*measure, content func(name string, w io.Writer) error) error {
	out := bufio.NewWriterSize(w, 64<<10)
	z := zip.NewWriter(out)
	all := int64(0)
	for _, m := range members {
		x := measured[m.name]
		if x == nil {
			continue
		}
		if all += x.size; all > maxZip {
			return fmt.Errorf("it would have more than %d bytes, which is what a zip file holds", int64(maxZip))
		}
		h := &zip.FileHeader{Name: m.name, Method: zip.Store, CRC32: x.crc.Sum32(), CompressedSize64: uint64(x.size),
			UncompressedSize64: uint64(x.size), CreatorVersion: 3<<8 | 20, ReaderVersion: 20, ExternalAttrs: zipMode}
		//lint:ignore SA1019 CreateRaw writes this date as it is, and Modified not at all
		h.ModifiedDate = zipDate
		to, err := z.CreateRaw(h)
		if err == nil {
			err = content(m.name, to)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(z.Close(), out.Flush())
}

// same compares what is written to it with what r has, and fails where they part.
type same struct {
	r  *bufio.Reader
	at int64 // up to which they are the same
}

var errDiffers = errors.New("it differs")

func (s *same) Write(p []byte) (int, error) {
	got := make([]byte, len(p))
	n, err := io.ReadFull(s.r, got)
	if bytes.Equal(got, p) && err == nil {
		s.at += int64(n)
		return n, nil
	}
	i := 0
	for i < n && got[i] == p[i] {
		i++
	}
	s.at += int64(i)
	return i, errDiffers
}
