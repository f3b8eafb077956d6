// Package box is one state directory: its lock, its keys, and what may be done to it, by the daemon or by a command
// without one.
package box

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"gated/access"
	"gated/box/compound"
	"gated/clock"
	"gated/gate"
	"gated/gate/spool"
	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/erasure"
	"gated/roster"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// Box is an open state directory. Whoever opens it holds its lock.
type Box struct {
	Dir      string
	Roster   *roster.Store
	Ledger   *ledger.Ledger     // nil where no daemon has begun one yet
	Register *register.Register // nil as long as Ledger is
	Gate     *gate.Gate         // nil without a daemon
	Accounts *access.Accounts

	newRoster bool            // a command made the file, for nothing so far
	eraser    *erasure.Eraser // nil as long as Ledger is
	stamp     func() ledger.Stamp
	clock     *clock.Clock // nil with a daemon, whose gate has its own
}

// Open opens the files of a box for its daemon, which sets Gate when it has one. opt says what the settings say: the
// directory, the gate's names, the clock, the log; the key that signs and the machine's name are the box's own.
func Open(opt ledger.Options) (*Box, error) {
	b := &Box{Dir: opt.Dir, Accounts: access.In(opt.Dir, time.Now)}
	var err error
	compound.Shut(opt.Dir, opt.Log)
	if err = b.openLedger(opt); err != nil {
		return nil, err
	}
	b.Roster = openRoster(opt.Dir, opt.Log)
	if opt.Registry != nil {
		free := prometheus.GaugeOpts{Name: "gated_state_free_bytes", Help: "Space left for the state directory."}
		opt.Registry.MustRegister(prometheus.NewGaugeFunc(free, func() float64 { return float64(b.Free()) }))
	}
	return b, nil
}

