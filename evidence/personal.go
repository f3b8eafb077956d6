package evidence

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"gated/ledger/entry"
	"gated/ledger/file"
)

// personal compares, during a verification, the personal data that is gone with what erase entries say.
type personal struct {
	r        *file.Reader
	size     int64
	zero     set // entries whose slots are zeros
	live     set // entries whose slots are not
	carries  set // those of the first whose fields another entry carries
	said     set // entries that an erase entry names
	done     set // those of them that must be erased by now
	hidden   int64
	out      int64      // entries up to this one say what was surely carried out
	unread   [][2]int64 // first and last entry of lists that cannot be read here
	carriers map[carrier]bool
	newest   map[named]int64 // the newest entry that names an entry which was carried
	later    map[named]bool  // those that are named since this ledger was read, or in later epochs
}

// named is an entry that another one names.
type named struct {
	epoch int
	seq   int64
}

// carrier is an entry that carries what is left of another.
type carrier struct {
	of named
	at int64
}

func newPersonal(r *file.Reader, size int64) *personal {
	return &personal{r: r, size: size, zero: newSet(size), live: newSet(size), carries: newSet(size), said: newSet(size),
		done: newSet(size), out: r.CarriedOut(), carriers: map[carrier]bool{}, newest: map[named]int64{}, later: map[named]bool{}}
}

// row looks at the personal data of a row and tells how many fields hold. What an entry carries counts with the other entry.
func (p *personal) row(row file.Row, e *entry.Entry) (fields int64, err error) {
	s, err := row.Personal(e.Record.Personal)
	switch {
	case err != nil:
		return 0, err
	case e.Record.Personal == "":
	case s.Zero:
		p.zero.add(row.Seq)
		if s.Fields > 0 || s.Hidden {
			p.carries.add(row.Seq)
		}
	case s.Hidden:
		p.hidden++
	default:
		p.live.add(row.Seq)
	}
	switch e.Kind {
	case entry.Erase:
		err = p.erased(row, e)
	case entry.Carried:
		return 0, p.carried(e)
	}
	return s.Fields, err
}

// carried takes an entry that carries what is left of another.
func (p *personal) carried(e *entry.Entry) error {
	c := carrier{named{p.r.Meta.Epoch, e.Ref}, e.Seq}
	if s := e.Detail["epoch"]; s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n >= c.of.epoch {
			return fmt.Errorf("entry %d: it carries what is left of an entry of epoch %q", e.Seq, s)
		}
		c.of.epoch = n
	}
	p.carriers[c] = true
	if _, noted := p.newest[c.of]; !noted {
		p.newest[c.of] = 0 // is to be noted from here on
	}
	return nil
}

// erased takes an erase entry.
func (p *personal) erased(row file.Row, e *entry.Entry) error {
	epoch, seqs, err := row.Erasure(e)
	if err != nil {
		return err
	}
	if seqs == nil && epoch == p.r.Meta.Epoch {
		first, _ := strconv.ParseInt(e.Detail["first"], 10, 64)
		last, _ := strconv.ParseInt(e.Detail["last"], 10, 64)
		p.unread = append(p.unread, [2]int64{first, last})
	}
	for _, seq := range seqs {
		n := named{epoch, seq}
		if _, ok := p.newest[n]; ok {
			p.newest[n] = e.Seq
		}
		if epoch != p.r.Meta.Epoch {
			continue
		}
		if seq >= e.Seq {
			return fmt.Errorf("entry %d: it says that entry %d was erased, which came later", e.Seq, seq)
		}
		p.said.add(seq)
		if e.Seq <= p.out {
			p.done.add(seq)
		}
	}
	return nil
}

// structure compares the table of carriers with the entries.
func (p *personal) structure() error {
	n := 0
	err := p.r.Carrying(func(epoch int, seq, at int64) error {
		if !p.carriers[carrier{named{epoch, seq}, at}] {
			return fmt.Errorf("table carried: entry %d does not carry what is left of entry %d", at, seq)
		}
		n++
		return nil
	})
	if err == nil && n != len(p.carriers) {
		err = fmt.Errorf("table carried: %d entries that carry what is left of others are not in it", len(p.carriers)-n)
	}
	return err
}

