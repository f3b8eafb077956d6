package ledger

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"database/sql/driver"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"gated/ledger/tlog"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// The audit bundle: a day's records with the proof that they stand in the ledger, in one file (docs/formats.md).

// bundleMembers are the members of a bundle in their order; those with false may be absent.
var bundleMembers = []bundleMember{
	{"README.txt", true}, {"manifest.sha256", true}, {"summary.json", true}, {"gate.pub", true}, {"head.txt", true}, {"day.txt", false},
	{"previous.txt", false}, {"proof.json", true}, {"leaves.txt", true}, {"records.jsonl", true}, {"beside.jsonl", true}, {"later.jsonl", true}, {"personal.jsonl", false},
}

type bundleMember struct {
	name   string
	always bool
}

// recordMembers hold the given records, in the order of leaves.txt.
var recordMembers = []string{"records.jsonl", "beside.jsonl", "later.jsonl"}

//go:embed bundle.txt
var bundleReadme string

// BundleOptions say what a bundle has beyond the records.
type BundleOptions struct {
	Personal bool // the personal fields with their salts: the caller records that as an event first
	// Later lists the entries that are about the entries first..last of an earlier day.
	Later func(first, last int64) ([]int64, error)
}

// bundleSummary is summary.json. All but gate, epoch and time zone follow from the records and the head.
type bundleSummary struct {
	V        int            `json:"v"` // 1
	Gate     string         `json:"gate"`
	Origin   string         `json:"origin"`
	Epoch    int            `json:"epoch"`
	TimeZone string         `json:"time_zone"`
	Day      string         `json:"day"`
	First    int64          `json:"first"` // of a day without entries: where its first would stand
	Last     int64          `json:"last"`  // then first - 1
	Entries  int64          `json:"entries"`
	Passages map[string]int `json:"passages"` // begun that day, by their latest verdict
	Gaps     []bundleGap    `json:"not_watching"`
	Until    string         `json:"until"` // time of the newest entry under the head: of later the bundle says nothing
	Size     int64          `json:"size"`
	Paper    string         `json:"paper"`
}

type bundleGap struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Cause string `json:"cause"`
}

// bundleProof is proof.json.
type bundleProof struct {
	V           int                 `json:"v"` // 1
	Nodes       []tlog.Hash         `json:"nodes"`
	Consistency []bundleConsistency `json:"consistency"`
	Rotations   []bundleRotation    `json:"rotations"`
}

// bundleConsistency proves that the ledger of the newest head begins with that of an older one.
type bundleConsistency struct {
	From   int64       `json:"from"`
	Hashes []tlog.Hash `json:"hashes"`
}

// bundleRotation is a head at which one key took over from another: the entry of the same number names both.
type bundleRotation struct {
	Note   string      `json:"note"`
	Hashes []tlog.Hash `json:"hashes"`
}

// line is a line of personal.jsonl.
func (d *Disclosure) line() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(d)
	return b.Bytes(), err
}

// canonicalJSON is how the JSON members are written: what is read must come out the same again.
func canonicalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// leaf is a given record's place in the tree.
type leaf struct {
	seq  int64
	hash tlog.Hash
}

// treeOver computes the RFC 6962 hash over the leaves lo to hi-1 (from 0) of which some are given, in order. node is asked
// for the hash of each largest subtree without a given one, from left to right. It returns the leaves that it did not reach.
func treeOver(lo, hi int64, given []leaf, node func(lo, hi int64) (tlog.Hash, error)) (tlog.Hash, []leaf, error) {
	switch {
	case len(given) == 0 || given[0].seq > hi:
		h, err := node(lo, hi)
		return h, given, err
	case hi-lo == 1:
		return given[0].hash, given[1:], nil
	}
	k := lo + split(hi-lo)
	left, given, err := treeOver(lo, k, given, node)
	if err != nil {
		return left, given, err
	}
	right, given, err := treeOver(k, hi, given, node)
	return sumdb.NodeHash(left, right), given, err
}

// split is the largest power of two below n, which is at least 2.
func split(n int64) int64 { return 1 << (bits.Len64(uint64(n-1)) - 1) }

