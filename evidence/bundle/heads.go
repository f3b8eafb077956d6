package bundle

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gated/ledger/tlog"

	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// readHead reads head.txt and sorts the keys into those that can vouch for it and others.
func (c *checking) readHead(keys []string) error {
	b, err := c.read("head.txt")
	if err != nil {
		return err
	}
	if c.head, err = tlog.ParseHead(b); err != nil {
		return fmt.Errorf("head.txt: %w", err)
	}
	if c.head.Size < 1 {
		return errors.New("head.txt: it was signed before the first entry, and proves nothing of any day")
	}
	var names []string
	for _, k := range keys {
		v, err := tlog.NewVerifier(k)
		if err != nil {
			return err
		}
		if _, err := tlog.WitnessName(k); err != nil && v.Name() == c.head.Origin {
			c.keys = append(c.keys, k)
		} else {
			c.others = append(c.others, k)
		}
		names = append(names, v.Name())
	}
	if len(c.keys) == 0 {
		return fmt.Errorf("head.txt is of %q, and the key given is of %s: give the key of that gate", c.head.Origin, strings.Join(names,
			", "))
	}
	var invalid *note.InvalidSignatureError
	if _, _, err := c.signed(c.head); errors.As(err, &invalid) {
		return fmt.Errorf("head.txt: %w", err)
	}
	return nil
}

// signed tells which of the keys known signed a head. A signature by one of them that is not good is an error.
func (c *checking) signed(h tlog.Head) (by []string, unknown []string, err error) {
	known, err := tlog.Verifiers(append(c.keys[:len(c.keys):len(c.keys)], c.others...)...)
	if err != nil {
		return nil, nil, err
	}
	n, err := note.Open(h.Note, known)
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, s := range n.UnverifiedSigs {
		unknown = append(unknown, s.Name)
	}
	for _, k := range append(c.keys[:len(c.keys):len(c.keys)], c.others...) {
		v, err := tlog.NewVerifier(k)
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() }) {
			by = append(by, k)
		}
	}
	return by, unknown, nil
}

// followKeys goes from the keys given to the one that signed head.txt. At each change of key an entry names the old and
// the new one, and both signed the head that ends with it: so each vouches for the other.
func (c *checking) followKeys() error {
	var chain []string // the gate's keys, the oldest first
	var sizes []int64  // of the heads at which each of them took over
	for _, rot := range c.proof.Rotations {
		h, err := tlog.ParseHead([]byte(rot.Note))
		if err != nil {
			return fmt.Errorf("proof.json: the head of a key change: %w", err)
		}
		if len(sizes) > 0 && h.Size <= sizes[len(sizes)-1] {
			return fmt.Errorf("proof.json: the key change at entry %d stands in the wrong place", h.Size)
		}
		if err := c.consistent(h, rot.Hashes); err != nil {
			return fmt.Errorf("proof.json: the key change at entry %d: %w", h.Size, err)
		}
		e := c.changes[h.Size]
		if e == nil || e.Reason != "rotated" {
			return fmt.Errorf("entry %d: it should name the new key, and is not given or does not", h.Size)
		}
		anew, was := e.Detail["verifier"], e.Detail["was"]
		if chain == nil {
			chain, sizes = []string{was}, []int64{0}
		}
		if chain[len(chain)-1] != was || !h.SignedBy(was) || !h.SignedBy(anew) {
			return fmt.Errorf("proof.json: the key change at entry %d is not signed by the old and the new key", h.Size)
		}
		chain, sizes = append(chain, anew), append(sizes, h.Size)
	}
	if i := slices.IndexFunc(chain, func(k string) bool { return slices.Contains(c.keys, k) }); i >= 0 {
		for n, k := range chain {
			if !slices.Contains(c.keys, k) {
				c.keys = append(c.keys, k)
			}
			if n > i {
				c.say("at entry %d the key of %s was changed; the old and the new one signed that head (new key's fingerprint %s)",
					sizes[n], c.head.Origin, tlog.Fingerprint(k))
			}
		}
	}
	by, unknown, err := c.signed(c.head)
	if err != nil {
		return fmt.Errorf("head.txt: %w", err)
	}
	i := slices.IndexFunc(by, func(k string) bool { return slices.Contains(c.keys, k) })
	switch {
	case i < 0:
		return fmt.Errorf("head.txt: the key given did not sign it, and no change of key leads from that one to the signer: is it "+
			"the right key, and whole? (fingerprint %s)", tlog.Fingerprint(c.keys[0]))
	case chain != nil && !slices.Contains(by, chain[len(chain)-1]):
		return fmt.Errorf("head.txt: it is signed by a key that was replaced at entry %d", sizes[len(sizes)-1])
	}
	b, err := c.read("gate.pub")
	if err != nil {
		return err
	}
	if k, ok := strings.CutSuffix(string(b), "\n"); !ok || !slices.Contains(c.keys, k) || !slices.Contains(by, k) {
		return errors.New("gate.pub: it is not the key that signed head.txt")
	}
	c.say("head.txt is the tree head of %d entries, signed by %s (short root %d:%s)", c.head.Size, c.head.Origin, c.head.Size,
		c.head.ShortRoot())
	c.witnesses("head.txt", c.head, by, unknown)
	return nil
}