// openAlone opens the files for a command while no daemon has them. What cannot be recorded must not be changed: a
// ledger that is in fault is an error. A directory that never had one has no ledger: its first start entry names the
// roster's version.
func openAlone(dir string) (_ *Box, err error) {
	b := &Box{Dir: dir, Accounts: access.In(dir, time.Now), clock: clock.New(clock.System())}
	_, err = os.Lstat(RosterFile(dir))
	b.newRoster = errors.Is(err, fs.ErrNotExist)
	if b.Roster, err = roster.Open(RosterFile(dir)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	r, err := file.OpenReader(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	m := r.Meta
	r.Close()
	c := b.clock
	if err := b.openLedger(ledger.Options{Dir: dir, Gate: m.Gate, Origin: m.Name(), TimeZone: m.TimeZone, Command: true,
		Now: func() ledger.Stamp { return ledger.Stamp(c.Now()) }, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return nil, err
	}
	if f := b.Ledger.Fault(); f != nil {
		return nil, fmt.Errorf("the ledger is in fault, so nothing can be changed: %s", f.Cause)
	}
	b.Register.View(func(s *register.State) { c.Remember(clock.Moment(s.Trusted)) })
	return b, nil
}

// openLedger opens the ledger, and the register that follows it.
func (b *Box) openLedger(opt ledger.Options) error {
	key, err := ledger.KeyFor(opt.Dir, "the register")
	if err != nil { // the ledger is in fault then, and says why
		key = make([]byte, 32)
		rand.Read(key)
	}
	follower, err := register.New(register.Options{Dir: opt.Dir, Key: key, Now: opt.Now, Log: opt.Log, Registry: opt.Registry})
	if err != nil {
		return err
	}
	opt.Known = func(origin string) int64 { return max(follower.Known(origin), spool.Known(spoolFile(opt.Dir), origin)) }
	opt.Follow, opt.Recovered = follower.Follow, follower.Recovered
	opt.KeyFile, opt.Machine, opt.Carry = ledgerKey(), machine(), carry
	l, err := ledger.Open(opt)
	if err != nil {
		return errors.Join(err, follower.Close())
	}
	follower.Start(l)
	b.Ledger, b.Register, b.stamp = l, follower, opt.Now
	b.eraser = erasure.New(erasure.Options{Dir: opt.Dir, Ledger: l, Register: follower, Now: opt.Now})
	return nil
}

// Close closes the files. The gate has ended by then. A roster that a command made, and into which nothing came, is taken away: a dry
// run changes nothing.
func (b *Box) Close() error {
	err := errors.Join(b.Roster.Close(), b.closeLedger())
	if b.newRoster && b.Roster.Snapshot().Change() == 0 {
		err = errors.Join(err, os.Remove(RosterFile(b.Dir)))
	}
	return err
}

// closeLedger closes the ledger first: the register takes its last entry.
func (b *Box) closeLedger() error {
	if b.Ledger == nil {
		return nil
	}
	return errors.Join(b.Ledger.Close(), b.Register.Close())
}

// now is the time by the box's clock. One that nobody has confirmed will do, but none that cannot be right: what is to count from an
// earlier moment on would not count at all.
func (b *Box) now() (now time.Time, err error) {
	why := ""
	if b.Gate != nil {
		now, why = b.Gate.Clock()
	} else {
		m, w := b.clock.Read()
		if now, why = m.Time, w; why == clock.FarAhead { // as after days in which nobody ran it, and nobody can confirm it here
			why = ""
		}
	}
	switch why {
	case clock.BeforeRelease, clock.Behind, clock.FarAhead:
		return now, fmt.Errorf("the clock of this box says %s and cannot be right (%s): set it, confirm it on the page or with \"gated "+
			"clock confirm\", and then say this again", now.Format("2006-01-02 15:04 -07:00"), why)
	}
	return now, nil
}

// append stamps an event of the box and appends it; it is durable when append returns.
func (b *Box) append(ev ledger.Event) error {
	switch {
	case b.Gate != nil:
		return b.Gate.Append(ev)
	case b.Ledger == nil:
		return b.noLedger()
	}
	ev.Stamp = b.stamp()
	_, err := b.Ledger.Append(ev)
	return err
}

func (b *Box) noLedger() error {
	return fmt.Errorf("no ledger in %s: is this the state directory? name it with --state", b.Dir)
}

// rosterChanged records a change of the roster, which has happened by then: how, in numbers, and sealed whose and by whom.
func (b *Box) rosterChanged(by, reason string, detail map[string]string, whose ...ledger.Field) error {
	people := b.Roster.Snapshot()
	d := map[string]string{register.RosterChange: strconv.FormatInt(people.Change(), 10)}
	maps.Copy(d, detail)
	ev := ledger.Event{Kind: register.Roster, Reason: reason, By: access.Socket, Roster: people.Version(), Detail: d,
		Personal: append(whose, ledger.Field{Name: "by", Value: by})}
	switch {
	case b.Gate != nil:
		b.Gate.RosterChanged(ev)
		return nil
	case b.Ledger == nil:
		return nil
	}
	return b.append(ev)
}

// Spool is the file of what the gate could not record yet.
func (b *Box) Spool() string { return spoolFile(b.Dir) }

func spoolFile(dir string) string { return filepath.Join(dir, "pending.spool") }

// Free is how many bytes are left for the state directory.
func (b *Box) Free() uint64 {
	var st unix.Statfs_t
	if unix.Statfs(b.Dir, &st) != nil {
		return 0
	}
	return st.Bavail * uint64(st.Bsize)
}

// RosterFile is where the roster of a state directory lies.
func RosterFile(dir string) string { return filepath.Join(dir, "roster.db") }

// Roster reads the roster of a state directory, daemon or not.
func Roster(dir string) (*roster.Snapshot, error) {
	s, err := roster.OpenReadOnly(RosterFile(dir))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Snapshot(), nil
}

// openRoster opens the roster, for reading only where it cannot be written: on a full disk the gate must still know who
// belongs here. One that cannot be read at all is a roster fault, and no reason not to start: the emergency key needs nobody's name.
func openRoster(dir string, log *slog.Logger) *roster.Store {
	s, err := roster.Open(RosterFile(dir))
	if err == nil {
		return s
	}
	if ro, roErr := roster.OpenReadOnly(RosterFile(dir)); roErr == nil {
		log.Error("the roster can only be read: nothing can be imported or revoked until the next start", "err", err)
		return ro
	}
	log.Error("roster-fault: the roster cannot be read, so everybody is on hold: put roster.db back from the backup with the daemon "+
		"stopped", "err", err)
	return roster.Unreadable(RosterFile(dir))
}

// ledgerKey is the credential that signs tree heads, or "" where the key lies in the state directory.
func ledgerKey() string {
	path := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), "ledger.key")
	if _, err := os.Stat(path); os.Getenv("CREDENTIALS_DIRECTORY") == "" || err != nil {
		return ""
	}
	return path
}

// machine tells this box from a clone of it: a hash of its machine ID, which is not to be published itself
// (machine-id(5)). Empty where there is none, as in many containers.
func machine() string {
	id, err := os.ReadFile("/etc/machine-id")
	if id = bytes.TrimSpace(id); err != nil || len(id) != 32 {
		return ""
	}
	m := hmac.New(sha256.New, id)
	m.Write([]byte("gated ledger"))
	return hex.EncodeToString(m.Sum(nil)[:16])
}
