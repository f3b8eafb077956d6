package tlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"filippo.io/torchwood"
	sumdb "golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// WriteTiles writes what a TileServer serves as files into dir, which it makes if need be. In a folder that has an older
// tree head of the same ledger it adds what is new: what that head covered must be there unchanged, or else the folder
// is left as evidence. The tree head comes last, when all else is on the disk: half an export does not look whole.
func WriteTiles(r Source, dir string) error {
	head, err := r.Head()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	settled, err := settledSize(r, root, head)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	put := func(t sumdb.Tile) error {
		b, err := resource(r, t)
		if err != nil {
			return err
		}
		name := torchwood.TilePath(t)
		have, err := readFile(root, name, int64(len(b)))
		switch {
		case err == nil && bytes.Equal(have, b):
			return nil
		case !errors.Is(err, errMissing) && within(t, settled):
			return fmt.Errorf("%s in %s is not what the ledger has: one of them was changed; keep both, ask \"gated ledger verify\" "+
				"which, and export into another folder", name, dir)
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return root.WriteFile(name, b, 0o644)
	}
	for level := entriesLevel; level < 8; level++ {
		for n := int64(0); width(level, n, head.Size) == TileWidth; n++ {
			t := sumdb.Tile{H: tileHeight, L: level, N: n, W: TileWidth}
			if err := put(t); err != nil {
				return err
			}
		}
	}
	for _, t := range lastTiles(head.Size) {
		if err := put(t); err != nil {
			return err
		}
	}
	if err := syncFiles(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	const unfinished = ".checkpoint.new"
	if err := root.WriteFile(unfinished, head.Note, 0o644); err != nil {
		return err
	}
	if err := syncFiles(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if err := root.Rename(unfinished, checkpoint); err != nil {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	for _, t := range lastTiles(settled) { // that became full since: nobody needs them any more
		if t.W = TileWidth; within(t, head.Size) {
			if err := root.RemoveAll(torchwood.TilePath(t) + ".p"); err != nil {
				return err
			}
		}
	}
	return nil
}

// syncFiles brings all files of the file system onto the disk: one call instead of one for each of thousands of tiles.
func syncFiles(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}

// settledSize is the size of the tree head that a folder has, 0 where it has none.
func settledSize(r Source, root *os.Root, head Head) (int64, error) {
	b, err := readFile(root, checkpoint, maxNote)
	if errors.Is(err, errMissing) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	old, err := ParseHead(b)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", checkpoint, err)
	}
	if old.Origin != head.Origin {
		return 0, fmt.Errorf("it holds the ledger of %q, and this is that of %q: export into another folder", old.Origin, head.Origin)
	}
	if old.Size > head.Size {
		return 0, fmt.Errorf("it holds %d entries, and this ledger has %d: entries were removed, or this is an older copy; keep both",
			old.Size, head.Size)
	}
	if at, err := RootAt(r, old.Size); err != nil {
		return 0, err
	} else if at != old.Root {
		return 0, fmt.Errorf("its first %d entries are not those of this ledger: keep both, and ask \"gated ledger verify\" which "+
			"was changed", old.Size)
	}
	return old.Size, nil
}

var errMissing = errors.New("is missing")

// readFile reads a regular file of at most limit bytes.
func readFile(root *os.Root, name string, limit int64) ([]byte, error) {
	st, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMissing
	}
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	if st.Size() > limit {
		return nil, fmt.Errorf("has %d bytes instead of at most %d", st.Size(), limit)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// VerifyTiles checks a folder that WriteTiles wrote, or that was fetched from a TileServer: the tree head is signed by
// one of the keys (note verifier keys) that bears the ledger's name, all hashes follow from the records, and their root is the
// signed one. It names on report every file that is missing, changed or too many, and the entry where it is one; the error is the
// first. named tells which keys an entry names: of witnesses, and of the gate before or after a change of its key.
func VerifyTiles(dir string, keys []string, named func(entry []byte) []string, report io.Writer) error {
	if len(keys) == 0 {
		return errors.New("no key given: a folder of tiles is checked with the ledger's public key, as \"gated key show --ledger\" " +
			"prints it")
	}
	known, err := Verifiers(keys...)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	b, err := readFile(root, checkpoint, maxNote)
	if errors.Is(err, errMissing) {
		return fmt.Errorf("%s has no file %s: the export did not end, or this is another folder", dir, checkpoint)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", checkpoint, err)
	}
	head, err := ParseHead(b)
	if err != nil {
		return fmt.Errorf("%s: %w", checkpoint, err)
	}
	own, names := gateKeys(keys, head.Origin)
	switch {
	case len(own) == 0:
		return fmt.Errorf("%s is of %q, and the key given is of %s: give the key of that gate", checkpoint, head.Origin,
			strings.Join(names, ", "))
	case !head.SignedBy(own...):
		return fmt.Errorf("%s: no key that was given signs it (%w): is it the right key, and whole? Where the gate has changed "+
			"its key since, give the newest one: a folder has no head that the old and the new key both signed", checkpoint,
			head.Verify(known))
	}
	f := &folder{root: root, head: head, report: report}
	vouched := f.check(named)
	// The gate's own signature vouches for the entries, and they for the keys of witnesses, and for the gate's one before.
	if known, err = Verifiers(append(vouched, keys...)...); err != nil {
		return err
	}
	if err := head.Verify(known); err != nil {
		f.fault("%s: %w", checkpoint, err)
	}
	for _, k := range keys {
		if who, err := WitnessName(k); err == nil && !head.SignedBy(k) {
			f.fault("%s: the witness %s did not sign it: without its key the rest can be checked (fingerprint %s)", checkpoint, who,
				Fingerprint(k))
		}
	}
	if f.first != nil {
		if f.faults > maxFaults {
			fmt.Fprintf(report, "and %d more\n", f.faults-maxFaults)
		}
		return f.first
	}
	_, err = fmt.Fprintf(report, "%d entries of %s in %d files, root %s\n", head.Size, head.Origin, f.files, head.Root)
	return err
}

// gateKeys are those of the keys that are the gate's of that name, and not a witness's; names are those that all of them bear.
func gateKeys(keys []string, origin string) (own, names []string) {
	for _, k := range keys {
		name, _, _ := strings.Cut(k, "+")
		if _, err := WitnessName(k); err != nil && name == origin {
			own = append(own, k)
		}
		names = append(names, name)
	}
	return own, names
}

const maxFaults = 100 // that are named

// folder is one that is being verified.
type folder struct {
	root   *os.Root
	head   Head
	report io.Writer
	files  int
	faults int
	first  error
}

func (f *folder) fault(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	if f.faults++; f.faults <= maxFaults {
		fmt.Fprintln(f.report, err)
	}
	if f.first == nil {
		f.first = err
	}
}

// check builds the tree from the records, and another one from the lowest tiles: the one whose root is signed tells what
// was changed in the other. It returns the keys that the entries name.
func (f *folder) check(named func(entry []byte) []string) (keys []string) {
	byRecords, byTiles := &treeCheck{f: f}, &treeCheck{f: f}
	var differ []difference
	for n := int64(0); width(entriesLevel, n, f.head.Size) > 0; n++ {
		w := width(entriesLevel, n, f.head.Size)
		entries := sumdb.Tile{H: tileHeight, L: entriesLevel, N: n, W: w}
		leaves := sumdb.Tile{H: tileHeight, L: 0, N: n, W: w}
		bundle, errE := readFile(f.root, torchwood.TilePath(entries), int64(w)*(2+MaxEntry))
		hashes, errT := readFile(f.root, torchwood.TilePath(leaves), int64(w)*HashSize)
		if errT == nil && len(hashes) != w*HashSize {
			errT = fmt.Errorf("has %d bytes instead of %d", len(hashes), w*HashSize)
		}
		if errE != nil {
			f.fault("%s: %w", torchwood.TilePath(entries), errE)
		}
		if errT != nil {
			f.fault("%s: %w", torchwood.TilePath(leaves), errT)
			hashes = make([]byte, w*HashSize)
		}
		computed := bytes.Clone(hashes) // stands in for what cannot be read
		if errE == nil {
			rest, odd := bundle, false
			for i := range w {
				record, more, err := torchwood.ReadTileEntry(rest)
				ok := err == nil
				if h := LeafHash(record); ok {
					copy(computed[i*HashSize:], h[:])
					rest = more
					keys = append(keys, named(record)...)
				}
				same := ok && bytes.Equal(computed[i*HashSize:(i+1)*HashSize], hashes[i*HashSize:(i+1)*HashSize])
				if !same && !odd && errT == nil {
					odd = true // after a wrong length nothing more can be told of this bundle
					differ = append(differ, difference{torchwood.TilePath(entries), torchwood.TilePath(leaves), n*TileWidth + int64(i) + 1})
				}
				if !ok {
					clear(computed[i*HashSize:])
					break
				}
			}
			if len(rest) > 0 && !odd {
				f.fault("%s: %d bytes behind its last entry", torchwood.TilePath(entries), len(rest))
			}
		}
		byRecords.push(computed)
		byTiles.push(hashes)
	}
	switch signed := f.head.Root; {
	case byRecords.tree.Root() == signed:
		for _, d := range differ {
			f.fault("%s: the hash of entry %d was changed", d.leaves, d.seq)
		}
		byRecords.tell()
	case byTiles.tree.Root() == signed:
		for _, d := range differ {
			f.fault("%s: entry %d was changed", d.entries, d.seq)
		}
		byTiles.tell()
	default:
		for _, d := range differ {
			f.fault("entry %d: %s and %s do not agree, and one of them was changed", d.seq, d.entries, d.leaves)
		}
		f.fault("the %d entries have the root %s, and the tree head signed %s", f.head.Size, byRecords.tree.Root(), signed)
		byTiles.tell()
	}
	f.walk()
	return keys
}

type difference struct {
	entries, leaves string
	seq             int64
}

// treeCheck compares the tiles above the lowest ones with those of a tree.
type treeCheck struct {
	f     *folder
	tree  Tree
	wrong []error
}

func (c *treeCheck) push(hashes []byte) {
	for h := range slices.Chunk(hashes, HashSize) {
		for _, x := range c.tree.Push(Hash(h)) {
			c.compare(sumdb.Tile{H: tileHeight, L: x.Level, N: x.N, W: TileWidth}, x.Data)
		}
	}
}

// compare checks a tile's file. The lowest ones are left to those who can name the entry.
func (c *treeCheck) compare(t sumdb.Tile, want []byte) {
	if t.L == 0 || len(c.wrong) > maxFaults {
		return
	}
	got, err := readFile(c.f.root, torchwood.TilePath(t), int64(len(want)))
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("was changed")
	}
	if err != nil {
		c.wrong = append(c.wrong, fmt.Errorf("%s: %w", torchwood.TilePath(t), err))
	}
}

// tell reports the tiles that are not those of this tree.
func (c *treeCheck) tell() {
	for _, t := range lastTiles(c.f.head.Size) {
		if t.L > 0 {
			c.compare(t, c.tree.Edge(t.L))
		}
	}
	for _, err := range c.wrong {
		c.f.fault("%w", err)
	}
}

// walk names the files that do not belong here, and checks the narrower tiles of older heads, which may stay.
func (f *folder) walk() {
	err := fs.WalkDir(f.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f.files++
		t, ok := parseTilePath(name)
		switch {
		case name == checkpoint:
		case !ok || !within(t, f.head.Size):
			f.fault("%s: does not belong to a ledger of %d entries: an export that broke off, or added by hand", name, f.head.Size)
		case t.W < width(t.L, t.N, f.head.Size):
			if err := f.narrower(t); err != nil {
				f.fault("%s: %w", name, err)
			}
		}
		return nil
	})
	if err != nil {
		f.fault("%w", err)
	}
}

// narrower checks that a tile of an older head is the beginning of the one that is there now.
func (f *folder) narrower(t sumdb.Tile) error {
	now := t
	now.W = width(t.L, t.N, f.head.Size)
	each := int64(HashSize)
	if t.L == entriesLevel {
		each = 2 + MaxEntry
	}
	want, err := readFile(f.root, torchwood.TilePath(now), int64(now.W)*each)
	if err != nil {
		return nil // told already
	}
	got, err := readFile(f.root, torchwood.TilePath(t), int64(t.W)*each)
	if err != nil {
		return err
	}
	size := t.W * HashSize
	if t.L == entriesLevel {
		rest := want
		for range t.W {
			if _, rest, err = torchwood.ReadTileEntry(rest); err != nil {
				return nil // told already
			}
		}
		size = len(want) - len(rest)
	}
	if len(want) >= size && !bytes.Equal(got, want[:size]) {
		return fmt.Errorf("is not the beginning of %s: one of them was changed", torchwood.TilePath(now))
	}
	return nil
}
