package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"gated/evidence"
	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// stretch is a run of given entries that stand in one member.
type stretch struct {
	first, last int64
	member      string
}

// maxBetween bounds how many entries of other days a bundle takes in between two parts of a day, which a clock set back
// has torn apart; with more of them the times without watching cannot be told from the bundle.
const maxBetween = 10000

// bundler makes one bundle.
type bundler struct {
	r        *evidence.Reader
	personal bool
	of       func(seq int64) bool // whose personal fields it has; nil: those of all entries
	day      evidence.Day
	sum      summary
	head     tlog.Head
	runs     []stretch // in the order of seq
	leaves   []leaf
	proof    proof
	heads    map[string]tlog.Head // day.txt, previous.txt
	public   string
	measured map[string]*measure // of the members that are not held in memory
}

// Write writes the audit bundle of a day (2006-01-02, in the gate's zone), as of the newest tree head; with the
// personal fields and their salts where asked for: the caller records that as an event first. The file is its only form
// that the check accepts, byte for byte, besides the folder of its unpacked members.
func Write(w io.Writer, r *evidence.Reader, day string, personal bool) error {
	return write(w, r, day, personal, nil)
}

// WriteOf is Write with the personal fields of some entries alone.
func WriteOf(w io.Writer, r *evidence.Reader, day string, of func(seq int64) bool) error {
	return write(w, r, day, true, of)
}

func write(w io.Writer, r *evidence.Reader, day string, personal bool, of func(seq int64) bool) error {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return fmt.Errorf("day %q: write it as 2026-11-23", day)
	}
	var b *bundler
	err := r.Snapshot(func() error { // an erasure between two readings would tear records and personal fields apart
		head, err := r.Head()
		if err != nil {
			return err
		}
		b = newBundler(r, head, personal)
		b.of = of
		if err := b.plan(day); err != nil {
			return err
		}
		if err := b.survey(); err != nil {
			return err
		}
		if err := b.prove(); err != nil || !personal {
			return err
		}
		return b.write(w)
	})
	if err == nil && !personal { // records do not change, and a pipe may take them slowly: that must not hold up the ledger's log
		err = b.write(w)
	}
	return err
}

func newBundler(r *evidence.Reader, head tlog.Head, personal bool) *bundler {
	return &bundler{r: r, head: head, personal: personal, heads: map[string]tlog.Head{}, measured: map[string]*measure{}}
}

// plan says which entries are given, and in which member.
func (b *bundler) plan(day string) error {
	size := b.head.Size
	c, err := b.r.Calendar(size)
	if err != nil {
		return err
	}
	d := c.Day(day)
	b.day = d
	b.sum = summary{V: 1, Gate: b.r.Meta.Gate, Origin: b.head.Origin, Epoch: b.r.Meta.Epoch, TimeZone: b.r.Meta.TimeZone, Day: day,
		First: d.First, Last: d.Last, Size: size, ShortRoot: b.head.ShortRoot()}
	member := map[int64]string{} // of the given entries that are not of the day
	give := func(seq int64, name string) {
		if seq >= 1 && seq <= size && !d.Has(seq) {
			member[seq] = name
		}
	}
	// Beside the day: what tells when the box was watching, what stands around its parts, and the newest of all.
	from, err := b.r.WatchedFrom(d)
	if err != nil {
		return err
	}
	for seq := from; seq < d.First; seq++ {
		give(seq, "beside.jsonl")
	}
	until, err := b.r.WatchedUntil(d, size)
	if err != nil {
		return err
	}
	for seq := d.Last + 1; seq <= min(until, d.Last+maxBetween); seq++ {
		give(seq, "beside.jsonl")
	}
	give(size, "beside.jsonl")
	between := d.Last - d.First + 1
	for _, s := range d.Own {
		between -= s.Last - s.First + 1
		give(s.First-1, "beside.jsonl")
		give(s.Last+1, "beside.jsonl")
	}
	if between > 0 && between <= maxBetween {
		for seq := d.First; seq <= d.Last; seq++ {
			give(seq, "beside.jsonl")
		}
	}
	later, err := b.r.LaterThan(d.Own)
	if err != nil {
		return err
	}
	for _, seq := range later {
		give(seq, "later.jsonl")
	}
	if err := b.findHeads(func(seq int64) { give(seq, "later.jsonl") }); err != nil {
		return err
	}
	for _, s := range d.Own {
		b.runs = append(b.runs, stretch{s.First, s.Last, "records.jsonl"})
	}
	for seq, name := range member {
		b.runs = append(b.runs, stretch{seq, seq, name})
	}
	sort.Slice(b.runs, func(i, j int) bool { return b.runs[i].first < b.runs[j].first })
	return nil
}

