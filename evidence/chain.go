package evidence

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// VerifyChain verifies the ledger of that name and, in a state directory, the epochs before it that are there, each against
// the first entry of the next. The reports are in the order of the epochs.
//
// It goes from the newest back: what the first entry of an epoch says of the one before, its root and its key, counts with whom
// brought a key only if that epoch is tied to it: signed by it, or named in the same way by one that is tied. Otherwise whoever has
// the box can have written both.
func VerifyChain(path string, g Given) ([]*Report, error) {
	chain, err := epochs(path)
	for _, r := range chain {
		defer r.Close()
	}
	if err != nil {
		return nil, err
	}
	last := chain[len(chain)-1]
	if err := g.strangers(last.Meta); err != nil {
		return nil, err
	}
	reports, shortRoots := make([]*Report, len(chain)), g.shortRootsOf(chain)
	since, tied, proved := false, false, len(g.Keys) == 0 // tied: the epoch behind is; proved: some epoch is
	for i, r := range slices.Backward(chain) {
		own := Given{ShortRoots: shortRoots[i], Keys: tlog.OfOrigin(g.Keys, r.Meta.Origin), Witnesses: g.Witnesses, Progress: g.Progress,
			Unseal: g.Unseal}
		var link *entry.Entry // the entry that names what this epoch ended with
		boxed := false        // its key is named by an epoch that is not tied
		if i+1 < len(chain) {
			if link, err = first(chain[i+1]); err != nil {
				return nil, err
			}
			if own.Keys == nil && link.Detail["verifier"] != "" {
				own.Keys, boxed = []string{link.Detail["verifier"]}, !tied
			}
			own.keyless = true
			if link.Reason == "restored" { // no other is a copy that is older than its slots
				own.erasedAfter, _ = strconv.ParseInt(link.Detail["erased"], 10, 64) // none: 0
			}
		} else {
			own.Known = g.Known
			if own.Keys == nil {
				own.Keys = g.Keys // of another name: an error says so
				if known, _ := tlog.PublicKeys(filepath.Dir(path)); len(chain) > 1 && len(tlog.OfOrigin(known, r.Meta.Origin)) > 0 {
					own.Keys = nil // given is the key of an older epoch
				}
			}
		}
		if g.Since != nil && g.Since.Origin == r.Meta.Origin {
			own.Since, since = g.Since, true
		}
		rep, err := Verify(r, own)
		if link != nil && link.Detail["found"] != "" { // whatever else may be found now
			reports[i], tied = &Report{Meta: r.Meta, Found: link.Detail["found"]}, false
			continue
		}
		if err != nil {
			if len(chain) > 1 {
				err = fmt.Errorf("%s: %w", r.Meta.Origin, err)
			}
			return nil, err
		}
		rep.OwnKey = rep.OwnKey || boxed
		if i == 0 && r.Meta.Epoch > 1 && rep.Entries > 0 {
			if rep.Before, err = first(r); err != nil {
				return nil, err
			}
		}
		size := strconv.FormatInt(rep.Entries, 10)
		named := func(what, has string) bool { return link.Detail[what] == has }
		if link != nil && !(named("origin", r.Meta.Origin) && named("size", size) && named("root", rep.Root.String())) {
			return nil, fmt.Errorf("%s: entry 1 says that the epoch before ended with entry %s of %s and the root %s; its file has "+
				"%d entries and the root %s",
				chain[i+1].Meta.Origin, link.Detail["size"], link.Detail["origin"], link.Detail["root"], rep.Entries, rep.Root)
		}
		tied = tied || !rep.OwnKey && rep.Head.Size > 0 // a head of no entries signs none
		if !tied && !rep.OwnKey {
			return nil, fmt.Errorf("%s: no tree head is there that the key given signs, so nothing is proved. A gate signs the first "+
				"one a second after it has started: let it run, or look at the ledger without --key", r.Meta.Origin)
		}
		reports[i], proved = rep, proved || tied
	}
	switch {
	case g.Since != nil && !since:
		return nil, fmt.Errorf("the older head is of the ledger %q, this one is %q", g.Since.Origin, last.Meta.Origin)
	case !proved: // who has the box could begin a new epoch behind a broken one
		return nil, errors.New("the key that was given signs no epoch that holds: ask who runs the gate why a new epoch was begun, " +
			"and for its key")
	}
	for _, k := range g.Witnesses {
		if !slices.ContainsFunc(reports, func(r *Report) bool { return slices.Contains(r.signed, k) }) {
			name, _, _ := strings.Cut(k, "+")
			return nil, fmt.Errorf("%s signed no head of this ledger with the key given as --witness (fingerprint %s)", name,
				tlog.Fingerprint(k))
		}
	}
	return reports, nil
}

// strangers refuses a witness that bears the gate's own name, as it or one of its epochs does: who keeps a ledger is no witness of it.
func (g Given) strangers(m file.Meta) error {
	for _, k := range g.Witnesses {
		name, _, _ := strings.Cut(k, "+")
		for epoch := range m.Epoch {
			if name == file.EpochOrigin(m.Name(), epoch+1) {
				return fmt.Errorf("the witness given is %s itself: a witness is another party, whose key comes from its operator", name)
			}
		}
	}
	return nil
}

// shortRootsOf tells which epoch each short root is of: a line of the handover book does not say.
func (g Given) shortRootsOf(chain []*file.Reader) [][]ShortRoot {
	of := make([][]ShortRoot, len(chain))
	for _, p := range g.ShortRoots {
		at := len(chain) - 1
		for i, r := range chain {
			if root, err := tlog.RootAt(r, p.Size); err == nil && tlog.ShortRoot(root) == p.Chars {
				at = i
			}
		}
		of[at] = append(of[at], p)
	}
	return of
}

