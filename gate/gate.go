// Package gate runs one passage: check, query, register, answer.
package gate

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gated/access"
	"gated/clock"
	"gated/credential"
	"gated/gate/counter"
	"gated/gate/duty"
	"gated/gate/lane"
	"gated/gate/metrics"
	"gated/gate/query"
	"gated/gate/repeat"
	"gated/gate/ruling"
	"gated/gate/stamp"
	"gated/gate/tries"
	"gated/gate/visitpass"
	"gated/gate/writing"
	"gated/ledger"
	"gated/policy"
	"gated/register"
	"gated/register/byhand"
	"gated/roster"

	"github.com/prometheus/client_golang/prometheus"
)

// Verdict of an attempt that could not be recorded: nothing opens.
const Fault = "fault"

// Lane is one direction of travel with its barrier.
type Lane = lane.Setup

// Rules are what a reload of the settings swaps while the gate works.
type Rules struct {
	Policy   *policy.Policy
	Trust    *credential.Trust
	Level    string
	Hold     time.Duration // how long a hold waits for the guard
	Repeat   time.Duration // how long the same code counts as read already
	Language string
	Keyboard string // the lane that codes typed by a scanner are for
	Call     string // whom to call on a fault
	MinFree  uint64 // bytes; with less space left the page warns
	PINs     bool   // guards sign on with one

	Shifts []string // when they change, as shift.ParsePlan reads it
	Bodies []Body   // hosts that are no household, as far as the settings say more of them

	InsideFor time.Duration // who has been inside longer may have left unseen: nobody knows where they are; 0: however long
}

// Options are what New needs.
type Options struct {
	Name     string
	Version  string
	Lanes    []Lane
	Ledger   *ledger.Ledger
	Register *register.Register
	Roster   *roster.Store
	Clock    *clock.Clock
	Spool    string        // file for the entries that are pending; "": memory only
	Free     func() uint64 // bytes left for the state directory; nil: not watched
	// SetupFaults is what is wrong with what the gate is set up by; nil: nothing is.
	SetupFaults func() []SetupFault
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	// OnOutcome is told every answer after it is durable, in order within a lane. It must not block.
	OnOutcome func(Outcome)
}

// Gate decides who passes, for whoever acts.
type Gate struct {
	*gate
	by access.Actor // zero: whoever is there
}

// As is the gate for somebody who acts at it.
func (g *Gate) As(by access.Actor) *Gate { return &Gate{g.gate, by} }

// gate is what everybody who acts at it shares.
type gate struct {
	opt     Options
	log     *slog.Logger
	clock   stamp.Clock
	ask     query.Asker
	rules   atomic.Pointer[Rules]
	printer *visitpass.Printer
	lanes   *lane.Lanes
	m       metrics.Metrics
	work    sync.WaitGroup // barrier commands and late entries under way

	// passage is held from query to Append, so that two lanes cannot both take the last household trip.
	passage sync.Mutex
	desk    desk                   // guarded by passage
	read    repeat.Memory[passage] // guarded by passage
	tries   map[string]tries.Row   // by lane; guarded by passage
	refused map[string]passage     // the newest of each lane; guarded by passage

	writing  *writing.Path
	shift    *duty.Book
	amending sync.Mutex    // held while an admission is put right, before passage
	start    int64         // the number of the start entry; guarded by passage
	lostTold bool          // it is on record which openings ended with the run before. Only Run looks at it.
	known    atomic.Bool   // the register has told the last trusted time
	wake     chan struct{} // the ledger's state changed
	page     page
}

// New returns a gate that answers once Run was started.
func New(opt Options, r Rules) *Gate {
	g := &Gate{gate: &gate{opt: opt, log: opt.Log, clock: stamp.Clock{C: opt.Clock},
		ask: query.Asker{Register: opt.Register, Zone: opt.Ledger.Zone()}, desk: desk{holds: map[string]*held{}},
		read: repeat.Memory[passage]{}, tries: map[string]tries.Row{},
		refused: map[string]passage{}, wake: make(chan struct{}, 1)}}
	g.rules.Store(&r)
	var ids []string
	for _, l := range opt.Lanes {
		g.ask.Both = g.ask.Both || l.Direction != opt.Lanes[0].Direction
		ids = append(ids, l.ID)
	}
	g.m = metrics.New(ids, byhand.Reasons)
	opt.Register.View(func(s *register.State) { g.clock.Remember(s.Trusted) })
	g.printer = &visitpass.Printer{Gate: opt.Name, Register: opt.Register, Zone: g.ask.Zone, Derive: opt.Ledger.Derive}
	g.writing = writing.New(writing.Options{Ledger: opt.Ledger, Spool: opt.Spool, Log: opt.Log, Now: g.clock.Now,
		Recorded: g.clock.Recorded, Changed: g.page.changed, Work: &g.work})
	g.lanes = lane.New(lane.Options{Lanes: opt.Lanes, Register: opt.Register, Writing: g.writing, Now: g.clock.Now, Work: &g.work,
		Changed: g.page.changed, Metrics: g.m, Log: opt.Log})
	g.shift = duty.New(duty.Options{Register: opt.Register, Roster: opt.Roster, Writing: g.writing, Now: g.clock.Now, Zone: g.ask.Zone,
		Changes: func() []string { return g.rules.Load().Shifts }, Passages: &g.passage, View: g.View, Changed: g.page.changed,
		Inside: func(s *register.State) map[string]int {
			return s.InsideBy(g.clock.Judge(g.clock.Now()), g.rules.Load().InsideFor)
		}})
	if opt.Metrics != nil {
		g.m.Register(opt.Metrics, g.numbers)
	}
	return g
}

// Counter is what guards look up, or do, for people who are not passing at the moment.
func (g *Gate) Counter() *counter.Counter {
	return &counter.Counter{Roster: g.opt.Roster, Register: g.opt.Register, Writing: g.writing, Clock: g.clock, Zone: g.opt.Ledger.Zone(),
		Bodies: g.rules.Load().Bodies, By: g.by.By(), Name: g.actor(), RosterFault: g.RosterFault,
		RosterChanged: g.RosterChanged, Passages: &g.passage, Remembers: g.remembers}
}

// invalid is what someone handed in that cannot be taken.
var invalid = ruling.Invalid

// Shift is what the guards write of their shift.
func (g *Gate) Shift() *duty.Book { return g.shift.As(g.by) }
