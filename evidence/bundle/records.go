package bundle

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gated/evidence"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// readLeaves hashes the given records, proves that they stand where they say in the tree of head.txt, and names the first
// that does not.
func (c *checking) readLeaves() error {
	where, fault := c.hashRecords()
	m, err := c.compareLeaves(fault)
	if err != nil {
		return err
	}
	switch {
	case fault != nil && m.at >= 0:
		return fmt.Errorf("%s (%s: %w)", m.name(m.at), where, fault)
	case fault != nil:
		return fmt.Errorf("%s (%s: %w)", m.name(len(c.leaves)), where, fault)
	}
	sorted := slices.Clone(c.leaves)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].seq < sorted[j].seq })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].seq == sorted[i-1].seq {
			if m.at >= 0 {
				return errors.New(m.name(m.at))
			}
			return fmt.Errorf("entry %d is given twice", sorted[i].seq)
		}
	}
	nodes := c.proof.Nodes
	root, rest, rootErr := treeOver(0, c.head.Size, sorted, func(lo, hi int64) (tlog.Hash, error) {
		if len(nodes) == 0 {
			return tlog.Hash{}, errEnough
		}
		h := nodes[0]
		nodes = nodes[1:]
		return h, nil
	})
	switch proved := rootErr == nil && len(rest) == 0 && len(nodes) == 0 && root == c.head.Root; {
	case !proved && m.at >= 0:
		return errors.New(m.name(m.at))
	case !proved:
		if err := c.complete(sorted); err != nil {
			return err
		}
		return errors.New("the records do not come to the root of head.txt with the hashes of proof.json: a record and its line in " +
			"leaves.txt were changed, or proof.json, or head.txt")
	case m.at >= 0:
		return fmt.Errorf("leaves.txt: line %d is not the hash of its record", m.at+1)
	}
	return c.complete(sorted)
}

// hashRecords makes the leaves of the given records; the fault is that of the record behind the last of them, which stands
// where it says.
func (c *checking) hashRecords() (where string, fault error) {
	for _, name := range recordMembers {
		n := len(c.leaves)
		last := int64(0)
		fault = c.lines(name, entry.MaxRecord+1, func(line []byte) error {
			e, err := entry.ParseRecord(string(line), time.UTC)
			switch {
			case err != nil:
				return err
			case e.Seq < 1:
				return errors.New("it has no number")
			case e.Seq <= last:
				return fmt.Errorf("it stands behind entry %d", last)
			case e.Seq > c.head.Size:
				return fmt.Errorf("it says that it is entry %d, and the tree head counts %d", e.Seq, c.head.Size)
			}
			last = e.Seq
			c.leaves = append(c.leaves, leaf{e.Seq, tlog.LeafHash(line)})
			return nil
		})
		c.counts = append(c.counts, len(c.leaves)-n)
		if fault != nil {
			return fmt.Sprintf("line %d of %s", len(c.leaves)-n+1, name), fault
		}
	}
	return "", nil
}

// mismatch is where leaves.txt and the given records part. It names the first faulty record, and proves nothing: that do the
// hashes of proof.json.
type mismatch struct {
	leaves  []leaf
	at      int   // of the leaves; -1: they do not part
	named   int64 // the entry that leaves.txt has there
	missing bool  // that record is not there, and the next one stands in its place
	fault   error // of the record behind the last leaf
}

func (c *checking) compareLeaves(fault error) (*mismatch, error) {
	m := &mismatch{leaves: c.leaves, at: -1, fault: fault}
	i := 0
	err := c.lines("leaves.txt", 100, func(line []byte) error {
		here := ""
		if i < len(c.leaves) {
			here = fmt.Sprintf("%d %x", c.leaves[i].seq, c.leaves[i].hash[:])
		}
		switch {
		case m.at >= 0:
			m.missing = here == string(line)
			return errEnough
		case here == string(line):
			i++
			return nil
		}
		m.at = i
		number, sum, _ := strings.Cut(string(line), " ")
		if seq, _ := strconv.ParseInt(number, 10, 64); fmt.Sprintf("%d %s", seq, sum) == string(line) && isHash(sum) {
			m.named = seq
		}
		return nil
	})
	if err != nil && m.at < 0 {
		m.at = i // the line that is none
	} else if m.at < 0 && i < len(c.leaves) {
		m.at = i
	}
	return m, nil
}

