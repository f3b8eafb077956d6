package barrier

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"sync/atomic"
	"time"

	"gated/serialport"
)

// LCUS-type boards (LC Technology and many who build the same) hang on a USB serial chip, 9600 8N1. A switching is four
// bytes, A0 channel 01|00 sum, the sum being the low byte of the other three. FF asks for the state. Boards answer that
// in one of these ways, as programs of others who own them show: text, a line for each channel ("CH1: ON \r\nCH2: OFF\r\n";
// some leave out blanks and line ends), or, as all boards with one channel seen so far, not at all. Some know 02 and 03,
// which switch and answer with a frame of the same form, and 05, which asks; what a board that does not know them makes
// of them is not written anywhere, so they are not sent, and their answer is understood all the same.
//
// FF is no head of a frame, so a board that looks for A0 passes over it. One that counts bytes until a pause could take
// it for the head of a command close behind it, and nobody would see that the pulse was lost. So a board that has not
// answered yet is asked seldom once it has had its chance, and no command follows within settleTime.
const (
	sendTime   = 300 * time.Millisecond // for bytes to leave the machine
	answerTime = 300 * time.Millisecond // for the state; 8 lines of text take 85 ms
	settleTime = 20 * time.Millisecond  // from switching to asking: boards lose bytes that come while they switch
	idleTime   = 500 * time.Millisecond // between looks at a relay that has nothing to do: 0.15 % of a core each lane
	seldomTime = time.Minute            // between questions to a board that has never answered, in the end
	closeTime  = 3 * time.Second        // for the kernel to open or close a port
	retryTime  = 500 * time.Millisecond // from the loss of a relay to the next attempt, unless a guard asks
)

var (
	errSilent = errors.New("the relay does not answer")
	errWrong  = errors.New("the relay says that it is in another state than it was told")
	errStuck  = errors.New("the relay's port hangs: unplug the relay and plug it in again")
)

// lcus is the driver of one board's channel. All that is read and written is the business of its goroutine run, so that
// a caller never waits for a device. While the relay is lost it is opened again by its path, for ever, and is off at once
// when it is back, unless the guard wants the lane held open.
type lcus struct {
	b      *Barrier
	ports  serialport.Opener
	orders chan order
	quit   <-chan struct{}
	end    context.CancelFunc // closes quit
	done   chan struct{}
	shut   func(*port)          // replaced in tests by one that hangs
	port   atomic.Pointer[port] // for Lines; nil while it is lost

	idle, sendTime, answerTime time.Duration // tests have other times

	// These are run's.
	answers  bool   // this board has told its state once: from then on its silence is a fault
	on       bool   // as it was told last
	reported string // the last state that was made known

	// Of a board that has not answered.
	text  []byte        // what it said so far
	asked time.Time     // last
	again time.Duration // after asked: doubled each time, up to seldomTime
}

type order struct {
	command
	ctx  context.Context
	done chan error // takes one value
}

func startLCUS(b *Barrier, tune func(*lcus)) *lcus {
	ctx, end := context.WithCancel(context.Background())
	r := &lcus{
		b: b, orders: make(chan order), quit: ctx.Done(), end: end, done: make(chan struct{}), shut: (*port).close,
		idle: idleTime, sendTime: sendTime, answerTime: answerTime, answers: b.config.Answers,
	}
	b.metrics.up.WithLabelValues(b.lane).Set(0)
	if tune != nil {
		tune(r)
	}
	go r.run()
	return r
}

// perform hands the command to run.
func (r *lcus) perform(ctx context.Context, c command) error {
	o := order{c, ctx, make(chan error, 1)}
	late := time.NewTimer(time.Until(c.deadline))
	defer late.Stop()
	select {
	case r.orders <- o:
	case <-ctx.Done():
		if c.action == "pulse" {
			return errGaveWay
		}
		return context.Cause(ctx)
	case <-late.C:
		return errStuck
	case <-r.quit:
		if c.action == "close" { // run closes it at its end
			return nil
		}
		return ErrClosed
	}
	// Every wait in there is short but for the opening of a port, which may hang.
	late.Reset(max(time.Until(c.deadline), c.length+closeTime))
	select {
	case err := <-o.done:
		return err
	case <-late.C:
		return errStuck
	}
}

