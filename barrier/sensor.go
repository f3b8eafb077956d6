package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gated/serialport"

	"golang.org/x/sys/unix"
)

// What an active line of a sensor says.
const (
	MeansOpen   = "open"   // a contact at the barrier: it is open
	MeansPassed = "passed" // a light beam or loop behind it: somebody is in it
)

// What a sensor tells.
const (
	OpenedUnasked = "opened-unasked" // the barrier opened, and nobody had told it to
	Passed        = "passed"         // somebody went through
	TurnedBack    = "turned-back"    // the barrier was opened for somebody, and nobody went through
)

const (
	sampleTime   = 50 * time.Millisecond // half of what it costs is the timer
	releasedTime = 2 * time.Second       // a barrier released may still be on its way up
)

var lineBits = map[string]int{"cts": unix.TIOCM_CTS, "dsr": unix.TIOCM_DSR, "dcd": unix.TIOCM_CAR, "ri": unix.TIOCM_RNG}

// Opening names what a barrier was opened for.
type Opening struct {
	Passage string
	Ref     int64 // seq of its entry; 0 where that is not written yet
}

// Sensor watches the contact of one lane. A nil Sensor watches nothing.
type Sensor struct {
	lane    string
	config  SensorConfig
	log     *slog.Logger
	metrics *Metrics

	open atomic.Bool // active, of MeansOpen: the page asks while it has a lock that tell wants

	mu       sync.Mutex // guards the rest
	tell     func(event string, o Opening)
	became   func(err error)
	tried    bool    // whether it was read, or could not be, since it was made
	fault    error   // why it could not be read
	asked    []asked // openings that nobody went through yet, the oldest first
	held     Opening // by the emergency key
	isHeld   bool
	released time.Time
	known    bool // whether active is
	active   bool // debounced
	differs  time.Time
}

type asked struct {
	Opening
	at time.Time
}

// NewSensor makes a sensor; Run watches it.
func NewSensor(lane string, c SensorConfig, log *slog.Logger, m *Metrics) *Sensor {
	for _, event := range []string{OpenedUnasked, Passed, TurnedBack} {
		m.sensor.WithLabelValues(lane, event)
	}
	m.sensorUp.WithLabelValues(lane).Set(0)
	return &Sensor{lane: lane, config: c, log: log, metrics: m, tell: func(string, Opening) {}, became: func(error) {}}
}

// Watch has f told what the sensor tells, and of which opening; of none if the Opening is zero. f must not block, nor
// call the Sensor.
func (s *Sensor) Watch(f func(event string, o Opening)) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tell = f
	}
}

// WatchState has f told whether the sensor can be read, as soon as that is known and at each change: nil while it can, or
// why not. f must not block, nor call the Sensor.
func (s *Sensor) WatchState(f func(err error)) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.became = f
		if s.tried {
			f(s.fault)
		}
	}
}

// Asked says that the barrier is opened now for one to pass.
func (s *Sensor) Asked(o Opening) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, asked{o, time.Now()})
	}
}

// Forget takes Asked back: it was not opened.
func (s *Sensor) Forget(passage string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.asked {
		if a.Passage == passage {
			s.asked = append(s.asked[:i], s.asked[i+1:]...)
			return
		}
	}
}

// Held says that the barrier is held open for as many as want, until Released.
func (s *Sensor) Held(o Opening) {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held, s.isHeld = o, true
	}
}

// Released ends Held.
func (s *Sensor) Released() {
	if s != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.isHeld, s.released = false, time.Now()
	}
}

// IsOpen tells whether a sensor that can know says that the barrier stands open.
func (s *Sensor) IsOpen() bool { return s != nil && s.open.Load() }

// Run samples the modem-status lines that read returns until ctx ends. What happens while they cannot be read is not
// told of: afterwards the first reading is where it begins anew. 20 ioctls a second cost little;
// TIOCMIWAIT would take a thread that nothing but a change of the line can wake.
func (s *Sensor) Run(ctx context.Context, read func() (lines int, err error)) {
	tick := time.NewTicker(sampleTime)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		lines, err := read()
		s.note(err)
		s.sample(time.Now(), lines, err == nil)
	}
}

