// Package verify tells what an auditor's keys and notes prove about a ledger or an export of one.
package verify

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gated/evidence"
	"gated/evidence/bundle"
	"gated/ledger/entry"
	"gated/ledger/epoch"
	"gated/ledger/tlog"
)

// Brought is what an auditor brings, as flags say it.
type Brought struct {
	Keys, Witnesses []string // verifier keys, or files of them
	Since           string   // file of an older tree head
	ShortRoots      []string // SIZE:CHARS
}

// Given reads what was brought.
func (b Brought) Given() (g evidence.Given, err error) {
	if g.Keys, err = tlog.ReadVerifiers("--key", b.Keys); err != nil {
		return g, err
	}
	if g.Witnesses, err = tlog.ReadVerifiers("--witness", b.Witnesses); err != nil {
		return g, err
	}
	for _, k := range g.Witnesses {
		if _, err := tlog.WitnessName(k); err != nil {
			return g, fmt.Errorf("--witness: %w: the gate's own key is for --key", err)
		}
	}
	for _, s := range b.ShortRoots {
		p, err := evidence.ParseShortRoot(s)
		if err != nil {
			return g, fmt.Errorf("--short-root %w", err)
		}
		g.ShortRoots = append(g.ShortRoots, p)
	}
	if b.Since == "" {
		return g, nil
	}
	note, err := os.ReadFile(b.Since)
	if err != nil {
		return g, fmt.Errorf("--since: %w", err)
	}
	h, err := tlog.ParseHead(note)
	if err != nil {
		return g, fmt.Errorf("--since %s: %w: \"gated ledger head\" prints one to keep", b.Since, err)
	}
	g.Since = &h
	return g, nil
}

// What can be verified.
const (
	Ledger = "ledger"
	Bundle = "an audit bundle"
	Tiles  = "a folder of tiles"
)

// WhatIs tells by its content which of them is at a path. It is an error if what was given cannot prove anything about it.
func WhatIs(path string, g evidence.Given) (kind string, err error) {
	kind, err = look(path)
	switch {
	case err != nil || kind == Ledger:
		return kind, err
	case g.Since != nil || len(g.ShortRoots) > 0:
		return "", fmt.Errorf("--since and --short-root are for a whole ledger, %s is %s", path, kind)
	case len(g.Keys) == 0:
		return "", fmt.Errorf("%s is %s: it proves something only to who has the gate's public key: name it with --key", path, kind)
	}
	return kind, nil
}

func look(path string) (kind string, err error) {
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	has := func(name string) bool { _, err := os.Stat(filepath.Join(path, name)); return err == nil }
	switch {
	case has("checkpoint"):
		return Tiles, nil
	case has("manifest.sha256"):
		return Bundle, nil
	case has("ledger.db") && has("secret.tar"):
		return "", fmt.Errorf("%s is a backup: verify its %s", path, filepath.Join(path, "ledger.db"))
	case has("ledger.db"):
		return "", fmt.Errorf("%s is a state directory: verify it with --state %s", path, path)
	case st.IsDir():
		return "", fmt.Errorf("%s is neither a folder of tiles nor an unpacked bundle", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 16)
	n, _ := io.ReadFull(f, head)
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("SQLite format 3")):
		return Ledger, nil
	case bytes.HasPrefix(head, []byte("PK")), strings.HasSuffix(path, ".zip"):
		return Bundle, nil
	}
	return "", fmt.Errorf("%s is neither an audit bundle nor a copy of a ledger", path)
}

// Verify verifies what is at a path, a ledger with the epochs before it, and writes what that proves. The error says what does not
// hold.
func Verify(w io.Writer, path, kind string, g evidence.Given) error {
	switch keys := append(g.Keys, g.Witnesses...); kind {
	case Bundle:
		return bundle.Verify(path, keys, w)
	case Tiles:
		return tlog.VerifyTiles(path, keys, entry.NamedKeys, w)
	}
	began := time.Now()
	reports, err := evidence.VerifyChain(path, g)
	if err != nil {
		return err
	}
	for _, r := range reports {
		fmt.Fprintf(w, "entries=%d root=%s seconds=%.3f origin=%s heads=%d personal=%d erased=%d hidden=%d readable=%d\n",
			r.Entries, r.Root, time.Since(began).Seconds(), r.Meta.Origin, r.Heads, r.Personal, r.Erased, r.Hidden, r.Pending)
	}
	for _, line := range evidence.Proved(reports) {
		fmt.Fprintln(w, line)
	}
	return nil
}

// Path verifies what is at a path, as Verify does; broken tells whether its error says what does not hold, and not that it cannot be told.
func Path(w io.Writer, path string, g evidence.Given) (broken bool, err error) {
	kind, err := WhatIs(path, g)
	if err != nil {
		return false, err
	}
	err = Verify(w, path, kind, g)
	return err != nil && (kind != Ledger || !unread(err)), err
}

// State verifies the ledger of a state directory as Path does. That it is gone, though what lies beside it tells of one, is broken.
func State(w io.Writer, dir string, g evidence.Given) (broken bool, err error) {
	err = Verify(w, filepath.Join(dir, "ledger.db"), Ledger, g)
	if errors.Is(err, fs.ErrNotExist) {
		err = cmp.Or(epoch.LedgerGone(dir, g.Known), err)
	}
	return err != nil && !unread(err), err
}

func unread(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)
}
