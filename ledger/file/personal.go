package file

import (
	"bytes"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gated/ledger/entry"
	"gated/ledger/seal"
)

// opener opens the personal fields of one epoch, as far as its slots and the master key are here.
type opener struct {
	epoch int
	files seal.Files
	seals seal.Sealer
	ask   Keys  // for the keys of entries where the master key is not here; may be nil
	why   error // why some or all cannot be opened

	mu    sync.Mutex // of the connections of later
	later []*Reader  // of the epochs after this one that are here, the newest first: they may carry what is left of its entries
}

// newOpener finds the slots and the master key that belong to a ledger file.
func newOpener(path string, m Meta) *opener {
	stem := seal.Stem(path)
	files, lost, err := seal.OpenFiles(stem, m.Whose(), os.O_RDONLY)
	o := &opener{epoch: m.Epoch, files: files, seals: seal.Sealer{Origin: m.Origin, Epoch: m.Epoch}, why: errors.Join(lost, err)}
	if len(files) == 0 && o.why == nil {
		o.why = fmt.Errorf("%s is not here", seal.Name(stem, 1))
	}
	key, err := seal.ReadMaster(seal.MasterFile(filepath.Dir(path)))
	if err == nil {
		err = key.Fits(m.Whose())
	}
	if err != nil {
		o.why = errors.Join(o.why, err)
	} else {
		o.seals.Master = key
	}
	return o
}

// CheckMaster finds that a master key and the slots beside a ledger are one another's, and not the ledger's.
func CheckMaster(path string, m Meta, key *seal.Master) error {
	if key == nil || key.Fits(m.Whose()) == nil {
		return nil
	}
	w := m.Whose()
	w.Check = key.Check(w.Origin)
	files, _, _ := seal.OpenFiles(seal.Stem(path), w, os.O_RDONLY)
	defer files.Close()
	if len(files) == 0 {
		return nil
	}
	return Found("the master key fits the slots of %s, and not what the ledger says of its master key: that was changed, or it is "+
		"another ledger", w.Origin)
}

// CheckMaster is that of a ledger that is read, where the master key is here.
func (r *Reader) CheckMaster() error {
	key, _ := seal.ReadMaster(seal.MasterFile(filepath.Dir(r.path)))
	return CheckMaster(r.path, r.Meta, key)
}

// Keys asks who has the master key for the keys of the entries from..to of an epoch, at most MaxKeys. An entry without a
// slot has none.
type Keys func(epoch int, from, to int64) ([][]byte, error)

// MaxKeys is how many keys are asked for at a time.
const MaxKeys = piece

// keys are those of the entries from..to whose slots these are; hidden tells that nobody has the master key.
func (o *opener) keys(from int64, slots []seal.Slot, here []bool) (keys [][]byte, hidden bool, err error) {
	if o.seals.Master == nil {
		if o.ask == nil {
			return nil, true, nil
		}
		keys, err = o.ask(o.epoch, from, from+int64(len(slots))-1)
		if err == nil && len(keys) != len(slots) {
			err = fmt.Errorf("asked for the keys of %d entries, and got %d", len(slots), len(keys))
		}
		return keys, false, err
	}
	keys = make([][]byte, len(slots))
	for i := range slots {
		if here[i] && slots[i] != (seal.Slot{}) {
			if keys[i], err = o.seals.Key(from+int64(i), slots[i]); err != nil {
				return nil, false, err
			}
		}
	}
	return keys, false, nil
}

func (o *opener) close() (err error) {
	for _, r := range o.later {
		err = errors.Join(err, r.Close())
	}
	return errors.Join(err, o.files.Close())
}

// page opens the personal fields of some entries that follow each other.
type page struct {
	o        *opener
	c        *Conn // the ledger that the entries are of
	from, to int64
	slots    []seal.Slot
	here     []bool
	keys     [][]byte          // nil until they are needed
	carriers map[int64]carrier // by the entry; nil until they are asked for
}

// carrier is the newest entry that carries what is left of another.
type carrier struct {
	in *opener
	c  *Conn
	at int64
}

// page reads the slots of the entries from..to, or of the first of them.
func (o *opener) page(c *Conn, from, to int64) (p *page, err error) {
	p = &page{o: o, c: c, from: from, to: min(to, from+piece-1)}
	p.slots, p.here, err = o.files.Read(p.from, p.to)
	return p, err
}

