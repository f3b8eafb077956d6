package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// Personal data in the files of older epochs is erased like that of the current one, and the erase entry, which stands in
// the current epoch, names the epoch. Two files have no common transaction, so user_version of the older one says how far
// it got: 2 from the erasing transaction on until the entry is durable, 1 until no copy is left, 0. Should the entry be
// missing after a crash, one that says so takes its place: nothing is ever erased without an entry.
const (
	unrecorded = 2
	uncleaned  = 1
)

// asideAgain is how long what could not be done in the file of an older epoch waits.
const asideAgain = time.Minute

// aside lists the epochs before the current one whose files are there.
func aside(dir string, epoch int) (found []int) {
	for n := 1; n < epoch; n++ {
		if _, err := os.Lstat(EpochFile(dir, n)); err == nil {
			found = append(found, n)
		}
	}
	return found
}

// openAside opens the file of an older epoch for erasing.
func openAside(dir string, epoch int) (*conn, error) {
	path := EpochFile(dir, epoch)
	if _, err := os.Stat(path); err != nil { // openWriter would make one
		return nil, err
	}
	c, err := openWriter(path, Meta{})
	if err != nil {
		err = fmt.Errorf("open %s: %w", path, err)
	}
	return c, err
}

// OpenEpochs opens the ledger of a state directory for reading and then those of its older epochs that are there, the oldest
// first. Its error names those that cannot be read, if any; nil without the current one.
func OpenEpochs(dir string) ([]*Reader, error) {
	current, err := OpenReader(dir)
	if err != nil {
		return nil, err
	}
	all := []*Reader{current}
	for _, n := range aside(dir, current.Meta.Epoch) {
		path := EpochFile(dir, n)
		r, oerr := OpenFile(path)
		if oerr == nil && r.Meta.Origin != epochOrigin(current.Meta.Name(), n) {
			r.Close()
			oerr = fmt.Errorf("%s is of %s, not of epoch %d: move it away, it is another ledger's", path, r.Meta.Origin, n)
		}
		if oerr != nil {
			err = errors.Join(err, oerr)
			continue
		}
		all = append(all, r)
	}
	return all, err
}

// eraseAside is eraseChunk for the file of an older epoch. The caller holds l.erasing, so nobody else writes to it.
func (l *Ledger) eraseAside(epoch int, seqs []int64, field string, ev Event) (done Erased, err error) {
	path := EpochFile(l.opt.Dir, epoch)
	c, err := openAside(l.opt.Dir, epoch)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	lost, err := c.lose(seqs, field)
	if err != nil || lost.Fields == 0 {
		return done, err
	}
	if fault := l.Fault(); fault != nil { // else the entry would be missing
		return done, fmt.Errorf("%w: %s", ErrFault, fault.Cause)
	}
	l.unswept.Store(true)
	for _, step := range []func() error{
		func() error { return c.exec("BEGIN IMMEDIATE") },
		func() error { return c.exec(fmt.Sprintf("PRAGMA user_version = %d", unrecorded)) },
		func() error {
			return c.exec("UPDATE personal SET salt = NULL, value = NULL WHERE "+among, list(seqs), field)
		},
		func() error { return l.opt.inject("erase") },
		func() error { return c.exec("COMMIT") },
	} {
		if err := step(); err != nil {
			delete(l.copies, epoch) // it may be there all the same: all pages are to be looked at
			return done, fmt.Errorf("erase in %s: %w", path, err)
		}
	}
	if l.copies == nil {
		l.copies = map[int][]span{}
	}
	l.copies[epoch] = append(l.copies[epoch], spans(seqs)...)
	done = lost
	done.Epoch = epoch
	if done.Records, err = l.recordErasure(done.said(ev)); err != nil {
		return done, fmt.Errorf("record what was erased in %s: %w: an entry says so once the ledger works again", path, err)
	}
	return done, c.exec(fmt.Sprintf("PRAGMA user_version = %d", uncleaned))
}

func (l *Ledger) recordErasure(e Event) (records []int64, err error) {
	err = l.do(func() error {
		e.Stamp = l.opt.Now()
		entries, err := l.enter(nil, e)
		if err == nil {
			records = []int64{entries[0].Seq}
		}
		return err
	})
	return records, err
}

// sweepAside does what erasures have left to do in the files of older epochs. It tells whether that was all: somebody who
// reads such a file holds it up. The caller holds l.erasing.
func (l *Ledger) sweepAside() (clean bool, err error) {
	clean = true
	for _, n := range aside(l.opt.Dir, l.Meta().Epoch) {
		done, serr := l.sweepEpoch(n)
		if serr != nil {
			serr = fmt.Errorf("remove what erasures left in %s: %w", filepath.Base(EpochFile("", n)), serr)
		}
		clean, err = clean && done, errors.Join(err, serr)
	}
	if clean && err == nil {
		l.unswept.Store(false)
	}
	return clean, err
}

func (l *Ledger) sweepEpoch(n int) (clean bool, err error) {
	c, err := openAside(l.opt.Dir, n)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	stage, err := c.number("PRAGMA user_version")
	if err != nil || stage == 0 {
		return err == nil, err
	}
	if stage == unrecorded {
		if _, err := l.recordErasure(Event{Kind: Erase, Reason: byCutOff, By: "machine", Detail: map[string]string{"epoch": strconv.Itoa(n)}}); err != nil {
			return false, err
		}
		if err := c.exec(fmt.Sprintf("PRAGMA user_version = %d", uncleaned)); err != nil {
			return false, err
		}
	}
	path := EpochFile(l.opt.Dir, n)
	rest, known := l.copies[n]
	if !known { // by an earlier process: which entries they were is not known any more
		size, err := c.number("SELECT coalesce(max(seq), 0) FROM entry")
		if err != nil {
			return false, err
		}
		rest = []span{{1, size}}
	}
	for len(rest) > 0 {
		select {
		case <-l.quit: // the next start goes on with it
			return false, nil
		default:
		}
		if rest, err = wipe(path, rest); err == nil {
			_, _, err = c.checkpoint("PASSIVE")
		}
		if err != nil {
			return false, err
		}
	}
	if l.copies == nil {
		l.copies = map[int][]span{}
	}
	l.copies[n] = nil
	if done, err := c.scrub(path + "-wal"); err != nil || !done {
		return false, err
	}
	// Where there was no log to scrub, user_version is still to be set.
	if err := c.exec("PRAGMA user_version = 0"); err != nil {
		return false, err
	}
	delete(l.copies, n)
	return true, nil
}

// keepsOf are the keep entries of an older epoch that are still in force. They would not hold in the next one.
func keepsOf(r *Reader) (events []Event, err error) {
	kept := map[int64]*Entry{}
	err = r.query(`instr(record, '"kind":"keep"')`, func(e *Entry) error {
		switch {
		case e.Kind != Keep:
		case e.Reason == "lifted":
			delete(kept, e.Ref)
		default:
			kept[e.Seq] = e
		}
		return nil
	})
	for _, seq := range slices.Sorted(maps.Keys(kept)) {
		d := maps.Clone(kept[seq].Detail)
		d["origin"], d["entry"] = r.Meta.Origin, strconv.FormatInt(seq, 10)
		events = append(events, Event{Kind: Keep, Reason: "keep", By: "machine", Detail: d})
	}
	return events, err
}
