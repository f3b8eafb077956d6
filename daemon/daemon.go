// Package daemon runs the gate until it is told to stop.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"gated/box"
	"gated/box/lock"
	"gated/clock"
	"gated/config"
	"gated/gate"
	"gated/ledger"
	"gated/ledger/tlog"
	"gated/logqueue"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Daemon is one run of the gate.
type Daemon struct {
	Path     string    // of the settings
	Dir      string    // the state directory; "": that of the settings
	Version  string    // of the program
	Restored bool      // Dir was restored or cloned: begin a new epoch of the ledger
	Stderr   io.Writer // of the log
	Verdicts io.Writer // takes a line for each verdict; nil: none are printed

	set    *config.Settings // in force
	prints *logqueue.Queue  // of Verdicts
	level  slog.LevelVar
	log    *slog.Logger
	gate   atomic.Pointer[gate.Gate]
	box    *box.Box
	faults faults
	files  watchedFiles
}

// Run works from the ledger up and ends from the scanners down: what is read last is still recorded.
func (d *Daemon) Run(ctx context.Context, hup <-chan os.Signal) (err error) {
	setup, err := d.load()
	if err != nil {
		d.closeBarriers()
		return err
	}
	set := setup.Settings
	d.set = set
	logs := d.openLog()
	defer logs.Close()
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if err := lock.Owned(d.Dir); err != nil {
		return err
	}
	held, err := lock.Take(d.Dir)
	if err != nil {
		d.closeBarriers()
		return err
	}
	defer held.Release()
	// Whatever keeps the gate from working, the barriers are closed: one may stand open since the process was killed.
	// Not before the lock is held, since they may be another's that works.
	reg := prometheus.NewRegistry()
	lanes, stopBarriers, err := d.lanes(reg)
	if err != nil {
		return err
	}
	defer stopBarriers()
	d.ownMetrics(reg, logs)
	at := d.listen()
	defer at.close()
	if d.Verdicts != nil {
		d.prints = logqueue.New(d.Verdicts, nil)
		defer d.prints.Close()
	}
	now := clock.New(clock.System())
	b, err := box.Open(ledger.Options{Dir: d.Dir, Gate: set.Gate.Name, Origin: set.Gate.Origin, TimeZone: set.Gate.TimeZone,
		Restored: d.Restored, Now: func() ledger.Stamp { return ledger.Stamp(now.Now()) }, Log: d.log, Registry: reg,
		OnChange: func(f *ledger.Fault) {
			if g := d.gate.Load(); g != nil {
				d.faults.set("personal.keys", d.box.Ledger.SlotsLost())
				g.LedgerChanged(f)
			}
		}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	b.Gate = gate.New(gate.Options{Name: set.Gate.Name, Version: d.Version, Lanes: lanes,
		Ledger: b.Ledger, Register: b.Register, Roster: b.Roster, Clock: now, Spool: b.Spool(), Free: b.Free,
		SetupFaults: d.faults.list, Log: d.log, Metrics: reg, OnOutcome: d.outcome}, rules(setup))
	d.box = b
	d.gate.Store(b.Gate)
	d.inUse(setup)
	d.faults.set("personal.keys", b.Ledger.SlotsLost())
	gateCtx, stopGate := context.WithCancel(context.Background())
	gateDone := make(chan error, 1)
	b.Gate.Begin() // before anybody can come
	go func() { gateDone <- b.Gate.Run(gateCtx) }()
	defer func() { stopGate(); err = errors.Join(err, <-gateDone) }()
	defer until(func(ctx context.Context) { d.witness(ctx, b.Ledger) })()
	defer until(func(ctx context.Context) { b.Retain(ctx, set.Ledger.Retention, d.log) })()
	defer d.serve(b, at, reg, stopBarriers)()
	defer until(d.watchFiles)()
	defer until(func(ctx context.Context) {
		b.Roster.Watch(ctx, func(err error) { d.faults.set("roster.db", err) })
	})()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer d.scan(ctx, giveUp, b, lanes, reg)()

	status := "page " + url(at.page, "/")
	if tree := url(at.tiles, "/tlog/"); at.tiles != nil {
		d.log.Info("the ledger can be read by anybody's tools", "url", tree)
		status += " ledger " + tree
	}
	households, residents, _, vehicles := b.Roster.Snapshot().Counts()
	d.log.Info("the gate works", "page", url(at.page, "/"), "metrics", url(at.page, "/metrics"), "state", d.Dir, "version", d.Version,
		"entries", b.Ledger.Size(), "households", households, "residents", residents, "vehicles", vehicles,
		"issuers", len(setup.Trust.Issuers()), "policy", setup.Policy.Name(), "level", setup.Level)
	debug.FreeOSMemory() // a box has little, and reading roster and policy leaves much that nobody needs any more
	sd.SdNotify(false, sd.SdNotifyReady+"\nSTATUS="+status)
	d.watch(ctx, b.Gate, hup)
	sd.SdNotify(false, sd.SdNotifyStopping)
	d.log.Info("stopping")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err // of a reader that only a new process helps; systemd starts one
	}
	return nil
}

// until starts f and returns what ends it, which waits for it.
func until(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	return func() { cancel(); <-done }
}

// witness sends tree heads to the witnesses until ctx ends.
func (d *Daemon) witness(ctx context.Context, l *ledger.Ledger) {
	var witnesses []tlog.Witness
	for _, w := range d.set.Ledger.Witnesses {
		witnesses = append(witnesses, tlog.Witness(w))
	}
	if err := l.SendHeads(ctx, witnesses, d.set.Ledger.WitnessEvery); err != nil {
		d.log.Error("no tree heads go to the witnesses", "err", err)
	}
}

func (d *Daemon) ownMetrics(reg *prometheus.Registry, logs *logqueue.Queue) {
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_build_info", Help: "Always 1; the labels name the build."},
		[]string{"version", "goversion"})
	build.WithLabelValues(d.Version, runtime.Version()).Set(1)
	dropped := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "gated_log_dropped_total",
		Help: "Lines of the log that nobody got, since its reader did not read."}, func() float64 { return float64(logs.Dropped()) })
	reg.MustRegister(build, dropped,
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
	d.faults.register(reg, d.log)
}
