package ledger

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// opener opens the personal fields of one epoch, as far as its slots and the master key are here.
type opener struct {
	epoch int
	files slotFiles
	seals *seals // nil without the master key
	why   error  // why some or all cannot be opened

	mu    sync.Mutex // of the connections of later
	later []*Reader  // of the epochs after this one that are here, the newest first: they may carry what is left of its entries
}

// newOpener finds the slots and the master key that belong to a ledger file.
func newOpener(path string, m Meta) *opener {
	stem := slotsStem(path)
	files, lost, err := openSlotFiles(stem, m, os.O_RDONLY)
	o := &opener{epoch: m.Epoch, files: files, why: errors.Join(lost, err)}
	if len(files) == 0 && o.why == nil {
		o.why = fmt.Errorf("%s is not here", slotsName(stem, 1))
	}
	key, err := readMaster(MasterFile(filepath.Dir(path)))
	if err == nil {
		err = key.fits(m.Origin, m.Master)
	}
	if err != nil {
		o.why = errors.Join(o.why, err)
	} else {
		o.seals = &seals{key, m.Origin, m.Epoch}
	}
	return o
}

func (o *opener) close() (err error) {
	for _, r := range o.later {
		err = errors.Join(err, r.Close())
	}
	return errors.Join(err, o.files.close())
}

// page opens the personal fields of some entries that follow each other.
type page struct {
	o        *opener
	c        *conn // the ledger that the entries are of
	from, to int64
	slots    []slot
	here     []bool
	carriers map[int64]carrier // by the entry; nil until they are asked for
}

// carrier is the newest entry that carries what is left of another.
type carrier struct {
	in *opener
	c  *conn
	at int64
}

// page reads the slots of the entries from..to, or of the first of them.
func (o *opener) page(c *conn, from, to int64) (p *page, err error) {
	p = &page{o: o, c: c, from: from, to: min(to, from+piece-1)}
	p.slots, p.here, err = o.files.read(p.from, p.to)
	return p, err
}

// personal is what there is of the personal data of an entry.
type personal struct {
	rows    []personalRow // nil where nothing can be read
	zero    bool          // its own slot was erased
	carrier int64         // entry that carries what was left then
	hidden  bool          // what would be needed to open it is not here
}

// open opens what is sealed for an entry of the page, or what another entry carries of it.
func (p *page) open(seq int64, committed string, sealed []byte) (got personal, err error) {
	switch {
	case sealed == nil && committed == "":
		return got, nil
	case sealed == nil:
		return got, fmt.Errorf("entry %d: its record commits to personal fields, and none are sealed in its row", seq)
	case committed == "":
		return got, fmt.Errorf("entry %d: personal fields are sealed in its row that its record does not know", seq)
	}
	key := p.slots[seq-p.from]
	if !p.here[seq-p.from] || key != (slot{}) && p.o.seals == nil {
		return personal{hidden: true}, nil
	}
	if key != (slot{}) {
		rows, err := p.o.seals.open(seq, key, committed, sealed)
		if err == nil {
			return personal{rows: rows}, nil
		}
		now, here, rerr := p.o.files.read(seq, seq)
		if rerr != nil || !here[0] || now[0] != (slot{}) { // else it was erased since the slots were read
			return got, errors.Join(err, rerr)
		}
	}
	got.zero = true
	by, err := p.carrier(seq)
	if err != nil || by.c == nil {
		return got, err
	}
	got.carrier = by.at
	got.rows, got.hidden, err = by.open(seq, committed)
	return got, err
}

// carrier finds the newest entry that carries what is left of another; c is nil where there is none.
func (p *page) carrier(seq int64) (carrier, error) {
	if p.carriers != nil {
		return p.carriers[seq], nil
	}
	p.carriers = map[int64]carrier{}
	note := func(in *opener, c *conn) error {
		return c.repeat(func(v []driver.Value) error {
			n, _ := v[0].(int64)
			at, _ := v[1].(int64)
			if _, newer := p.carriers[n]; !newer {
				p.carriers[n] = carrier{in, c, at}
			}
			return nil
		}, "SELECT seq, max(at) FROM carried WHERE epoch = ? AND seq BETWEEN ? AND ? GROUP BY seq", int64(p.o.epoch), p.from, p.to)
	}
	p.o.mu.Lock()
	defer p.o.mu.Unlock()
	for _, r := range p.o.later {
		if err := note(r.personal(), r.c); err != nil {
			return carrier{}, err
		}
	}
	if err := note(p.o, p.c); err != nil {
		return carrier{}, err
	}
	return p.carriers[seq], nil
}

// open opens what the entry carries of another, whose commitment it shares.
func (b carrier) open(of int64, committed string) (rows []personalRow, hidden bool, err error) {
	var record string
	var sealed []byte
	if err := b.c.query(func(v []driver.Value) error {
		record = text(v[0])
		sealed = bytes.Clone(v[1].([]byte))
		return nil
	}, "SELECT record, sealed FROM entry WHERE seq = ? AND sealed IS NOT NULL", b.at); err != nil {
		return nil, false, err
	}
	if e, err := ParseRecord(record, time.UTC); err != nil || e.Kind != Carried || e.Record.Personal != committed {
		return nil, false, fmt.Errorf("entry %d does not carry what is left of entry %d", b.at, of)
	}
	keys, here, err := b.in.files.read(b.at, b.at)
	switch {
	case err != nil:
		return nil, false, err
	case !here[0], keys[0] != (slot{}) && b.in.seals == nil:
		return nil, true, nil
	case keys[0] == (slot{}):
		return nil, false, nil
	}
	rows, err = b.in.seals.open(b.at, keys[0], committed, sealed)
	return rows, false, err
}

// shown are the personal fields of an entry that can be read. Those that an entry carries are shown at the entry whose they
// are.
func (got *personal) shown(e *Entry) (fields []Field) {
	if e.Kind == Carried {
		return nil
	}
	for i := range got.rows {
		if r := &got.rows[i]; !r.erased {
			fields = append(fields, r.Field)
		}
	}
	return fields
}

// blob is a value of a column that may be NULL.
func blob(v driver.Value) []byte { b, _ := v.([]byte); return b }

// personal is what opens the personal fields, found when it is first needed.
func (r *Reader) personal() *opener {
	r.opening.Do(func() {
		r.opener = newOpener(r.path, r.Meta)
		dir := filepath.Dir(r.path)
		if r.path != EpochFile(dir, r.Meta.Epoch) {
			return
		}
		current, err := OpenReader(dir)
		for ; err == nil && current.Meta.Epoch > r.Meta.Epoch; current, err = OpenFile(EpochFile(dir, current.Meta.Epoch-1)) {
			r.opener.later = append(r.opener.later, current)
		}
		if err == nil {
			current.Close()
		}
	})
	return r.opener
}

// Hidden says why personal data cannot be read here, or not all of it; nil where it can.
func (r *Reader) Hidden() error { return r.personal().why }
