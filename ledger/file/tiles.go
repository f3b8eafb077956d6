package file

import (
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"log/slog"

	"gated/ledger/entry"
	"gated/ledger/tlog"
)

// tileAt is the key of a tile in its table: its number, and for the tiles of each level above, which stand together, one
// that is below those of the level under it. So those of the lowest level are always added at the end.
func tileAt(level int, n int64) int64 { return n - int64(level)<<56 }

// ReadTile reads the first width hashes of a tile. What is not in a full tile comes from the records, or from the roots
// of the tiles below.
func (c *Conn) ReadTile(level int, n int64, width int) ([]byte, error) {
	var data []byte
	collect := func(v []driver.Value) error {
		b, _ := v[0].([]byte)
		data = append(data, b...)
		return nil
	}
	if err := c.query(collect, "SELECT data FROM tile WHERE at = ?", tileAt(level, n)); err != nil {
		return nil, fmt.Errorf("read tile %d/%d: %w", level, n, err)
	}
	var err error
	switch first := n * tlog.TileWidth; {
	case data != nil:
		if len(data) != tlog.TileWidth*tlog.HashSize {
			return nil, fmt.Errorf("tile %d/%d has %d bytes instead of %d", level, n, len(data), tlog.TileWidth*tlog.HashSize)
		}
	case level == 0:
		err = c.query(func(v []driver.Value) error {
			h := tlog.LeafHash([]byte(text(v[0])))
			data = append(data, h[:]...)
			return nil
		}, "SELECT record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", first+1, first+int64(width))
	default:
		err = c.query(collect, "SELECT root FROM tile WHERE at BETWEEN ? AND ? ORDER BY at",
			tileAt(level-1, first), tileAt(level-1, first+int64(width)-1))
	}
	if err != nil {
		return nil, fmt.Errorf("read what tile %d/%d is made of: %w", level, n, err)
	}
	if len(data) < width*tlog.HashSize {
		return nil, fmt.Errorf("tile %d/%d has %d hashes instead of %d: something below it is missing",
			level, n, len(data)/tlog.HashSize, width)
	}
	return data[:width*tlog.HashSize], nil
}

// ReadTile reads the first width (1 to 256) hashes of a tile (c2sp.org/tlog-tiles), 32 bytes each.
func (r *Reader) ReadTile(level int, n int64, width int) ([]byte, error) {
	return r.c.ReadTile(level, n, width)
}

// ReadEntries reads the first width (1 to 256) records of a bundle of 256, each behind its length in two bytes.
func (r *Reader) ReadEntries(n int64, width int) ([]byte, error) {
	var data []byte
	have, first := 0, n*tlog.TileWidth
	err := r.c.query(func(v []driver.Value) error {
		record := text(v[0])
		if len(record) > entry.MaxRecord {
			return fmt.Errorf("entry %d has %d bytes: at most %d can be", first+int64(have)+1, len(record), entry.MaxRecord)
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

// NewTileServer serves the ledger of a state directory by c2sp.org/tlog-tiles, through a connection of its own.
func NewTileServer(dir string, log *slog.Logger) *tlog.TileServer {
	return tlog.NewTileServer(func() (tlog.Source, error) {
		r, err := OpenReader(dir)
		if err != nil {
			return nil, err
		}
		return r, nil
	}, log)
}
