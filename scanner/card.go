package scanner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"gated/serialport"

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
	Device string `mapstructure:"device"` // full path of the port, unique; empty: there is no card reader
	Baud   int    `mapstructure:"baud"`   // 9600, 19200, 38400, 57600 or 115200, as the reader is set; default 115200
}

// DefaultCard returns the settings in which most such readers leave the factory.
func DefaultCard() CardConfig { return CardConfig{Baud: 115200} }

// port is how its port is opened: 8N1, as all such modules have it.
func (c CardConfig) port() serialport.Config {
	return serialport.Config{Device: c.Device, Baud: cmp.Or(c.Baud, DefaultCard().Baud), DataBits: 8, Parity: "none", StopBits: 1}
}

// Validate reports every fault joined, as Config.Validate does.
func (c CardConfig) Validate() error {
	var baud error
	if !slices.Contains([]int{9600, 19200, 38400, 57600, 115200}, c.Baud) {
		baud = fmt.Errorf("baud: %d is not known: write 9600, 19200, 38400, 57600 or 115200", c.Baud)
		c.Baud = 0 // told
	}
	return errors.Join(c.port().Validate(), baud)
}

// CardOptions of a CardReader. Callbacks may be nil; those given are called one at a time from Run's goroutine, and no
// card is read before they return.
type CardOptions struct {
	Lane    string
	Config  CardConfig
	Log     *slog.Logger // nil: silent. Never sees what a card says.
	Metrics *CardMetrics // nil: not registered anywhere

	// OnCard takes one card. It must not keep Text.
	OnCard func(context.Context, Card)

	// OnState is told of every change of state or cause, as a Reader tells it.
	OnState func(up bool, state State, cause string)
}

// A reader that stops answering just after an answer is down after pollEvery, two times findLimit, and pauseTime between them:
// together these stay within a second. At 115200 baud question and answer take 2 ms on the line, and up to 16 ms in the
// adapter; the rest of findLimit is the module's. One that takes longer gets twice the time that it has taken, and is
// missed later; that wears off within some ten answers, as it may have been this machine that was slow. The first question
// shows how long a module takes: no maker publishes that.
const (
	pollEvery = 300 * time.Millisecond
	findLimit = 280 * time.Millisecond
	slowLimit = time.Second           // to find a card at first, and to select one
	pauseTime = 50 * time.Millisecond // of silence before a question is asked again, or more at baud rates that take longer
	readLimit = 2 * time.Second       // and the time that its 1,295 bytes take on the line
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
	o                CardOptions
	config           serialport.Config
	poll             time.Duration
	settle, pause    time.Duration
	findMax, slowMax time.Duration
	transfer         time.Duration

	ports serialport.Opener
	boot  func() time.Duration // as Reader.boot

	state State // these two are Run's
	cause string
}

// NewCardReader opens nothing; Run does.
func NewCardReader(o CardOptions) *CardReader {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewCardMetrics(prometheus.NewRegistry())
	}
	if o.OnCard == nil {
		o.OnCard = func(context.Context, Card) {}
	}
	if o.OnState == nil {
		o.OnState = func(bool, State, string) {}
	}
	o.Config.Baud = cmp.Or(o.Config.Baud, DefaultCard().Baud)
	r := &CardReader{
		o: o, config: o.Config.port(), boot: bootTime,
		poll: pollEvery, settle: settleTime, pause: pauseTime, findMax: findLimit, slowMax: slowLimit,
	}
	baud := max(r.config.Baud, 1)
	r.pause = max(r.pause, LeastGap(baud))
	r.transfer = readLimit + 10*(maxAnswer+7)*time.Second/time.Duration(baud) // ten bits a byte
	return r
}

// Run asks until ctx ends and then returns nil, within the time of one question or when the callback under way returns.
// A port that is missing or lost, and a reader that does not answer, is opened again by its path, for ever. Only
// settings that Validate refuses make an error, and drivers that hang with several ports: serialport.ErrWedged.
func (r *CardReader) Run(ctx context.Context) error {
	if err := r.o.Config.Validate(); err != nil {
		return fmt.Errorf("card reader of lane %s: %w", r.o.Lane, err)
	}
	defer r.became(Closed, CauseStopped, nil)
	if err := r.ports.Run(ctx, r.config, serialport.Use{Open: r.listen, Lost: r.fell}); err != nil {
		return fmt.Errorf("card reader of lane %s: %w", r.o.Lane, err)
	}
	return nil
}

