package evidence

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"
)

// Given is what a verifier brings from outside the box. Without any of it a ledger can be shown to be consistent, and
// not that its whole history was never replaced.
type Given struct {
	Keys       []string    // note verifier keys of the gate, from when they were trusted
	Witnesses  []string    // note verifier keys of witnesses
	Since      *tlog.Head  // an older tree head, kept elsewhere
	ShortRoots []ShortRoot // heads copied by hand
	// Known says how many entries the ledger of that name had, by what lies beside it; may be nil.
	Known    func(origin string) int64
	known    int64
	Progress func(done, of int64)
	Unseal   file.Keys // asked for the keys of entries where the master key is not here
	keyless  bool      // an older epoch whose key nobody here knows: its entries hold by the root that the next one names
	// erasedAfter is how many of an older epoch's entries were erased after the copy was made that it is, by the first entry
	// of the next one.
	erasedAfter int64
}

// ShortRoot is a tree head as it stands in the handover book: a size and the first 80 bits of the root in base32.
type ShortRoot struct {
	Size  int64
	Chars string
}

// ParseShortRoot reads SIZE:CHARS.
func ParseShortRoot(s string) (ShortRoot, error) {
	size, chars, _ := strings.Cut(s, ":")
	n, err := strconv.ParseInt(size, 10, 64)
	// base32 has no 0, 1, 8: read as written by hand
	chars = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "0", "O", "1", "I", "8", "B").Replace(chars))
	if err != nil || n < 1 || len(chars) != 16 || strings.Trim(chars, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return ShortRoot{}, fmt.Errorf("%q: write the size, a colon and the 16 characters, such as 1234:ABCDEFGHIJKLMNOP", s)
	}
	return ShortRoot{n, chars}, nil
}

func (s ShortRoot) String() string { return fmt.Sprintf("%d:%s", s.Size, s.Chars) }

// Report is what was found to hold.
type Report struct {
	Meta       file.Meta
	Entries    int64
	Root       tlog.Hash    // of all entries
	Head       tlog.Head    // the newest; Note nil where there is none
	Heads      int          // tree heads whose signatures hold
	Personal   int64        // personal fields that are what their records committed to
	Erased     int64        // entries whose personal data was erased, as an erase entry says
	Hidden     int64        // entries whose personal data was not looked at: what opens it is not here
	HiddenWhy  error        // says what that is
	Pending    int64        // entries that an erase entry names and that can still be read: the daemon is about to erase them
	Key        string       // that signed it
	OwnKey     bool         // no key was given, and the box's own word was taken for it
	ShortRoots []ShortRoot  // copied by hand, that fit
	Before     *entry.Entry // the first entry, where it names an epoch whose file is not there
	Found      string       // why it does not hold, as the epoch behind it says that was made for that; nothing else is said of it
	Since      *tlog.Head   // the older head that was given, where this ledger contains it
	Cosigned   []string     // names of the witnesses that signed the newest witnessed head
	Witness    int64        // its size
	OwnWitness bool         // they are those that the ledger names, as none that was given signed
	signed     []string     // witnesses that were given and signed some head
}

// a mark is a size at which the root must be a certain one.
type mark struct {
	size  int64
	check func(root tlog.Hash) error
}

// Verify reads the whole ledger: every entry from 1 without a gap, each record what its row says, in the segment of its
// day, and a leaf of the tree that its tiles and signed heads say; every personal field what its record committed to.
// The error names the first entry, tile, head or field that is not.
func Verify(r *file.Reader, g Given) (rep *Report, err error) {
	if g.Unseal != nil {
		r.AskKeys(g.Unseal)
	}
	end, err := r.End() // what lies beside a ledger that grows is read before it
	if err = errors.Join(err, r.CheckMaster()); err != nil {
		return nil, err
	}
	if g.Known != nil {
		g.known = g.Known(r.Meta.Origin)
	}
	var v *verification
	err = r.Snapshot(func() error {
		v, err = verify(r, end, g)
		return err
	})
	if err == nil {
		err = v.personal.conclude(v.rep, g.erasedAfter)
	}
	if err != nil {
		return nil, err
	}
	return v.rep, nil
}

