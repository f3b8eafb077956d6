package tlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

const tileReaders = 1 // that read and compress for TileServer at a time: the gate keeps the other core

// TileServer serves a ledger by c2sp.org/tlog-tiles. Nothing is there before it is durable and under a signed tree head.
// It reads a tile at a time through a connection of its own, so that it never holds up the writer, and before it is sent, so that
// who takes it slowly holds up nobody. How many do is bounded by the connections of the server.
type TileServer struct {
	open    func() (Source, error)
	log     *slog.Logger
	readers chan Source // nil: not open
}

// NewTileServer serves a ledger that it opens when it is asked, as often as that takes; fs.ErrNotExist: there is none yet.
// The caller closes it after its last request.
func NewTileServer(open func() (Source, error), log *slog.Logger) *TileServer {
	s := &TileServer{open: open, log: log, readers: make(chan Source, tileReaders)}
	for range tileReaders {
		s.readers <- nil
	}
	return s
}

// Close waits for the reads under way and closes the connections.
func (s *TileServer) Close() error {
	var errs []error
	for range tileReaders {
		if r := <-s.readers; r != nil {
			errs = append(errs, r.Close())
		}
	}
	return errors.Join(errs...)
}

var errNotThere = errors.New("not there")

func (s *TileServer) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the ledger can only be read", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), 5*time.Second)
	defer cancel()
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	name := strings.TrimPrefix(req.URL.Path, "/")
	// hashes do not get smaller
	zip := strings.HasPrefix(name, "tile/entries/") && strings.Contains(req.Header.Get("Accept-Encoding"), "gzip")
	b, err := s.read(ctx, name, zip)
	switch {
	case errors.Is(err, errNotThere):
		http.Error(w, "not there", http.StatusNotFound)
		return
	case err != nil:
		if ctx.Err() == nil {
			s.log.Error("serve the ledger", "resource", name, "err", err)
		}
		h.Set("Retry-After", "1")
		http.Error(w, "the ledger cannot be read now", http.StatusServiceUnavailable)
		return
	}
	if name == checkpoint {
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("Cache-Control", "no-cache")
	} else {
		h.Set("Content-Type", "application/octet-stream")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if strings.HasPrefix(name, "tile/entries/") {
		h.Set("Vary", "Accept-Encoding")
	}
	if zip {
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", fmt.Sprint(len(b)))
	w.Write(b)
}

// read returns a resource that the newest tree head covers.
func (s *TileServer) read(ctx context.Context, name string, zip bool) (b []byte, err error) {
	t, ok := parseTilePath(name)
	if !ok && name != checkpoint {
		return nil, errNotThere
	}
	var r Source
	select {
	case r = <-s.readers:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() {
		if err != nil && !errors.Is(err, errNotThere) && r != nil {
			r.Close()
			r = nil // opened anew for the next request
		}
		s.readers <- r
	}()
	if r == nil {
		opened, err := s.open()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, errNotThere
		case err != nil:
			return nil, err
		}
		r = opened
	}
	head, err := r.Head()
	switch {
	case errors.Is(err, ErrNoHead):
		return nil, errNotThere
	case err != nil:
		return nil, err
	case name == checkpoint:
		return head.Note, nil
	case !within(t, head.Size):
		return nil, errNotThere
	}
	if b, err = resource(r, t); err != nil || !zip {
		return b, err
	}
	var small bytes.Buffer
	z, _ := gzip.NewWriterLevel(&small, gzip.BestSpeed) // the level is a good one
	z.Write(b)
	z.Close() // into memory: neither fails
	return small.Bytes(), nil
}