// allow is how long the module may take for its next answer, after one that it was allowed limit for and took so long.
func (r *CardReader) allow(limit, took time.Duration) time.Duration {
	return min(max(r.findMax, 2*took, limit-limit/8), r.slowMax)
}

// listen hands cards on until the port is lost, the reader no longer answers, or ctx ends.
func (r *CardReader) listen(ctx context.Context, p *serialport.Port) error {
	s := &polling{r: r, link: link{p: p, boot: r.boot}, mustLift: true, limit: r.slowMax}
	defer s.clear()
	err := s.quiet(ctx, r.settle)
	for err == nil {
		err = s.poll(ctx)
	}
	if ctx.Err() == nil {
		r.fell(err) // before it is given back, which may take its time
	}
	return err
}

// polling is what a CardReader knows while it has a port.
type polling struct {
	link
	r        *CardReader
	answered bool          // the module has, at least once
	limit    time.Duration // for its next answer
	misses   int           // polls in a row without a good answer
	none     int           // polls in a row without a card
	mustLift bool          // the card is done with, or was there before us: it is to be lifted before one is read
	tries    int           // failures to read, each within retryWithin of the one before
	failed   time.Time     // the last of them
}

// poll asks once whether a card lies there, and reads it. Its error ends the polling.
func (s *polling) poll(ctx context.Context) error {
	r := s.r
	if s.misses > 0 {
		if err := s.quiet(ctx, r.pause); err != nil { // what comes late must not be taken for an answer
			return err
		}
	} else if s.answered {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(r.poll):
		}
	}
	if s.p.Renumbered() {
		return serialport.ErrRenumbered
	}

	asked := time.Now()
	status, err := s.ask(ctx, findCard, s.limit)
	if err == nil && status != statusFound && status != statusNone {
		err = complaint(status, errOdd)
	}
	switch {
	case err != nil && !missed(err):
		return err
	case err != nil:
		if s.misses++; s.misses >= maxMisses {
			return fmt.Errorf("%w: %w", errNoAnswer, err)
		}
		return nil
	}
	took := time.Since(asked)
	if s.misses = 0; !s.answered {
		s.answered, s.limit = true, r.findMax
		r.became(Online, "", nil)
	}
	s.limit = r.allow(s.limit, took)

	if status == statusNone {
		if s.none++; s.none >= gone {
			s.mustLift = false
		}
		return nil
	}
	if s.none = 0; s.mustLift {
		return nil
	}
	return s.try(ctx)
}

// try reads the card that lies there, and counts what came of it.
func (s *polling) try(ctx context.Context) error {
	r := s.r
	err := r.read(ctx, &s.link)
	result := readOK
	switch {
	case err == nil:
		s.mustLift, s.tries = true, 0
	case errors.Is(err, errUnread):
		result = readFailed
	case errors.Is(err, errLate):
		result = readNoAnswer
	case missed(err):
		result = readDamaged
	default:
		return err
	}
	r.o.Metrics.reads.WithLabelValues(r.o.Lane, result).Inc()
	if err == nil {
		return nil
	}
	if result == readNoAnswer { // it may come yet, and must not be taken for the next card's: begin anew
		return fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	r.o.Log.Debug("card not read", "lane", r.o.Lane, "err", err)
	if s.tries++; time.Since(s.failed) > retryWithin {
		s.tries = 1
	}
	if s.failed = time.Now(); s.tries >= maxTries {
		s.mustLift, s.tries = true, 0
		r.o.OnCard(ctx, Card{Lane: r.o.Lane, At: time.Now()})
	}
	return s.quiet(ctx, r.settle) // the rest of it may be long
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

// fell makes known that the reader is down, and why.
func (r *CardReader) fell(err error) {
	state, cause := stateAfter(err)
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
	r.o.Metrics.up.WithLabelValues(r.o.Lane).Set(one(up))
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
