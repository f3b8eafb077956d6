package ledger

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"

	"filippo.io/torchwood"
	"github.com/google/go-cmp/cmp"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// grown is a closed ledger with a signed head of n entries.
func grown(t testing.TB, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	grow(t, dir, n)
	return dir
}

func grow(t testing.TB, dir string, n int) {
	t.Helper()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, dir, ck)
	many(t, l, ck, n)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func reader(t testing.TB, dir string) *file.Reader {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// serve is a TileServer under /tlog/ on a listener of its own.
func serve(t testing.TB, dir string) (url string) {
	t.Helper()
	s := file.NewTileServer(dir, slog.New(slog.NewTextHandler(io.Discard, nil)))
	web := httptest.NewServer(http.StripPrefix("/tlog", s))
	t.Cleanup(func() {
		web.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return web.URL + "/tlog/"
}

func get(t testing.TB, method, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		k, v, _ := strings.Cut(h, ": ")
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

func TestTilesAreServed(t *testing.T) {
	t.Parallel()
	dir := grown(t, 600)
	r, url := reader(t, dir), serve(t, dir)
	head, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	size := head.Size
	if size != 600 {
		t.Fatal(size)
	}
	const forever, octets = "public, max-age=31536000, immutable", "application/octet-stream"
	tile := func(level int, n int64, w int) []byte {
		b, err := r.ReadTile(level, n, w)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var bundle []byte
	if err := r.Scan(513, 600, false, func(e *Entry) error {
		bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(e.Raw))), e.Raw...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string][]byte{
		"checkpoint": head.Note, "tile/0/000": tile(0, 0, 256), "tile/0/001.p/1": tile(0, 1, 1), "tile/0/002.p/88": tile(0, 2, 88), "tile/1/000.p/2": tile(1, 0, 2),
		"tile/1/000.p/1": tile(1, 0, 1), "tile/entries/002.p/88": bundle,
	} {
		resp, b := get(t, "GET", url+path)
		typ, cache := octets, forever
		if path == "checkpoint" {
			typ, cache = "text/plain; charset=utf-8", "no-cache"
		}
		if resp.StatusCode != 200 || !bytes.Equal(b, want) || resp.Header.Get("Content-Type") != typ || resp.Header.Get("Cache-Control") != cache {
			t.Errorf("%s: %s %v, %d bytes, want %d", path, resp.Status, resp.Header, len(b), len(want))
		}
		resp, b = get(t, "HEAD", url+path)
		if resp.StatusCode != 200 || len(b) != 0 || resp.ContentLength != int64(len(want)) {
			t.Errorf("HEAD %s: %s, %d bytes, Content-Length %d", path, resp.Status, len(b), resp.ContentLength)
		}
	}
	resp, b := get(t, "GET", url+"tile/entries/002.p/88", "Accept-Encoding: gzip")
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, bundle) || resp.Header.Get("Vary") != "Accept-Encoding" {
		t.Errorf("compressed it is %d bytes (%v)", len(b), err)
	}
	for _, path := range []string{"", "tile/0/002", "tile/0/002.p/89", "tile/0/003.p/1", "tile/1/000", "tile/1/000.p/3", "tile/2/000.p/1", "tile/63/000", "tile/entries/002", "tile/entries/002.p/89",
		"tile/entries/003.p/1", "tile/0/999", "tile/data/000", "ledger.db", "keys/ledger.key", "tile/0/0", "checkpoint/", "x"} {
		if resp, b := get(t, "GET", url+path); resp.StatusCode != 404 || resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %s %v %.40q", path, resp.Status, resp.Header, b)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
		if resp, _ := get(t, method, url+"checkpoint"); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %s", method, resp.Status)
		}
	}
}

// TestNothingIsServedBeforeItIsUnderAHead while the ledger grows: what is served always fits the tree head read before.
func TestNothingIsServedBeforeItIsUnderAHead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	url := serve(t, dir)
	if resp, _ := get(t, "GET", url+"checkpoint"); resp.StatusCode != 404 {
		t.Errorf("without a ledger: %s", resp.Status)
	}
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, dir, ck)
	many(t, l, ck, 300)
	if l.Head() == nil {
		if resp, _ := get(t, "GET", url+"tile/0/000"); resp.StatusCode != 404 && l.Head() == nil {
			t.Errorf("before the first head: %s", resp.Status)
		}
	}
	for deadline := time.Now().Add(time.Minute); l.Head() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no head")
		}
	}
	size := l.Head().Size
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 30 {
				_, b := get(t, "GET", url+"checkpoint")
				h, err := tlog.ParseHead(b)
				if err != nil || h.Size < size {
					t.Errorf("head of %d: %v", h.Size, err)
					return
				}
				for _, x := range edge(h.Size) {
					path := torchwood.TilePath(x)
					if resp, b := get(t, "GET", url+path); resp.StatusCode != 200 || x.L >= 0 && len(b) != x.W*tlog.HashSize {
						t.Errorf("%s of %d entries: %s, %d bytes", path, h.Size, resp.Status, len(b))
					}
				}
			}
		})
	}
	for range 50 {
		many(t, l, ck, 20)
	}
	all.Wait()
	verify(t, l)
}