// name is the entry that the i-th record should be, and what is wrong with it.
func (m *mismatch) name(i int) string {
	const changed = "its record is not the one in the tree"
	switch {
	case i == m.at && i < len(m.leaves) && m.fault == nil && m.leaves[i].seq != m.named &&
		slices.ContainsFunc(m.leaves, func(l leaf) bool { return l.seq == m.named }):
		return fmt.Sprintf("entry %d: it stands where entry %d should", m.leaves[i].seq, m.named)
	case i == m.at && m.named > 0 && m.fault == nil && (m.missing || i == len(m.leaves)):
		return fmt.Sprintf("entry %d: it is missing", m.named)
	case i == m.at && m.named > 0:
		return fmt.Sprintf("entry %d: %s", m.named, changed)
	case i < len(m.leaves):
		return fmt.Sprintf("entry %d: %s", m.leaves[i].seq, changed)
	case i > 0:
		return fmt.Sprintf("the record after entry %d is not one in the tree", m.leaves[i-1].seq)
	}
	return "the first record is not one in the tree"
}

// isHash tells whether text is a hash in hexadecimal, as leaves.txt has it.
func isHash(text string) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == tlog.HashSize && text == hex.EncodeToString(b)
}

// complete checks that the day is given without a hole: before and after each run of its records stands an entry that is
// given too, beside.jsonl or later.jsonl, of which account then sees the day.
func (c *checking) complete(sorted []leaf) error {
	has := func(seq int64) bool {
		i := sort.Search(len(sorted), func(i int) bool { return sorted[i].seq >= seq })
		return seq < 1 || seq > c.head.Size || i < len(sorted) && sorted[i].seq == seq
	}
	for i, l := range c.leaves[:c.counts[0]] {
		for _, seq := range []int64{l.seq - 1, l.seq + 1} {
			if !has(seq) {
				return fmt.Errorf("entry %d: it is missing, between the records of the day or beside them", seq)
			}
		}
		if i == 0 && l.seq != c.sum.First || i == c.counts[0]-1 && l.seq != c.sum.Last {
			return fmt.Errorf("entry %d: summary.json has the day from entry %d to %d", l.seq, c.sum.First, c.sum.Last)
		}
	}
	if c.counts[0] == 0 && (c.sum.First < 1 || c.sum.Last != c.sum.First-1 || c.sum.Last > c.head.Size || !has(c.sum.First) ||
		!has(c.sum.Last)) {
		return fmt.Errorf("summary.json: a day without entries between entry %d and %d, which are not given", c.sum.Last, c.sum.First)
	}
	if !has(c.head.Size) {
		return fmt.Errorf("entry %d: it is missing, the newest of all", c.head.Size)
	}
	return nil
}

// readDay reads the records again, now proved, in the order of seq, and compares what they say with the summary.
func (c *checking) readDay() error {
	zone, err := time.LoadLocation(c.sum.TimeZone)
	if err != nil || c.sum.TimeZone == "" || c.sum.TimeZone == "Local" {
		return fmt.Errorf("summary.json: time zone %q is none", c.sum.TimeZone)
	}
	sum := summary{V: 1, Gate: c.sum.Gate, Origin: c.head.Origin, Epoch: c.sum.Epoch, TimeZone: c.sum.TimeZone, Day: c.sum.Day,
		First: c.sum.First, Last: c.sum.Last, Size: c.head.Size, ShortRoot: c.head.ShortRoot()}
	if suffix := fmt.Sprint("/", sum.Epoch); sum.Epoch < 1 || sum.Epoch > 1 && !strings.HasSuffix(sum.Origin, suffix) {
		return fmt.Errorf("summary.json: epoch %d is not that of the origin %s", sum.Epoch, sum.Origin)
	}
	a, err := evidence.NewAccount(evidence.Day{Name: sum.Day, First: sum.First, Last: sum.Last}, sum.Size, zone)
	if err != nil {
		return fmt.Errorf("summary.json: %w", err)
	}
	c.changes = map[int64]*entry.Entry{}
	add := func(e *entry.Entry, own bool) error {
		if e.Kind == entry.KeyChange {
			c.changes[e.Seq] = e
		}
		if e.Seq == sum.Size {
			sum.Until = e.Time
		}
		return a.Add(e, own)
	}
	others, err := c.besides(zone)
	if err != nil {
		return err
	}
	before := func(seq int64) error {
		for len(others) > 0 && others[0].Seq < seq {
			e := others[0]
			others = others[1:]
			day := localDay(e)
			switch {
			case day == sum.Day:
				return fmt.Errorf("entry %d is of %s and not among its records", e.Seq, sum.Day)
			case c.counts[0] == 0 && (e.Seq == sum.Last && day > sum.Day || e.Seq == sum.First && day < sum.Day):
				return fmt.Errorf("entry %d is of %s: between it and the next there may be entries of %s", e.Seq, day, sum.Day)
			}
			if err := add(e, false); err != nil {
				return err
			}
		}
		return nil
	}
	if err := c.lines("records.jsonl", entry.MaxRecord+1, func(line []byte) error {
		e, err := c.entry(line, zone)
		if err != nil {
			return err
		}
		if day := localDay(e); day != sum.Day {
			return fmt.Errorf("entry %d is of %s, not of %s", e.Seq, day, sum.Day)
		}
		if err := before(e.Seq); err != nil {
			return err
		}
		return add(e, true)
	}); err != nil {
		return err
	}
	if err := before(1 << 62); err != nil {
		return err
	}
	if err := sum.fill(a); err != nil {
		return err
	}
	return c.compareSummary(&sum)
}

