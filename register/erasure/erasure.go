// Package erasure chooses whose personal data is erased, and what is kept from that.
package erasure

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/retention"
)

// Options are what New needs.
type Options struct {
	Dir      string // state directory
	Ledger   *ledger.Ledger
	Register *register.Register
	Now      func() ledger.Stamp
}

// Eraser erases personal data of a state directory's ledger.
type Eraser struct {
	opt     Options
	work    sync.Mutex // one erasure at a time; guards sweep and windows
	sweep   sweep
	windows map[string]*window // by epoch and keep entry
	keeping sync.Mutex         // held from the look at what is kept to the end of a chunk, and while a keep entry is appended
}

// New returns the eraser of a ledger that is followed by a register.
func New(opt Options) *Eraser { return &Eraser{opt: opt, windows: map[string]*window{}} }

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
	register.Span
}

func (k KeptError) Error() string {
	what := "the days "
	if _, _, timed := k.Times(); timed {
		what = "what happened from "
	}
	return fmt.Sprintf("entry %d says to keep %s%s to %s: nothing was erased; lift it first, "+
		"with \"gated ledger keep --lift %[1]d\"", k.Seq, what, k.From, k.To)
}

// Selection says what to erase. Exactly one of Before, Subject and Seq is set.
type Selection struct {
	Before  string // entries of the days before this one, in the gate's zone: a date, or today
	Class   string // with Before: only the passages of this class, or what a rule of retention for it is for
	Subject string // roster ID of a person or vehicle: all entries of their passages
	Seq     int64  // one entry
	Epoch   int    // with Seq: of this older epoch, instead of the current one
	Field   string // with Seq: only this field
}

func (s Selection) check(today string) error {
	n := 0
	for _, set := range []bool{s.Before != "", s.Subject != "", s.Seq != 0} {
		if set {
			n++
		}
	}
	if n != 1 || s.Seq < 0 {
		return errors.New("say what to erase by one of --before DATE, --subject ID and --seq N")
	}
	if s.Before != "" {
		if _, err := time.Parse(time.DateOnly, s.Before); err != nil {
			return fmt.Errorf("--before %q: write a date as 2026-11-23", s.Before)
		}
		if s.Before > today {
			return fmt.Errorf("--before %s: it is %s today; what is recorded today can only be erased by --subject or --seq",
				s.Before, today)
		}
	}
	if s.Subject != "" && strings.TrimSpace(s.Subject) == "" {
		return errEmptyID
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

// errEmptyID refuses to look for a person without an ID: every entry that names nobody would be theirs.
var errEmptyID = errors.New("the roster ID is empty")

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

// PrintErased writes a line for each epoch that lost something.
func PrintErased(w io.Writer, d Erased) error {
	all := d.Older
	if d.Fields > 0 { // else all of it was in older epochs
		all = append([]ledger.Erased{d.Erased}, all...)
	}
	for _, e := range all {
		fmt.Fprintf(w, "erased=%d entries=%d first=%d last=%d records=%s", e.Fields, e.Entries, e.First, e.Last,
			strings.Trim(strings.ReplaceAll(fmt.Sprint(e.Records), " ", ","), "[]"))
		if e.Epoch > 0 {
			fmt.Fprintf(w, " epoch=%d", e.Epoch)
		}
		fmt.Fprintln(w)
	}
	return nil
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
	*file.Reader
	older int // its number; 0: it is the current one
}

// epochs opens the current epoch and then the older ones that are there. Its error names those that cannot be read, if
// any; nil without the current one.
func (x *Eraser) epochs() (all []epoch, err error) {
	readers, err := file.OpenEpochs(x.opt.Dir)
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
func (x *Eraser) Erase(sel Selection, by, why string) (done Erased, err error) {
	today := x.opt.Now().Time.In(x.opt.Ledger.Zone()).Format(time.DateOnly)
	if sel.Before == "today" {
		sel.Before = today
	}
	if err := errors.Join(sel.check(today), CheckWhy(why)); err != nil {
		return done, err
	}
	if err := x.opt.Register.Wait(); err != nil {
		return done, err
	}
	j := job{ev: ledger.Event{Kind: ledger.Erase, By: "socket", Detail: map[string]string{}, // people name people
		Personal: []ledger.Field{{Name: "by", Value: by}, {Name: "note", Value: why}}}}
	x.work.Lock()
	defer x.work.Unlock()
	err = x.opt.Register.Erasing(func(lose func([]int64)) error {
		j.lose = lose
		done, err = x.erase(sel, &j)
		return err
	})
	if _, fields := done.Sum(); err == nil && fields == 0 {
		err = ledger.ErrNothingErased
	}
	return done, err
}

// job is an erasure under way.
type job struct {
	ev    ledger.Event               // the erase entry
	match func(of retention.Of) bool // nil: all entries
	pause func() error               // between two chunks; nil: none
	lose  func(seqs []int64)         // is told before what of the current epoch loses something
}

func (x *Eraser) erase(sel Selection, j *job) (done Erased, err error) {
	epochs, unread := x.epochs()
	if epochs == nil {
		return done, unread
	}
	defer closeAll(epochs)
	seqs, unseen, err := x.choose(sel, epochs)
	if err != nil {
		return done, err
	}
	if sel.Epoch != 0 && !slices.ContainsFunc(epochs, func(e epoch) bool { return e.Meta.Epoch == sel.Epoch }) {
		return done, errors.Join(fmt.Errorf("%w: the ledger of epoch %d is not here", ledger.ErrNothingErased, sel.Epoch), unread)
	}
	switch {
	case sel.Before != "":
		j.ev.Reason = byAge
		if sel.Class != "" {
			j.ev.Detail["class"] = sel.Class
			j.match = func(of retention.Of) bool { return retention.For([]retention.Rule{{Class: sel.Class}}, of) == 0 }
		}
	case sel.Subject != "":
		j.ev.Reason = bySubject
	default:
		j.ev.Reason = byEntry
		if sel.Field != "" {
			j.ev.Detail["field"] = sel.Field
		}
	}
	if sel.Seq == 0 || sel.Epoch != 0 { // else it is none of those
		err = unread
	}
	for i, e := range epochs {
		var part Erased
		var perr error
		if sel.Before != "" {
			part, _, perr = x.eraseOlder(j, e, sel.Before, 0)
		} else {
			part, perr = x.eraseEntries(j, e, seqs[i], sel.Field)
		}
		done.join(part)
		err = errors.Join(err, perr)
	}
	return done, errors.Join(err, unseen.err())
}

// choose lists the entries of each epoch that are chosen by other than their age. Nothing is erased in any epoch, if any
// of it is kept.
func (x *Eraser) choose(sel Selection, epochs []epoch) (seqs [][]int64, all UnseenError, err error) {
	seqs = make([][]int64, len(epochs))
	for i, e := range epochs {
		var unseen int64
		switch {
		case sel.Before != "":
			if err = x.refuseKept(e, sel.Before); err == nil {
				unseen, err = unseenBefore(e.Reader, sel.Before)
			}
		case sel.Subject != "":
			if seqs[i], unseen, err = subjectEntries(e.Reader, sel.Subject); err == nil {
				seqs[i], _, err = still(e.Reader, seqs[i], "")
			}
		case sel.Epoch == e.Meta.Epoch, sel.Epoch == 0 && e.older == 0:
			seqs[i], unseen, err = still(e.Reader, []int64{sel.Seq}, sel.Field)
		}
		if err == nil {
			err = x.refuseKeptEntries(e, seqs[i])
		}
		if err != nil {
			return nil, all, err
		}
		all.add(unseen, e.Reader)
	}
	return seqs, all, nil
}