// conclude counts what was erased and finds what was erased without an erase entry, or not in spite of one.
func (p *personal) conclude(rep *Report, erasedAfter int64) error {
	// While the entries were read more of them may have been erased.
	if err := p.r.LaterErasures(p.size, func(epoch int, seqs []int64) error {
		for _, seq := range seqs {
			if p.later[named{epoch, seq}] = true; epoch == p.r.Meta.Epoch {
				p.said.add(seq)
			}
		}
		if seqs == nil && epoch == p.r.Meta.Epoch {
			p.unread = append(p.unread, [2]int64{1, p.size})
		}
		return nil
	}); err != nil {
		return err
	}
	if err := p.concludeCarriers(); err != nil {
		return err
	}
	var without, first int64
	for seq := range p.zero.and(p.said, false) {
		if p.listed(seq) {
			p.hidden++
		} else if without++; first == 0 {
			first = seq
		}
	}
	switch {
	case without == 0 && (erasedAfter == 0 || len(p.unread) > 0):
	case erasedAfter == 0:
		return fmt.Errorf("entry %d: its personal data was erased, and no entry says so; so it is with %d entries", first, without)
	case without != erasedAfter:
		return fmt.Errorf("the personal data of %d entries was erased without an entry that says so; "+
			"the next epoch began with %d of them", without, erasedAfter)
	}
	for seq := range p.live.and(p.done, true) {
		return fmt.Errorf("entry %d: an entry says that its personal data was erased, and it can still be read", seq)
	}
	rep.Pending, rep.Hidden, rep.Erased = p.live.count(p.said), p.hidden, without
	if rep.HiddenWhy = p.r.Hidden(); rep.HiddenWhy == nil { // some slots were lost, or belong to a list that cannot be read
		rep.HiddenWhy = errors.New("their own slots")
	}
	for seq := range p.zero.and(p.said, true) {
		if !p.carries.has(seq) {
			rep.Erased++
		}
	}
	return nil
}

// concludeCarriers finds carriers that were erased without an erase entry of the entry that they are about. They count with
// that one from then on.
func (p *personal) concludeCarriers() error {
	for c := range p.carriers {
		said := p.newest[c.of] > c.at
		switch {
		case p.zero.has(c.at) && !said && !p.later[c.of]:
			return fmt.Errorf("entry %d: what it carries of entry %d was erased, and no entry says so", c.at, c.of.seq)
		case p.live.has(c.at) && said && p.newest[c.of] <= p.out:
			return fmt.Errorf("entry %d: an entry says that what it carries of entry %d was erased, and it can still be read",
				c.at, c.of.seq)
		}
		p.zero.remove(c.at)
		p.live.remove(c.at)
	}
	return nil
}

// listed tells whether an entry may be named by a list that cannot be read here.
func (p *personal) listed(seq int64) bool {
	for _, l := range p.unread {
		if l[0] <= seq && seq <= l[1] {
			return true
		}
	}
	return false
}

// set is a set of entries, a bit for each.
type set []uint64

func newSet(size int64) set { return make(set, size/64+1) }

func (s set) add(seq int64) {
	if seq >= 0 && seq/64 < int64(len(s)) {
		s[seq/64] |= 1 << (seq % 64)
	}
}

func (s set) remove(seq int64)   { s[seq/64] &^= 1 << (seq % 64) }
func (s set) has(seq int64) bool { return s[seq/64]&(1<<(seq%64)) != 0 }

// and calls yield for the entries of s that are, or are not, in o.
func (s set) and(o set, in bool) func(yield func(seq int64) bool) {
	return func(yield func(seq int64) bool) {
		for i, w := range s {
			if in {
				w &= o[i]
			} else {
				w &^= o[i]
			}
			for ; w != 0; w &= w - 1 {
				if !yield(int64(i)*64 + int64(bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}

// count tells how many entries of s are in o.
func (s set) count(o set) (n int64) {
	for range s.and(o, true) {
		n++
	}
	return n
}