func verify(r *file.Reader, end file.End, g Given) (*verification, error) {
	rep := &Report{Meta: r.Meta, OwnKey: len(g.Keys) == 0}
	if rep.OwnKey {
		known, _ := tlog.PublicKeys(filepath.Dir(r.Path())) // without one, no head can be signed by it
		g.Keys = tlog.OfOrigin(known, r.Meta.Origin)
	}
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	v := &verification{r: r, rep: rep, size: size, progress: g.Progress, personal: newPersonal(r, size)}
	if v.segments, err = r.Segments(); err != nil {
		return nil, err
	}
	if err := v.readHeads(end, g); err != nil {
		return nil, err
	}
	if err := v.passed(); err != nil { // a head of no entries
		return nil, err
	}
	if err := v.entries(); err != nil {
		return nil, err
	}
	rep.Entries, rep.Root = size, v.tree.Root()
	if err := v.structure(); err != nil {
		return nil, err
	}
	if err := v.signatures(g); err != nil {
		return nil, err
	}
	return v, nil
}

// verification is one run of Verify.
type verification struct {
	r        *file.Reader
	rep      *Report
	size     int64
	segments []file.Segment
	heads    []tlog.Head
	leaves   [][]byte      // those kept with each head
	marks    []mark        // by size
	keys     []entry.Entry // that name keys
	runs     []entry.Entry // with which the daemon began and ended
	tree     tlog.Tree
	tiles    int64 // seen to be right
	suspect  error // an entry that differs from a tile, until a head tells which of the two was changed
	at       int64 // its seq
	progress func(done, of int64)
	personal *personal
}

func (v *verification) readHeads(end file.End, g Given) error {
	if err := v.r.Heads(func(size int64, note string, leaves []byte) error {
		h, err := tlog.ParseHead([]byte(note))
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
		if want := int(size%tlog.TileWidth) * tlog.HashSize; leaves != nil && len(leaves) != want {
			return fmt.Errorf("tree head of %d entries: %d bytes of leaves are kept with it, not %d", size, len(leaves), want)
		}
		v.heads, v.leaves = append(v.heads, h), append(v.leaves, leaves)
		return nil
	}); err != nil {
		return err
	}
	var row tlog.Head
	if len(v.heads) > 0 {
		row = v.heads[len(v.heads)-1]
	}
	newest, err := end.Check(v.r, row, v.size, g.known)
	if err != nil {
		return err
	}
	if newest.Note != nil && newest.Size > row.Size {
		v.heads, v.leaves = append(v.heads, newest), append(v.leaves, nil)
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
				return fmt.Errorf("the first %d entries are not those of the older head: something up to entry %d was changed "+
					"since, or the history was replaced", s.Size, s.Size)
			}
			v.rep.Since = s
			return nil
		}})
	}
	for _, p := range g.ShortRoots {
		if p.Size > v.size {
			return fmt.Errorf("entry %d is missing: the handover book counts %d entries, and %d are there", v.size+1, p.Size, v.size)
		}
		v.marks = append(v.marks, mark{p.Size, func(root tlog.Hash) error {
			if tlog.ShortRoot(root) != p.Chars {
				return fmt.Errorf("the first %d entries have the short root %s, the handover book says %s: something up to entry %d "+
					"was changed since, or it was copied wrongly", p.Size, tlog.ShortRoot(root), p.Chars, p.Size)
			}
			v.rep.ShortRoots = append(v.rep.ShortRoots, p)
			return nil
		}})
	}
	slices.SortStableFunc(v.marks, func(a, b mark) int { return cmp.Compare(a.size, b.size) })
	return nil
}

// atHead compares the tree so far, made of the records, with a head of that size.
func (v *verification) atHead(h tlog.Head, leaves []byte, root tlog.Hash) error {
	edge := v.tree.Edge(0)
	if root == h.Root {
		if v.suspect != nil {
			v.suspect = nil // the head has told
			return fmt.Errorf("tile 0/%d: its hash of entry %d is not that of the record, which the tree head of %d entries covers: "+
				"the tile was changed", (v.at-1)/tlog.TileWidth, v.at, h.Size)
		}
		if leaves != nil && !bytes.Equal(leaves, edge) {
			return fmt.Errorf("tree head of %d entries: the leaves kept with it are not those of entries %d to %d", h.Size,
				h.Size-h.Size%tlog.TileWidth+1, h.Size)
		}
		return nil
	}
	if v.suspect != nil {
		return v.suspect
	}
	for i := 0; leaves != nil && i < len(edge); i += tlog.HashSize {
		if !bytes.Equal(leaves[i:i+tlog.HashSize], edge[i:i+tlog.HashSize]) {
			return fmt.Errorf("entry %d was changed: its record is not the one that the tree head of %d entries signed",
				h.Size-h.Size%tlog.TileWidth+1+int64(i/tlog.HashSize), h.Size)
		}
	}
	return fmt.Errorf("tree head of %d entries: the records have the root %s, it says %s: it was changed, or several other things were",
		h.Size, root, h.Root)
}

