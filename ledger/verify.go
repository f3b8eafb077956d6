package ledger

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Given is what a verifier brings from outside the box. Without any of it a ledger can be shown to be consistent, and
// not that its whole history was never replaced.
type Given struct {
	Keys      []string // note verifier keys of the gate, from when they were trusted
	Witnesses []string // note verifier keys of witnesses
	Since     *Head    // an older tree head, kept elsewhere
	Papers    []Paper  // heads copied by hand
	Progress  func(done, of int64)
	keyless   bool // an older epoch whose key nobody here knows: its entries hold by the root that the next one names
}

// Paper is a tree head as it stands in the handover book: a size and the first 80 bits of the root in base32.
type Paper struct {
	Size  int64
	Chars string
}

// ParsePaper reads SIZE:CHARS.
func ParsePaper(s string) (Paper, error) {
	size, chars, _ := strings.Cut(s, ":")
	n, err := strconv.ParseInt(size, 10, 64)
	chars = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "0", "O", "1", "I", "8", "B").Replace(chars)) // base32 has no 0, 1, 8: read as written by hand
	if err != nil || n < 1 || len(chars) != 16 || strings.Trim(chars, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return Paper{}, fmt.Errorf("%q: write the size, a colon and the 16 characters, such as 1234:ABCDEFGHIJKLMNOP", s)
	}
	return Paper{n, chars}, nil
}

func (p Paper) String() string { return fmt.Sprintf("%d:%s", p.Size, p.Chars) }

// Report is what was found to hold.
type Report struct {
	Meta       Meta
	Entries    int64
	Root       tlog.Hash // of all entries
	Head       Head      // the newest; Note nil where there is none
	Heads      int       // tree heads whose signatures hold
	Personal   int64     // fields that are what their records committed to
	Erased     int64     // fields that were erased
	Key        string    // that signed it
	OwnKey     bool      // no key was given, and the box's own word was taken for it
	Papers     []Paper   // copied by hand, that fit
	Before     *Entry    // the first entry, where it names an epoch whose file is not there
	Since      *Head     // the older head that was given, where this ledger contains it
	Cosigned   []string  // names of the witnesses that signed the newest witnessed head
	Witness    int64     // its size
	OwnWitness bool      // they are those that the ledger names, as none that was given signed
}

// a mark is a size at which the root must be a certain one.
type mark struct {
	size  int64
	check func(root tlog.Hash) error
}

// Verify reads the whole ledger: every entry from 1 without a gap, each record what its row says, in the segment of its
// day, and a leaf of the tree that its tiles and signed heads say; every personal field what its record committed to.
// The error names the first entry, tile, head or field that is not.
func (r *Reader) Verify(g Given) (*Report, error) {
	if err := r.c.exec("BEGIN"); err != nil { // one state of a ledger that may be growing
		return nil, err
	}
	defer r.c.exec("COMMIT")
	rep := &Report{Meta: r.Meta, OwnKey: len(g.Keys) == 0}
	if rep.OwnKey {
		known, _ := PublicKeys(filepath.Dir(r.path)) // without one, no head can be signed by it
		g.Keys = ofOrigin(known, r.Meta.Origin)
	}
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	v := &verification{r: r, rep: rep, size: size, progress: g.Progress, tree: &tree{}}
	if v.segments, err = r.Segments(); err != nil {
		return nil, err
	}
	if err := v.readHeads(g); err != nil {
		return nil, err
	}
	if err := v.passed(); err != nil { // a head of no entries
		return nil, err
	}
	if err := v.entries(); err != nil {
		return nil, err
	}
	rep.Entries, rep.Root = size, v.tree.root()
	if err := v.structure(); err != nil {
		return nil, err
	}
	if err := v.signatures(g); err != nil {
		return nil, err
	}
	return rep, nil
}

