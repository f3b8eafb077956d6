package tlog

import (
	"filippo.io/torchwood"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// The ledger as anybody's tools read it (c2sp.org/tlog-tiles): the newest tree head, the tiles of hashes, and the entries
// in bundles of 256. A resource is named as x/mod's tlog names tiles: level -1 are the entries.

const (
	checkpoint   = "checkpoint" // the name of the newest tree head there
	entriesLevel = -1
	maxNote      = 1 << 20 // bytes of a tree head with more witnesses than there are
)

// parseTilePath takes the one spelling of a path that there is.
func parseTilePath(s string) (t sumdb.Tile, ok bool) {
	if len(s) > 100 {
		return t, false
	}
	t, err := torchwood.ParseTilePath(s)
	return t, err == nil && torchwood.TilePath(t) == s // it takes names of Go's checksum database too
}

// width is how many hashes or records tile n of a level has in a tree of that size; 0: it is not there.
func width(level int, n, size int64) int {
	if level > 0 {
		if level >= 8 {
			return 0 // of 2^64 entries
		}
		size >>= tileHeight * level
	}
	if n < 0 || n > size/TileWidth {
		return 0
	}
	return int(min(size-n*TileWidth, TileWidth))
}

// Entries is how many entries a full tile of a level is over.
func Entries(level int) int64 { return 1 << (tileHeight * (level + 1)) }

// within says whether the resource belongs to a tree of that size.
func within(t sumdb.Tile, size int64) bool { return t.W <= width(t.L, t.N, size) }

// lastTiles are the tiles and bundles at the right edge of a tree that are not full.
func lastTiles(size int64) (list []sumdb.Tile) {
	for level := entriesLevel; level < 8; level++ {
		n := size
		if level > 0 {
			n >>= tileHeight * level
		}
		if w := int(n % TileWidth); w > 0 {
			list = append(list, sumdb.Tile{H: tileHeight, L: level, N: n / TileWidth, W: w})
		}
	}
	return list
}

// resource reads a tile or a bundle.
func resource(r Source, t sumdb.Tile) ([]byte, error) {
	if t.L == entriesLevel {
		return r.ReadEntries(t.N, t.W)
	}
	return r.ReadTile(t.L, t.N, t.W)
}
