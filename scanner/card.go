package scanner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Card is what a reader of ID cards read at once. Whose it is, and whether it is in date, is not told here. The photo
// is never part of it.
type Card struct {
	Lane string
	// Text is the 256 bytes of the card's text, in the layout of its kind; nil for a card that lies there and cannot
	// be read. It is cleared when OnCard returns.
	Text []byte
	At   time.Time // when the last byte was read; wall and monotonic
}

// CauseNoAnswer is why a CardReader is down whose port is there: nothing answers, or nothing that makes sense.
// CauseFault then is a module that says of itself that it cannot work.
const CauseNoAnswer = "no-answer"

// CardConfig says where a reader of second-generation resident ID cards is: one with a SAM-V module on a serial port.
type CardConfig struct {
	Device string // as Config.Device
	Baud   int    // 115200 by default
}

// port is how its port is opened: 8N1, as all such modules have it.
func (c CardConfig) port() Config {
	if c.Baud == 0 {
		c.Baud = 115200
	}
	return Config{Device: c.Device, Baud: c.Baud}.filled()
}

// Validate reports every fault joined, as Config.Validate does.
func (c CardConfig) Validate() error { return c.port().Validate() }

// What came of a card that lay on the reader, as gated_card_reads_total counts it.
const (
	readOK       = "ok"
	readFailed   = "failed"    // the module did not read it: moved too soon, broken, or not genuine
	readDamaged  = "damaged"   // its answer came damaged
	readNoAnswer = "no-answer" // its answer did not come in time
)

// CardMetrics are those of all card readers together. Nil counts nothing.
type CardMetrics struct {
	up    *prometheus.GaugeVec
	reads *prometheus.CounterVec
}

// NewCardMetrics registers the metrics and gives every lane that has a card reader its zeros.
func NewCardMetrics(reg prometheus.Registerer, lanes ...string) *CardMetrics {
	m := &CardMetrics{
		up: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gated_card_reader_up",
			Help: "Whether the ID card reader of the lane is connected and answers: 1 if so, else 0.",
		}, []string{"lane"}),
		reads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gated_card_reads_total",
			Help: "Attempts to read a card that lay on the lane's ID card reader, by what came of them.",
		}, []string{"lane", "result"}),
	}
	for _, lane := range lanes {
		m.up.WithLabelValues(lane)
		for _, result := range []string{readOK, readFailed, readDamaged, readNoAnswer} {
			m.reads.WithLabelValues(lane, result)
		}
	}
	reg.MustRegister(m.up, m.reads)
	return m
}

func (m *CardMetrics) setUp(lane string, up bool) {
	if m == nil {
		return
	}
	v := 0.0
	if up {
		v = 1
	}
	m.up.WithLabelValues(lane).Set(v)
}

func (m *CardMetrics) tried(lane, result string) {
	if m != nil {
		m.reads.WithLabelValues(lane, result).Inc()
	}
}

// CardOptions of a CardReader. Callbacks may be nil; those given are called one at a time from Run's goroutine, and no
// card is read before they return.
type CardOptions struct {
	Lane    string
	Config  CardConfig
	Log     *slog.Logger // nil: silent. Never sees what a card says.
	Metrics *CardMetrics

	// OnCard takes one card. It must not keep Text.
	OnCard func(context.Context, Card)

	// OnState is told of every change of state or cause, as a Reader tells it.
	OnState func(up bool, state State, cause string)
}

// A reader that falls mute just after an answer is down after pollEvery, two times findLimit, and lullTime between them:
// together these stay within a second. At 115200 baud question and answer take 2 ms on the line, and up to 16 ms in the
// adapter; the rest of findLimit is the module's. One that takes longer gets twice the time that it has taken, and is
// missed later; that wears off within some ten answers, as it may have been this machine that was slow. The first question
// shows how long a module takes: no maker publishes that.
const (
	pollEvery = 300 * time.Millisecond
	findLimit = 280 * time.Millisecond
	slowLimit = time.Second           // to find a card at first, and to select one
	lullTime  = 50 * time.Millisecond // of silence before a question is asked again, or more at baud rates that take longer
	readLimit = 2 * time.Second       // beside the time its 1,295 bytes take on the line
	sendLimit = 200 * time.Millisecond

	maxMisses = 2 // polls in a row without a good answer after which a reader is down
	gone      = 2 // polls in a row without a card after which it counts as taken away: one may be missed by the field
	maxTries  = 4 // failures, each within retryWithin of the one before, after which a card counts as unreadable

	// retryWithin is long enough to lay a card down again: many modules find a card once only.
	retryWithin = 10 * time.Second
)

// A CardReader asks the card reader of one lane again and again whether a card lies on it, and reads it. A card is
// handed on once, however long it lies there; one that lay there before the reader was listened to, when it is laid
// down again.
type CardReader struct {
	o                        CardOptions
	config                   Config
	retryMin, retryMax, poll time.Duration
	settle, lull             time.Duration
	findMax, slowMax         time.Duration
	transfer                 time.Duration

	open                  func(Config) (*port, error)
	boot                  func() time.Duration // as Reader.boot
	openLimit, closeLimit time.Duration        // for a driver that hangs
	abandoned             atomic.Int32         // ports that it has not given back

	state State // these two are Run's
	cause string
}

