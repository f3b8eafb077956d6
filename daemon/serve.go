package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"gated/box"
	"gated/console"
	"gated/ledger/file"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// listeners are where the daemon is reached. control and tiles may be nil.
type listeners struct{ page, control, tiles net.Listener }

// listen opens them before anything is written: a port that is taken is no start.
func (d *Daemon) listen() (at listeners, err error) {
	defer func() {
		if err != nil {
			at.close()
		}
	}()
	set := d.Settings
	if at.page, err = net.Listen("tcp", set.Console.Listen); err != nil {
		return at, fmt.Errorf("console.listen %s: %w", set.Console.Listen, err)
	}
	if address := set.Ledger.TlogListen; address != "" {
		if at.tiles, err = net.Listen("tcp", address); err != nil {
			return at, fmt.Errorf("ledger.tlog_listen %s: %w", address, err)
		}
	}
	var none error
	if at.control, none = box.Listen(d.Dir); none != nil { // such as a full disk: the gate works without
		d.log.Error("no control socket: commands that change something will say that no daemon runs", "err", none)
	}
	return at, nil
}

func (at listeners) close() {
	for _, l := range []net.Listener{at.page, at.control, at.tiles} {
		if l != nil {
			l.Close()
		}
	}
}

// serve starts the page, the control socket and the ledger's tiles, and returns what ends them, the barriers with them.
func (d *Daemon) serve(b *box.Box, at listeners, reg *prometheus.Registry, stopBarriers func()) (stop func()) {
	ending := make(chan struct{})
	quiet := slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)
	mux := http.NewServeMux()
	mux.Handle("/", console.Handler(console.Options{Gate: b.Gate, Hosts: d.Settings.Console.Hosts, Done: ending, Log: d.log, Metrics: reg}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorLog: quiet}))
	page := newUsers(d.Settings.Console.Users, d.log, reg)
	// What takes longer, as a stream or a picture, moves its own deadlines.
	web := &http.Server{Handler: page.only(mux), ErrorLog: quiet, MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 90 * time.Second, IdleTimeout: time.Minute}
	newPlaces("page", maxPage, reg).keep(web)
	ctl := b.Control(d.log)
	newPlaces("control", maxControl, reg).keep(ctl)
	tree := file.NewTileServer(d.Dir, d.log)
	read := http.NewServeMux()
	read.Handle("/tlog/", http.StripPrefix("/tlog", tree))
	tlog := &http.Server{Handler: read, ErrorLog: quiet, MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute}
	newPlaces("tlog", maxTiles, reg).keep(tlog)
	var servers sync.WaitGroup
	for s, l := range map[*http.Server]net.Listener{web: at.page, ctl: at.control, tlog: at.tiles} {
		if l == nil {
			continue
		}
		servers.Go(func() {
			if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				d.log.Error("stopped serving", "address", l.Addr(), "err", err)
			}
		})
	}
	return func() {
		close(ending)
		// All at the same time, as systemd and the guard wait. Barriers end what a relay hangs on; a roster that is
		// being changed gets three seconds to be recorded, a browser one to hang up.
		var stopping sync.WaitGroup
		stopping.Go(stopBarriers)
		for s, patience := range map[*http.Server]time.Duration{web: time.Second, ctl: 3 * time.Second, tlog: time.Second} {
			stopping.Go(func() {
				soon, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				if s.Shutdown(soon) != nil {
					s.Close()
				}
			})
		}
		stopping.Wait()
		servers.Wait()
		tree.Close() // its connections only read
	}
}
