package tlog

import (
	"crypto/sha256"
	"slices"

	"filippo.io/torchwood"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

const tileHeight = torchwood.TileHeight

// LeafHash is the RFC 6962 hash of an entry.
func LeafHash(entry []byte) Hash { return sumdb.RecordHash(entry) }

// Tree is the right edge of an RFC 6962 Merkle tree whose leaves are the entries: for each level of tiles the hashes
// of the one that is not full yet. All else of the tree is in full tiles. The zero value is the tree of no entries.
type Tree struct {
	size int64
	edge [][]byte // by tile level, HashSize bytes a hash
}

// Tile is a full tile.
type Tile struct {
	Level int
	N     int64
	Root  Hash // of its own hashes: one hash of the level above
	Data  []byte
}

// Size is how many entries the tree is over.
func (t *Tree) Size() int64 { return t.size }

// Clone is the tree as it is now. Only one of the two may grow.
func (t *Tree) Clone() *Tree { return &Tree{t.size, slices.Clone(t.edge)} }

// Edge are the hashes of a level that are in no full tile yet.
func (t *Tree) Edge(level int) []byte {
	if level >= len(t.edge) {
		return nil
	}
	return t.edge[level]
}

// Push adds a leaf and returns the tiles that became full by it, the lowest level first.
func (t *Tree) Push(h Hash) (full []Tile) {
	t.size++
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]byte, 0, TileWidth*HashSize))
		}
		t.edge[level] = append(t.edge[level], h[:]...)
		if len(t.edge[level]) < TileWidth*HashSize {
			return full
		}
		h = merge(t.edge[level])
		full = append(full, Tile{level, t.size>>(tileHeight*(level+1)) - 1, h, t.edge[level]})
		t.edge[level] = make([]byte, 0, TileWidth*HashSize)
	}
}

// Root is the hash of the whole tree. The tree below a level's edge is smaller than any subtree of that level, so it
// stands as one more node behind them (RFC 6962, section 2.1).
func (t *Tree) Root() Hash {
	var low []byte // the root of what is below, if anything
	for _, edge := range t.edge {
		if nodes := append(edge[:len(edge):len(edge)], low...); len(nodes) > 0 {
			h := merge(nodes)
			low = h[:]
		}
	}
	if low == nil {
		return sha256.Sum256(nil)
	}
	return Hash(low)
}

// merge is the Merkle tree hash over nodes.
func merge(nodes []byte) Hash {
	if len(nodes) == HashSize {
		return Hash(nodes)
	}
	k := HashSize
	for 2*k < len(nodes) {
		k *= 2
	}
	return sumdb.NodeHash(merge(nodes[:k]), merge(nodes[k:]))
}

// LoadTree reads the right edge of the tree as it was with size entries.
func LoadTree(r Tiles, size int64) (*Tree, error) {
	t := &Tree{size: size}
	for level, n := 0, size; n > 0; level, n = level+1, n>>tileHeight {
		edge := make([]byte, 0, TileWidth*HashSize)
		if w := int(n % TileWidth); w > 0 {
			b, err := r.ReadTile(level, n/TileWidth, w)
			if err != nil {
				return nil, err
			}
			edge = append(edge, b...)
		}
		t.edge = append(t.edge, edge)
	}
	return t, nil
}

// RootAt is the root of the tree over the first size entries, as the tiles say.
func RootAt(r Tiles, size int64) (Hash, error) {
	t, err := LoadTree(r, size)
	if err != nil {
		return Hash{}, err
	}
	return t.Root(), nil
}

// HashReader reads hashes of the tree that h is the head of, each authenticated against h, for the proofs of
// golang.org/x/mod/sumdb/tlog.
func HashReader(r Tiles, h Head) sumdb.HashReader {
	return sumdb.TileHashReader(sumdb.Tree{N: h.Size, Hash: h.Root}, tileReader{r})
}

type tileReader struct{ Tiles }

func (tileReader) Height() int { return tileHeight }

func (t tileReader) ReadTiles(list []sumdb.Tile) ([][]byte, error) {
	data := make([][]byte, len(list))
	for i, x := range list {
		var err error
		if data[i], err = t.ReadTile(x.L, x.N, x.W); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (tileReader) SaveTiles([]sumdb.Tile, [][]byte) {}