func (r *lcus) stop() {
	r.end()
	select {
	case <-r.done:
	case <-time.After(closeTime): // it hangs in the kernel, and ends with the process
	}
}

// run keeps the relay open and obeys until quit is closed.
func (r *lcus) run() {
	defer close(r.done)
	var asked order // by a guard, of a relay that is lost
	for {
		p, err := r.connect()
		if asked.done != nil {
			asked.done <- err
		}
		if err == nil {
			r.report(nil)
			r.port.Store(p)
			err = r.serve(p)
			r.port.Store(nil)
		}
		if gone(err) {
			r.answers = r.b.config.Answers // the next one there may be a spare that does not answer
		}
		closed := r.giveBack(p)
		if err == nil { // told to end; stop does not wait longer than closeTime
			<-closed
			return
		}
		r.report(err)
		var more bool
		if asked, more = r.pause(err, closed); !more {
			r.switchOffLost(closed)
			return
		}
	}
}

// giveBack closes a port, which may be nil, while what is asked is still answered, and closes closed then: at the latest
// when the port is left to a driver that hangs.
func (r *lcus) giveBack(p *port) (closed chan struct{}) {
	closed = make(chan struct{})
	go func() {
		defer close(closed)
		if p == nil {
			return
		}
		if err := r.ports.Close(func() { r.shut(p) }, nil); err != nil {
			r.b.metrics.abandoned.WithLabelValues(r.b.lane).Inc()
			r.b.log.Error("the relay's port is left to itself", "lane", r.b.lane, "device", p.device, "err", err)
		}
	}()
	return closed
}

// connect opens the port and brings the relay into the state that is wanted. It returns the port also with an error, to
// be closed.
func (r *lcus) connect() (*port, error) {
	if r.ports.Wedged() {
		return nil, errStuck
	}
	p, err := openPort(&r.ports, r.b.config.Device)
	if err != nil {
		return nil, err
	}
	r.text, r.asked, r.again = nil, time.Now(), r.idle
	r.on = r.b.isHeld()
	if err = p.send(r.frame(r.on), r.sendTime); err == nil {
		err = r.question(context.Background(), p, time.Time{})
	}
	if errors.Is(err, errSilent) && !r.answers {
		err = nil
	}
	return p, err
}

// gone tells whether an error means that the board was taken away.
func gone(err error) bool {
	return errors.Is(err, errHungUp) || errors.Is(err, serialport.ErrRenumbered) || errors.Is(err, fs.ErrNotExist)
}

// serve obeys until the relay is lost, which is its error, or quit is closed (nil).
func (r *lcus) serve(p *port) error {
	look := time.NewTicker(r.idle)
	defer look.Stop()
	for {
		var err error
		select {
		case o := <-r.orders:
			err = r.obey(p, o)
			o.done <- err
			if errors.Is(err, errOvertaken) || errors.Is(err, ErrDropped) {
				err = nil
			}
		case <-look.C:
			switch {
			case p.Renumbered():
				err = p.fault(serialport.ErrRenumbered)
			case r.on != r.b.isHeld(): // what was said while it was being opened, and waited for in vain
				err = r.set(context.Background(), p, !r.on)
			case r.answers:
				err = r.confirm(context.Background(), p, time.Time{})
			case time.Since(r.asked) >= r.again:
				err = r.ask(p)
			}
		case b := <-p.in:
			r.takeUnasked(b)
		case <-p.gone:
			err = p.why
		case <-r.quit:
			p.send(r.frame(false), r.sendTime)
			return nil
		}
		if err != nil {
			if !r.b.isHeld() {
				p.send(r.frame(false), r.sendTime/3) // in case it obeys all the same
			}
			return err
		}
	}
}