// edge are the tiles of a tree of that size that are not full: on the lowest levels, which are all there are here.
func edge(size int64) (list []sumdb.Tile) {
	for level, n := range []int64{size, size >> 8} {
		if n%256 > 0 {
			list = append(list, sumdb.Tile{H: 8, L: level, N: n / 256, W: int(n % 256)})
		}
	}
	if size%256 > 0 {
		list = append(list, sumdb.Tile{H: 8, L: -1, N: size / 256, W: int(size % 256)})
	}
	return list
}

// breaks is a reader whose disk does.
type breaks struct{ *file.Reader }

func (breaks) Head() (h tlog.Head, err error) { return h, errors.New("disk I/O error") }

func TestTheServerComesBackAfterAnError(t *testing.T) {
	t.Parallel()
	dir := grown(t, 10)
	url := serve(t, dir)
	whole, err := os.ReadFile(filepath.Join(dir, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger.db"), bytes.Repeat([]byte("x"), len(whole)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if resp, b := get(t, "GET", url+"checkpoint"); resp.StatusCode != 503 || strings.Contains(string(b), dir) {
			t.Fatalf("a broken ledger: %s %s", resp.Status, b)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger.db"), whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if resp, _ := get(t, "GET", url+"checkpoint"); resp.StatusCode != 200 {
		t.Errorf("afterwards: %s", resp.Status)
	}

	// A connection that breaks is given up.
	broken := true
	s := tlog.NewTileServer(func() (tlog.Source, error) {
		if !broken {
			return file.OpenReader(dir)
		}
		broken = false
		r, err := file.OpenReader(dir)
		return breaks{r}, err
	}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	defer s.Close()
	code := func() int {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest("GET", "/checkpoint", nil))
		return w.Code
	}
	if got := code(); got != 503 {
		t.Errorf("by a broken connection: %d", got)
	}
	if got := code(); got != 200 {
		t.Errorf("by a new connection: %d", got)
	}
}

func writeTiles(t testing.TB, from, to string) {
	t.Helper()
	if err := tlog.WriteTiles(reader(t, from), to); err != nil {
		t.Fatal(err)
	}
}

func verifyTiles(dir string, keys []string, report io.Writer) error {
	return tlog.VerifyTiles(dir, keys, entry.NamedKeys, report)
}

// files are all files of a folder with their contents.
func files(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			var b []byte
			b, err = os.ReadFile(filepath.Join(dir, name))
			all[name] = string(b)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func publicKeys(t testing.TB, dir string) []string {
	t.Helper()
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestTilesAsFilesAreThoseServed(t *testing.T) {
	t.Parallel()
	dir, out := grown(t, 600), filepath.Join(t.TempDir(), "new", "tiles")
	writeTiles(t, dir, out)
	url := serve(t, dir)
	for name, content := range files(t, out) {
		if resp, b := get(t, "GET", url+name); resp.StatusCode != 200 || string(b) != content {
			t.Errorf("%s: %s, %d bytes served, %d written", name, resp.Status, len(b), len(content))
		}
	}
	var names []string
	for name := range files(t, out) {
		names = append(names, name)
	}
	slices.Sort(names)
	if d := cmp.Diff([]string{"checkpoint", "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"}, names); d != "" {
		t.Error(d)
	}
	var said bytes.Buffer
	if err := verifyTiles(out, publicKeys(t, dir), &said); err != nil || !strings.Contains(said.String(), "600 entries of east-gate in 8 files") {
		t.Errorf("%v: %s", err, &said)
	}
}

func TestARepeatedExportOnlyAdds(t *testing.T) {
	t.Parallel()
	dir, out := grown(t, 300), t.TempDir()
	writeTiles(t, dir, out)
	past := time.Now().Add(-time.Hour).Truncate(time.Second)
	before := files(t, out)
	for name := range before {
		os.Chtimes(filepath.Join(out, name), past, past)
	}
	grow(t, dir, 300)
	writeTiles(t, dir, out)
	after := files(t, out)
	for _, name := range []string{"tile/0/000", "tile/entries/000", "tile/1/000.p/1"} {
		if st, err := os.Stat(filepath.Join(out, name)); err != nil || !st.ModTime().Equal(past) {
			t.Errorf("%s was written again (%v)", name, err)
		}
	}
	if _, there := after["tile/0/001.p/44"]; there || after["tile/0/001"] == "" {
		t.Error("the narrower tile stays beside the full one, or the full one is missing")
	}
	if after["tile/1/000.p/1"] == "" || after["tile/1/000.p/2"] == "" {
		t.Error("the narrower tile of an older head is gone though its full one is not there")
	}
	if err := verifyTiles(out, publicKeys(t, dir), io.Discard); err != nil {
		t.Error(err)
	}
	fresh := t.TempDir()
	writeTiles(t, dir, fresh)
	delete(after, "tile/1/000.p/1")
	if d := cmp.Diff(files(t, fresh), after); d != "" {
		t.Error("an export into an older folder is another one")
	}

	// Half an export: the files are there, the tree head is the older one.
	os.Mkdir(filepath.Join(out, "tile/0/001.p"), 0o755)
	os.Mkdir(filepath.Join(out, "tile/entries/001.p"), 0o755)
	for name, content := range before {
		os.WriteFile(filepath.Join(out, name), []byte(content), 0o644)
	}
	if err := verifyTiles(out, publicKeys(t, dir), io.Discard); err == nil || !strings.Contains(err.Error(), "an export that broke off") {
		t.Errorf("half an export: %v", err)
	}
	os.WriteFile(filepath.Join(out, "tile/0/001"), []byte("half"), 0o644)
	writeTiles(t, dir, out)
	if err := verifyTiles(out, publicKeys(t, dir), io.Discard); err != nil {
		t.Error(err)
	}

	// What the older head covered is evidence.
	os.WriteFile(filepath.Join(out, "tile/entries/000"), []byte("x"), 0o644)
	if err := tlog.WriteTiles(reader(t, dir), out); err == nil || !strings.Contains(err.Error(), "tile/entries/000") {
		t.Errorf("a changed file: %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(out, "tile/entries/000")); string(got) != "x" {
		t.Error("the changed file was replaced")
	}
	for _, other := range []string{grown(t, 700), grown(t, 5)} {
		if err := tlog.WriteTiles(reader(t, other), fresh); err == nil || !strings.Contains(err.Error(), "keep both") {
			t.Errorf("another ledger's folder: %v", err)
		}
	}
}

// TestNoByteOfTilesCanChangeUnseen changes each byte of each file, and names the file, and the entry where it is one.
func TestNoByteOfTilesCanChangeUnseen(t *testing.T) {
	t.Parallel()
	dir, out := grown(t, 259), t.TempDir()
	writeTiles(t, dir, out)
	keys := publicKeys(t, dir)
	if err := verifyTiles(out, keys, io.Discard); err != nil {
		t.Fatal(err)
	}
	for name, content := range files(t, out) {
		seq, ends := 0, 0 // of the entry that byte i is in
		if strings.HasPrefix(name, "tile/entries/001") {
			seq = 256
		}
		stride := 1
		if len(content) > 2000 {
			stride = len(content) / 257 // each entry, each hash
		}
		for i := 0; i < len(content); i++ {
			if strings.HasPrefix(name, "tile/entries/") && i == ends {
				ends += 2 + int(binary.BigEndian.Uint16([]byte(content[i:])))
				seq++
			}
			if i%stride != 0 {
				continue
			}
			b := []byte(content)
			b[i] ^= 1 << (i % 7)
			if err := os.WriteFile(filepath.Join(out, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			err := verifyTiles(out, keys, &said)
			if err == nil {
				t.Fatalf("byte %d of %s changed: not seen", i, name)
			}
			want := name
			if seq > 0 {
				want = fmt.Sprintf("%s: entry %d was changed", name, seq)
			} else if strings.HasPrefix(name, "tile/0/000") {
				want = fmt.Sprintf("%s: the hash of entry %d was changed", name, i/32+1)
			}
			if !strings.Contains(err.Error(), want) {
				t.Fatalf("byte %d of %s changed: %v, want %s", i, name, err, want)
			}
		}
		if err := os.WriteFile(filepath.Join(out, name), []byte(content[:len(content)-1]), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s cut: %v", name, err)
		}
		os.WriteFile(filepath.Join(out, name), []byte(content+"\x00"), 0o644)
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s with a byte more: %v", name, err)
		}
		os.Remove(filepath.Join(out, name))
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s missing: %v", name, err)
		}
		os.Mkdir(filepath.Join(out, name), 0o755)
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is a folder: %v", name, err)
		}
		os.Remove(filepath.Join(out, name))
		os.WriteFile(filepath.Join(out, name), []byte(content), 0o644)
	}
	for _, extra := range []string{"note.txt", "tile/0/002", "tile/0/001.p/4", "tile/2/000.p/1", ".checkpoint.new", "tile/entries/001"} {
		os.MkdirAll(filepath.Dir(filepath.Join(out, extra)), 0o755)
		os.WriteFile(filepath.Join(out, extra), []byte("x"), 0o644)
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), extra) {
			t.Errorf("%s too many: %v", extra, err)
		}
		os.Remove(filepath.Join(out, extra))
	}
	if err := verifyTiles(out, publicKeys(t, grown(t, 1)), io.Discard); err == nil || !strings.Contains(err.Error(), "checkpoint") {
		t.Errorf("another key: %v", err)
	}
	if err := verifyTiles(out, nil, io.Discard); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("no key: %v", err)
	}
	if err := verifyTiles(out, keys, io.Discard); err != nil {
		t.Error(err)
	}
}

