package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gated/barrier"
	"gated/config"
	"gated/console"
	"gated/credential"
	"gated/gate"
	"gated/ledger"
	"gated/ledger/tlog"
	"gated/policy"
	"gated/register"
	"gated/roster"
	"gated/scanner"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
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
	c.Flags().BoolVar(&restored, "restored", false, "this state directory was restored from a backup or cloned: begin a new epoch of its ledger (once)")
	c.Flags().BoolVar(&verdicts, "log-verdicts", false, "print one JSON line on standard output for each verdict, once it is durable")
	return c
}

// daemon is one run of the gate.
type daemon struct {
	path     string // of the settings
	settings *config.Settings
	dir      string
	restored bool
	held     *lock // of dir; nil: run takes it
	stderr   io.Writer
	verdicts io.Writer // nil: not printed

	// For whoever runs it in the same process; may be nil.
	onReady   func(page string, g *gate.Gate)
	onOutcome func(gate.Outcome)
	onFraming func(lane, cause string)

	tlog   string      // where the ledger's tree is served; empty: nowhere
	before int64       // entries of the ledger when it was opened
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
	if d.held == nil {
		if d.held, err = lockState(d.dir); err != nil {
			d.closeBarriers()
			return err
		}
	}
	defer d.held.release()
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
	key, err := hashKey(d.dir)
	if err != nil {
		return err
	}
	page, err := net.Listen("tcp", set.Console.Listen)
	if err != nil {
		return fmt.Errorf("console.listen %s: %w", set.Console.Listen, err)
	}
	defer page.Close()
	var tiles net.Listener
	if address := set.Ledger.TlogListen; address != "" {
		if tiles, err = net.Listen("tcp", address); err != nil {
			return fmt.Errorf("ledger.tlog_listen %s: %w", address, err)
		}
		tiles = atMost(maxReading, tiles)
		defer tiles.Close()
	}
	control, err := listenControl(d.dir)
	if err != nil { // such as a full disk: the gate works without
		d.log.Error("no control socket: commands that change something will say that no daemon runs", "err", err)
	} else {
		defer control.Close()
	}
	defer d.print()()

	d.ownMetrics(reg)
	clock := gate.NewClock(gate.System())
	entries, err := register.New(register.Options{Dir: d.dir, Now: clock.Now, Log: d.log, Registry: reg})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, entries.Close()) }()
	l, err := ledger.Open(ledger.Options{Dir: d.dir, Gate: set.Gate.Name, Origin: set.Gate.Origin, TimeZone: set.Gate.TimeZone,
		KeyFile: ledgerKey(), Machine: machine(), Restored: d.restored, Now: clock.Now, Log: d.log, Registry: reg,
		Known: entries.Known(), Follow: entries.Follow, Recovered: entries.Recovered,
		OnChange: func(f *ledger.Fault) {
			if g := d.gate.Load(); g != nil {
				g.LedgerChanged(f)
			}
		}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	entries.Start(l)
	d.before = l.Size()
	people, err := openRoster(filepath.Join(d.dir, "roster.db"), d.log)
	if err != nil {
		return err
	}
	defer people.Close()
	g := gate.New(gate.Options{Name: set.Gate.Name, Version: buildVersion(), Lanes: lanes, Ledger: l, Register: entries, Roster: people, Clock: clock, Spool: filepath.Join(d.dir, "owed.spool"), Free: func() uint64 { return freeBytes(d.dir) }, HashKey: key, Log: d.log, Metrics: reg, OnOutcome: d.outcome}, rules)
	d.gate.Store(g)
	gateCtx, stopGate := context.WithCancel(context.Background())
	gateDone := make(chan error, 1)
	go func() { gateDone <- g.Run(gateCtx) }()
	defer func() { stopGate(); err = errors.Join(err, <-gateDone) }()
	defer d.witness(l)()
	defer d.retain(entries, l)()

	defer d.serve(g, entries, reg, people, page, control, tiles, stopBarriers)()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	defer d.scan(ctx, giveUp, g, lanes, l.Zone(), reg)()

	url := "http://" + page.Addr().String() + "/"
	households, residents, _, vehicles := people.Snapshot().Counts()
	if tiles != nil {
		d.tlog = "http://" + tiles.Addr().String() + "/tlog/"
		d.log.Info("the ledger can be read by anybody's tools", "url", d.tlog)
	}
	d.log.Info("the gate works", "page", url, "metrics", url+"metrics", "state", d.dir, "version", buildVersion(), "entries", l.Size(),
		"households", households, "residents", residents, "vehicles", vehicles, "issuers", len(rules.Trust.Issuers()), "policy", rules.Policy.Name(), "level", rules.Level)
	sd.SdNotify(false, sd.SdNotifyReady+"\nSTATUS=page "+url)
	if d.onReady != nil {
		d.onReady(url, g)
	}
	d.watch(ctx, g, hup)
	sd.SdNotify(false, sd.SdNotifyStopping)
	d.log.Info("stopping")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err // of a reader that only a new process helps; systemd starts one
	}
	return nil
}

