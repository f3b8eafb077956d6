//go:build !nobbolt

package main

import (
	"encoding/binary"
	"path/filepath"

	bolt "go.etcd.io/bbolt"
)

func init() { peers = append(peers, peer{"bbolt", openBolt}) }

var bucket = []byte("entry")

// openBolt: sequential keys in pages filled to the end. Its own Batch waits up to 10 ms for company, so the ledger's group commit stands before it.
func openBolt(dir string) (store, error) {
	db, err := bolt.Open(filepath.Join(dir, "db"), 0o600, nil)
	if err != nil {
		return nil, err
	}
	var seq uint64
	return newGroup(func(batch []event) error {
		return db.Update(func(tx *bolt.Tx) error {
			bk, err := tx.CreateBucketIfNotExists(bucket)
			if err != nil {
				return err
			}
			bk.FillPercent = 1
			for _, e := range batch {
				seq++
				if err := bk.Put(binary.BigEndian.AppendUint64(nil, seq), e.record); err != nil {
					return err
				}
			}
			return nil
		})
	}, db.Close), nil
}