// TestTilesSignedByTwoKeys: the head at which the gate changed its key can be checked with either.
func TestTilesSignedByTwoKeys(t *testing.T) {
	t.Parallel()
	dir, out := grown(t, 10), t.TempDir()
	path := filepath.Join(dir, "keys", "ledger.key")
	old, err := tlog.ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	anew, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.WriteKeys(path, anew, old[0]); err != nil {
		t.Fatal(err)
	}
	grow(t, dir, 0)
	writeTiles(t, dir, out)
	for _, k := range []*tlog.Key{old[0], anew} {
		if err := verifyTiles(out, []string{k.Verifier()}, io.Discard); err != nil {
			t.Error(err)
		}
	}
	// The heads after it are signed by the new one alone, and the folder has the newest only.
	grow(t, dir, 300)
	writeTiles(t, dir, out)
	if err := verifyTiles(out, []string{anew.Verifier()}, io.Discard); err != nil {
		t.Error(err)
	}
	if err := verifyTiles(out, []string{old[0].Verifier()}, io.Discard); err == nil || !strings.Contains(err.Error(), "give the newest one") {
		t.Errorf("with the old key: %v", err)
	}
}

// TestTilesAreNotVouchedForByAnotherGate: whoever forges a folder can have it signed by himself, and by another gate of the compound,
// whose key the auditor trusts.
func TestTilesAreNotVouchedForByAnotherGate(t *testing.T) {
	t.Parallel()
	dir, out := grown(t, 100), t.TempDir()
	forged, err := tlog.ReadKeys(tlog.KeyFile(dir, 1)) // stands for the forger's own
	if err != nil {
		t.Fatal(err)
	}
	named, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	if err := tlog.WriteKeys(tlog.KeyFile(dir, 1), named, forged[0]); err != nil {
		t.Fatal(err)
	}
	grow(t, dir, 0) // an entry names both
	writeTiles(t, dir, out)
	path := filepath.Join(out, "checkpoint")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := tlog.ParseHead(b)
	if err != nil {
		t.Fatal(err)
	}
	west, err := tlog.NewKey("west-gate")
	if err != nil {
		t.Fatal(err)
	}
	east, err := tlog.NewKey("east-gate")
	if err != nil {
		t.Fatal(err)
	}
	both, err := tlog.SignHead(h.Origin, h.Size, h.Root, forged[0], west)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(path, both.Note, 0o644)
	for want, keys := range map[string][]string{
		"no key that was given signs it":            {east.Verifier(), west.Verifier()},
		"is of \"east-gate\", and the key given is": {west.Verifier()},
	} {
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	// Nor by a witness that calls itself as the gate does.
	namesake := newFakeWitness(t, "east-gate")
	os.WriteFile(path, []byte(h.Text()+"\n"+namesake.sign(h.Text(), 1700000000)), 0o644)
	if err := verifyTiles(out, []string{east.Verifier(), namesake.key}, io.Discard); err == nil {
		t.Error("a witness with the gate's name")
	}
}

// TestBothSidesChangedIsFound: a record and its hash changed together, and a narrower tile of an older head.
func TestBothSidesChangedIsFound(t *testing.T) {
	t.Parallel()
	dir, out := grown(t, 100), t.TempDir()
	writeTiles(t, dir, out)
	grow(t, dir, 50)
	writeTiles(t, dir, out)
	keys := publicKeys(t, dir)
	for _, older := range []string{"tile/0/000.p/100", "tile/entries/000.p/100"} {
		b, err := os.ReadFile(filepath.Join(out, older))
		if err != nil {
			t.Fatal(err)
		}
		b[500] ^= 1
		os.WriteFile(filepath.Join(out, older), b, 0o644)
		if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), older) {
			t.Errorf("%s changed: %v", older, err)
		}
		b[500] ^= 1
		os.WriteFile(filepath.Join(out, older), b, 0o644)
	}
	name := filepath.Join(out, "tile/entries/000.p/150")
	b, _ := os.ReadFile(name)
	n := int(binary.BigEndian.Uint16(b))
	b[2+n-1] = ' '
	os.WriteFile(name, b, 0o644)
	leaf := tlog.LeafHash(b[2 : 2+n])
	leaves, _ := os.ReadFile(filepath.Join(out, "tile/0/000.p/150"))
	copy(leaves, leaf[:])
	os.WriteFile(filepath.Join(out, "tile/0/000.p/150"), leaves, 0o644)
	if err := verifyTiles(out, keys, io.Discard); err == nil || !strings.Contains(err.Error(), "the tree head signed") {
		t.Errorf("entry and hash changed: %v", err)
	}
}

