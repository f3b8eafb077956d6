package ledger

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Head is a tree head: size and root of the ledger, signed. Note is the whole signed note as kept, in the form of
// c2sp.org/tlog-checkpoint, with the cosignatures of witnesses, if any.
type Head struct {
	Origin string
	Size   int64
	Root   tlog.Hash
	Note   []byte
}

func headText(origin string, size int64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)
}

// Paper is the head in 16 characters, to be copied by hand beside its size: the first 80 bits of the root in base32.
func (h Head) Paper() string { return paper(h.Root) }

// ParseHead reads a tree head without checking its signatures. It takes exactly the form that gated writes: three lines
// of text, and numbers and base64 in their one canonical spelling, so that no byte of it can change unseen.
func ParseHead(n []byte) (Head, error) {
	// No note has any; and base64 passes over a carriage return, so that one head could be written in many ways.
	if i := bytes.IndexFunc(n, func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
		return Head{}, fmt.Errorf("a tree head has no control characters such as %q", n[i])
	}
	text, sigs, ok := strings.Cut(string(n), "\n\n")
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 3 {
		return Head{}, errors.New("a tree head has three lines, an empty one, and its signatures")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return Head{}, fmt.Errorf("the size of a tree head is a number, not %q", lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Head{}, fmt.Errorf("the root of a tree head is 32 bytes in base64, not %q", lines[2])
	}
	body, ok := strings.CutSuffix(sigs, "\n")
	if !ok {
		return Head{}, errors.New("the last signature of a tree head is not whole")
	}
	for _, line := range strings.Split(body, "\n") {
		_, sig, ok := strings.Cut(strings.TrimPrefix(line, "— "), " ")
		if _, err := base64.StdEncoding.Strict().DecodeString(sig); err != nil || !ok || !strings.HasPrefix(line, "— ") {
			return Head{}, fmt.Errorf("%q is not a signature line", line)
		}
	}
	return Head{Origin: lines[0], Size: size, Root: tlog.Hash(root), Note: bytes.Clone(n)}, nil
}

// signatures are the lines below the text.
func (h Head) signatures() []string {
	_, sigs, _ := strings.Cut(string(h.Note), "\n\n")
	return strings.Split(strings.TrimSuffix(sigs, "\n"), "\n")
}

// Verify checks that every signature line of the head is a good one of a known key, and that there is one of a key
// that bears the origin's name. A line that nobody can check would be one that anybody could have changed.
func (h Head) Verify(known note.Verifiers) error {
	n, err := note.Open(h.Note, known)
	if err != nil {
		return fmt.Errorf("tree head of %d entries: %w", h.Size, err)
	}
	for _, s := range n.UnverifiedSigs {
		return fmt.Errorf("tree head of %d entries: the signature of %s is by a key that is not known", h.Size, s.Name)
	}
	for _, s := range n.Sigs {
		if s.Name == h.Origin {
			return nil
		}
	}
	return fmt.Errorf("tree head of %d entries: no signature of %s itself", h.Size, h.Origin)
}

// head reads the newest tree head, or the newest with at most size entries; Note is nil where there is none.
func (c *conn) head(size int64) (h Head, err error) {
	s, err := c.one("SELECT note FROM head WHERE size <= ? ORDER BY size DESC LIMIT 1", size)
	if err != nil || s == "" {
		return h, err
	}
	return ParseHead([]byte(s))
}

// ErrNoHead: the ledger has no tree head yet, as nothing was recorded or its key was out of reach.
var ErrNoHead = errors.New("the ledger has no tree head yet: the daemon signs one a second after the first entry")

// Head is the newest tree head.
func (r *Reader) Head() (Head, error) { return r.HeadBefore(1 << 62) }

// HeadBefore is the newest tree head of at most size entries.
func (r *Reader) HeadBefore(size int64) (Head, error) {
	h, err := r.c.head(size)
	if err == nil && h.Note == nil {
		err = ErrNoHead
	}
	return h, err
}

// HeadAt is the tree head of exactly size entries; day ends and witnessed heads are kept for good.
func (r *Reader) HeadAt(size int64) (Head, error) {
	h, err := r.HeadBefore(size)
	if err == nil && h.Size != size {
		err = fmt.Errorf("no tree head of %d entries was kept", size)
	}
	return h, err
}

// Head is the newest tree head, or nil before the first.
func (l *Ledger) Head() *Head { return l.newest.Load() }

func (l *Ledger) setHead(h Head) {
	if h.Note == nil || h.Size == l.head.Size && len(h.Note) == len(l.head.Note) {
		return
	}
	if l.head.Note == nil {
		l.opt.Log.Info("the first tree head: let an auditor keep it away from this box", "origin", h.Origin, "size", h.Size, "paper", h.Paper(),
			"verifier", l.keys[0].public, "fingerprint", Fingerprint(l.keys[0].public))
	}
	l.head = h
	l.newest.Store(&h)
}

// signed makes a tree head of all entries, where there is none yet. It runs each second, and at the end.
func (l *Ledger) signed() {
	if l.fault.Load() != nil || len(l.keys) == 0 || l.head.Size == l.size {
		return
	}
	if err := l.watched(func() error { return l.sign(l.keys[0]) }); err != nil {
		l.fail(fmt.Errorf("sign a tree head: %w", err), nil)
	}
}

// sign makes the head of all entries with the keys in a transaction of its own: published, it must outlast a power cut.
func (l *Ledger) sign(keys ...*Key) error {
	if err := run(l.begin); err != nil {
		return err
	}
	h, err := l.putHead(l.size, l.head, l.segments, keys...)
	if err == nil {
		err = l.opt.inject("sign")
	}
	if err == nil {
		err = run(l.commit)
	}
	if err != nil {
		return err
	}
	l.setHead(h)
	return nil
}

// putHead signs the tree as it stands, with size entries, and inserts the head in the transaction under way. The head
// before it goes, unless it ended a day or bears more than one signature.
func (l *Ledger) putHead(size int64, before Head, segments []Segment, keys ...*Key) (Head, error) {
	if len(l.keys) == 0 {
		return before, nil
	}
	if len(keys) == 0 {
		keys = l.keys[:1]
		if l.rotated != nil { // the entry that names the new key may end a day; the old one must be seen to have known it
			keys = []*Key{l.keys[0], l.rotated}
		}
	}
	h, err := signHead(l.meta.Origin, size, l.tree.root(), keys...)
	if err != nil {
		return h, err
	}
	if before.Note != nil && before.Size == size { // only when it is signed by a second key
		return h, l.c.exec("UPDATE head SET note = ? WHERE size = ?", string(h.Note), size)
	}
	// The leaves that no full tile holds yet let a verifier name the entry that was changed, should one be.
	var leaves []byte
	if len(l.tree.edge) > 0 {
		leaves = l.tree.edge[0]
	}
	if err := l.c.exec("INSERT INTO head(size, note, leaves) VALUES(?, ?, ?)", size, string(h.Note), leaves); err != nil {
		return h, err
	}
	i := sort.Search(len(segments), func(i int) bool { return segments[i].First > before.Size })
	ended := i < len(segments) && segments[i].First == before.Size+1
	if before.Note == nil || ended || len(before.signatures()) > 1 {
		return h, nil
	}
	return h, l.c.exec("DELETE FROM head WHERE size = ?", before.Size)
}

// errStranger: the keys of the state directory are not those of the ledger.
var errStranger = errors.New("not signed by the key")

// openTree rebuilds the frontier and checks it against the newest tree head. What does not fit is never put right: who
// can say which of the two was changed?
func (l *Ledger) openTree(c *conn, m Meta) error {
	size, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
	if err != nil {
		return err
	}
	if l.tree, err = loadTree(c, size); err != nil {
		return err
	}
	h, err := c.head(1 << 62)
	if err != nil {
		return fmt.Errorf("the newest tree head: %w", err)
	}
	l.head, l.rotated = h, nil
	if h.Note == nil {
		l.newest.Store(nil) // what an epoch before ended with is none of this ledger
		return nil
	}
	l.newest.Store(&h)
	const keep = "keep the file, and look with \"gated ledger verify\" for what was changed"
	if h.Origin != m.Origin {
		return fmt.Errorf("the newest tree head is of %q, not of %q: %s", h.Origin, m.Origin, keep)
	}
	if h.Size > size {
		return fmt.Errorf("the newest tree head counts %d entries, and %d are there: some were removed from the end: %s", h.Size, size, keep)
	}
	t := l.tree
	if h.Size != size {
		if t, err = loadTree(c, h.Size); err != nil {
			return err
		}
	}
	if root := t.root(); root != h.Root {
		return fmt.Errorf("entries 1 to %d have the root %s, and the tree head signed %s: %s", h.Size, root, h.Root, keep)
	}
	for i, k := range l.keys {
		if h.signedBy(k.public) {
			if i > 0 || len(h.signatures()) == 1 {
				if i > 0 {
					l.rotated = k
				}
				return nil
			}
			// Both signed. Unless that was right after the entry that names the new key, it was broken off.
			last, err := c.one("SELECT record FROM entry WHERE seq = ?", h.Size)
			if err != nil {
				return err
			}
			for _, old := range l.keys[1:] {
				if h.signedBy(old.public) && !strings.Contains(last, k.public) {
					l.rotated = old
				}
			}
			return nil
		}
	}
	if len(l.keys) > 0 {
		return fmt.Errorf("the newest tree head is not signed by the key %s: put back the key that signed it, or its line below the new one; "+
			"if it is lost, begin a new epoch with \"gated run --restored\"", l.keys[0].public)
	}
	known, err := PublicKeys(l.opt.Dir)
	if err != nil {
		return err
	}
	if !h.signedBy(known...) {
		return fmt.Errorf("the newest tree head is %w of %s: %s", errStranger, publicFile(l.opt.Dir), keep)
	}
	return nil
}

// signedBy says whether one of the keys signed the head, whoever else did.
func (h Head) signedBy(keys ...string) bool {
	known, err := verifiers(keys...)
	if err != nil {
		return false
	}
	_, err = note.Open(h.Note, known)
	return err == nil
}

// rotate lets the new key take over from the old one: an entry names the new key, and both sign one head.
func (l *Ledger) rotate() error {
	if l.rotated == nil {
		return nil
	}
	if _, err := l.enter(nil, Event{Stamp: l.opt.Now(), Kind: KeyChange, Reason: "rotated", By: "machine",
		Detail: map[string]string{"verifier": l.keys[0].public, "was": l.rotated.public}}); err != nil {
		return err
	}
	if err := l.sign(l.keys[0], l.rotated); err != nil {
		return err
	}
	l.opt.Log.Info("another key signs tree heads from now on: the old one can be removed from the key file", "verifier", l.keys[0].public, "entries", l.size)
	l.rotated = nil
	return nil
}