// personal is what there is of the personal data of an entry.
type personal struct {
	rows    []seal.Row // nil where nothing can be read
	zero    bool       // its own slot was erased
	carrier int64      // entry that carries what was left then
	hidden  bool       // what would be needed to open it is not here
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
	at := seq - p.from
	if !p.here[at] {
		return personal{hidden: true}, nil
	}
	if p.slots[at] != (seal.Slot{}) {
		if p.keys == nil {
			if p.keys, got.hidden, err = p.o.keys(p.from, p.slots, p.here); err != nil || got.hidden {
				return got, err
			}
		}
		rows, err := p.o.seals.Open(seq, p.keys[at], committed, sealed)
		if err == nil {
			return personal{rows: rows}, nil
		}
		now, here, rerr := p.o.files.Read(seq, seq)
		switch { // was it erased since the slots were read?
		case rerr != nil:
			return got, errors.Join(err, rerr)
		case here[0] && now[0] != (seal.Slot{}) && p.keys[at] == nil:
			return personal{hidden: true}, nil // who has the master key has no such slot
		case !here[0] || now[0] != (seal.Slot{}):
			return got, err
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
	note := func(in *opener, c *Conn) error {
		return c.query(func(v []driver.Value) error {
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
func (b carrier) open(of int64, committed string) (rows []seal.Row, hidden bool, err error) {
	var record string
	var sealed []byte
	if err := b.c.query(func(v []driver.Value) error {
		record = text(v[0])
		sealed = bytes.Clone(v[1].([]byte))
		return nil
	}, "SELECT record, sealed FROM entry WHERE seq = ? AND sealed IS NOT NULL", b.at); err != nil {
		return nil, false, err
	}
	if e, err := entry.ParseRecord(record, time.UTC); err != nil || e.Kind != entry.Carried || e.Record.Personal != committed {
		return nil, false, fmt.Errorf("entry %d does not carry what is left of entry %d", b.at, of)
	}
	slots, here, err := b.in.files.Read(b.at, b.at)
	if err != nil || !here[0] || slots[0] == (seal.Slot{}) {
		return nil, err == nil && !here[0], err
	}
	keys, hidden, err := b.in.keys(b.at, slots, here)
	if err != nil || hidden {
		return nil, hidden, err
	}
	rows, err = b.in.seals.Open(b.at, keys[0], committed, sealed)
	return rows, false, err
}

// shown are the personal fields of an entry that can be read. Those that an entry carries are shown at the entry whose they
// are.
func (got *personal) shown(e *entry.Entry) (fields []entry.Field) {
	if e.Kind == entry.Carried {
		return nil
	}
	for i := range got.rows {
		if r := &got.rows[i]; !r.Erased {
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
		if r.path != OfEpoch(dir, r.Meta.Epoch) {
			return
		}
		current, err := OpenReader(dir)
		for ; err == nil && current.Meta.Epoch > r.Meta.Epoch; current, err = OpenFile(OfEpoch(dir, current.Meta.Epoch-1)) {
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

// HasMaster tells whether the master key is here that opens the personal data.
func (r *Reader) HasMaster() bool { return r.personal().seals.Master != nil }

// AskKeys has the keys of entries asked for, where the master key is not here.
func (r *Reader) AskKeys(ask Keys) {
	o := r.personal()
	o.ask = ask
	for _, later := range o.later {
		later.AskKeys(ask)
	}
}

// Keys are the keys of the entries from..to, for who has asked whoever has the master key.
func (r *Reader) Keys(master *seal.Master, from, to int64) ([][]byte, error) {
	if from < 1 || to < from || to-from >= MaxKeys {
		return nil, fmt.Errorf("keys of the entries %d to %d: at most %d at a time", from, to, int64(MaxKeys))
	}
	if master == nil || master.Fits(r.Meta.Whose()) != nil {
		return nil, fmt.Errorf("the master key of epoch %d is not here", r.Meta.Epoch)
	}
	o := r.personal()
	o.seals.Master = master
	slots, here, err := o.files.Read(from, to)
	if err != nil {
		return nil, err
	}
	keys, _, err := o.keys(from, slots, here)
	return keys, err
}
