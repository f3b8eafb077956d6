package ledger

import (
	"crypto/sha256"
	"database/sql/driver"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8               // c2sp.org/tlog-tiles
	tileWidth  = 1 << tileHeight // hashes in a full tile
)

// leafHash is the RFC 6962 hash of a record: SHA-256(0 ‖ record).
func leafHash[T string | []byte](record T) tlog.Hash {
	b := make([]byte, 1, 1024) // on the stack for all but the largest
	return sha256.Sum256(append(b, record...))
}

// tree is the right edge of an RFC 6962 Merkle tree whose leaves are the records: for each level of tiles the hashes
// of the one that is not full yet. All else of the tree is in full tiles.
type tree struct {
	size int64
	edge [][]byte // by tile level, tlog.HashSize bytes a hash
}

// tile is a full tile, as the table keeps it.
type tile struct {
	level, n int64
	root     tlog.Hash // of its own hashes: one hash of the level above
	data     []byte
}

// row adds the tile to the values of an INSERT.
func (x *tile) row(rows []driver.Value) []driver.Value {
	return append(rows, tileAt(x.level, x.n), x.root[:], x.data)
}

// tileAt is the key of a tile in its table: its number, and for the tiles of each level above, which stand together, one
// that is below those of the level under it. So those of the lowest level are always added at the end.
func tileAt(level, n int64) int64 { return n - level<<56 }

// push adds a leaf and returns the tiles that became full by it, the lowest level first.
func (t *tree) push(h tlog.Hash) (full []tile) {
	t.size++
	for level := 0; ; level++ {
		if level == len(t.edge) {
			t.edge = append(t.edge, make([]byte, 0, tileWidth*tlog.HashSize))
		}
		t.edge[level] = append(t.edge[level], h[:]...)
		if len(t.edge[level]) < tileWidth*tlog.HashSize {
			return full
		}
		h = merge(t.edge[level])
		full = append(full, tile{int64(level), t.size>>(tileHeight*(level+1)) - 1, h, t.edge[level]})
		t.edge[level] = make([]byte, 0, tileWidth*tlog.HashSize)
	}
}

// root is the hash of the whole tree. The tree below a level's edge is smaller than any subtree of that level, so it
// stands as one more node behind them (RFC 6962, section 2.1).
func (t *tree) root() tlog.Hash {
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
	return tlog.Hash(low)
}

// merge is the Merkle tree hash over nodes.
func merge(nodes []byte) tlog.Hash {
	if len(nodes) == tlog.HashSize {
		return tlog.Hash(nodes)
	}
	k := tlog.HashSize
	for 2*k < len(nodes) {
		k *= 2
	}
	return tlog.NodeHash(merge(nodes[:k]), merge(nodes[k:]))
}

// loadTree reads the right edge of the tree as it was with size entries.
func loadTree(c *conn, size int64) (*tree, error) {
	t := &tree{size: size}
	for level, n := 0, size; n > 0; level, n = level+1, n>>tileHeight {
		edge := make([]byte, 0, tileWidth*tlog.HashSize)
		if w := int(n % tileWidth); w > 0 {
			b, err := c.tile(level, n/tileWidth, w)
			if err != nil {
				return nil, err
			}
			edge = append(edge, b...)
		}
		t.edge = append(t.edge, edge)
	}
	return t, nil
}

// tile reads the first width hashes of a tile. What is not in a full tile comes from the records, or from the roots
// of the tiles below.
func (c *conn) tile(level int, n int64, width int) ([]byte, error) {
	var data []byte
	collect := func(v []driver.Value) error {
		b, _ := v[0].([]byte)
		data = append(data, b...)
		return nil
	}
	if err := c.query(collect, "SELECT data FROM tile WHERE at = ?", tileAt(int64(level), n)); err != nil {
		return nil, fmt.Errorf("read tile %d/%d: %w", level, n, err)
	}
	var err error
	switch first := n * tileWidth; {
	case data != nil:
		if len(data) != tileWidth*tlog.HashSize {
			return nil, fmt.Errorf("tile %d/%d has %d bytes instead of %d", level, n, len(data), tileWidth*tlog.HashSize)
		}
	case level == 0:
		err = c.query(func(v []driver.Value) error {
			h := leafHash(text(v[0]))
			data = append(data, h[:]...)
			return nil
		}, "SELECT record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", first+1, first+int64(width))
	default:
		err = c.query(collect, "SELECT root FROM tile WHERE at BETWEEN ? AND ? ORDER BY at", tileAt(int64(level-1), first), tileAt(int64(level-1), first+int64(width)-1))
	}
	if err != nil {
		return nil, fmt.Errorf("read what tile %d/%d is made of: %w", level, n, err)
	}
	if len(data) < width*tlog.HashSize {
		return nil, fmt.Errorf("tile %d/%d has %d hashes instead of %d: something below it is missing", level, n, len(data)/tlog.HashSize, width)
	}
	return data[:width*tlog.HashSize], nil
}

// tiles reads tiles for the proofs of tlog, which authenticate them against a tree head.
type tiles struct{ c *conn }

func (t tiles) Height() int { return tileHeight }

func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(list))
	for i, x := range list {
		var err error
		if data[i], err = t.c.tile(x.L, x.N, x.W); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTile reads the first width (1 to 256) hashes of a tile (c2sp.org/tlog-tiles), 32 bytes each.
func (r *Reader) ReadTile(level int, n int64, width int) ([]byte, error) {
	return r.c.tile(level, n, width)
}

// RootAt is the root of the tree over the first size entries, as tiles and entries say.
func (r *Reader) RootAt(size int64) (tlog.Hash, error) {
	t, err := loadTree(r.c, size)
	if err != nil {
		return tlog.Hash{}, err
	}
	return t.root(), nil
}

// HashReader reads hashes of the tree that h is the head of, each authenticated against h.
func (r *Reader) HashReader(h Head) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: h.Size, Hash: h.Root}, tiles{r.c})
}