// subtree reads the hash over the leaves lo to hi-1, authenticated by hr.
func subtree(hr sumdb.HashReader, lo, hi int64) (tlog.Hash, error) {
	if n := hi - lo; n&(n-1) != 0 {
		k := lo + split(n)
		left, err := subtree(hr, lo, k)
		if err != nil {
			return left, err
		}
		right, err := subtree(hr, k, hi)
		return sumdb.NodeHash(left, right), err
	}
	level := bits.TrailingZeros64(uint64(hi - lo))
	hashes, err := hr.ReadHashes([]int64{sumdb.StoredHashIndex(level, lo>>level)})
	if err != nil {
		return tlog.Hash{}, err
	}
	return hashes[0], nil
}

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
	r      *Reader
	sum    bundleSummary
	head   tlog.Head
	runs   []stretch // in the order of seq
	leaves []leaf
	proof  bundleProof
	heads  map[string]tlog.Head // day.txt, previous.txt
	public string
	later  func(first, last int64) ([]int64, error)
}

// WriteBundle writes the audit bundle of a day (2006-01-02, in the gate's zone), as of the newest tree head. The file is
// its only form that the check accepts, byte for byte, besides the folder of its unpacked members.
func (r *Reader) WriteBundle(w io.Writer, day string, opt BundleOptions) (err error) {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return fmt.Errorf("day %q: write it as 2026-11-23", day)
	}
	// One snapshot: an erasure between two readings would tear records and personal fields apart.
	if err := r.c.exec("SAVEPOINT bundle"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.c.exec("RELEASE bundle")) }()
	b := &bundler{r: r, heads: map[string]tlog.Head{}, later: opt.Later}
	if b.head, err = r.Head(); err != nil {
		return err
	}
	if err := b.plan(day); err != nil {
		return err
	}
	if err := b.fold(); err != nil {
		return err
	}
	if err := b.prove(); err != nil {
		return err
	}
	return b.write(w, opt)
}

// plan says which entries are given, and in which member.
func (b *bundler) plan(day string) error {
	size := b.head.Size
	segments, err := b.r.Segments()
	if err != nil {
		return err
	}
	for i := range segments { // what is newer than the head is not of this bundle
		segments[i].Last = min(segments[i].Last, size)
	}
	for len(segments) > 0 && segments[len(segments)-1].First > size {
		segments = segments[:len(segments)-1]
	}
	var days []Segment
	first, last, before := int64(0), int64(0), int64(0)
	for _, s := range segments {
		switch {
		case s.Day == day:
			days = append(days, s)
			if last = s.Last; first == 0 {
				first = s.First
			}
		case s.Day < day && first == 0:
			before = s.Last
		}
	}
	member := map[int64]string{} // of the given entries that are not of the day
	give := func(seq int64, name string) {
		for _, s := range days {
			if seq >= s.First && seq <= s.Last {
				return
			}
		}
		if seq >= 1 && seq <= size {
			member[seq] = name
		}
	}
	if first == 0 {
		first, last = before+1, before
	}
	b.sum = bundleSummary{V: 1, Gate: b.r.Meta.Gate, Origin: b.head.Origin, Epoch: b.r.Meta.Epoch, TimeZone: b.r.Meta.TimeZone, Day: day, First: first, Last: last,
		Size: size, Paper: b.head.ShortRoot()}
	// Beside the day: back to the newest entry of the box's own running, the one after the day, those between its parts,
	// and the newest of all.
	for seq := first - 1; seq >= 1; seq-- {
		give(seq, "beside.jsonl")
		kind := Kind("")
		if err := b.r.Scan(seq, seq, false, func(e *Entry) error { kind = e.Kind; return nil }); err != nil {
			return err
		}
		if !byCommand[kind] {
			break
		}
	}
	give(last+1, "beside.jsonl")
	give(size, "beside.jsonl")
	between := last - first + 1
	for _, s := range days {
		between -= s.Last - s.First + 1
		give(s.First-1, "beside.jsonl")
		give(s.Last+1, "beside.jsonl")
	}
	if between > 0 && between <= maxBetween {
		for seq := first; seq <= last; seq++ {
			give(seq, "beside.jsonl")
		}
	}
	for _, s := range days {
		later, err := b.later(s.First, s.Last)
		if err != nil {
			return err
		}
		for _, seq := range later {
			give(seq, "later.jsonl")
		}
	}
	if err := b.findHeads(days, func(seq int64) { give(seq, "later.jsonl") }); err != nil {
		return err
	}
	for _, s := range days {
		b.runs = append(b.runs, stretch{s.First, s.Last, "records.jsonl"})
	}
	for seq, name := range member {
		b.runs = append(b.runs, stretch{seq, seq, name})
	}
	sort.Slice(b.runs, func(i, j int) bool { return b.runs[i].first < b.runs[j].first })
	return nil
}