// verification is one run of Verify.
type verification struct {
	r        *Reader
	rep      *Report
	size     int64
	segments []Segment
	heads    []Head
	leaves   [][]byte // those kept with each head
	marks    []mark   // by size
	keys     []Entry  // that name keys
	tree     *tree
	tiles    int64 // seen to be right
	suspect  error // an entry that differs from a tile, until a head tells which of the two was changed
	at       int64 // its seq
	progress func(done, of int64)
}

func (v *verification) readHeads(g Given) error {
	err := v.r.c.query(func(row []driver.Value) error {
		size, _ := row[0].(int64)
		h, err := ParseHead([]byte(text(row[1])))
		if err == nil && h.Size != size {
			err = fmt.Errorf("it says that it is of %d", h.Size)
		}
		if err == nil && h.Origin != v.r.Meta.Origin {
			err = fmt.Errorf("it is of the ledger %q, not %q", h.Origin, v.r.Meta.Origin)
		}
		if err != nil {
			return fmt.Errorf("tree head of %d entries: %w", size, err)
		}
		if size > v.size {
			return fmt.Errorf("entry %d is missing: a tree head counts %d entries, and %d are there", v.size+1, size, v.size)
		}
		leaves, _ := row[2].([]byte)
		if want := int(size%tileWidth) * tlog.HashSize; row[2] != nil && len(leaves) != want {
			return fmt.Errorf("tree head of %d entries: %d bytes of leaves are kept with it, not %d", size, len(leaves), want)
		}
		v.heads, v.leaves = append(v.heads, h), append(v.leaves, leaves)
		return nil
	}, "SELECT size, note, leaves FROM head ORDER BY size")
	if err != nil {
		return err
	}
	for i, h := range v.heads {
		v.marks = append(v.marks, mark{h.Size, func(root tlog.Hash) error { return v.atHead(h, v.leaves[i], root) }})
	}
	if s := g.Since; s != nil {
		switch {
		case s.Origin != v.r.Meta.Origin:
			return fmt.Errorf("the older head is of the ledger %q, this one is %q", s.Origin, v.r.Meta.Origin)
		case s.Size > v.size:
			return fmt.Errorf("entry %d is missing: the older head counts %d entries, and %d are there", v.size+1, s.Size, v.size)
		}
		v.marks = append(v.marks, mark{s.Size, func(root tlog.Hash) error {
			if root != s.Root {
				return fmt.Errorf("the first %d entries are not those of the older head: something up to entry %d was changed since, or the history was replaced", s.Size, s.Size)
			}
			v.rep.Since = s
			return nil
		}})
	}
	for _, p := range g.Papers {
		if p.Size > v.size {
			return fmt.Errorf("entry %d is missing: the paper counts %d entries, and %d are there", v.size+1, p.Size, v.size)
		}
		v.marks = append(v.marks, mark{p.Size, func(root tlog.Hash) error {
			if paper(root) != p.Chars {
				return fmt.Errorf("the first %d entries have %s, the paper says %s: something up to entry %d was changed since, or it was copied wrongly", p.Size, paper(root), p.Chars, p.Size)
			}
			v.rep.Papers = append(v.rep.Papers, p)
			return nil
		}})
	}
	slices.SortStableFunc(v.marks, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	return nil
}

// atHead compares the tree so far, made of the records, with a head of that size.
func (v *verification) atHead(h Head, leaves []byte, root tlog.Hash) error {
	var edge []byte
	if len(v.tree.edge) > 0 {
		edge = v.tree.edge[0]
	}
	if root == h.Root {
		if v.suspect != nil {
			return fmt.Errorf("tile 0/%d: its hash of entry %d is not that of the record, which the tree head of %d entries covers: the tile was changed", (v.at-1)/tileWidth, v.at, h.Size)
		}
		if leaves != nil && !bytes.Equal(leaves, edge) {
			return fmt.Errorf("tree head of %d entries: the leaves kept with it are not those of entries %d to %d", h.Size, h.Size-h.Size%tileWidth+1, h.Size)
		}
		return nil
	}
	if v.suspect != nil {
		return v.suspect
	}
	for i := 0; leaves != nil && i < len(edge); i += tlog.HashSize {
		if !bytes.Equal(leaves[i:i+tlog.HashSize], edge[i:i+tlog.HashSize]) {
			return fmt.Errorf("entry %d was changed: its record is not the one that the tree head of %d entries signed", h.Size-h.Size%tileWidth+1+int64(i/tlog.HashSize), h.Size)
		}
	}
	return fmt.Errorf("tree head of %d entries: the records have the root %s, it says %s: it was changed, or several other things were", h.Size, root, h.Root)
}

// chunk is a piece of the ledger, of which everything was checked that can be checked without what stands before it.
type chunk struct {
	first    int64
	leaves   []tlog.Hash
	tiles    []tile // kept, that end in it, in the order in which push makes them
	keys     []Entry
	personal int64 // fields that hold
	erased   int64
	differs  int64 // the first entry whose hash is not the one in its tile; 0: none
	err      error // what is wrong with the entry after the last leaf
}

// entries reads and hashes on two cores.
func (v *verification) entries() error {
	err := pieces(v.r, 1, v.size, v.read, v.check)
	if v.suspect != nil { // it stands before whatever else was found
		return v.suspect
	}
	return err
}

func (v *verification) read(c *conn, from, to int64) (*chunk, error) {
	k := &chunk{first: from, leaves: make([]tlog.Hash, 0, to-from+1)}
	personal := map[int64][]personalRow{}
	if err := personalRows(c, from, to, personal); err != nil {
		return nil, err
	}
	k.err = c.rows(from, to, func(seq, ts int64, record string) error { return v.entry(k, seq, ts, record, personal) })
	if k.err == nil {
		for seq := range personal {
			k.err = fmt.Errorf("entry %d: it has personal fields that its record does not know", seq)
		}
	}
	for last := from - from%tileWidth + tileWidth; last <= to; last += tileWidth {
		for level, n := int64(0), last; n%tileWidth == 0; level++ {
			n /= tileWidth
			t, err := c.fullTile(level, n-1)
			if err != nil {
				return nil, err
			}
			k.tiles = append(k.tiles, t)
		}
		own := k.tiles[slices.IndexFunc(k.tiles, func(t tile) bool { return t.level == 0 && t.n == last/tileWidth-1 })].data
		for i := last - tileWidth; i < last && k.differs == 0 && i-from+1 < int64(len(k.leaves)); i++ {
			if at := i % tileWidth * tlog.HashSize; !bytes.Equal(own[at:at+tlog.HashSize], k.leaves[i-from+1][:]) {
				k.differs = i + 1
			}
		}
	}
	return k, nil
}

// fullTile reads a tile that must be there.
func (c *conn) fullTile(level, n int64) (tile, error) {
	t := tile{level: level, n: n}
	err := c.query(func(row []driver.Value) error {
		root, _ := row[0].([]byte)
		data, _ := row[1].([]byte)
		if len(root) != tlog.HashSize || len(data) != tileWidth*tlog.HashSize {
			return fmt.Errorf("tile %d/%d was changed: it has %d bytes and a root of %d", level, n, len(data), len(root))
		}
		t.root, t.data = tlog.Hash(root), bytes.Clone(data)
		return nil
	}, "SELECT root, data FROM tile WHERE at = ?", tileAt(level, n))
	if err == nil && t.data == nil {
		err = fmt.Errorf("tile %d/%d is missing", level, n)
	}
	return t, err
}

// entry checks one entry and adds its leaf.
func (v *verification) entry(k *chunk, want, rowAt int64, record string, personal map[int64][]personalRow) error {
	seq, ts, sum, ok := skim(record)
	if !ok { // not the form that gated writes: read it the slow way, which says what is wrong
		e, err := parse(want, rowAt, record, v.r.Zone)
		if err != nil {
			return err
		}
		seq, ts, sum = e.Seq, e.At.UnixMicro(), e.Record.Personal
	}
	if seq != want || ts != rowAt {
		return fmt.Errorf("entry %d: the record is not that of its row", want)
	}
	if day, in := dayOfRecord(record), DayOf(v.segments, want); day != in {
		return fmt.Errorf("entry %d is of %s and stands in the segment of %q", want, day, in)
	}
	own, committed := personal[want], ""
	if len(own) > 0 {
		committed = commitment(own)
		delete(personal, want)
	}
	if committed != sum {
		return fmt.Errorf("entry %d: its personal fields are not those that its record committed to", want)
	}
	for j := range own {
		if own[j].erased {
			k.erased++
		} else {
			k.personal++
		}
	}
	_, rest, _ := strings.Cut(record, `"kind":"`)
	kind, _, _ := strings.Cut(rest, `"`)
	switch Kind(kind) {
	case KeyChange, Epoch, Start:
		e, err := parse(want, rowAt, record, v.r.Zone)
		if err == nil {
			err = e.named(v.r.Meta.Gate, v.r.Meta.TimeZone)
		}
		if err != nil {
			return err
		}
		if e.Kind != Start {
			k.keys = append(k.keys, e)
		}
	}
	k.leaves = append(k.leaves, leafHash(record))
	return nil
}

// named compares the name of the gate and its time zone, which stand outside the records, with what a start or the first
// entry of an epoch says of them. Those of older versions say nothing.
func (e *Entry) named(gate, zone string) error {
	if e.Kind != Start && e.Kind != Epoch {
		return nil
	}
	for _, x := range []struct{ key, what, has string }{{"gate", "gate", gate}, {"time_zone", "time zone", zone}} {
		if said, ok := e.Detail[x.key]; ok && said != x.has {
			return fmt.Errorf("entry %d says that the %s is %q, and here it is %q: that was changed", e.Seq, x.what, said, x.has)
		}
	}
	return nil
}

// check adds a piece to the tree.
func (v *verification) check(k *chunk) error {
	v.rep.Personal, v.rep.Erased, v.keys = v.rep.Personal+k.personal, v.rep.Erased+k.erased, append(v.keys, k.keys...)
	for i, h := range k.leaves {
		if seq := k.first + int64(i); seq == k.differs && v.suspect == nil {
			v.at, v.suspect = seq, fmt.Errorf("entry %d was changed: its record is not the one in tile 0/%d", seq, (seq-1)/tileWidth)
		}
		for _, full := range v.tree.push(h) {
			kept := &k.tiles[0]
			k.tiles = k.tiles[1:]
			if v.suspect == nil && (!bytes.Equal(full.data, kept.data) || full.root != kept.root) {
				below := tileHeight * (full.level + 1)
				return fmt.Errorf("tile %d/%d was changed: it is not made of entries %d to %d", full.level, full.n, full.n<<below+1, (full.n+1)<<below)
			}
			v.tiles++
		}
		if err := v.passed(); err != nil {
			return err
		}
	}
	if v.progress != nil {
		v.progress(v.tree.size, v.size)
	}
	return k.err
}

// passed asks for the roots of the size that the tree has grown to.
func (v *verification) passed() error {
	for len(v.marks) > 0 && v.marks[0].size == v.tree.size {
		if err := v.marks[0].check(v.tree.root()); err != nil {
			return err
		}
		v.marks = v.marks[1:]
	}
	return nil
}

func dayOfRecord(record string) string {
	const key = `"time":"`
	if i := strings.Index(record, key) + len(key); i+len(time.DateOnly) <= len(record) {
		return record[i : i+len(time.DateOnly)]
	}
	return ""
}

// structure looks for rows that nothing else leads to.
func (v *verification) structure() error {
	c := v.r.c
	for i, g := range v.segments {
		switch {
		case g.First > v.size || g.First < 1:
			return fmt.Errorf("segment %q begins with entry %d, which is not there", g.Day, g.First)
		case i > 0 && g.Day == v.segments[i-1].Day:
			return fmt.Errorf("segment %q begins a second time with entry %d", g.Day, g.First)
		}
	}
	tiles, err := c.number("SELECT count(*) FROM tile")
	if err == nil && tiles != v.tiles {
		err = fmt.Errorf("%d tiles that belong to no entries", tiles-v.tiles)
	}
	if err != nil {
		return err
	}
	personal, err := c.number("SELECT count(*) FROM personal")
	if all := v.rep.Personal + v.rep.Erased; err == nil && personal != all {
		err = fmt.Errorf("%d personal fields belong to no entry", personal-all)
	}
	if err != nil {
		return err
	}
	return nil
}

// signatures checks those of every head. A key counts if it was given, or if one that counts vouches for it: by an entry
// that names it under a head that both signed. From there on the one that was replaced counts no more, as it may have been
// replaced because somebody else has it.
func (v *verification) signatures(g Given) error {
	known, named := slices.Clone(g.Keys), []string(nil)
	var chain []string // keys that took over from each other, the oldest first
	var until []int64  // the sizes of the heads with which they did
	for _, e := range v.keys {
		now, was := e.Detail["verifier"], e.Detail["was"]
		switch {
		case e.Kind != KeyChange:
		case e.Reason == "witness":
			named = append(named, now)
		case e.Reason == "rotated" && (chain == nil || chain[len(chain)-1] == was):
			i := slices.IndexFunc(v.heads, func(h Head) bool { return h.Size >= e.Seq && h.signedBy(now) && h.signedBy(was) })
			if i < 0 {
				continue // broken off
			}
			if chain == nil {
				chain = []string{was}
			}
			chain, until = append(chain, now), append(until, v.heads[i].Size)
		}
	}
	if slices.ContainsFunc(chain, func(k string) bool { return slices.Contains(g.Keys, k) }) {
		known = append(known, chain...)
	}
	if len(v.heads) == 0 {
		return nil
	}
	v.rep.Head = v.heads[len(v.heads)-1]
	if g.keyless && v.rep.OwnKey && !v.rep.Head.signedBy(known...) {
		known = nil // the ledger was brought here, and the box has a key of its own
	}
	if len(known) == 0 {
		if g.keyless {
			return nil
		}
		return fmt.Errorf("no public key of %s is known here: name it with --key", v.r.Meta.Origin)
	}
	all, err := verifiers(slices.Concat(known, g.Witnesses, named)...)
	if err != nil {
		return err
	}
	for _, h := range v.heads {
		if !h.signedBy(known...) {
			return fmt.Errorf("tree head of %d entries: it is not signed by a key that counts: is it the right public key?", h.Size)
		}
		if err := h.Verify(all); err != nil {
			return err
		}
		i := sort.Search(len(until), func(i int) bool { return until[i] >= h.Size }) // chain[i] is in force
		switch j := slices.IndexFunc(chain, func(k string) bool { return h.signedBy(k) }); {
		case j < 0 || h.signedBy(chain[i]):
		case j < i:
			return fmt.Errorf("tree head of %d entries: it is signed by a key that was replaced at entry %d", h.Size, until[j])
		default:
			return fmt.Errorf("tree head of %d entries: it is signed by a key that took over at entry %d only", h.Size, until[j-1])
		}
	}
	v.witnessed(g.Witnesses)
	if v.rep.Witness == 0 {
		v.witnessed(named)
		v.rep.OwnWitness = v.rep.Witness > 0
	}
	v.rep.Heads = len(v.heads)
	for _, k := range known {
		if v.rep.Head.signedBy(k) {
			v.rep.Key = k
		}
	}
	if s := v.rep.Since; s != nil {
		if err := s.Verify(all); err != nil {
			return fmt.Errorf("the older head is not signed as it should be: %w", err)
		}
	}
	return nil
}

// witnessed finds the newest head that some of the witnesses signed.
func (v *verification) witnessed(keys []string) {
	for _, h := range slices.Backward(v.heads) {
		for _, k := range keys {
			if name, _, _ := strings.Cut(k, "+"); h.signedBy(k) && !slices.Contains(v.rep.Cosigned, name) {
				v.rep.Witness, v.rep.Cosigned = h.Size, append(v.rep.Cosigned, name)
			}
		}
		if v.rep.Witness > 0 {
			return
		}
	}
}
