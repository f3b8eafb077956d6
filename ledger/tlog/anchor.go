package tlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"gated/durable"

	"golang.org/x/sys/unix"
)

// The anchor holds the newest tree head. Rows of the ledger stay for ever, so the head of each second is none of them: it
// is written here, over the head before the last. There are two records, which are written in turn: a power cut in the
// middle of a write leaves the other one whole. Each stands in a block of its own, as a disk may write no less than 4 KiB.
//
// A record is, with numbers in big endian:
//
//	  0   8  "GATEDH1\n"
//	  8   8  count: one more with each record
//	 16   8  size of the tree
//	 24  32  root of the tree
//	 56   1  number of signatures, 1 or 2
//	 57  68  the first: the hash of its key (4 bytes) and the Ed25519 signature of the note
//	125  68  the second, or zeros
//	193   1  length of the origin
//	194 286  the origin, then zeros
//	480  32  SHA-256 of the 480 bytes before
const (
	anchorRecord = 512
	anchorBlock  = 4096
	anchorMagic  = "GATEDH1\n"
	anchorSig    = 4 + 64 // hash of the key, signature
	anchorSigs   = 57
	anchorOrigin = anchorSigs + 2*anchorSig
	anchorSum    = anchorRecord - sha256.Size
)

// ErrTorn: the anchor is there, and neither of its records is whole. No power cut leaves it so.
var ErrTorn = errors.New("neither of its two records is whole")

// Anchor is the file as its writer has it.
type Anchor struct {
	file  *os.File
	count uint64 // of the newest record
}

// OpenAnchor opens the anchor for writing, and makes it where it is not there.
func OpenAnchor(path string) (*Anchor, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		// Whole and synced before the first head: later writes change no metadata.
		if err := WriteWhole(path, make([]byte, 2*anchorBlock)); err != nil {
			return nil, err
		}
	}
	f, err := durable.Open(path, os.O_RDWR|unix.O_DSYNC)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 2*anchorBlock)
	if _, err := f.ReadAt(b, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	_, count, err := newestRecord(b)
	if err != nil && !unused(b) {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return &Anchor{f, count}, nil
}

// Write puts the head in the place of the older record, and returns once it would survive a power cut.
func (a *Anchor) Write(h Head) error {
	b, err := formatRecord(h, a.count+1)
	if err != nil {
		return err
	}
	a.count++
	_, err = a.file.WriteAt(b, int64(a.count%2)*anchorBlock)
	return err
}

func (a *Anchor) Close() error { return a.file.Close() }

// ReadAnchor reads the heads that the anchor holds, the newest first: at most two. Whoever reads an older state of the
// ledger than the newest may need the second.
func ReadAnchor(path string) ([]Head, error) {
	f, err := durable.Open(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for try := 0; ; try++ {
		b := make([]byte, 2*anchorBlock)
		if _, err := io.ReadFull(f, b); errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, fmt.Errorf("%s: %w", path, ErrTorn)
		} else if err != nil {
			return nil, err
		}
		newest, count, err := newestRecord(b)
		switch {
		case err == nil:
			heads := []Head{newest}
			if older, n, err := parseRecord(b[(count+1)%2*anchorBlock:]); err == nil && n == count-1 {
				heads = append(heads, older)
			}
			return heads, nil
		case unused(b):
			return nil, nil
		case try == 2: // the daemon may have been writing, twice
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
}

// unused says whether the anchor may hold no head yet: the very first may be torn, and it does not stand in the first block.
func unused(b []byte) bool {
	return len(b) == 2*anchorBlock && len(bytes.Trim(b[:anchorBlock], "\x00")) == 0
}

// newestRecord is the head of the newest record that is whole.
func newestRecord(b []byte) (h Head, count uint64, err error) {
	err = ErrTorn
	for i := range 2 {
		if len(b) < i*anchorBlock+anchorRecord {
			break
		}
		// A record that stands in the other's place was put there by somebody else.
		if x, n, rerr := parseRecord(b[i*anchorBlock:]); rerr == nil && n%2 == uint64(i) && (err != nil || n > count) {
			h, count, err = x, n, nil
		}
	}
	return h, count, err
}

func formatRecord(h Head, count uint64) ([]byte, error) {
	b := make([]byte, anchorRecord)
	copy(b, anchorMagic)
	binary.BigEndian.PutUint64(b[8:], count)
	binary.BigEndian.PutUint64(b[16:], uint64(h.Size))
	copy(b[24:], h.Root[:])
	var sigs []string // without those of witnesses: a head that has them is a row
	for _, line := range h.Signatures() {
		if strings.HasPrefix(line, "— "+h.Origin+" ") {
			sigs = append(sigs, line)
		}
	}
	if n := len(sigs); n < 1 || n > 2 || len(h.Origin) > 255 {
		return nil, fmt.Errorf("tree head of %q with %d signatures: the anchor holds one or two, and a name of at most 255 bytes",
			h.Origin, n)
	}
	b[anchorSigs-1] = byte(len(sigs))
	for i, line := range sigs {
		sig, err := base64.StdEncoding.Strict().DecodeString(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil || len(sig) != anchorSig {
			return nil, fmt.Errorf("tree head of %q: %q is no signature of its key", h.Origin, line)
		}
		copy(b[anchorSigs+i*anchorSig:], sig)
	}
	b[anchorOrigin] = byte(len(h.Origin))
	copy(b[anchorOrigin+1:], h.Origin)
	sum := sha256.Sum256(b[:anchorSum])
	copy(b[anchorSum:], sum[:])
	return b, nil
}

// parseRecord reads a record, in exactly the form that formatRecord gives it.
func parseRecord(b []byte) (h Head, count uint64, err error) {
	if len(b) < anchorRecord {
		return h, 0, io.ErrUnexpectedEOF
	}
	b = b[:anchorRecord]
	if sum := sha256.Sum256(b[:anchorSum]); string(b[:len(anchorMagic)]) != anchorMagic || !bytes.Equal(sum[:], b[anchorSum:]) {
		return h, 0, ErrTorn
	}
	n, name := int(b[anchorSigs-1]), b[anchorOrigin+1:anchorSum]
	if int(b[anchorOrigin]) > len(name) || n < 1 || n > 2 {
		return h, 0, ErrTorn
	}
	origin := string(name[:b[anchorOrigin]])
	size := int64(binary.BigEndian.Uint64(b[16:]))
	root := Hash(b[24:56])
	note := Head{Origin: origin, Size: size, Root: root}.Text() + "\n"
	for i := range n {
		sig := b[anchorSigs+i*anchorSig:][:anchorSig]
		note += "— " + origin + " " + base64.StdEncoding.EncodeToString(sig) + "\n"
	}
	if h, err = ParseHead([]byte(note)); err != nil {
		return h, 0, err
	}
	count = binary.BigEndian.Uint64(b[8:])
	if again, err := formatRecord(h, count); err != nil || !bytes.Equal(again, b) {
		return Head{}, 0, ErrTorn
	}
	return h, count, nil
}