// serve starts the page, the control socket and the ledger's tiles, and returns what ends them, the barriers with them.
func (d *daemon) serve(g *gate.Gate, entries *register.Register, reg *prometheus.Registry, people *roster.Store, page, control, tiles net.Listener, stopBarriers func()) (stop func()) {
	ending := make(chan struct{})
	quiet := slog.NewLogLogger(d.log.Handler(), slog.LevelDebug)
	mux := http.NewServeMux()
	mux.Handle("/", console.Handler(console.Options{Gate: g, Hosts: d.settings.Console.Hosts, Done: ending, Log: d.log}))
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorLog: quiet}))
	web := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: quiet}
	ctl := controlServer(&site{dir: d.dir, roster: people, gate: g, register: entries, record: func(by, reason string, detail map[string]string) error {
		g.RosterChanged(by, reason, detail)
		return nil
	}, append: g.Append}, d.log)
	tree := ledger.NewTileServer(d.dir, d.log)
	read := http.NewServeMux()
	read.Handle("/tlog/", http.StripPrefix("/tlog", tree))
	tlog := &http.Server{Handler: read, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10, ErrorLog: quiet}
	var servers sync.WaitGroup
	for s, l := range map[*http.Server]net.Listener{web: page, ctl: control, tlog: tiles} {
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

// maxReading is how many connections of ledger.tlog_listen are open at a time: strangers get no more of the files that
// the process may open (LimitNOFILE), which scanners and the ledger need.
const maxReading = 64

// atMost accepts no more connections at a time than n; others wait until one is closed.
func atMost(n int, l net.Listener) net.Listener {
	return &fewer{Listener: l, open: make(chan struct{}, n), closed: make(chan struct{})}
}

type fewer struct {
	net.Listener
	open   chan struct{} // a token for each connection
	once   sync.Once
	closed chan struct{}
}

func (f *fewer) Accept() (net.Conn, error) {
	select {
	case f.open <- struct{}{}:
	case <-f.closed:
		return nil, net.ErrClosed
	}
	c, err := f.Listener.Accept()
	if err != nil {
		<-f.open
		return nil, err
	}
	return &counted{Conn: c, done: sync.OnceFunc(func() { <-f.open })}, nil
}

func (f *fewer) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Listener.Close()
}

type counted struct {
	net.Conn
	done func()
}

func (c *counted) Close() error {
	defer c.done()
	return c.Conn.Close()
}

// witness starts sending tree heads to the witnesses and returns what ends it.
func (d *daemon) witness(l *ledger.Ledger) (stop func()) {
	var witnesses []tlog.Witness
	for _, w := range d.settings.Ledger.Witnesses {
		witnesses = append(witnesses, tlog.Witness(w))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.SendHeads(ctx, witnesses, d.settings.Ledger.WitnessEvery); err != nil {
			d.log.Error("no tree heads go to the witnesses", "err", err)
		}
	}()
	return func() { cancel(); <-done }
}