// note makes known whether the sensor could be read, where that has changed: what it would tell is missing from the
// register as long as it cannot.
func (s *Sensor) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tried && fmt.Sprint(err) == fmt.Sprint(s.fault) {
		return
	}
	up := 0.0
	switch {
	case err != nil:
		s.log.Warn("the barrier's sensor cannot be read", "lane", s.lane, "err", err)
	case s.tried:
		s.log.Info("the barrier's sensor can be read again", "lane", s.lane)
		fallthrough
	default:
		up = 1
	}
	s.metrics.sensorUp.WithLabelValues(s.lane).Set(up)
	s.tried, s.fault = true, err
	s.became(err)
}

// sample takes one reading.
func (s *Sensor) sample(now time.Time, lines int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	active := (lines&lineBits[s.config.Line] != 0) != s.config.Inverted
	switch {
	case !ok:
		s.known, s.differs = false, time.Time{}
	case !s.known:
		s.known, s.active = true, active
	case active == s.active:
		s.differs = time.Time{}
	case s.differs.IsZero():
		s.differs = now
	case now.Sub(s.differs) >= s.config.Debounce:
		s.active, s.differs = active, time.Time{}
		s.changed(now)
	}
	s.open.Store(s.known && s.active && s.config.Means == MeansOpen)
	// A person in the beam when the time runs out has not turned back yet.
	for len(s.asked) > 0 && now.Sub(s.asked[0].at) > s.config.Within && !(s.config.Means == MeansPassed && s.known && s.active) {
		if s.config.Means == MeansPassed && s.known {
			s.say(TurnedBack, s.asked[0].Opening)
		}
		s.asked = s.asked[1:]
	}
}

func (s *Sensor) changed(now time.Time) {
	switch {
	case s.config.Means == MeansOpen && s.active:
		if len(s.asked) == 0 && !s.isHeld && (s.released.IsZero() || now.Sub(s.released) > releasedTime) {
			s.say(OpenedUnasked, Opening{})
		}
	case s.config.Means == MeansPassed && !s.active: // out of the beam: through
		switch {
		case len(s.asked) > 0:
			s.say(Passed, s.asked[0].Opening)
			s.asked = s.asked[1:]
		case s.isHeld:
			s.say(Passed, s.held)
		default:
			s.say(Passed, Opening{})
		}
	}
}

func (s *Sensor) say(event string, o Opening) {
	s.metrics.sensor.WithLabelValues(s.lane, event).Inc()
	s.tell(event, o)
}

// Lines returns the modem-status lines (TIOCMGET) of the relay's port.
func (b *Barrier) Lines() (int, error) {
	if r, ok := b.driver.(*lcus); ok {
		if p := r.port.Load(); p != nil {
			return p.Lines()
		}
	}
	return 0, errHungUp
}

// Port is a serial port of which only the modem-status lines are of interest. Not for use by two at a time.
type Port struct {
	Device string
	file   *os.File
	lost   error // why there is no file
	again  time.Time
	shut   chan struct{} // closed when the kernel has taken the last one back; nil: there was none
}

// Lines returns the modem-status lines. A port that is lost is opened again by its path, at most once a second.
func (p *Port) Lines() (int, error) {
	if p.file == nil {
		if time.Now().Before(p.again) {
			return 0, p.lost // said each time in the same words: no news
		}
		p.again = time.Now().Add(time.Second)
		if p.shut != nil {
			select {
			case <-p.shut:
			default:
				return 0, p.lost // one that hangs is enough
			}
		}
		_, err := serialport.DeviceNumber(p.Device)
		if err == nil {
			if p.file, err = os.OpenFile(p.Device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0); err != nil {
				err = errors.Unwrap(err) // it names the path
			}
		}
		if err != nil {
			p.lost = fmt.Errorf("the sensor's port %s: %w%s", p.Device, err, hint(err))
			return 0, p.lost
		}
	}
	raw, err := p.file.SyscallConn()
	n := 0
	if err == nil {
		err = errors.Join(raw.Control(func(fd uintptr) { n, err = unix.IoctlGetInt(int(fd), unix.TIOCMGET) }), err)
	}
	if err != nil {
		p.Close()
		p.lost = fmt.Errorf("read the lines of %s: %w", p.Device, err)
		return 0, p.lost
	}
	return n, nil
}

// Close closes the port, and does not wait for its driver; the next Lines opens it again.
func (p *Port) Close() {
	if p.file == nil {
		return
	}
	f, shut := p.file, make(chan struct{})
	go func() {
		defer close(shut)
		f.Close()
	}()
	p.file, p.shut, p.lost = nil, shut, errHungUp
}