// entries reads all entries and makes the tree of them, a tile at a time.
func (v *verification) entries() error {
	for from := int64(1); from <= v.size; from += tlog.TileWidth {
		err := v.tileOf(from, min(v.size, from+tlog.TileWidth-1))
		if err != nil && v.suspect != nil { // it stands before whatever else was found
			return v.suspect
		}
		if err != nil {
			return err
		}
		if v.progress != nil {
			v.progress(v.tree.Size(), v.size)
		}
	}
	return v.suspect
}

// tileOf adds the entries from..to, of one tile, to the tree, and compares it with the tiles that are kept.
func (v *verification) tileOf(from, to int64) error {
	leaves, wrong := v.leavesOf(from, to) // wrong: of the entry after the last leaf
	differs := int64(0)                   // the first entry whose hash is not the one in its tile
	if to%tlog.TileWidth == 0 {
		kept, err := v.r.FullTile(0, to/tlog.TileWidth-1)
		if err != nil {
			return err
		}
		for i, h := range leaves {
			if !bytes.Equal(kept.Data[i*tlog.HashSize:(i+1)*tlog.HashSize], h[:]) {
				differs = from + int64(i)
				break
			}
		}
	}
	for i, h := range leaves {
		if seq := from + int64(i); seq == differs && v.suspect == nil {
			v.at, v.suspect = seq, fmt.Errorf("entry %d was changed: its record is not the one in tile 0/%d", seq, (seq-1)/tlog.TileWidth)
		}
		for _, full := range v.tree.Push(h) {
			kept, err := v.r.FullTile(full.Level, full.N)
			if err != nil {
				return err
			}
			if v.suspect == nil && (!bytes.Equal(full.Data, kept.Data) || full.Root != kept.Root) {
				below := full.N*tlog.Entries(full.Level) + 1
				return fmt.Errorf("tile %d/%d was changed: it is not made of entries %d to %d", full.Level, full.N, below,
					below+tlog.Entries(full.Level)-1)
			}
			v.tiles++
		}
		if err := v.passed(); err != nil {
			return err
		}
	}
	return wrong
}

// leavesOf reads and checks entries. The error is of the entry after the last leaf.
func (v *verification) leavesOf(from, to int64) (leaves []tlog.Hash, err error) {
	leaves = make([]tlog.Hash, 0, to-from+1)
	err = v.r.Rows(from, to, func(row file.Row) error {
		if err := v.entry(row); err != nil {
			return err
		}
		leaves = append(leaves, tlog.LeafHash([]byte(row.Record)))
		return nil
	})
	return leaves, err
}

// entry checks one entry for itself.
func (v *verification) entry(row file.Row) error {
	e, err := entry.Parse(row.Seq, row.TS, row.Record, v.r.Zone)
	if err != nil {
		return err
	}
	if day, in := e.Time[:len(time.DateOnly)], file.DayOf(v.segments, e.Seq); day != in {
		return fmt.Errorf("entry %d is of %s and stands in the segment of %q", e.Seq, day, in)
	}
	fields, err := v.personal.row(row, &e)
	if err != nil {
		return err
	}
	v.rep.Personal += fields
	switch e.Kind {
	case entry.KeyChange:
		v.keys = append(v.keys, e)
	case entry.Start, entry.Stop:
		v.runs = append(v.runs, e)
	}
	return e.SameBox(v.r.Meta.Gate, v.r.Meta.TimeZone, v.r.Meta.Master)
}

// passed asks for the roots of the size that the tree has grown to.
func (v *verification) passed() error {
	for len(v.marks) > 0 && v.marks[0].size == v.tree.Size() {
		if err := v.marks[0].check(v.tree.Root()); err != nil {
			return err
		}
		v.marks = v.marks[1:]
	}
	return nil
}