// witnesses reports the cosignatures of a head.
func (c *checking) witnesses(name string, h tlog.Head, by, unknown []string) {
	signatures := []byte(strings.Join(h.Signatures(), "\n") + "\n")
	for _, k := range by {
		if _, at, err := h.Cosignature(k, signatures); err == nil { // a witness's
			who, _, _ := strings.Cut(k, "+")
			c.saw = append(c.saw, k)
			c.say("%s: the witness %s saw it at %s", name, who, time.Unix(at, 0).UTC().Format(time.RFC3339))
		}
	}
	for _, who := range unknown {
		c.say("not checked: the signature of %s on %s: give its key too", who, name)
	}
}

// consistent checks that the ledger of head.txt begins with that of h.
func (c *checking) consistent(h tlog.Head, proof []tlog.Hash) error {
	if h.Origin != c.head.Origin {
		return fmt.Errorf("it is of %q, not of %q", h.Origin, c.head.Origin)
	}
	if h.Size < 1 || h.Size > c.head.Size {
		return fmt.Errorf("it counts %d entries, head.txt %d", h.Size, c.head.Size)
	}
	if err := sumdb.CheckTree(proof, c.head.Size, c.head.Root, h.Size, h.Root); err != nil {
		return fmt.Errorf("the ledger of head.txt does not begin with the %d entries of this head, or the proof was changed: %w", h.Size,
			err)
	}
	return nil
}

// olderHeads checks previous.txt and day.txt.
func (c *checking) olderHeads() error {
	proofs := c.proof.Consistency
	for _, x := range []struct {
		name string
		size int64
	}{{"previous.txt", c.sum.First - 1}, {"day.txt", c.sum.Last}} {
		if c.measured[x.name] == nil {
			if x.size >= 1 && x.size < c.head.Size && (x.name == "previous.txt" || c.counts[0] > 0) {
				c.say("not proved: that nothing up to entry %d was changed later: no head of then is in the bundle", x.size)
			}
			continue
		}
		b, err := c.read(x.name)
		if err != nil {
			return err
		}
		h, err := tlog.ParseHead(b)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		if h.Size != x.size {
			return fmt.Errorf("%s counts %d entries instead of %d", x.name, h.Size, x.size)
		}
		by, unknown, err := c.signed(h)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		if !slices.ContainsFunc(by, func(k string) bool { return slices.Contains(c.keys, k) }) {
			return fmt.Errorf("%s: no key that is known signed it", x.name)
		}
		if len(proofs) == 0 || proofs[0].From != h.Size {
			return fmt.Errorf("proof.json: no consistency proof from the %d entries of %s", h.Size, x.name)
		}
		if err := c.consistent(h, proofs[0].Hashes); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		proofs = proofs[1:]
		c.say("nothing up to entry %d was changed since %s signed the head of %d entries (%s)", h.Size, h.Origin, h.Size, x.name)
		c.witnesses(x.name, h, by, unknown)
	}
	if len(proofs) > 0 {
		return fmt.Errorf("proof.json: a consistency proof from %d entries, of which there is no head", proofs[0].From)
	}
	for _, k := range c.others {
		if who, err := tlog.WitnessName(k); err == nil && !slices.Contains(c.saw, k) {
			return fmt.Errorf("the witness %s signed no head of this bundle: without its key the rest can be checked (fingerprint %s)", who,
				tlog.Fingerprint(k))
		}
	}
	return nil
}