// scan starts the readers of each lane and returns what ends them. A code or card under way is answered first. A
// reader that ends by itself, which it does when only a new process helps, ends the daemon: it is started again.
func (d *daemon) scan(ctx context.Context, wedged func(error), g *gate.Gate, lanes []gate.Lane, zone *time.Location, reg *prometheus.Registry) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	metrics := scanner.NewMetrics(reg, laneIDs(d.settings)...)
	var readers sync.WaitGroup
	for i, lane := range d.settings.Lanes {
		r := scanner.NewReader(scanner.Options{Lane: lane.ID, Config: scanner.Config(lane.Scanner), Log: d.log, Metrics: metrics,
			Zone: zone,
			OnCode: func(ctx context.Context, c scanner.Code) bool {
				out, err := g.Scan(ctx, c.Lane, c.Data, c.At)
				if err != nil {
					d.log.Error("scan", "lane", c.Lane, "err", err)
				}
				return out.Credential != "unknown"
			},
			OnState: func(up bool, state scanner.State, cause string) { g.ScannerState(lane.ID, up, string(state), cause) },
			OnFraming: func(cause string) {
				g.ScannerDropped(lane.ID, cause)
				if d.onFraming != nil {
					d.onFraming(lane.ID, cause)
				}
			}})
		readers.Go(func() {
			if err := r.Run(ctx); err != nil {
				wedged(err)
			}
		})
		if sensor := lanes[i].Sensor; sensor != nil {
			readers.Go(func() { sense(ctx, sensor, lanes[i].Barrier, lane, r) })
		}
	}
	d.scanCards(ctx, wedged, g, reg, &readers)
	return func() { cancel(); readers.Wait() }
}

// scanCards starts a card reader for each lane that has one.
func (d *daemon) scanCards(ctx context.Context, wedged func(error), g *gate.Gate, reg *prometheus.Registry, readers *sync.WaitGroup) {
	var lanes []string
	for _, lane := range d.settings.Lanes {
		if lane.CardReader.Device != "" {
			lanes = append(lanes, lane.ID)
		}
	}
	metrics := scanner.NewCardMetrics(reg, lanes...)
	for _, lane := range d.settings.Lanes {
		if lane.CardReader.Device == "" {
			continue
		}
		r := scanner.NewCardReader(scanner.CardOptions{Lane: lane.ID, Config: scanner.CardConfig(lane.CardReader), Log: d.log, Metrics: metrics,
			OnCard: func(ctx context.Context, c scanner.Card) {
				if _, err := g.ScanCard(ctx, c.Lane, c.Text, c.At); err != nil {
					d.log.Error("card", "lane", c.Lane, "err", err)
				}
			},
			OnState: func(up bool, _ scanner.State, cause string) { g.CardReaderState(lane.ID, up, cause) }})
		readers.Go(func() {
			if err := r.Run(ctx); err != nil {
				wedged(err)
			}
		})
	}
}

// sense watches a lane's sensor at the port that it is wired to.
func sense(ctx context.Context, sensor *barrier.Sensor, relay *barrier.Barrier, lane config.Lane, r *scanner.Reader) {
	switch device := filepath.Clean(lane.Barrier.Sensor.Device); {
	case lane.Barrier.Sensor.Device == "" || device == filepath.Clean(lane.Barrier.Device):
		sensor.Run(ctx, func() (int, error) { return relay.Lines(lane.ID) })
	case device == filepath.Clean(lane.Scanner.Device):
		sensor.Run(ctx, r.Lines)
	default:
		port := &barrier.Port{Device: lane.Barrier.Sensor.Device}
		defer port.Close()
		sensor.Run(ctx, port.Lines)
	}
}

// watch feeds systemd's watchdog as long as the gate answers, and reloads when told to, until ctx ends.
func (d *daemon) watch(ctx context.Context, g *gate.Gate, hup <-chan os.Signal) {
	var feed <-chan time.Time
	if every, err := sd.SdWatchdogEnabled(false); err == nil && every > 0 {
		t := time.NewTicker(every / 3)
		defer t.Stop()
		feed = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-feed:
			soon, cancel := context.WithTimeout(ctx, time.Second)
			if g.Alive(soon) == nil {
				sd.SdNotify(false, sd.SdNotifyWatchdog)
			}
			cancel()
		case <-hup:
			// MONOTONIC_USEC lets systemd 253 and later tell this reload from an earlier one; older ones ignore it.
			var ts unix.Timespec
			unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
			sd.SdNotify(false, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", sd.SdNotifyReloading, ts.Nano()/1000))
			d.reloadSettings(g)
			sd.SdNotify(false, sd.SdNotifyReady)
		}
	}
}

