package register

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"gated/ledger"
)

// Reasons of an erase entry: why these fields and no others.
const (
	byAge       = "before"    // all of older days, because somebody said so
	byRetention = "retention" // all of older days, because the settings say so
	bySubject   = "subject"   // all of one person
	byEntry     = "entry"     // one entry
)

// maxWhy bounds the reason that somebody gives in their own words, in bytes.
const maxWhy = 500

// KeptError refuses an erasure that a keep entry forbids.
type KeptError struct {
	Seq int64 // of the keep entry
	Span
}

func (k KeptError) Error() string {
	return fmt.Sprintf("entry %d says to keep the days %s to %s: nothing was erased; lift it first, with \"gated ledger keep --lift %[1]d\"", k.Seq, k.From, k.To)
}

// Erasure says what to erase. Exactly one of Before, Subject and Seq is set.
type Erasure struct {
	Before  string // entries of the days before this one, in the gate's zone
	Class   string // with Before: only the passages of this class
	Subject string // roster ID of a person or vehicle: all entries of their passages
	Seq     int64  // one entry
	Epoch   int    // with Seq: of this older epoch, instead of the current one
	Field   string // with Seq: only this field
}

func (s Erasure) check(today string) error {
	n := 0
	for _, set := range []bool{s.Before != "", s.Subject != "", s.Seq != 0} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errors.New("say what to erase by one of --before DATE, --subject ID and --seq N")
	}
	if s.Before != "" {
		if _, err := time.Parse(time.DateOnly, s.Before); err != nil {
			return fmt.Errorf("--before %q: write a date as 2026-11-23", s.Before)
		}
		if s.Before > today {
			return fmt.Errorf("--before %s: it is %s today; what is recorded today can only be erased by --subject or --seq", s.Before, today)
		}
	}
	if s.Class != "" && s.Before == "" {
		return errors.New("--class goes with --before")
	}
	if s.Field != "" && s.Seq == 0 {
		return errors.New("--field goes with --seq")
	}
	if s.Epoch != 0 && s.Seq == 0 {
		return errors.New("--epoch goes with --seq: the others look in all epochs")
	}
	return nil
}

// CheckWhy checks the reason of an erasure in somebody's own words.
func CheckWhy(why string) error {
	if why == "" || len(why) > maxWhy || !utf8.ValidString(why) {
		return fmt.Errorf("--reason: say why, in 1 to %d bytes of UTF-8", maxWhy)
	}
	return nil
}

// Erased is what an erasure came to in the current epoch, and in those before it.
type Erased struct {
	ledger.Erased
	Older []ledger.Erased // what each of the older epochs lost
}

// Sum counts what was erased in all epochs.
func (d Erased) Sum() (entries int, fields int64) {
	entries, fields = d.Entries, d.Fields
	for _, o := range d.Older {
		entries, fields = entries+o.Entries, fields+o.Fields
	}
	return entries, fields
}

func (d *Erased) add(o ledger.Erased) {
	if o.Epoch == 0 {
		d.Erased.Add(o)
	} else if i := slices.IndexFunc(d.Older, func(e ledger.Erased) bool { return e.Epoch == o.Epoch }); i >= 0 {
		d.Older[i].Add(o)
	} else if o.Fields > 0 {
		d.Older = append(d.Older, o)
	}
}

func (d *Erased) join(o Erased) {
	d.add(o.Erased)
	for _, older := range o.Older {
		d.add(older)
	}
}

// epoch is the ledger of one epoch, opened for choosing what to erase.
type epoch struct {
	*ledger.Reader
	older int // its number; 0: it is the current one
}

// epochs opens the current epoch and then the older ones that are there. Its error names those that cannot be read, if
// any; nil without the current one.
func (r *Register) epochs() (all []epoch, err error) {
	readers, err := ledger.OpenEpochs(r.opt.Dir)
	for i, in := range readers {
		e := epoch{Reader: in}
		if i > 0 {
			e.older = in.Meta.Epoch
		}
		all = append(all, e)
	}
	return all, err
}

func closeAll(epochs []epoch) {
	for _, e := range epochs {
		e.Close()
	}
}

// Erase erases personal data, salts and values, and records that it did. The hashes stay, and every proof with them.
// by is the user who asked, why their reason. What is recorded after the call began stays.
//
// Large erasures go in chunks with an erase entry each, so that passages are answered in between; one that fails on the
// way says with its error what was erased until then.
func (r *Register) Erase(sel Erasure, by, why string) (done Erased, err error) {
	if err := errors.Join(sel.check(r.opt.Now().Time.In(r.l.Zone()).Format(time.DateOnly)), CheckWhy(why)); err != nil {
		return done, err
	}
	ev := ledger.Event{Kind: ledger.Erase, By: "unsigned", Detail: map[string]string{}, Personal: []ledger.Field{{Name: "by", Value: by}, {Name: "note", Value: why}}} // people name people
	r.erasing.Lock()
	defer r.erasing.Unlock()
	if done, err = r.erase(sel, ev); err == nil {
		if _, fields := done.Sum(); fields == 0 {
			err = ledger.ErrNothingErased
		}
	}
	return done, err
}

func (r *Register) erase(sel Erasure, ev ledger.Event) (done Erased, err error) {
	epochs, unread := r.epochs()
	if epochs == nil {
		return done, unread
	}
	defer closeAll(epochs)
	// Nothing is erased in any epoch, if any of it is kept.
	seqs := make([][]int64, len(epochs))
	for i, e := range epochs {
		switch {
		case sel.Before != "":
			err = r.refuseKept(e, sel.Before)
		case sel.Subject != "":
			if seqs[i], err = subjectEntries(e.Reader, sel.Subject); err == nil {
				seqs[i], err = still(e.Reader, seqs[i], "")
			}
		case sel.Epoch == e.Meta.Epoch, sel.Epoch == 0 && e.older == 0:
			seqs[i], err = still(e.Reader, []int64{sel.Seq}, sel.Field)
		}
		if err == nil {
			err = r.refuseKeptEntries(e, seqs[i])
		}
		if err != nil {
			return done, err
		}
	}
	if sel.Epoch != 0 && !slices.ContainsFunc(epochs, func(e epoch) bool { return e.Meta.Epoch == sel.Epoch }) {
		return done, errors.Join(fmt.Errorf("%w: the ledger of epoch %d is not here", ledger.ErrNothingErased, sel.Epoch), unread)
	}
	var match func(string) bool
	switch {
	case sel.Before != "":
		ev.Reason = byAge
		if sel.Class != "" {
			ev.Detail["class"] = sel.Class
			match = func(class string) bool { return class == sel.Class }
		}
	case sel.Subject != "":
		ev.Reason = bySubject
	default:
		ev.Reason = byEntry
		if sel.Field != "" {
			ev.Detail["field"] = sel.Field
		}
	}
	if sel.Seq == 0 || sel.Epoch != 0 { // else it is none of those
		err = unread
	}
	for i, e := range epochs {
		var part Erased
		var perr error
		if sel.Before != "" {
			part, _, perr = r.eraseOlder(e, sel.Before, 0, match, ev, nil)
		} else {
			part, perr = r.eraseEntries(e, seqs[i], sel.Field, ev)
		}
		done.join(part)
		err = errors.Join(err, perr)
	}
	return done, err
}
