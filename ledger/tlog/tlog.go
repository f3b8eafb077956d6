// Package tlog proves that no entry was changed: a tree of hashes over all entries (RFC 6962), its signed heads, the keys
// that sign them, the witnesses that sign beside them, and the form in which other tools read a ledger
// (c2sp.org/tlog-tiles). It knows entries as bytes, and nothing of what they say or where they are kept.
package tlog

import (
	"errors"

	"filippo.io/torchwood"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// Hash is a hash of the tree: of an entry, or of two hashes.
type Hash = sumdb.Hash

const (
	HashSize  = sumdb.HashSize
	TileWidth = torchwood.TileWidth // hashes in a full tile, entries in a full bundle
	MaxEntry  = 65535               // bytes of an entry that a bundle can hold
)

// ErrNoHead: the ledger has no tree head yet, as nothing was recorded or its key was out of reach.
var ErrNoHead = errors.New("the ledger has no tree head yet: the daemon signs one a second after the first entry")

// Tiles are the hashes of a ledger's tree.
type Tiles interface {
	// ReadTile reads the first width (1 to 256) hashes of tile n of a level, HashSize bytes each.
	ReadTile(level int, n int64, width int) ([]byte, error)
}

// Source is a ledger to be read by others.
type Source interface {
	Tiles
	// ReadEntries reads the first width (1 to 256) entries of bundle n, each behind its length in two bytes.
	ReadEntries(n int64, width int) ([]byte, error)
	// Head is the newest tree head, or ErrNoHead.
	Head() (Head, error)
	Close() error
}