// findHeads finds the heads before the day, at its end, and at each change of the key.
func (b *bundler) findHeads(key func(seq int64)) error {
	wanted := map[int64]string{}
	if b.sum.First > 1 {
		wanted[b.sum.First-1] = "previous.txt"
	}
	if len(b.day.Own) > 0 {
		wanted[b.sum.Last] = "day.txt"
	}
	delete(wanted, b.head.Size)
	b.proof.Rotations = []rotation{}
	err := b.r.Heads(func(size int64, note string, _ []byte) error {
		if size > b.head.Size {
			return nil
		}
		h, err := tlog.ParseHead([]byte(note))
		if err != nil {
			return err
		}
		if name, ok := wanted[size]; ok {
			b.heads[name] = h
		}
		own := slices.DeleteFunc(h.Signatures(), func(s string) bool { return !strings.HasPrefix(s, "— "+h.Origin+" ") })
		if len(own) > 1 {
			b.proof.Rotations = append(b.proof.Rotations, rotation{Note: string(h.Note)})
			key(h.Size)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read tree heads: %w", err)
	}
	dir := filepath.Dir(b.r.Path())
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(k string) bool { return b.head.SignedBy(k) })
	if i < 0 {
		return fmt.Errorf("none of the keys in %s signed the newest tree head", tlog.PublicFile(dir))
	}
	b.public = keys[i]
	return nil
}

// given reads the given entries, or those of one member, with the personal fields that the bundle has where asked for.
func (b *bundler) given(member string, personal bool, f func(member string, e *entry.Entry, personal []file.Disclosure) error) error {
	for _, run := range b.runs {
		if member != "" && run.member != member {
			continue
		}
		var err error
		if personal && run.member != "beside.jsonl" {
			err = b.r.ScanDisclosed(run.first, run.last, func(e *entry.Entry, p []file.Disclosure) error {
				if b.of != nil && !b.of(e.Seq) {
					p = nil
				}
				return f(run.member, e, p)
			})
		} else {
			err = b.r.Scan(run.first, run.last, false, func(e *entry.Entry) error { return f(run.member, e, nil) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// survey reads the given entries once for their leaves, for the summary, and to measure what is written of them.
func (b *bundler) survey() error {
	a, err := evidence.NewAccount(b.day, b.head.Size, b.r.Zone)
	if err != nil {
		return err
	}
	for _, name := range recordMembers {
		b.measured[name] = newMeasure()
	}
	if b.personal {
		b.measured["personal.jsonl"] = newMeasure()
	}
	if err := b.given("", b.personal, func(member string, e *entry.Entry, personal []file.Disclosure) error {
		b.leaves = append(b.leaves, leaf{e.Seq, tlog.LeafHash(e.Raw)})
		fmt.Fprintf(b.measured[member], "%s\n", e.Raw)
		if e.Seq == b.head.Size {
			b.sum.Until = strings.Clone(e.Time)
		}
		if err := writePersonal(b.measured["personal.jsonl"], personal); err != nil {
			return err
		}
		return a.Add(e, member == "records.jsonl")
	}); err != nil {
		return err
	}
	return b.sum.fill(a)
}

// fill puts what the account of the given entries says into the summary, which has the rest.
func (sum *summary) fill(a *evidence.Account) error {
	if _, err := time.Parse(time.RFC3339Nano, sum.Until); err != nil {
		return err
	}
	sum.Entries, sum.Passages = a.Entries, a.Passages()
	for _, t := range a.ByHand(time.Time{}) {
		sum.ByHand = append(sum.ByHand, byHand{t.Entry, t.Lane, t.Direction, t.From.Format(time.RFC3339), t.To.Format(time.RFC3339),
			int64(t.Lasted / time.Second), t.Reason, t.Heads})
	}
	gaps, ok := a.Gaps(time.Time{})
	if !ok {
		return nil // not_watching stays null
	}
	sum.Gaps = []gap{}
	for _, g := range gaps {
		sum.Gaps = append(sum.Gaps, gap{g.From.Format(time.RFC3339), g.To.Format(time.RFC3339), g.Cause})
	}
	return nil
}

func writePersonal(w io.Writer, personal []file.Disclosure) error {
	for i := range personal {
		d := &personal[i]
		if d.Value != nil && !utf8.ValidString(*d.Value) {
			return fmt.Errorf("entry %d: personal field %s is not UTF-8: JSON cannot hold it", d.Seq, d.Field)
		}
		line, err := lineOf(d)
		if err != nil {
			return err
		}
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// prove collects the hashes that lead from the given records to the head.
func (b *bundler) prove() error {
	hr := tlog.HashReader(b.r, b.head)
	b.proof.V, b.proof.Nodes, b.proof.Consistency = 1, []tlog.Hash{}, []consistency{}
	root, rest, err := treeOver(0, b.head.Size, b.leaves, func(lo, hi int64) (tlog.Hash, error) {
		h, err := subtree(hr, lo, hi)
		b.proof.Nodes = append(b.proof.Nodes, h)
		return h, err
	})
	if err == nil && (root != b.head.Root || len(rest) > 0) {
		err = errors.New("records and tiles do not come to the root of the newest tree head")
	}
	for _, name := range []string{"previous.txt", "day.txt"} {
		if h, ok := b.heads[name]; ok && err == nil {
			var p sumdb.TreeProof
			if p, err = sumdb.ProveTree(b.head.Size, h.Size, hr); err == nil {
				b.proof.Consistency = append(b.proof.Consistency, consistency{h.Size, orEmpty(p)})
			}
		}
	}
	for i := range b.proof.Rotations {
		rot := &b.proof.Rotations[i]
		h, perr := tlog.ParseHead([]byte(rot.Note))
		if err = errors.Join(err, perr); err == nil {
			var p sumdb.TreeProof
			p, err = sumdb.ProveTree(b.head.Size, h.Size, hr)
			rot.Hashes = orEmpty(p)
		}
	}
	if err != nil {
		return fmt.Errorf("prove the day against the newest tree head: %w: look with \"gated ledger verify\" for what was changed", err)
	}
	return nil
}

// orEmpty keeps null out of the JSON.
func orEmpty(h []tlog.Hash) []tlog.Hash { return append([]tlog.Hash{}, h...) }

// write puts the members together: those in memory, and those that are read again and were measured before, as their length
// and checksum stand before them and a pipe has no way back.
func (b *bundler) write(w io.Writer) error {
	summary, err := canonicalJSON(&b.sum)
	if err != nil {
		return err
	}
	proof, err := canonicalJSON(&b.proof)
	if err != nil {
		return err
	}
	whole := map[string][]byte{"README.txt": []byte(readme), "summary.json": summary, "gate.pub": []byte(b.public + "\n"),
		"head.txt": b.head.Note, "proof.json": proof, "leaves.txt": b.leafLines()}
	for name, h := range b.heads {
		whole[name] = h.Note
	}
	var manifest bytes.Buffer
	for _, m := range members {
		if data, ok := whole[m.name]; ok {
			b.measured[m.name] = newMeasure()
			b.measured[m.name].Write(data)
		}
		if z := b.measured[m.name]; z != nil {
			fmt.Fprintf(&manifest, "%x  %s\n", z.sha.Sum(nil), m.name)
		}
	}
	whole["manifest.sha256"] = manifest.Bytes()
	b.measured["manifest.sha256"] = newMeasure()
	b.measured["manifest.sha256"].Write(manifest.Bytes())
	return pack(w, b.measured, func(name string, w io.Writer) error {
		if data, ok := whole[name]; ok {
			_, err := w.Write(data)
			return err
		}
		member := name
		if name == "personal.jsonl" {
			member = "" // of all
		}
		return b.given(member, name == "personal.jsonl", func(_ string, e *entry.Entry, personal []file.Disclosure) error {
			if name == "personal.jsonl" {
				return writePersonal(w, personal)
			}
			_, err := fmt.Fprintf(w, "%s\n", e.Raw)
			return err
		})
	})
}

// leafLines is leaves.txt: the leaves in the order of the members that hold their records.
func (b *bundler) leafLines() []byte {
	var out bytes.Buffer
	for _, name := range recordMembers {
		leaves := b.leaves
		for _, run := range b.runs {
			n := run.last - run.first + 1
			if run.member == name {
				for _, l := range leaves[:n] {
					fmt.Fprintf(&out, "%d %x\n", l.seq, l.hash[:])
				}
			}
			leaves = leaves[n:]
		}
	}
	return out.Bytes()
}