// NewCardReader opens nothing; Run does.
func NewCardReader(o CardOptions) *CardReader {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OnCard == nil {
		o.OnCard = func(context.Context, Card) {}
	}
	if o.OnState == nil {
		o.OnState = func(bool, State, string) {}
	}
	r := &CardReader{o: o, config: o.Config.port(), retryMin: retryMin, retryMax: retryMax, poll: pollEvery, settle: settleTime, lull: lullTime, findMax: findLimit, slowMax: slowLimit, open: openPort, boot: bootTime, openLimit: openLimit, closeLimit: closeLimit}
	baud := max(r.config.Baud, 1)
	r.lull = max(r.lull, LeastGap(baud))
	r.transfer = readLimit + 10*(maxAnswer+7)*time.Second/time.Duration(baud) // ten bits a byte
	return r
}

// Run asks until ctx ends and then returns nil, within the time of one question or when the callback under way returns.
// A port that is missing or lost, and a reader that does not answer, is opened again by its path, for ever. Only
// settings that Validate refuses make an error, and a driver that swallows one port after the other: ErrWedged.
func (r *CardReader) Run(ctx context.Context) error {
	if err := r.o.Config.Validate(); err != nil {
		return fmt.Errorf("card reader of lane %s: %w", r.o.Lane, err)
	}
	defer r.became(Closed, CauseStopped, nil)
	for retry := r.retryMin; ; retry = min(2*retry, r.retryMax) {
		online, err := r.listen(ctx)
		if r.abandoned.Load() >= maxAbandoned {
			return fmt.Errorf("card reader of lane %s: %w", r.o.Lane, ErrWedged)
		}
		if ctx.Err() != nil {
			return nil
		}
		r.fell(err)
		if online >= r.retryMax {
			retry = r.retryMin
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retry):
		}
	}
}

// allow is how long the module may take for its next answer, after one that it was allowed limit for and took so long.
func (r *CardReader) allow(limit, took time.Duration) time.Duration {
	return min(max(r.findMax, 2*took, limit-limit/8), r.slowMax)
}

var (
	errNoAnswer = errors.New("the reader does not answer as one does: check its power, cable and baud rate")
	errModule   = errors.New("the reader's module cannot work")
	errLate     = errors.New("no answer in time")
	errOdd      = errors.New("an answer that does not belong to the question")
	errUnread   = errors.New("the card was not read")
)

// listen opens the port and hands cards on until the port is lost, the reader no longer answers, or ctx ends. It
// returns how long it was online.
func (r *CardReader) listen(ctx context.Context) (online time.Duration, err error) {
	p, err := openWithin(&r.abandoned, r.openLimit, r.open, r.config)
	if err != nil {
		return 0, err
	}
	defer func() {
		if ctx.Err() == nil {
			r.fell(err) // before it is given back, which may take its time
		}
		if !within(&r.abandoned, r.closeLimit, p.close) {
			err = fmt.Errorf("close serial port %s: not done within %v: %w", r.config.Device, r.closeLimit, errors.Join(errWedged, err))
		}
	}()
	defer context.AfterFunc(ctx, p.wake)()
	var began time.Time
	defer func() {
		if !began.IsZero() {
			online = time.Since(began)
		}
	}()

	l := link{p: p, boot: r.boot}
	defer l.clear()
	lies := true // a card of which nobody knows how long it has been lying there: to be lifted first
	var failed time.Time
	if err := l.quiet(ctx, r.settle); err != nil {
		return 0, err
	}
	limit := r.slowMax
	for misses, none, tries := 0, 0, 0; ; {
		if misses > 0 {
			if err := l.quiet(ctx, r.lull); err != nil { // what comes late must not be taken for an answer
				return 0, err
			}
		} else if !began.IsZero() {
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(r.poll):
			}
		}

		if p.moved(r.config.Device) {
			return 0, errRenumbered
		}
		asked := time.Now()
		status, err := l.ask(ctx, findCard, limit)
		if err == nil && status != statusFound && status != statusNone {
			err = complaint(status, errOdd)
		}
		switch {
		case err != nil && !missed(err):
			return 0, err
		case err != nil:
			if misses++; misses >= maxMisses {
				return 0, fmt.Errorf("%w: %w", errNoAnswer, err)
			}
			continue
		}
		took := time.Since(asked)
		if misses = 0; began.IsZero() {
			began, limit = time.Now(), r.findMax
			r.became(Online, "", nil)
		}
		limit = r.allow(limit, took)
		if status == statusNone {
			if none++; none >= gone {
				lies = false
			}
			continue
		}
		if none = 0; lies {
			continue
		}

		err = r.read(ctx, &l)
		result := readOK
		switch {
		case err == nil:
			lies, tries = true, 0
		case errors.Is(err, errUnread):
			result = readFailed
		case errors.Is(err, errLate):
			result = readNoAnswer
		case missed(err):
			result = readDamaged
		default:
			return 0, err
		}
		r.o.Metrics.tried(r.o.Lane, result)
		if err == nil {
			continue
		}
		if result == readNoAnswer { // it may come yet, and must not be taken for the next card's: begin anew
			return 0, fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		r.o.Log.Debug("card not read", "lane", r.o.Lane, "err", err)
		if tries++; time.Since(failed) > retryWithin {
			tries = 1
		}
		if failed = time.Now(); tries >= maxTries {
			lies, tries = true, 0
			r.o.OnCard(ctx, Card{Lane: r.o.Lane, At: time.Now()})
		}
		if err := l.quiet(ctx, r.settle); err != nil { // the rest of it may be long
			return 0, err
		}
	}
}