// epochs opens the ledger at path and, before it, the older epochs that lie beside it; with an error, what was opened.
func epochs(path string) (chain []*file.Reader, err error) {
	r, err := file.OpenFile(path)
	if err != nil {
		return nil, err
	}
	chain = []*file.Reader{r}
	if filepath.Base(path) != "ledger.db" {
		return chain, nil
	}
	for epoch := r.Meta.Epoch - 1; epoch > 0; epoch-- {
		old, err := file.OpenFile(file.OfEpoch(filepath.Dir(path), epoch))
		if errors.Is(err, fs.ErrNotExist) {
			break // taken away when its data was due, or not in the backup: Proved says so
		}
		if next, ferr := first(chain[0]); err != nil && ferr == nil && next.Detail["found"] != "" {
			break // it was put aside because of that
		}
		if err != nil {
			return chain, fmt.Errorf("epoch %d of %d cannot be read: %w", epoch, r.Meta.Epoch, err)
		}
		chain = append([]*file.Reader{old}, chain...)
	}
	return chain, nil
}

// first is the first entry.
func first(r *file.Reader) (e *entry.Entry, err error) {
	err = r.Scan(1, 1, false, func(x *entry.Entry) error { e = x; return nil })
	if err == nil && (e == nil || e.Kind != entry.Epoch) {
		err = fmt.Errorf("%s: entry 1 does not name the epoch before", r.Meta.Origin)
	}
	return e, err
}

// Proved says in words, a line each, what a verification has shown with what it was given.
func Proved(reports []*Report) (lines []string) {
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for i, r := range reports {
		name := r.Meta.Origin
		if r.Found != "" {
			say("%s: it did not hold when %s began, and counts for nothing: %s.", name, reports[i+1].Meta.Origin, r.Found)
			continue
		}
		if i > 0 && reports[i-1].Found == "" {
			say("%s follows %s, which ended with entry %d: its first entry names that root. What the other box recorded after that "+
				"entry is not here.", name, reports[i-1].Meta.Origin, reports[i-1].Entries)
		}
		if e := r.Before; e != nil && e.Detail["found"] != "" {
			say("%s: the epoch before it did not hold when it began, and counts for nothing: %s.", name, e.Detail["found"])
		} else if e != nil {
			say("%s: the epoch before it is not here, so nothing is said about it. It was %s and ended with entry %s and the root %s.",
				name, e.Detail["origin"], e.Detail["size"], e.Detail["root"])
		}
		switch {
		case r.Head.Note == nil:
			say("%s: the %d entries fit each other. No tree head is signed yet, so nothing shows that they were not rewritten.", name,
				r.Entries)
			continue
		case r.Head.Size == r.Entries:
			say("%s: entries 1 to %d are complete, in order, and exactly those that the newest tree head signs.", name, r.Entries)
		default:
			say("%s: entries 1 to %d are complete, in order, and exactly those that the newest tree head signs; %d newer ones are "+
				"not signed yet.", name, r.Head.Size, r.Entries-r.Head.Size)
		}
		if r.Personal+r.Erased > 0 {
			say("%s: %d personal fields are the ones that were recorded; those of %d entries were erased.", name, r.Personal, r.Erased)
		}
		if r.Hidden > 0 {
			say("%s: the personal data of %d entries was not looked at: what opens it, the slots or the master key, is not here (%s).",
				name, r.Hidden, strings.ReplaceAll(r.HiddenWhy.Error(), "\n", "; "))
		}
		if r.Pending > 0 {
			say("%s: the personal data of %d entries can still be read although an erase entry names them: "+
				"start the daemon, which erases it.", name, r.Pending)
		}
		switch {
		case r.Key == "":
			say("%s: its signatures were not checked, as its public key is not known here: bring it with --key.", name)
		case r.OwnKey:
			say("%s: the key was taken from the box itself (fingerprint %s): compare it with the one printed at installation, or "+
				"give --key.", name, tlog.Fingerprint(r.Key))
		default:
			say("%s: the heads are signed by the key you trust, or by one that it vouches for (fingerprint %s).", name,
				tlog.Fingerprint(r.Key))
		}
		if r.Since != nil && r.Since.Size > 0 {
			say("%s: nothing up to entry %d was changed since the head you kept.", name, r.Since.Size)
		}
		for _, p := range r.ShortRoots {
			say("%s: nothing up to entry %d was changed since %s was written down.", name, p.Size, p)
		}
		switch {
		case r.Witness > 0 && r.OwnWitness:
			say("%s: by its own word %s saw the first %d entries: that counts with the witness's public key, from its operator, as "+
				"--witness.", name, strings.Join(r.Cosigned, " and "), r.Witness)
		case r.Witness > 0:
			say("%s: %s saw the first %d entries as they are here.", name, strings.Join(r.Cosigned, " and "), r.Witness)
		}
	}
	if last := reports[len(reports)-1]; (last.Since == nil || last.Since.Size == 0) && len(last.ShortRoots) == 0 && (last.Witness == 0 ||
		last.OwnWitness) {
		what := "the ledger"
		if len(reports) > 1 {
			what = last.Meta.Origin // what was brought may be of an older epoch
		}
		say("This shows that %s is consistent, not that its whole history was never replaced by whoever had the box and its key: "+
			"for that bring an older head (--since), the handover book (--short-root), or a witness.", what)
	}
	return lines
}
