package ledger

import (
	"bytes"
	"compress/gzip"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"golang.org/x/sys/unix"
)

// The ledger as anybody's tools read it (c2sp.org/tlog-tiles): the newest tree head, the tiles of hashes, and the records
// in bundles of 256. A resource is named as tlog names tiles: level -1 are the records.

const (
	checkpoint   = "checkpoint" // the name of the newest tree head there
	recordsLevel = -1
	maxNote      = 1 << 20 // bytes of a tree head with more witnesses than there are
)

// tilePath is the path of a resource, such as tile/0/x001/234.p/56 or tile/entries/000.
func tilePath(t tlog.Tile) string {
	p := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	if t.L == recordsLevel {
		p = "entries" + strings.TrimPrefix(p, "data")
	}
	return "tile/" + p
}

// parseTilePath takes the one spelling of a path that there is.
func parseTilePath(s string) (t tlog.Tile, ok bool) {
	rest, ok := strings.CutPrefix(s, "tile/")
	if !ok || len(s) > 100 || strings.HasPrefix(rest, "data/") {
		return t, false
	}
	if n, ok := strings.CutPrefix(rest, "entries/"); ok {
		rest = "data/" + n
	}
	t, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", tileHeight, rest))
	return t, err == nil
}

// width is how many hashes or records tile n of a level has in a tree of that size; 0: it is not there.
func width(level int, n, size int64) int {
	if level > 0 {
		if level >= 8 {
			return 0 // of 2^64 entries
		}
		size >>= tileHeight * level
	}
	if n < 0 || n > size/tileWidth {
		return 0
	}
	return int(min(size-n*tileWidth, tileWidth))
}

// within says whether the resource belongs to a tree of that size.
func within(t tlog.Tile, size int64) bool { return t.W <= width(t.L, t.N, size) }

// lastTiles are the tiles and bundles at the right edge of a tree that are not full.
func lastTiles(size int64) (list []tlog.Tile) {
	for level := recordsLevel; level < 8; level++ {
		n := size
		if level > 0 {
			n >>= tileHeight * level
		}
		if w := int(n % tileWidth); w > 0 {
			list = append(list, tlog.Tile{H: tileHeight, L: level, N: n / tileWidth, W: w})
		}
	}
	return list
}

// ReadEntries reads the first width (1 to 256) records of a bundle of 256, each behind its length in two bytes.
func (r *Reader) ReadEntries(n int64, width int) ([]byte, error) {
	var data []byte
	have, first := 0, n*tileWidth
	err := r.c.query(func(v []driver.Value) error {
		record := text(v[0])
		if len(record) > MaxRecord {
			return fmt.Errorf("entry %d has %d bytes: at most %d can be", first+int64(have)+1, len(record), MaxRecord)
		}
		data = append(binary.BigEndian.AppendUint16(data, uint16(len(record))), record...)
		have++
		return nil
	}, "SELECT record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", first+1, first+int64(width))
	if err == nil && have != width {
		err = fmt.Errorf("%d of %d entries are there", have, width)
	}
	if err != nil {
		return nil, fmt.Errorf("read entries %d to %d: %w", first+1, first+int64(width), err)
	}
	return data, nil
}

func (r *Reader) resource(t tlog.Tile) ([]byte, error) {
	if t.L == recordsLevel {
		return r.ReadEntries(t.N, t.W)
	}
	return r.ReadTile(t.L, t.N, t.W)
}

const (
	tileReaders  = 1  // that read and compress for TileServer at a time: the gate keeps the other core
	tileRequests = 32 // that it answers at a time: what it holds in memory are bundles of these
)

// TileServer serves a ledger by c2sp.org/tlog-tiles. Nothing is there before it is durable and under a signed tree head.
// It reads a tile at a time through a connection of its own, so that it never holds up the writer.
type TileServer struct {
	dir      string
	log      *slog.Logger
	readers  chan *Reader // nil: not open
	requests chan struct{}
}