// findHeads finds the heads before the day, at its end, and at each change of the key.
func (b *bundler) findHeads(days []Segment, key func(seq int64)) error {
	for name, size := range map[string]int64{"previous.txt": b.sum.First - 1, "day.txt": b.sum.Last} {
		if size < 1 || size >= b.head.Size || name == "day.txt" && len(days) == 0 {
			continue
		}
		h, err := b.r.HeadBefore(size)
		if err != nil && !errors.Is(err, tlog.ErrNoHead) {
			return err
		}
		if err == nil && h.Size == size { // none was signed at the end of days that an older gated wrote
			b.heads[name] = h
		}
	}
	b.proof.Rotations = []bundleRotation{}
	err := b.r.c.query(func(v []driver.Value) error {
		h, err := tlog.ParseHead([]byte(text(v[0])))
		if err != nil {
			return err
		}
		if own := slices.DeleteFunc(h.Signatures(), func(s string) bool { return !strings.HasPrefix(s, "— "+h.Origin+" ") }); len(own) > 1 {
			b.proof.Rotations = append(b.proof.Rotations, bundleRotation{Note: string(h.Note)})
			key(h.Size)
		}
		return nil
	}, "SELECT note FROM head WHERE size <= ? ORDER BY size", b.head.Size)
	if err != nil {
		return fmt.Errorf("read tree heads: %w", err)
	}
	dir := filepath.Dir(b.r.path)
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

// fold reads the given entries once for their leaves and for the summary.
func (b *bundler) fold() error {
	a, err := newAccount(&b.sum, b.r.Zone)
	if err != nil {
		return err
	}
	for _, run := range b.runs {
		if err := b.r.Scan(run.first, run.last, false, func(e *Entry) error {
			b.leaves = append(b.leaves, leaf{e.Seq, tlog.LeafHash(e.Raw)})
			return a.add(e, run.member == "records.jsonl")
		}); err != nil {
			return err
		}
	}
	return a.close()
}

// prove collects the hashes that lead from the given records to the head.
func (b *bundler) prove() error {
	hr := tlog.HashReader(b.r, b.head)
	b.proof.V, b.proof.Nodes, b.proof.Consistency = 1, []tlog.Hash{}, []bundleConsistency{}
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
				b.proof.Consistency = append(b.proof.Consistency, bundleConsistency{h.Size, orEmpty(p)})
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

func (b *bundler) write(w io.Writer, opt BundleOptions) error {
	summary, err := canonicalJSON(&b.sum)
	if err != nil {
		return err
	}
	proof, err := canonicalJSON(&b.proof)
	if err != nil {
		return err
	}
	members := map[string]func(io.Writer) error{}
	whole := func(name string, data []byte) {
		members[name] = func(w io.Writer) error { _, err := w.Write(data); return err }
	}
	whole("README.txt", []byte(bundleReadme))
	whole("summary.json", summary)
	whole("gate.pub", []byte(b.public+"\n"))
	whole("head.txt", b.head.Note)
	for name, h := range b.heads {
		whole(name, h.Note)
	}
	whole("proof.json", proof)
	for _, name := range recordMembers {
		members[name] = func(w io.Writer) error { return b.records(w, name) }
	}
	members["leaves.txt"] = func(w io.Writer) error {
		for _, name := range recordMembers {
			leaves := b.leaves
			for _, run := range b.runs {
				n := run.last - run.first + 1
				if run.member == name {
					for _, l := range leaves[:n] {
						if _, err := fmt.Fprintf(w, "%d %x\n", l.seq, l.hash[:]); err != nil {
							return err
						}
					}
				}
				leaves = leaves[n:]
			}
		}
		return nil
	}
	if opt.Personal {
		members["personal.jsonl"] = b.personal
	}
	// Each member is made twice, first to measure it: its length and checksum stand before it, and a pipe has no way back.
	var manifest bytes.Buffer
	var measured []*zipMember
	for _, m := range bundleMembers {
		make, ok := members[m.name]
		if !ok && m.name != "manifest.sha256" {
			continue
		}
		z := &zipMember{name: m.name}
		measured = append(measured, z)
		if ok {
			if err := z.measure(make); err != nil {
				return err
			}
			fmt.Fprintf(&manifest, "%x  %s\n", z.sha[:], m.name)
		}
	}
	whole("manifest.sha256", manifest.Bytes())
	if err := measured[1].measure(members["manifest.sha256"]); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	var at int64
	for _, z := range measured {
		z.at = at
		header := z.header()
		if at += int64(len(header)) + z.size; at > maxZip {
			return fmt.Errorf("the bundle of %s would have more than %d bytes, which is what a zip file holds", b.sum.Day, int64(maxZip))
		}
		out.Write(header)
		if err := members[z.name](out); err != nil {
			return err
		}
	}
	out.Write(zipDirectory(measured, at))
	return out.Flush()
}

// records writes the exact records of a member, one a line.
func (b *bundler) records(w io.Writer, member string) error {
	for _, run := range b.runs {
		if run.member != member {
			continue
		}
		if err := b.r.c.query(func(v []driver.Value) error {
			_, err := io.WriteString(w, text(v[0])+"\n")
			return err
		}, "SELECT record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", run.first, run.last); err != nil {
			return err
		}
	}
	return nil
}

// personal writes the personal fields of the day's entries and of the later ones about it.
func (b *bundler) personal(w io.Writer) error {
	const page = 500 // entries whose fields are held at a time
	for _, run := range b.runs {
		if run.member == "beside.jsonl" {
			continue
		}
		for from := run.first; from <= run.last; from += page {
			to := min(from+page-1, run.last)
			rows := map[int64][]personalRow{}
			if err := b.r.personalRows(from, to, rows); err != nil {
				return err
			}
			for seq := from; seq <= to; seq++ {
				for _, row := range rows[seq] {
					if !utf8.ValidString(row.Value) {
						return fmt.Errorf("entry %d: personal field %s is not UTF-8: JSON cannot hold it", seq, row.Name)
					}
					d := row.disclosed(seq)
					line, err := d.line()
					if err != nil {
						return err
					}
					if _, err := w.Write(line); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// account folds the given entries, in the order of seq, into what the summary says of them.
type account struct {
	sum      *bundleSummary
	verdicts map[string]string // latest, of the passages begun that day
	keys     map[int64]*Record // of kind key
	watch    watch
	next     int64 // the entry that watching needs next, 0 before it has the first
	torn     bool  // it did not get one
}

func newAccount(sum *bundleSummary, zone *time.Location) (*account, error) {
	w, err := newWatch(sum.Day, zone)
	return &account{sum: sum, verdicts: map[string]string{}, keys: map[int64]*Record{}, watch: w}, err
}

// add takes the next given entry.
func (a *account) add(e *Entry, ofDay bool) error {
	sum := a.sum
	if ofDay {
		sum.Entries++
	}
	if e.Seq == sum.Size {
		sum.Until = e.Time
	}
	if e.Kind == KeyChange {
		a.keys[e.Seq] = &e.Record
	}
	if e.Passage != "" {
		verdict, known := a.verdicts[e.Passage]
		if e.Verdict != "" && e.Kind != Check {
			verdict = e.Verdict
		}
		if known || ofDay && (e.Kind == Check || e.Kind == Opening && e.Verdict != "") {
			a.verdicts[e.Passage] = verdict
		}
	}
	// Watching is told from the newest entry before the day that is of the box's own running, up to the one after the day.
	switch {
	case e.Seq < sum.First && (!byCommand[e.Kind] || e.Seq == 1):
		a.watch.restart()
		a.torn = false
	case e.Seq == 1:
	case a.next == 0 || e.Seq > sum.Last+1:
		return nil
	case e.Seq != a.next:
		a.torn = true
	}
	a.next = e.Seq + 1
	return a.watch.add(e)
}

// close completes the summary.
func (a *account) close() error {
	a.sum.Passages = map[string]int{"admit": 0, "refuse": 0, "hold": 0}
	for _, v := range a.verdicts {
		a.sum.Passages[v]++
	}
	if a.torn || a.next != min(a.sum.Last+1, a.sum.Size)+1 {
		return nil // not_watching stays null
	}
	until, err := time.Parse(time.RFC3339Nano, a.sum.Until)
	if err != nil {
		return err
	}
	a.sum.Gaps = []bundleGap{}
	for _, g := range a.watch.close(a.sum.Size, until) {
		a.sum.Gaps = append(a.sum.Gaps, bundleGap{g.From.Format(time.RFC3339), g.To.Format(time.RFC3339), g.Cause})
	}
	return nil
}

// The container: a zip file of stored members, of which every byte follows from names and contents (PKWARE APPNOTE 4.3).

const (
	maxZip   = 1<<32 - 1  // without zip64
	zipTime  = 0x00210000 // 1980-01-01 00:00, date above time
	zipMode  = 0o100600 << 16
	zipLocal = 30 // bytes of a local header without the name
)

// zipMember is a member as its headers tell it.
type zipMember struct {
	name string
	size int64
	crc  uint32
	at   int64 // where its local header begins
	sha  tlog.Hash
}

// measure runs content through the checksums.
func (z *zipMember) measure(content func(io.Writer) error) error {
	crc := crc32.NewIEEE()
	sum := sha256.New()
	count := countingWriter{w: io.MultiWriter(crc, sum)}
	err := content(&count)
	z.size, z.crc, z.sha = count.n, crc.Sum32(), tlog.Hash(sum.Sum(nil))
	if err == nil && z.size > maxZip {
		err = fmt.Errorf("%s has more than %d bytes, which is what a zip file holds", z.name, int64(maxZip))
	}
	return err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return c.w.Write(p)
}

func (z *zipMember) header() []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0x04034b50)
	b = le.AppendUint16(b, 20) // version needed
	b = le.AppendUint16(b, 0)  // flags
	return append(z.common(b), z.name...)
}

// common are the fields that both headers of a member share, from the method on.
func (z *zipMember) common(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint16(b, 0) // stored
	b = le.AppendUint32(b, zipTime)
	b = le.AppendUint32(b, z.crc)
	b = le.AppendUint32(b, uint32(z.size))
	b = le.AppendUint32(b, uint32(z.size))
	b = le.AppendUint16(b, uint16(len(z.name)))
	return le.AppendUint16(b, 0) // extra
}

// zipDirectory is what follows the members: the central directory and its end.
func zipDirectory(members []*zipMember, at int64) []byte {
	le := binary.LittleEndian
	var b []byte
	for _, z := range members {
		b = le.AppendUint32(b, 0x02014b50)
		b = le.AppendUint16(b, 3<<8|20) // made by: Unix, 2.0
		b = le.AppendUint16(b, 20)
		b = le.AppendUint16(b, 0)
		b = z.common(b)
		b = le.AppendUint16(b, 0) // comment
		b = le.AppendUint16(b, 0) // disk
		b = le.AppendUint16(b, 0) // internal attributes
		b = le.AppendUint32(b, zipMode)
		b = le.AppendUint32(b, uint32(z.at))
		b = append(b, z.name...)
	}
	n := len(b)
	b = le.AppendUint32(b, 0x06054b50)
	b = le.AppendUint32(b, 0) // disks
	b = le.AppendUint16(b, uint16(len(members)))
	b = le.AppendUint16(b, uint16(len(members)))
	b = le.AppendUint32(b, uint32(n))
	b = le.AppendUint32(b, uint32(at))
	return le.AppendUint16(b, 0) // comment
}