// structure looks for rows that nothing else leads to.
func (v *verification) structure() error {
	for i, g := range v.segments {
		switch {
		case g.First > v.size || g.First < 1:
			return fmt.Errorf("segment %q begins with entry %d, which is not there", g.Day, g.First)
		case i > 0 && g.Day == v.segments[i-1].Day:
			return fmt.Errorf("segment %q begins a second time with entry %d", g.Day, g.First)
		}
	}
	if err := v.r.CheckHeads(append(v.runs, v.keys...)); err != nil {
		return err
	}
	tiles, err := v.r.FullTiles()
	if err == nil && tiles != v.tiles {
		err = fmt.Errorf("%d tiles that belong to no entries", tiles-v.tiles)
	}
	if err != nil {
		return err
	}
	if n, err := v.r.LooseCosignatures(); err != nil || n > 0 {
		return cmp.Or(err, fmt.Errorf("%d cosignatures of tree heads that are not there", n))
	}
	return v.personal.structure()
}

// signatures checks those of every head. A key counts if it was given, or if one that counts vouches for it: by an entry
// that names it under a head that both signed. From there on the one that was replaced counts no more, as it may have been
// replaced because somebody else has it.
func (v *verification) signatures(g Given) error {
	known, named := tlog.OfOrigin(g.Keys, v.r.Meta.Origin), []string(nil) // another gate's vouches for nothing here
	var chain []string                                                    // keys that took over from each other, the oldest first
	var until []int64                                                     // the sizes of the heads with which they did
	for _, e := range v.keys {
		now, was := e.Detail["verifier"], e.Detail["was"]
		switch {
		case e.Kind != entry.KeyChange:
		case e.Reason == "witness":
			named = append(named, now)
		case e.Reason == "rotated" && (chain == nil || chain[len(chain)-1] == was):
			i := slices.IndexFunc(v.heads, func(h tlog.Head) bool { return h.Size >= e.Seq && h.SignedBy(now) && h.SignedBy(was) })
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
	v.witnessed(g.Witnesses)
	for _, k := range g.Witnesses {
		if slices.ContainsFunc(v.heads, func(h tlog.Head) bool { return h.Size > 0 && h.SignedBy(k) }) {
			v.rep.signed = append(v.rep.signed, k)
		}
	}
	if g.keyless && v.rep.OwnKey && !v.rep.Head.SignedBy(known...) {
		known = nil // the ledger was brought here, and the box has a key of its own
	}
	if len(known) == 0 {
		if g.keyless {
			return nil
		}
		if len(g.Keys) > 0 {
			return fmt.Errorf("none of the keys given is of %s: is it the right public key?", v.r.Meta.Origin)
		}
		return fmt.Errorf("no public key of %s is known here: name it with --key", v.r.Meta.Origin)
	}
	all, err := tlog.Verifiers(slices.Concat(known, g.Witnesses, named)...)
	if err != nil {
		return err
	}
	for _, h := range v.heads {
		if !h.SignedBy(known...) {
			return fmt.Errorf("tree head of %d entries: it is not signed by a key that counts: is it the right public key?", h.Size)
		}
		if err := h.Verify(all); err != nil {
			return err
		}
		i := sort.Search(len(until), func(i int) bool { return until[i] >= h.Size }) // chain[i] is in force
		switch j := slices.IndexFunc(chain, func(k string) bool { return h.SignedBy(k) }); {
		case j < 0 || h.SignedBy(chain[i]):
		case j < i:
			return fmt.Errorf("tree head of %d entries: it is signed by a key that was replaced at entry %d", h.Size, until[j])
		default:
			return fmt.Errorf("tree head of %d entries: it is signed by a key that took over at entry %d only", h.Size, until[j-1])
		}
	}
	if v.rep.Witness == 0 {
		v.witnessed(named)
		v.rep.OwnWitness = v.rep.Witness > 0
	}
	v.rep.Heads = len(v.heads)
	for _, k := range known {
		if v.rep.Head.SignedBy(k) {
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
			if name, _, _ := strings.Cut(k, "+"); h.SignedBy(k) && !slices.Contains(v.rep.Cosigned, name) {
				v.rep.Witness, v.rep.Cosigned = h.Size, append(v.rep.Cosigned, name)
			}
		}
		if v.rep.Witness > 0 {
			return
		}
	}
}