func (d *daemon) reloadSettings(g *gate.Gate) {
	set, err := config.Load(d.path, os.Environ())
	var rules gate.Rules
	if err == nil {
		rules, err = loadRules(set, d.dir)
	}
	if err != nil {
		d.reload.Set(0)
		d.log.Error("the settings are wrong: the old ones stay in force", "file", d.path, "err", err)
		return
	}
	for _, key := range config.Changed(d.settings, set) {
		if !config.Reloadable(key) {
			d.log.Warn("changed, and takes effect at the next start only", "key", key)
		}
	}
	d.settings = set
	d.level.UnmarshalText([]byte(set.Log.Level))
	g.SetRules(rules)
	d.reload.Set(1)
	d.log.Info("settings reloaded", "file", d.path, "policy", rules.Policy.Name(), "level", rules.Level)
}

// loadRules reads what a reload can change.
func loadRules(set *config.Settings, dir string) (r gate.Rules, err error) {
	r = gate.Rules{Policy: policy.Shipped(), Level: set.Gate.Level, Hold: set.Gate.HoldLimit, Repeat: set.Gate.RepeatWindow, Language: set.Console.Language, Call: set.Console.Call, MinFree: uint64(set.Ledger.MinFree)}
	if set.Policy.File != "" {
		if r.Policy, err = policy.Load(set.Policy.File); err != nil {
			return r, fmt.Errorf("policy.file: %w", err)
		}
	}
	levels := r.Policy.Levels()
	if r.Level == "" && len(levels) > 0 {
		r.Level = levels[0]
	} else if r.Level != "" && !slices.Contains(levels, r.Level) {
		return r, fmt.Errorf("gate.level %q: the policy %s has the levels %s", r.Level, r.Policy.Name(), strings.Join(levels, ", "))
	}
	if r.Trust, err = credential.LoadTrust(trustDir(set, dir)); err != nil {
		return r, fmt.Errorf("trust.dir: %w", err)
	}
	return r, nil
}

func trustDir(set *config.Settings, dir string) string {
	if set.Trust.Dir != "" {
		return set.Trust.Dir
	}
	return filepath.Join(dir, "trust")
}

func laneIDs(set *config.Settings) (ids []string) {
	for _, l := range set.Lanes {
		ids = append(ids, l.ID)
	}
	return ids
}

// startPatience is how long a start waits for barriers that are being closed. One whose relay hangs goes on being told.
const startPatience = time.Second

// closeBarriers is all that a daemon does which cannot begin: one that was killed may have left a barrier open, and that
// must not wait for somebody to put right what is wrong. It does nothing without the lock: a daemon that works has it.
func (d *daemon) closeBarriers() {
	f, err := os.Open(filepath.Join(d.dir, "lock")) // to read: the disk may be what is wrong
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return
	}
	if _, stop, err := d.lanes(prometheus.NewRegistry()); err == nil {
		stop()
	}
}