// NewTileServer serves the ledger of a state directory. The caller closes it after its last request.
func NewTileServer(dir string, log *slog.Logger) *TileServer {
	s := &TileServer{dir: dir, log: log, readers: make(chan *Reader, tileReaders), requests: make(chan struct{}, tileRequests)}
	for range tileReaders {
		s.readers <- nil
	}
	return s
}

// Close waits for the reads under way and closes the connections.
func (s *TileServer) Close() error {
	var errs []error
	for range tileReaders {
		if r := <-s.readers; r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(errs...)
}

var errNotThere = errors.New("not there")

func (s *TileServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the ledger can only be read", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), 5*time.Second)
	defer cancel()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	select {
	case s.requests <- struct{}{}:
		defer func() { <-s.requests }()
	case <-ctx.Done():
		h.Set("Retry-After", "1")
		http.Error(w, "busy", http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(req.URL.Path, "/")
	zip := strings.HasPrefix(name, "tile/entries/") && strings.Contains(req.Header.Get("Accept-Encoding"), "gzip") // hashes do not get smaller
	b, err := s.read(ctx, name, zip)
	switch {
	case errors.Is(err, errNotThere):
		http.Error(w, "not there", http.StatusNotFound)
		return
	case err != nil:
		if ctx.Err() == nil {
			s.log.Error("serve the ledger", "resource", name, "err", err)
		}
		h.Set("Retry-After", "1")
		http.Error(w, "the ledger cannot be read now", http.StatusServiceUnavailable)
		return
	}
	if name == checkpoint {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
	} else {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.HasPrefix(name, "tile/entries/") {
		h.Set("Vary", "Accept-Encoding")
	}
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", fmt.Sprint(len(b)))
	w.Write(b)
}

// read returns a resource that the newest tree head covers.
func (s *TileServer) read(ctx context.Context, name string, zip bool) (b []byte, err error) {
	t, ok := parseTilePath(name)
	if !ok && name != checkpoint {
		return nil, errNotThere
	}
	var r *Reader
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() {
		if err != nil && !errors.Is(err, errNotThere) && r != nil {
			r.Close()
			r = nil // opened anew for the next request
		}
		s.readers <- r
	}()
	if r == nil {
		if r, err = OpenReader(s.dir); errors.Is(err, fs.ErrNotExist) {
			return nil, errNotThere
		} else if err != nil {
			return nil, err
		}
	}
	head, err := r.Head()
	switch {
	case errors.Is(err, ErrNoHead):
		return nil, errNotThere
	case err != nil:
		return nil, err
	case name == checkpoint:
		return head.Note, nil
	case !within(t, head.Size):
		return nil, errNotThere
	}
	if b, err = r.resource(t); err != nil || !zip {
		return b, err
	}
	var small bytes.Buffer
	z, _ := gzip.NewWriterLevel(&small, gzip.BestSpeed) // the level is a good one
	z.Write(b)
	z.Close() // into memory: neither fails
	return small.Bytes(), nil
}

// WriteTiles writes what a TileServer serves as files into dir, which it makes if need be. In a folder that has an older
// tree head of the same ledger it adds what is new: what that head covered must be there unchanged, or else the folder
// is left as evidence. The tree head comes last, when all else is on the disk: half an export does not look whole.
func (r *Reader) WriteTiles(dir string) error {
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
	settled, err := r.settled(root, head)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	put := func(t tlog.Tile) error {
		b, err := r.resource(t)
		if err != nil {
			return err
		}
		name := tilePath(t)
		have, err := readFile(root, name, int64(len(b)))
		switch {
		case err == nil && bytes.Equal(have, b):
			return nil
		case !errors.Is(err, errMissing) && within(t, settled):
			return fmt.Errorf("%s in %s is not what the ledger has: one of them was changed; keep both, ask \"gated ledger verify\" which, and export into another folder", name, dir)
		}
		if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
			return err
		}
		return root.WriteFile(name, b, 0o644)
	}
	for level := recordsLevel; level < 8; level++ {
		for n := int64(0); width(level, n, head.Size) == tileWidth; n++ {
			t := tlog.Tile{H: tileHeight, L: level, N: n, W: tileWidth}
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
		if t.W = tileWidth; within(t, head.Size) {
			if err := root.RemoveAll(tilePath(t) + ".p"); err != nil {
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

// settled is the size of the tree head that a folder has, 0 where it has none.
func (r *Reader) settled(root *os.Root, head Head) (int64, error) {
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
		return 0, fmt.Errorf("it holds %d entries, and this ledger has %d: entries were removed, or this is an older copy; keep both", old.Size, head.Size)
	}
	if at, err := r.RootAt(old.Size); err != nil {
		return 0, err
	} else if at != old.Root {
		return 0, fmt.Errorf("its first %d entries are not those of this ledger: keep both, and ask \"gated ledger verify\" which was changed", old.Size)
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
// one of the keys (note verifier keys), all hashes follow from the records, and their root is the signed one. It names
// on report every file that is missing, changed or too many, and the entry where it is one; the error is the first.
func VerifyTiles(dir string, keys []string, report io.Writer) error {
	if len(keys) == 0 {
		return errors.New("no key given: a folder of tiles is checked with the ledger's public key, as \"gated key show --ledger\" prints it")
	}
	known, err := verifiers(keys...)
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
	if !head.signedBy(keys...) {
		return fmt.Errorf("%s: %w", checkpoint, head.Verify(known))
	}
	f := &folder{root: root, head: head, report: report}
	named := f.check()
	// The gate's own signature vouches for the entries, and they for the keys of witnesses, and for the gate's one before.
	if known, err = verifiers(append(named, keys...)...); err != nil {
		return err
	}
	if err := head.Verify(known); err != nil {
		f.fault("%s: %w", checkpoint, err)
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
func (f *folder) check() (keys []string) {
	byRecords, byTiles := &treeCheck{f: f}, &treeCheck{f: f}
	var differ []difference
	for n := int64(0); width(recordsLevel, n, f.head.Size) > 0; n++ {
		w := width(recordsLevel, n, f.head.Size)
		entries := tlog.Tile{H: tileHeight, L: recordsLevel, N: n, W: w}
		leaves := tlog.Tile{H: tileHeight, L: 0, N: n, W: w}
		bundle, errE := readFile(f.root, tilePath(entries), int64(w)*(2+MaxRecord))
		hashes, errT := readFile(f.root, tilePath(leaves), int64(w)*tlog.HashSize)
		if errT == nil && len(hashes) != w*tlog.HashSize {
			errT = fmt.Errorf("has %d bytes instead of %d", len(hashes), w*tlog.HashSize)
		}
		if errE != nil {
			f.fault("%s: %w", tilePath(entries), errE)
		}
		if errT != nil {
			f.fault("%s: %w", tilePath(leaves), errT)
			hashes = make([]byte, w*tlog.HashSize)
		}
		computed := bytes.Clone(hashes) // stands in for what cannot be read
		if errE == nil {
			rest, odd := bundle, false
			for i := range w {
				record, more, ok := cutRecord(rest)
				if h := leafHash(record); ok {
					copy(computed[i*tlog.HashSize:], h[:])
					rest = more
					keys = append(keys, namedKeys(record)...)
				}
				same := ok && bytes.Equal(computed[i*tlog.HashSize:(i+1)*tlog.HashSize], hashes[i*tlog.HashSize:(i+1)*tlog.HashSize])
				if !same && !odd && errT == nil {
					odd = true // after a wrong length nothing more can be told of this bundle
					differ = append(differ, difference{tilePath(entries), tilePath(leaves), n*tileWidth + int64(i) + 1})
				}
				if !ok {
					clear(computed[i*tlog.HashSize:])
					break
				}
			}
			if len(rest) > 0 && !odd {
				f.fault("%s: %d bytes behind its last entry", tilePath(entries), len(rest))
			}
		}
		byRecords.push(computed)
		byTiles.push(hashes)
	}
	switch signed := f.head.Root; {
	case byRecords.tree.root() == signed:
		for _, d := range differ {
			f.fault("%s: the hash of entry %d was changed", d.leaves, d.seq)
		}
		byRecords.tell()
	case byTiles.tree.root() == signed:
		for _, d := range differ {
			f.fault("%s: entry %d was changed", d.entries, d.seq)
		}
		byTiles.tell()
	default:
		for _, d := range differ {
			f.fault("entry %d: %s and %s do not agree, and one of them was changed", d.seq, d.entries, d.leaves)
		}
		f.fault("the %d entries have the root %s, and the tree head signed %s", f.head.Size, byRecords.tree.root(), signed)
		byTiles.tell()
	}
	f.walk()
	return keys
}

type difference struct {
	entries, leaves string
	seq             int64
}

// cutRecord takes the first record from a bundle.
func cutRecord(b []byte) (record, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b) < 2+n {
		return nil, nil, false
	}
	return b[2 : 2+n], b[2+n:], true
}

// namedKeys are the keys that an entry says sign from there on, or have signed up to there.
func namedKeys(record []byte) (keys []string) {
	if !bytes.Contains(record, []byte(`"kind":"`+KeyChange+`"`)) {
		return nil
	}
	var r Record
	if json.Unmarshal(record, &r) != nil || r.Kind != KeyChange {
		return nil
	}
	for _, k := range []string{r.Detail["verifier"], r.Detail["was"]} {
		if _, err := NewVerifier(k); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// treeCheck compares the tiles above the lowest ones with those of a tree.
type treeCheck struct {
	f     *folder
	tree  tree
	wrong []error
}

func (c *treeCheck) push(hashes []byte) {
	for h := range slices.Chunk(hashes, tlog.HashSize) {
		for _, x := range c.tree.push(tlog.Hash(h)) {
			c.compare(tlog.Tile{H: tileHeight, L: int(x.level), N: x.n, W: tileWidth}, x.data)
		}
	}
}

// compare checks a tile's file. The lowest ones are left to those who can name the entry.
func (c *treeCheck) compare(t tlog.Tile, want []byte) {
	if t.L == 0 || len(c.wrong) > maxFaults {
		return
	}
	got, err := readFile(c.f.root, tilePath(t), int64(len(want)))
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("was changed")
	}
	if err != nil {
		c.wrong = append(c.wrong, fmt.Errorf("%s: %w", tilePath(t), err))
	}
}

// tell reports the tiles that are not those of this tree.
func (c *treeCheck) tell() {
	for _, t := range lastTiles(c.f.head.Size) {
		if t.L > 0 {
			c.compare(t, c.tree.edge[t.L])
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
func (f *folder) narrower(t tlog.Tile) error {
	now := t
	now.W = width(t.L, t.N, f.head.Size)
	each := int64(tlog.HashSize)
	if t.L == recordsLevel {
		each = 2 + MaxRecord
	}
	want, err := readFile(f.root, tilePath(now), int64(now.W)*each)
	if err != nil {
		return nil // told already
	}
	got, err := readFile(f.root, tilePath(t), int64(t.W)*each)
	if err != nil {
		return err
	}
	size := t.W * tlog.HashSize
	if t.L == recordsLevel {
		rest, ok := want, true
		for range t.W {
			if _, rest, ok = cutRecord(rest); !ok {
				return nil // told already
			}
		}
		size = len(want) - len(rest)
	}
	if len(want) >= size && !bytes.Equal(got, want[:size]) {
		return fmt.Errorf("is not the beginning of %s: one of them was changed", tilePath(now))
	}
	return nil
}
