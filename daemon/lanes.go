package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"gated/barrier"
	"gated/box"
	"gated/box/lock"
	"gated/config"
	"gated/gate"
	"gated/scanner"

	"github.com/prometheus/client_golang/prometheus"
)

func laneIDs(lanes []config.Lane) (ids []string) {
	for _, l := range lanes {
		ids = append(ids, l.ID)
	}
	return ids
}

// closeBarriers is all that a daemon does which cannot begin: one that was killed may have left a barrier open, and that
// must not wait for somebody to put right what is wrong. It does nothing without the lock: a daemon that works has it.
func (d *Daemon) closeBarriers() {
	if d.set == nil {
		d.set = config.Barriers(d.Path, os.Environ())
	}
	if d.set == nil || d.Dir == "" {
		return
	}
	defer d.openLog().Close()
	held, err := lock.Unwritten(d.Dir) // the disk may be what is wrong
	if err != nil {
		return
	}
	defer held.Release()
	if _, stop, err := d.lanes(prometheus.NewRegistry()); err == nil {
		stop()
	}
}

// lanes makes the barriers and closes them, in case one stands open from before a power cut. stop may be called twice.
func (d *Daemon) lanes(reg prometheus.Registerer) (lanes []gate.Lane, stop func(), err error) {
	metrics := barrier.NewMetrics(reg, laneIDs(d.set.Lanes)...)
	var barriers []*barrier.Barrier
	for _, l := range d.set.Lanes {
		lane := gate.Lane{ID: l.ID, Direction: l.Direction, Pulse: l.Barrier.Pulse}
		if l.Barrier.Driver != barrier.None {
			b, err := barrier.New(barrier.Options{Config: l.Barrier, Lane: l.ID, Log: d.log, Metrics: metrics})
			if err != nil {
				return nil, nil, fmt.Errorf("lane %s: barrier: %w", l.ID, err)
			}
			lane.Barrier, barriers = b, append(barriers, b)
		}
		if c := l.Barrier.Sensor; c.Line != "" {
			lane.Sensor = barrier.NewSensor(l.ID, c, d.log, metrics)
		}
		lanes = append(lanes, lane)
	}
	return lanes, barrier.CloseAll(barriers, d.log), nil
}

// scan starts the readers of each lane and returns what ends them. A code or card under way is answered first. A
// reader that ends by itself, which it does when only a new process helps, ends the daemon by giveUp: it is started again.
func (d *Daemon) scan(ctx context.Context, giveUp func(error), b *box.Box, lanes []gate.Lane, reg *prometheus.Registry) (stop func()) {
	g := b.Gate
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	run := func(reader interface{ Run(context.Context) error }) {
		readers.Go(func() {
			if err := reader.Run(ctx); err != nil {
				giveUp(err)
			}
		})
	}
	withScanner := slices.DeleteFunc(slices.Clone(d.set.Lanes), func(l config.Lane) bool { return l.Scanner.Device == "" })
	metrics := scanner.NewMetrics(reg, laneIDs(withScanner)...)
	withCards := slices.DeleteFunc(slices.Clone(d.set.Lanes), func(l config.Lane) bool { return l.CardReader.Device == "" })
	cardMetrics := scanner.NewCardMetrics(reg, laneIDs(withCards)...)
	for i, lane := range d.set.Lanes {
		var r *scanner.Reader
		r = scanner.NewReader(scanner.Options{Lane: lane.ID, Config: lane.Scanner, Log: d.log, Metrics: metrics,
			Zone: b.Ledger.Zone(),
			OnCode: func(ctx context.Context, c scanner.Code) bool {
				out, err := g.Scan(c.Lane, c.Data, c.At)
				if err != nil {
					d.log.Error("scan", "lane", c.Lane, "err", err)
				}
				r.Checked(out.Check)
				return out.Credential != "unknown"
			},
			OnState:   func(up bool, state scanner.State, cause string) { g.ScannerState(lane.ID, up, string(state), cause) },
			OnFraming: func(cause string) { g.ScannerDropped(lane.ID, cause) }})
		if lane.Scanner.Device != "" {
			run(r)
		} else { // codes for it are typed into the page: nothing tells whether the scanner is there
			g.ScannerState(lane.ID, true, "keyboard", "")
		}
		if sensor := lanes[i].Sensor; sensor != nil {
			readers.Go(func() { sense(ctx, sensor, lanes[i].Barrier, lane, r) })
		}
		if lane.CardReader.Device != "" {
			run(scanner.NewCardReader(scanner.CardOptions{Lane: lane.ID, Config: lane.CardReader, Log: d.log, Metrics: cardMetrics,
				OnCard: func(ctx context.Context, c scanner.Card) {
					if _, err := g.ScanCard(c.Lane, c.Text, c.At); err != nil {
						d.log.Error("card", "lane", c.Lane, "err", err)
					}
				},
				OnState: func(up bool, _ scanner.State, cause string) { g.CardReaderState(lane.ID, up, cause) }}))
		}
	}
	return func() { cancel(); readers.Wait() }
}

// sense watches a lane's sensor at the port that it is wired to.
func sense(ctx context.Context, sensor *barrier.Sensor, relay *barrier.Barrier, lane config.Lane, r *scanner.Reader) {
	switch device := filepath.Clean(lane.Barrier.Sensor.Device); {
	case lane.Barrier.Sensor.Device == "" || device == filepath.Clean(lane.Barrier.Device):
		sensor.Run(ctx, relay.Lines)
	case device == filepath.Clean(lane.Scanner.Device):
		sensor.Run(ctx, r.Lines)
	default:
		port := &barrier.Port{Device: lane.Barrier.Sensor.Device}
		defer port.Close()
		sensor.Run(ctx, port.Lines)
	}
}
