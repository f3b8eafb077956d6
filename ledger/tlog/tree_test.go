package tlog

import (
	"bytes"
	"fmt"
	"testing"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// TestTheTreeIsThatOfRFC6962 compares roots and tiles with those of tlog, which keeps every hash.
func TestTheTreeIsThatOfRFC6962(t *testing.T) {
	var stored []Hash
	all := sumdb.HashReaderFunc(func(idx []int64) (out []Hash, err error) {
		for _, i := range idx {
			out = append(out, stored[i])
		}
		return out, nil
	})
	tr := &Tree{}
	const n = 256*256 + 777
	for i := range int64(n) {
		record := fmt.Appendf(nil, `{"seq":%d}`, i+1)
		more, err := sumdb.StoredHashes(i, record, all)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, more...)
		for _, full := range tr.Push(LeafHash(record)) {
			want, err := sumdb.ReadTileData(sumdb.Tile{H: tileHeight, L: full.Level, N: full.N, W: TileWidth}, all)
			if err != nil || !bytes.Equal(want, full.Data) {
				t.Fatalf("tile %d/%d differs from tlog's (%v)", full.Level, full.N, err)
			}
			if up := stored[sumdb.StoredHashIndex((full.Level+1)*tileHeight, full.N)]; up != full.Root {
				t.Fatalf("tile %d/%d has another root than tlog's", full.Level, full.N)
			}
		}
		if size := i + 1; size < 600 || size%997 == 0 || size > n-300 || size%256 < 2 {
			want, err := sumdb.TreeHash(size, all)
			if err != nil || tr.Root() != want {
				t.Fatalf("root of %d entries is %v, tlog's %v (%v)", size, tr.Root(), want, err)
			}
		}
	}
	if got := (&Tree{}).Root().String(); got != "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" { // RFC 6962, 2.1: the hash of nothing
		t.Errorf("the empty tree has the root %s", got)
	}
}
