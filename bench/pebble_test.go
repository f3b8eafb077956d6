//go:build !nopebble

package main

import (
	"encoding/binary"
	"log"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

func init() { peers = append(peers, peer{"pebble", openPebble}) }

type pebbleStore struct {
	*pebble.DB
	seq atomic.Uint64
}

func openPebble(dir string) (store, error) {
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	if err != nil {
		return nil, err
	}
	return &pebbleStore{DB: db}, nil
}

// append uses Pebble's own group commit.
func (p *pebbleStore) append(e event) error {
	return p.Set(binary.BigEndian.AppendUint64(nil, p.seq.Add(1)), e.record, pebble.Sync)
}

type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { log.Fatalf("pebble: "+format, args...) } // it must not return