// read selects the card that lies there, reads it and hands it on.
func (r *CardReader) read(ctx context.Context, l *link) error {
	for _, step := range []struct {
		command [2]byte
		limit   time.Duration
	}{{selectCard, r.slowMax}, {readCard, r.transfer}} {
		switch status, err := l.ask(ctx, step.command, step.limit); {
		case err != nil:
			return err
		case status != statusOK:
			return complaint(status, errUnread)
		}
	}
	text := l.a.text()
	if text == nil {
		return errOdd
	}
	defer l.clear()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.o.OnCard(ctx, Card{Lane: r.o.Lane, Text: text, At: time.Now()})
	return nil
}

// complaint is what a status means that is none of those wanted; otherwise where it says nothing in particular.
func complaint(status byte, otherwise error) error {
	switch {
	case status == statusSelfTest || status == statusNoRight:
		otherwise = errModule
	case status == statusFound || slices.Contains(spoiled[:], status): // it answers an older question, or did not understand
		otherwise = errOdd
	}
	return fmt.Errorf("%w: status %02X", otherwise, status)
}

// missed tells whether the question may be put again, as against a port that is lost.
func missed(err error) bool {
	for _, e := range []error{errLate, errOdd, errCheck, errLength} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// A link puts questions to the module, one at a time.
type link struct {
	p    *port
	boot func() time.Duration
	a    answer
	buf  [2048]byte // photos go through it: cleared after each read
}

// ask puts one question and returns the status of its answer, which l.a then holds. All of it takes no longer than the
// limit and sendLimit.
func (l *link) ask(ctx context.Context, command [2]byte, limit time.Duration) (status byte, err error) {
	l.a.clear()
	if err := l.p.Flush(); err != nil {
		return 0, fmt.Errorf("flush: %w", err)
	}
	if err := l.p.write(frame(command), time.Now().Add(sendLimit)); errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, fmt.Errorf("%w: it takes no command", errLate)
	} else if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	asked, until := l.boot(), time.Now().Add(limit)
	for {
		switch err := l.p.wait(ctx, until); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, errLate
		case err != nil:
			return 0, fmt.Errorf("wait for an answer: %w", err)
		}
		n, err := l.p.Read(l.buf[:])
		if n == 0 {
			if err == nil || errors.Is(err, io.EOF) {
				if _, err = l.p.queued(); err == nil {
					err = errNoBytes
				}
			}
			return 0, fmt.Errorf("read: %w", bare(err))
		}
		whole, _, err := l.a.take(l.buf[:n])
		clear(l.buf[:n])
		// Also when the bytes were there in time: a process that stood still, or a box that was suspended, would take an old
		// card for one just laid down.
		if l.boot()-asked >= limit {
			return 0, errLate
		}
		if err != nil {
			return 0, err
		}
		if whole {
			return l.a.status(), nil
		}
	}
}

// quiet drops what is still on its way, until nothing has come for so long.
func (l *link) quiet(ctx context.Context, silence time.Duration) error {
	switch quiet, _, _, err := l.p.settle(ctx, silence, l.boot); {
	case err != nil:
		return fmt.Errorf("wait for a quiet line: %w", err)
	case !quiet:
		return fmt.Errorf("%w: it never stops sending", errNoAnswer)
	}
	return nil
}

func (l *link) clear() {
	l.a.clear()
	clear(l.buf[:])
}

// fell makes known that the reader is down, and why.
func (r *CardReader) fell(err error) {
	state, cause := why(err)
	if errors.Is(err, errNoAnswer) && cause != CauseWedged {
		state, cause = Backoff, CauseNoAnswer
	}
	r.became(state, cause, err)
}

// became makes a change of state known, and nothing else.
func (r *CardReader) became(state State, cause string, err error) {
	if state == r.state && cause == r.cause {
		return
	}
	r.state, r.cause = state, cause
	up := state == Online
	r.o.Metrics.setUp(r.o.Lane, up)
	log := r.o.Log.With("lane", r.o.Lane, "device", r.config.Device, "state", string(state))
	switch {
	case err != nil:
		log.Warn("card reader down", "cause", cause, "err", err)
	case up:
		log.Info("card reader up")
	default:
		log.Info("card reader closed")
	}
	r.o.OnState(up, state, cause)
}
