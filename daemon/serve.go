package daemon

import (
	"context"
	"errors"
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

// listeners are where the daemon is reached. Each may be nil.
type listeners struct{ page, control, tiles net.Listener }

// listen opens them. A port that is taken is tried again while the gate works.
func (d *Daemon) listen() (at listeners) {
	at.page = d.port("console.listen", d.set.Console.Listen)
	if d.set.Ledger.TlogListen != "" {
		at.tiles = d.port("ledger.tlog_listen", d.set.Ledger.TlogListen)
	}
	var err error
	if at.control, err = box.Listen(d.Dir); err != nil { // such as a full disk: the gate works without
		d.log.Error("no control socket: commands that change something will say that no daemon runs", "err", err)
	}
	return at
}

// port opens one of the settings' addresses, or returns nil.
func (d *Daemon) port(key, address string) net.Listener {
	l, err := net.Listen("tcp", address)
	d.faults.set(key, err)
	if err != nil {
		return nil
	}
	return l
}

// url is where a path can be reached.
func url(l net.Listener, path string) string {
	if l == nil {
		return "none"
	}
	return "http://" + l.Addr().String() + path
}

// serveAt serves at an address once it can be had.
func (d *Daemon) serveAt(ending <-chan struct{}, s *http.Server, l net.Listener, key, address string) {
	for l == nil {
		select {
		case <-ending:
			return
		case <-time.After(time.Second):
		}
		if l = d.port(key, address); l != nil {
			d.log.Info("the address could be had", "key", key, "page", url(l, "/"))
		}
	}
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		d.log.Error("stopped serving", "address", l.Addr(), "err", err)
	}
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
	mux.Handle("/", console.Handler(console.Options{Gate: b.Gate, Accounts: b.Accounts, Hosts: d.set.Console.Hosts, Done: ending,
		Log: d.log, Metrics: reg}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorLog: quiet}))
	page := newUsers(d.set.Console.Users, d.log, reg)
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
	pageAt, tilesAt := d.set.Console.Listen, d.set.Ledger.TlogListen // which a reload does not change
	servers.Go(func() { d.serveAt(ending, web, at.page, "console.listen", pageAt) })
	if at.control != nil {
		servers.Go(func() { d.serveAt(ending, ctl, at.control, "", "") })
	}
	if tilesAt != "" {
		servers.Go(func() { d.serveAt(ending, tlog, at.tiles, "ledger.tlog_listen", tilesAt) })
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