// fsck is Tessera's: a check of tlog-tiles written by others. (Another program of that name checks file systems.)
func fsck(t *testing.T) string {
	t.Helper()
	path := filepath.SplitList(os.Getenv("PATH"))
	for _, env := range []string{"GOBIN", "GOPATH"} {
		if out, err := exec.Command("go", "env", env).Output(); err == nil && len(bytes.TrimSpace(out)) > 0 {
			dir := string(bytes.TrimSpace(out))
			if env == "GOPATH" {
				dir = filepath.Join(dir, "bin")
			}
			path = append(path, dir)
		}
	}
	for _, dir := range path {
		name := filepath.Join(dir, "fsck")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		help, _ := exec.CommandContext(ctx, name, "-h").CombinedOutput()
		cancel()
		if bytes.Contains(help, []byte("storage_url")) {
			return name
		}
	}
	needs(t, false, "Tessera's fsck is not on PATH: go install github.com/transparency-dev/tessera/cmd/fsck@v1.0.4")
	return ""
}

// checked runs fsck, which may hang on what it does not like, and reports an error by exit status 0.
func checked(t *testing.T, program, url, key string, limit time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "--storage_url", url, "--origin", "east-gate", "--public_key", key, "--ui=false")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil && !bytes.Contains(out, []byte("Successfully fsck'd")) {
		err = fmt.Errorf("it did not say that all is well")
	}
	if err != nil {
		return fmt.Errorf("fsck %s: %w\n%s", url, err, out)
	}
	return nil
}

