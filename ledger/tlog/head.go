package tlog

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// Head is a tree head: size and root of the ledger, signed. Note is the whole signed note as kept, in the form of
// c2sp.org/tlog-checkpoint, with the cosignatures of witnesses, if any.
type Head struct {
	Origin string
	Size   int64
	Root   Hash
	Note   []byte
}

// Text is what the signatures of the head are over.
func (h Head) Text() string {
	return torchwood.Checkpoint{Origin: h.Origin, Tree: sumdb.Tree{N: h.Size, Hash: h.Root}}.String()
}

// ShortRoot is the head in 16 characters, to be copied by hand beside its size.
func (h Head) ShortRoot() string { return ShortRoot(h.Root) }

// ShortRoot are the first 80 bits of a root in base32.
func ShortRoot(root Hash) string { return base32.StdEncoding.EncodeToString(root[:10]) }

// ParseHead reads a tree head without checking its signatures. It takes exactly the form that gated writes: three lines
// of text, and numbers and base64 in their one canonical spelling, so that no byte of it can change unseen.
func ParseHead(b []byte) (Head, error) {
	// No note has any; and base64 passes over a carriage return, so that one head could be written in many ways.
	if i := bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
		return Head{}, fmt.Errorf("a tree head has no control characters such as %q", b[i])
	}
	text, sigs, ok := strings.Cut(string(b), "\n\n")
	if !ok || strings.Count(text, "\n") != 2 {
		return Head{}, errors.New("a tree head has three lines, an empty one, and its signatures")
	}
	c, err := torchwood.ParseCheckpoint(text + "\n")
	if err != nil || c.String() != text+"\n" {
		return Head{}, fmt.Errorf("%q is not a tree head: its lines are a name, a number, and 32 bytes in base64", text)
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
	return Head{Origin: c.Origin, Size: c.N, Root: c.Hash, Note: bytes.Clone(b)}, nil
}

// SignHead signs a tree head with the keys, the newest first.
func SignHead(origin string, size int64, root Hash, keys ...*Key) (h Head, err error) {
	var signers []note.Signer
	for _, k := range keys {
		signers = append(signers, k.signer)
	}
	h = Head{Origin: origin, Size: size, Root: root}
	if h.Note, err = note.Sign(&note.Note{Text: h.Text()}, signers...); err != nil {
		return Head{}, fmt.Errorf("sign a tree head: %w", err)
	}
	return h, nil
}

// Signatures are the lines below the text.
func (h Head) Signatures() []string {
	_, sigs, _ := strings.Cut(string(h.Note), "\n\n")
	return strings.Split(strings.TrimSuffix(sigs, "\n"), "\n")
}

// SignedBy says whether one of the keys signed the head, whoever else did.
func (h Head) SignedBy(keys ...string) bool {
	known, err := Verifiers(keys...)
	if err != nil {
		return false
	}
	_, err = note.Open(h.Note, known)
	return err == nil
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
