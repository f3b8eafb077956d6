package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"

	"gated/box"
	"gated/clock"
	"gated/config"
	"gated/gate"
	"gated/ledger"
	"gated/register"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
)

func runCommand() *cobra.Command {
	var verdicts, restored bool
	c := &cobra.Command{
		Use:   "run",
		Short: "run the gate until it is told to stop",
		Long: `run is the daemon: it reads the scanners, answers on the page, keeps the ledger.

SIGTERM and SIGINT end it with nothing lost. SIGHUP reads the settings, the policy and the
trusted keys again; when they are wrong the old ones stay in force and the log says why.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, path, err := settings(c)
			if err != nil {
				if set := config.Barriers(path, os.Environ()); set != nil {
					if dir, err := stateDir(c, set); err == nil {
						d := &daemon{settings: set, dir: dir, stderr: c.ErrOrStderr()}
						d.logTo(set)
						d.closeBarriers()
					}
				}
				return err
			}
			dir, err := stateDir(c, set)
			if err != nil {
				return err
			}
			d := &daemon{path: path, settings: set, dir: dir, restored: restored, stderr: c.ErrOrStderr()}
			if verdicts {
				d.verdicts = c.OutOrStdout()
			}
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer signal.Stop(hup)
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			return d.run(ctx, hup)
		},
	}
	c.Flags().BoolVar(&restored, "restored", false,
		"this state directory was restored from a backup or cloned: begin a new epoch of its ledger (once)")
	c.Flags().BoolVar(&verdicts, "log-verdicts", false, "print one JSON line on standard output for each verdict, once it is durable")
	return c
}

// daemon is one run of the gate.
type daemon struct {
	path     string // of the settings
	settings *config.Settings
	dir      string
	restored bool
	stderr   io.Writer
	verdicts io.Writer // nil: not printed

	prints chan []byte // verdicts on their way to be printed
	level  slog.LevelVar
	log    *slog.Logger
	gate   atomic.Pointer[gate.Gate]
	reload prometheus.Gauge
}

// run works from the ledger up and ends from the scanners down: what is read last is still recorded.
func (d *daemon) run(ctx context.Context, hup <-chan os.Signal) (err error) {
	set := d.settings
	d.logTo(set)
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	held, err := box.Lock(d.dir)
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
	rules, err := loadRules(set, d.dir)
	if err != nil {
		return err
	}
	at, err := d.listen()
	if err != nil {
		return err
	}
	defer at.close()
	defer d.print()()

	d.ownMetrics(reg)
	now := clock.New(clock.System())
	b, err := box.Open(ledger.Options{Dir: d.dir, Gate: set.Gate.Name, Origin: set.Gate.Origin, TimeZone: set.Gate.TimeZone,
		Restored: d.restored, Now: func() ledger.Stamp { return ledger.Stamp(now.Now()) }, Log: d.log, Registry: reg,
		OnChange: func(f *ledger.Fault) {
			if g := d.gate.Load(); g != nil {
				g.LedgerChanged(f)
			}
		}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	b.Gate = gate.New(gate.Options{Name: set.Gate.Name, Version: buildVersion(), Lanes: lanes,
		Ledger: b.Ledger, Register: b.Register, Roster: b.Roster, Clock: now, Spool: b.Spool(), Free: b.Free, HashKey: b.HashKey,
		Log: d.log, Metrics: reg, OnOutcome: d.outcome}, rules)
	d.gate.Store(b.Gate)
	gateCtx, stopGate := context.WithCancel(context.Background())
	gateDone := make(chan error, 1)
	go func() { gateDone <- b.Gate.Run(gateCtx) }()
	defer func() { stopGate(); err = errors.Join(err, <-gateDone) }()
	defer until(func(ctx context.Context) { d.witness(ctx, b.Ledger) })()
	defer until(func(ctx context.Context) { b.Retain(ctx, retentions(set), d.log) })()
	defer d.serve(b, at, reg, stopBarriers)()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer d.scan(ctx, giveUp, b, lanes, reg)()

	url := "http://" + at.page.Addr().String() + "/"
	status := "page " + url
	if at.tiles != nil {
		tree := "http://" + at.tiles.Addr().String() + "/tlog/"
		d.log.Info("the ledger can be read by anybody's tools", "url", tree)
		status += " ledger " + tree
	}
	households, residents, _, vehicles := b.Roster.Snapshot().Counts()
	d.log.Info("the gate works", "page", url, "metrics", url+"metrics", "state", d.dir, "version", buildVersion(),
		"entries", b.Ledger.Size(), "households", households, "residents", residents, "vehicles", vehicles,
		"issuers", len(rules.Trust.Issuers()), "policy", rules.Policy.Name(), "level", rules.Level)
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
func (d *daemon) witness(ctx context.Context, l *ledger.Ledger) {
	var witnesses []ledger.Witness
	for _, w := range d.settings.Ledger.Witnesses {
		witnesses = append(witnesses, ledger.Witness(w))
	}
	if err := l.SendHeads(ctx, witnesses, d.settings.Ledger.WitnessEvery); err != nil {
		d.log.Error("no tree heads go to the witnesses", "err", err)
	}
}

func retentions(set *config.Settings) (rules []register.Retention) {
	for _, r := range set.Ledger.Retention {
		rules = append(rules, register.Retention(r))
	}
	return rules
}

func (d *daemon) logTo(set *config.Settings) {
	d.level.UnmarshalText([]byte(set.Log.Level))
	opt := &slog.HandlerOptions{Level: &d.level}
	if set.Log.Format == "json" {
		d.log = slog.New(slog.NewJSONHandler(d.stderr, opt))
		return
	}
	d.log = slog.New(slog.NewTextHandler(d.stderr, opt))
}

func (d *daemon) ownMetrics(reg *prometheus.Registry) {
	d.reload = prometheus.NewGauge(prometheus.GaugeOpts{Name: "gated_settings_last_reload_successful",
		Help: "1 unless the settings in the file are wrong and older ones are in force."})
	d.reload.Set(1)
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_build_info", Help: "Always 1; the labels name the build."},
		[]string{"version", "goversion"})
	build.WithLabelValues(buildVersion(), runtime.Version()).Set(1)
	reg.MustRegister(d.reload, build, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
}
