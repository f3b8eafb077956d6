// Package logqueue writes lines for a reader who may not read them.
package logqueue

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	maxLines = 1024
	// patience is how long Close waits for the reader.
	patience = time.Second
)

// Queue is a writer that never waits for the one behind it: what a full pipe or a journal that hangs would block is dropped and
// counted. Each Write is a line; several may write at a time.
type Queue struct {
	lines   chan []byte
	dropped atomic.Int64
	closing chan struct{}
	done    chan struct{}
}

// New starts to write to w. lost tells w, once the reader is back, how many lines were dropped; nil: nobody does.
func New(w io.Writer, lost func(w io.Writer, lines int64)) *Queue {
	q := &Queue{lines: make(chan []byte, maxLines), closing: make(chan struct{}), done: make(chan struct{})}
	go q.write(w, lost)
	return q
}

func (q *Queue) write(w io.Writer, lost func(io.Writer, int64)) {
	defer close(q.done)
	told := int64(0)
	put := func(line []byte) {
		if _, err := w.Write(line); err != nil {
			q.dropped.Add(1)
		} else if n := q.dropped.Load(); n > told && lost != nil {
			lost(w, n-told)
			told = n
		}
	}
	for {
		select {
		case line := <-q.lines:
			put(line)
		case <-q.closing:
			for len(q.lines) > 0 {
				put(<-q.lines)
			}
			return
		}
	}
}

// Write queues a line, or drops it.
func (q *Queue) Write(line []byte) (int, error) {
	select {
	case q.lines <- bytes.Clone(line):
	default:
		q.dropped.Add(1)
	}
	return len(line), nil
}

// Dropped is how many lines nobody got.
func (q *Queue) Dropped() int64 { return q.dropped.Load() }

// Close waits a moment until all is written. It is called once; what is written later is lost.
func (q *Queue) Close() error {
	close(q.closing)
	select {
	case <-q.done:
	case <-time.After(patience):
	}
	return nil
}

// Say writes a line and waits no more than a moment until it is read: for the last words of a process.
func Say(w io.Writer, words ...any) {
	q := New(w, nil)
	defer q.Close()
	fmt.Fprintln(q, words...)
}