// pause answers what is asked of a relay that is lost until it is time to try again, and returns more false at the end.
// A relay that does not answer may obey all the same: so what a guard asks is tried at once, and comes back as asked, to
// be answered with what became of it.
func (r *lcus) pause(why error, closed <-chan struct{}) (asked order, more bool) {
	again := time.NewTimer(retryTime)
	defer again.Stop()
	var overtaken <-chan struct{}
	var patience <-chan time.Time // of the guard, with a port that takes its time to close
	answer := func(err error) {
		if asked.done != nil {
			asked.done <- err
		}
		asked, overtaken, patience = order{}, nil, nil
	}
	for waiting := true; waiting || closed != nil; {
		select {
		case o := <-r.orders:
			if o.action == "pulse" {
				o.done <- why
				break
			}
			answer(why)
			asked, overtaken, patience = o, o.ctx.Done(), time.After(r.answerTime)
			waiting = false
		case <-overtaken:
			answer(context.Cause(asked.ctx))
		case <-patience:
			answer(why)
		case <-again.C:
			waiting = false
		case <-closed:
			closed = nil
		case <-r.quit:
			answer(why)
			return asked, false
		}
	}
	return asked, true
}

// switchOffLost switches off, at the end, a relay that is lost: it may obey and not answer, or be back.
func (r *lcus) switchOffLost(closed <-chan struct{}) {
	select {
	case <-closed:
	case <-time.After(time.Second): // so that stop need not give up
		return
	}
	if p, err := openPort(&r.ports, r.b.config.Device); err == nil {
		p.send(r.frame(false), r.sendTime)
		r.shut(p)
	}
}

func (r *lcus) obey(p *port, o order) error {
	if o.action != "pulse" {
		return r.set(o.ctx, p, o.action == "open")
	}
	if !o.startBy.IsZero() && !time.Now().Before(o.startBy) {
		return fmt.Errorf("%w: the relay was not ready in time", ErrDropped)
	}
	if o.ctx.Err() != nil {
		return errGaveWay
	}
	r.on = true
	end := time.Now().Add(o.length)
	err := p.send(r.frame(true), min(r.sendTime, o.length))
	if err == nil {
		err = r.confirm(o.ctx, p, end)
	}
	for err == nil && time.Now().Before(end) {
		err = r.wait(o.ctx, p, time.Now().Add(min(r.idle, time.Until(end))))
		if err == nil && time.Until(end) > r.answerTime+2*settleTime {
			err = r.confirm(o.ctx, p, end)
		}
	}
	if errors.Is(err, errOvertaken) && r.b.isHeld() {
		return err // the command that follows leaves it on
	}
	if err != nil && !errors.Is(err, errOvertaken) {
		return err // serve switches off
	}
	if off := r.set(context.Background(), p, false); off != nil {
		return off
	}
	return err
}

// set switches, and looks whether that was done.
func (r *lcus) set(ctx context.Context, p *port, on bool) error {
	r.on = on
	if err := p.send(r.frame(on), r.sendTime); err != nil {
		return err
	}
	return r.confirm(ctx, p, time.Time{})
}

// frame is the command that switches.
func (r *lcus) frame(on bool) []byte {
	f := []byte{0xA0, byte(r.b.config.Channel), 0, 0}
	if on {
		f[2] = 1
	}
	f[3] = f[0] + f[1] + f[2]
	return f
}

// ask asks a board that has not answered, and does not wait for an answer: it may have been plugged in with the box, and
// either of the two was too busy at the time.
func (r *lcus) ask(p *port) error {
	r.asked, r.again = time.Now(), min(2*r.again, seldomTime)
	if err := p.send([]byte{0xFF}, r.sendTime); err != nil {
		return err
	}
	return r.wait(context.Background(), p, time.Now().Add(settleTime))
}