// entry reads a given record, which was proved.
func (c *checking) entry(line []byte, zone *time.Location) (*entry.Entry, error) {
	e, err := entry.ParseRecord(string(line), zone)
	if err == nil && e.V != 1 {
		err = fmt.Errorf("it is of version %d", e.V)
	}
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return &e, e.SameBox(c.sum.Gate, c.sum.TimeZone, "")
}

// besides are the given entries that are not of the day: few.
func (c *checking) besides(zone *time.Location) (list []*entry.Entry, err error) {
	for _, name := range recordMembers[1:] {
		if c.measured[name].size > maxHeld {
			return nil, fmt.Errorf("%s has more than %d bytes", name, maxHeld)
		}
		if err := c.lines(name, entry.MaxRecord+1, func(line []byte) error {
			e, err := c.entry(line, zone)
			list = append(list, e)
			return err
		}); err != nil {
			return nil, err
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Seq < list[j].Seq })
	return list, nil
}

// compareSummary compares the summary with what the records say.
func (c *checking) compareSummary(want *summary) error {
	got, err1 := canonicalJSON(&c.sum)
	said, err2 := canonicalJSON(want)
	if err := errors.Join(err1, err2); err != nil || bytes.Equal(got, said) {
		return err
	}
	g, w := strings.Split(string(got), "\n"), strings.Split(string(said), "\n")
	i := 0
	for i < min(len(g), len(w))-1 && g[i] == w[i] {
		i++
	}
	return fmt.Errorf("summary.json says %s where the records say %s", strings.TrimSpace(g[i]), strings.TrimSpace(w[i]))
}

// localDay is the day of an entry as its record has it: in the gate's zone.
func localDay(e *entry.Entry) string { return e.Time[:min(len(time.DateOnly), len(e.Time))] }

// personal checks each field against the commitment of its record.
func (c *checking) personal() error {
	if c.measured["personal.jsonl"] == nil {
		return nil
	}
	want := map[int64]string{} // commitments
	for _, name := range []string{"records.jsonl", "later.jsonl"} {
		if err := c.lines(name, entry.MaxRecord+1, func(line []byte) error {
			e, err := entry.ParseRecord(string(line), time.UTC)
			if e.Record.Personal != "" {
				want[e.Seq] = strings.Clone(e.Record.Personal)
			}
			return err
		}); err != nil {
			return err
		}
	}
	var fields []file.Disclosure // of entry at
	var at, shown, hidden int64
	settle := func() error {
		if len(fields) == 0 {
			return nil
		}
		if sum, err := file.CheckDisclosed(fields); err != nil {
			return err
		} else if sum != want[at] {
			return fmt.Errorf("entry %d: its personal fields are not those that its record committed to", at)
		}
		delete(want, at)
		fields = fields[:0]
		return nil
	}
	err := c.lines("personal.jsonl", 1<<20, func(line []byte) error {
		var p file.Disclosure
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("personal.jsonl, after entry %d: %w", at, err)
		}
		if again, err := lineOf(&p); err != nil || string(again) != string(line)+"\n" {
			return fmt.Errorf("personal.jsonl, after entry %d: a line is not written as gated writes it", at)
		}
		if p.Seq != at {
			if err := settle(); err != nil {
				return err
			}
			if want[p.Seq] == "" {
				return fmt.Errorf("personal.jsonl: entry %d has no personal fields, or they are given twice", p.Seq)
			}
			at = p.Seq
		}
		if p.Value == nil && p.Salt == "" {
			hidden++
		} else {
			shown++
		}
		fields = append(fields, p)
		return nil
	})
	if err == nil {
		err = settle()
	}
	if err != nil {
		return err
	}
	c.say("%d personal fields are those that the records committed to; of %d more only the hash is given: erased, or left out", shown,
		hidden)
	if len(want) > 0 {
		c.say("of the personal fields of %d entries nothing is given: erased, or left out", len(want))
	}
	return nil
}