func TestTesseraAgrees(t *testing.T) {
	t.Parallel()
	program := fsck(t)
	dir, have := t.TempDir(), 0
	url := serve(t, dir)
	static := t.TempDir()
	for _, size := range []int{1, 255, 256, 257, sample(65536+300, 1000)} { // the whole has tiles of the third level
		grow(t, dir, size-have)
		have = size
		key := filepath.Join(t.TempDir(), "gate.pub")
		os.WriteFile(key, []byte(publicKeys(t, dir)[0]), 0o644)
		if err := checked(t, program, url, key, 30*time.Second); err != nil {
			t.Errorf("%d entries: %v", size, err)
		}
		writeTiles(t, dir, static)
		if err := checked(t, program, "file://"+static+"/", key, 30*time.Second); err != nil {
			t.Errorf("%d entries: %v", size, err)
		}
		if err := verifyTiles(static, publicKeys(t, dir), io.Discard); err != nil {
			t.Errorf("%d entries: %v", size, err)
		}
		if size != 257 {
			continue
		}
		name := filepath.Join(static, "tile/entries/000")
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[100] ^= 1
		os.WriteFile(name, b, 0o644)
		if err := checked(t, program, "file://"+static+"/", key, 5*time.Second); err == nil {
			t.Error("a changed byte is not seen by fsck: what does it check?")
		}
		b[100] ^= 1
		os.WriteFile(name, b, 0o644)
	}
}