// takeUnasked takes what comes while nobody waits for it. If it is a state, this board answers after all: it is looked at as
// the others are from now on. Which state does not count, since it may be from before the last switching.
func (r *lcus) takeUnasked(b []byte) {
	if r.answers {
		return
	}
	r.text = append(r.text, b...)
	r.text = r.text[max(0, len(r.text)-512):]
	if _, r.answers = stateOf(r.text, r.b.config.Channel); r.answers {
		r.b.log.Info("the relay tells its state after all", "lane", r.b.lane)
	}
}

// confirm asks a board that answers for its state.
func (r *lcus) confirm(ctx context.Context, p *port, end time.Time) error {
	if !r.answers {
		return nil
	}
	return r.question(ctx, p, end)
}

// question asks for the state, and whether a board answers is known from its answer alone: a port can be lost meanwhile.
// It says nothing about what cannot be known before end, when the pulse is over; zero: there is time. An answer to an
// earlier question may come first, so it is the last one that counts.
func (r *lcus) question(ctx context.Context, p *port, end time.Time) error {
	if err := r.wait(ctx, p, time.Now().Add(settleTime)); err != nil {
		return err
	}
	p.forget()
	if err := p.send([]byte{0xFF}, r.sendTime); err != nil {
		return err
	}
	by := time.Now().Add(r.answerTime)
	cut := !end.IsZero() && end.Before(by)
	if cut {
		by = end
	}
	var text []byte
	fault := errSilent
	obeyed, err := r.listen(ctx, p, by, func(b []byte) bool {
		text = append(text, b...)
		text = text[max(0, len(text)-512):]
		on, known := stateOf(text, r.b.config.Channel)
		if known {
			r.answers, fault = true, errWrong
		}
		return known && on == r.on
	})
	if err != nil || obeyed || cut {
		return err
	}
	return fmt.Errorf("%s: %w", p.device, fault)
}

// wait lets time pass while the relay is watched.
func (r *lcus) wait(ctx context.Context, p *port, end time.Time) error {
	_, err := r.listen(ctx, p, end, func(b []byte) bool {
		r.takeUnasked(b)
		return false
	})
	return err
}

// listen has take what the relay says, until that is enough for it or the time is over.
func (r *lcus) listen(ctx context.Context, p *port, end time.Time, take func([]byte) (enough bool)) (enough bool, err error) {
	t := time.NewTimer(time.Until(end))
	defer t.Stop()
	for !enough {
		select {
		case b := <-p.in:
			enough = take(b)
		case <-t.C:
			return false, nil
		case <-p.gone:
			return false, p.why
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

var stateText = regexp.MustCompile(`(?i)CH([1-8]) ?: *(ON|OFF)`)

// stateOf finds the last thing that an answer says about a channel.
func stateOf(text []byte, channel int) (on, known bool) {
	last := -1
	for _, m := range stateText.FindAllSubmatchIndex(text, -1) {
		if text[m[2]] == '0'+byte(channel) {
			last, on = m[0], m[5]-m[4] == 2
		}
	}
	for i := 0; i+4 <= len(text); i++ {
		f := text[i : i+4]
		if f[0] == 0xA0 && int(f[1]) == channel && f[2] <= 1 && f[3] == f[0]+f[1]+f[2] && i > last {
			last, on = i, f[2] == 1
		}
	}
	return on, last >= 0
}

// report makes a change of state known, and nothing else: the tenth attempt to open a missing port is no news.
func (r *lcus) report(err error) {
	text := "up"
	if err != nil {
		text = err.Error()
	}
	if text == r.reported {
		return
	}
	r.reported = text
	if err != nil {
		r.b.metrics.up.WithLabelValues(r.b.lane).Set(0)
		r.b.log.Warn("relay down: the barrier is opened by hand", "lane", r.b.lane, "err", err)
	} else {
		r.b.metrics.up.WithLabelValues(r.b.lane).Set(1)
		r.b.log.Info("relay up", "lane", r.b.lane, "device", r.b.config.Device, "answers", r.answers)
	}
	r.b.became(err)
}