// lanes makes the barriers and closes them, in case one stands open from before a power cut. stop may be called twice.
func (d *daemon) lanes(reg prometheus.Registerer) (lanes []gate.Lane, stop func(), err error) {
	metrics := barrier.NewMetrics(reg, laneIDs(d.settings)...)
	for _, l := range d.settings.Lanes {
		lane := gate.Lane{ID: l.ID, Direction: l.Direction, Pulse: l.Barrier.Pulse}
		if l.Barrier.Driver != barrier.None {
			c := barrier.Config{Driver: l.Barrier.Driver, Limit: l.Barrier.Timeout, Spacing: l.Barrier.Spacing}
			if c.Driver == barrier.Exec {
				c.Program, c.Args = l.Barrier.Command[0], l.Barrier.Command[1:]
			} else {
				c.Device, c.Channel, c.Answers = l.Barrier.Device, l.Barrier.Channel, l.Barrier.Answers
			}
			b, err := barrier.New(barrier.Options{Config: c, Lanes: []string{l.ID}, Log: d.log, Metrics: metrics})
			if err != nil {
				return nil, nil, fmt.Errorf("lane %s: barrier: %w", l.ID, err)
			}
			lane.Barrier = b
		}
		if c := l.Barrier.Sensor; c.Line != "" {
			lane.Sensor = barrier.NewSensor(l.ID, barrier.SensorConfig{Line: c.Line, Means: c.Means, Inverted: c.Inverted, Debounce: c.Debounce, Within: c.Within}, d.log, metrics)
		}
		lanes = append(lanes, lane)
	}
	each := func(what string, fs []func() error) {
		var wg sync.WaitGroup
		for _, f := range fs {
			wg.Go(func() {
				if err := f(); err != nil {
					d.log.Error("the barrier does not obey: look at it", "when", what, "err", err)
				}
			})
		}
		wg.Wait()
	}
	var starts, stops []func() error
	for _, l := range lanes {
		if l.Barrier != nil {
			starts, stops = append(starts, l.Barrier.Begin(l.ID, false)), append(stops, l.Barrier.Close) // before a guard can say anything
		}
	}
	started := make(chan struct{})
	go func() {
		defer close(started)
		each("start", starts)
	}()
	select {
	case <-started:
	case <-time.After(startPatience):
	}
	return lanes, sync.OnceFunc(func() {
		each("stop", stops)
		<-started
	}), nil
}

// openRoster opens the roster, for reading only where it cannot be written: on a full disk the gate must still know who
// belongs here.
func openRoster(path string, log *slog.Logger) (*roster.Store, error) {
	s, err := roster.Open(path)
	if err == nil {
		return s, nil
	}
	if ro, roErr := roster.OpenReadOnly(path); roErr == nil {
		log.Error("the roster can only be read: nothing can be imported or revoked until the next start", "err", err)
		return ro, nil
	}
	return nil, err
}

// print starts the goroutine that prints verdicts and returns what ends it. A reader that does not read costs lines,
// never a passage.
func (d *daemon) print() (stop func()) {
	if d.verdicts == nil {
		return func() {}
	}
	signal.Ignore(syscall.SIGPIPE)
	d.prints = make(chan []byte, 4096)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for line := range d.prints {
			if _, err := d.verdicts.Write(line); err != nil {
				d.log.Warn("verdicts are printed no longer", "err", err)
				for range d.prints {
				}
			}
		}
	}()
	return func() {
		close(d.prints)
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}

// outcome takes a verdict, which is durable by now.
func (d *daemon) outcome(o gate.Outcome) {
	if d.verdicts != nil {
		b, _ := json.Marshal(struct {
			Time time.Time `json:"time"`
			Lane string    `json:"lane"`
			gate.Outcome
			Seq int64 `json:"seq,omitempty"`
		}{o.At, o.Lane, o, o.Seq})
		select {
		case d.prints <- append(b, '\n'):
		default: // nobody reads
		}
	}
	if d.onOutcome != nil {
		d.onOutcome(o)
	}
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
	d.reload = prometheus.NewGauge(prometheus.GaugeOpts{Name: "gated_settings_last_reload_successful", Help: "1 unless the settings in the file are wrong and older ones are in force."})
	d.reload.Set(1)
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_build_info", Help: "Always 1; the labels name the build."}, []string{"version", "goversion"})
	build.WithLabelValues(buildVersion(), runtime.Version()).Set(1)
	free := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gated_state_free_bytes", Help: "Space left for the state directory."}, func() float64 { return float64(freeBytes(d.dir)) })
	reg.MustRegister(d.reload, build, free, collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewGoCollector())
}

func freeBytes(dir string) uint64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0
	}
	return st.Bavail * uint64(st.Bsize)
}

// hashKey keys the hashes of codes in the ledger. It is made at the first start and never leaves the box.
func hashKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, "keys", "code-hash.key")
	key, err := os.ReadFile(path)
	if err == nil && len(key) == 32 {
		return key, nil
	}
	if err == nil {
		return nil, fmt.Errorf("%s has %d bytes instead of 32: restore it from the backup, or remove it to begin a new one", path, len(key))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	key = make([]byte, 32)
	rand.Read(key)
	return key, writeWhole(path, key)
}
