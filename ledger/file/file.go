// Package file keeps the rows of a ledger in a file, which others read while it is written.
package file

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"gated/ledger/seal"
)

// OfEpoch is where a ledger lies that an epoch ended with.
func OfEpoch(dir string, epoch int) string {
	return filepath.Join(dir, fmt.Sprintf("ledger-%d.db", epoch))
}

// EpochOrigin is the name in the tree heads of an epoch.
func EpochOrigin(origin string, epoch int) string {
	if epoch <= 1 {
		return origin
	}
	return fmt.Sprintf("%s/%d", origin, epoch)
}

// AnchorOf is where the anchor of a ledger lies: of ledger.db anchor, of ledger-1.db anchor-1. Copies have none: "".
func AnchorOf(ledger string) string {
	name, ok := strings.CutPrefix(strings.TrimSuffix(filepath.Base(ledger), ".db"), "ledger")
	if !ok {
		return ""
	}
	return filepath.Join(filepath.Dir(ledger), "anchor"+name)
}

// Meta is what a ledger says about itself, fixed at its creation.
type Meta struct {
	Format   int
	Gate     string // name for people
	Origin   string // name in tree heads: gate.origin, and /2 and so on from the second epoch
	TimeZone string // IANA; a day is a day there
	Epoch    int    // 1; a restored box starts the next one
	Machine  string // which box wrote it, as a hash; empty where the box has no machine ID
	Master   string // tells whether a master key is the one of its personal data
}

// Whose says to which ledger slots and sealed data belong.
func (m Meta) Whose() seal.Whose {
	return seal.Whose{Origin: m.Origin, Epoch: m.Epoch, Check: m.Master}
}

// Name is the origin without the epoch: gate.origin of the settings.
func (m Meta) Name() string {
	return strings.TrimSuffix(m.Origin, fmt.Sprintf("/%d", m.Epoch))
}

// Meta reads what the ledger says about itself, and does not take a format that is not ours.
func (c *Conn) Meta() (Meta, error) {
	if err := c.checkSchema(); err != nil {
		return Meta{}, err
	}
	m := map[string]string{}
	err := c.query(func(v []driver.Value) error { m[text(v[0])] = text(v[1]); return nil }, "SELECT key, value FROM meta")
	if err != nil {
		return Meta{}, err
	}
	n, err1 := strconv.Atoi(m["format"])
	epoch, err2 := strconv.Atoi(m["epoch"])
	if errors.Join(err1, err2) != nil || epoch < 1 {
		return Meta{}, fmt.Errorf("format %q, epoch %q: not a gated ledger", m["format"], m["epoch"])
	}
	if n != format {
		return Meta{}, fmt.Errorf("format %d, this gated reads %d: use the gated that wrote it", n, format)
	}
	if m["master"] == "" {
		return Meta{}, Found("nothing in its table meta tells its master key: that was removed")
	}
	return Meta{Format: n, Gate: m["gate"], Origin: m["origin"], TimeZone: m["time_zone"], Epoch: epoch,
		Machine: m["machine"], Master: m["master"]}, nil
}

// Length is that of a file in bytes, 0 where there is none.
func Length(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return st.Size()
}
