package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"gated/demo/judge"
	"gated/demo/scenes"
	"gated/gate"
	"gated/policy"
	"gated/scanner"
)

// play lets people come to every lane until all codes are played, the time is over, or ctx ends.
func (d *demo) play(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	var guards sync.WaitGroup
	if d.Scenes {
		if err := scenes.Play(ctx, d.stage(&guards)); err != nil && ctx.Err() == nil && d.ends() {
			return err
		} else if err != nil && ctx.Err() == nil { // the directory of an older run has trips that count, perhaps
			fmt.Fprintln(d.Stderr, "gated-demo: the scenes end here, and people come:", err)
		}
	}
	if d.For > 0 {
		d.until = time.Now().Add(d.For)
	}
	errs := make(chan error, len(Lanes))
	for i, id := range Lanes {
		n := (d.Scans + len(Lanes) - 1 - i) / len(Lanes)
		go func() {
			err := d.playLane(ctx, d.lanes[id], n, &guards)
			if err != nil && !errors.Is(err, errEnded) {
				fmt.Fprintf(d.Stderr, "gated-demo: %v: nobody comes to this lane any more\n", err)
			}
			errs <- err
		}()
	}
	var all []error
	for range Lanes {
		if err := <-errs; !errors.Is(err, errEnded) {
			all = append(all, err)
		}
	}
	guards.Wait()
	return errors.Join(all...)
}

// begin waits for the scanners, signs the guard on, and confirms the clock if the gate does not trust it.
func (d *demo) begin(ctx context.Context) error {
	err := d.page.await(ctx, time.Minute, func(v gate.View) bool {
		for _, id := range Lanes {
			if !find(v, id).Up {
				return false
			}
		}
		return true
	})
	// Refused until the start entry is written.
	for late := time.Now().Add(15 * time.Second); err == nil; time.Sleep(50 * time.Millisecond) {
		if _, err = d.gated.post(ctx, "api/duty", map[string]string{"name": "演示门岗 demo guard"}); err == nil {
			break
		}
		if ctx.Err() == nil && time.Now().Before(late) {
			err = nil
		}
	}
	if err == nil && !d.page.now().Clock.Trusted {
		_, err = d.gated.post(ctx, "api/clock", struct{}{})
	}
	for _, id := range Lanes {
		if err == nil {
			d.lanes[id].frames, err = d.gated.frames(ctx, id)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// over tells whether the time of the demo is over.
func (d *demo) over() bool { return !d.until.IsZero() && !time.Now().Before(d.until) }

// pause waits until the next person comes. It returns false if ctx has ended.
func (d *demo) pause(ctx context.Context, rng *rand.Rand) bool {
	from, to := 1500*time.Millisecond, 5*time.Second
	if d.Fast && d.For < time.Hour {
		return ctx.Err() == nil
	}
	if d.Fast { // a million codes for each lane, or the ledger would fill the disk
		from, to = d.For/1e6, d.For/1e6+1
	}
	return wait(ctx, from+time.Duration(rng.Int64N(int64(to-from))))
}

// wait waits for a duration. It returns false if ctx ended first.
func wait(ctx context.Context, long time.Duration) bool {
	select {
	case <-time.After(long):
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *demo) playLane(ctx context.Context, l *lane, scans int, guards *sync.WaitGroup) error {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(len(l.id))))
	alarm := func() time.Time {
		return time.Now().Add(8*time.Second + time.Duration(rng.Int64N(int64(14*time.Second))))
	}
	var last visitor
	ambulance := alarm()
	for n, sent := 0, 0; (d.Scans == 0 || sent < scans) && !d.over() && d.pause(ctx, rng); n++ {
		if d.injected != nil {
			if err := d.injected.maybe(ctx, l, rng); err != nil {
				return err
			}
		}
		v := d.people.next(rng, l.id, n, d.Fast)
		if d.Fast && time.Now().After(ambulance) {
			v.emergency, ambulance = true, alarm()
		}
		if v.emergency && find(d.page.now(), l.id).ByHand != nil { // it drives through
			continue
		}
		if v.emergency {
			if err := d.emergency(ctx, l.id, rng, guards); err != nil {
				return err
			}
			continue
		}
		var card []byte
		if l.id == "in" && (n == 2 || !d.Fast && rng.IntN(8) == 0) { // reading a card is slow, so there is only one with --fast
			d.people.moves.Leave(v.passes)
			v, card = d.people.cardholder(rng, n)
		} else if last.code != "" && rng.IntN(20) == 0 && (last.passes == "" || d.people.moves.Begin(last.passes)) {
			d.people.moves.Leave(v.passes)
			v = last
			v.what, v.common = "the same code again", true
		}
		a, err := d.show(ctx, l, v, card)
		if err != nil {
			return err
		}
		v = d.people.foretold(v, a)
		sent++
		d.say(l.id, v, a)
		if d.injected != nil {
			d.injected.judge(ctx, v, a)
		}
		if a.dropped == scanner.Stalled { // it may be told in parts, and the rest is of nobody who comes now
			d.dropped(ctx, l)
		}
		last = visitor{}
		if a.dropped == "" && !a.out.Repeat && a.out.Verdict == policy.Admit {
			last = v
		}
		if a.out.Verdict == policy.Hold && !a.out.Repeat && !(d.Fast && n%10 == 9) { // a few holds are left undecided
			if err := d.ruling(ctx, a.out, v, rng.IntN(3) > 0, guards); err != nil {
				return err
			}
		}
	}
	return nil
}

// show presents a code to the scanner of the lane, or a card to its card reader, and waits for the answer of the gate.
func (d *demo) show(ctx context.Context, l *lane, v visitor, card []byte) (answer, error) {
	if card != nil {
		soon, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if d.cards.Free(soon) != nil { // the card before this one has been removed
			if ctx.Err() != nil {
				return answer{}, errEnded
			}
			return answer{}, fmt.Errorf("lane %s: the card reader was not asked for cards within 30 s", l.id)
		}
		defer d.cards.Remove()
	}
	if d.injected != nil {
		d.injected.running.RLock()
		defer d.injected.running.RUnlock()
	}
	c, shown := make(chan answer, 1), time.Now()
	d.mu.Lock()
	d.waiting[l.id] = c
	d.count.scans++
	d.mu.Unlock()
	if card != nil {
		d.cards.Present(card)
	} else if err := l.read(v.code); err != nil {
		return answer{}, err
	}
	a, err := d.await(ctx, l, c, v, card)
	a.shown = shown
	return a, err
}

// read sends a code as its scanner does.
func (l *lane) read(code string) error {
	if _, err := io.WriteString(l.scanner.Scanner, code+"\r\n"); err != nil {
		return fmt.Errorf("scanner %s: %w", l.id, err)
	}
	return nil
}

// await waits for the answer to a code. Only the metrics of the scanner tell that it was dropped as no whole code.
func (d *demo) await(ctx context.Context, l *lane, c chan answer, v visitor, card []byte) (answer, error) {
	late := time.After(time.Minute)
	every := 250 * time.Millisecond
	if v.dropped != "" {
		every = 5 * time.Millisecond
	}
	metrics := time.NewTicker(every)
	defer metrics.Stop()
	again := time.NewTicker(5 * time.Second) // people present a card again when nothing happens
	defer again.Stop()
	for {
		select {
		case a := <-c:
			return a, nil
		case <-metrics.C:
			cause := d.dropped(ctx, l)
			if cause == scanner.Stalled && card == nil && d.injected == nil && wait(ctx, quietGap) { // people show a code again
				if err := l.read(v.code); err != nil {
					return answer{}, err
				}
			} else if cause != "" && d.take(l.id, c, &d.count.framing, 1) {
				return answer{dropped: cause}, nil
			}
		case <-again.C:
			if card == nil {
				continue
			}
			d.cards.Remove()
			soon, cancel := context.WithTimeout(ctx, 5*time.Second)
			if d.cards.Free(soon) == nil {
				d.cards.Present(card)
			}
			cancel()
		case <-d.gated.done: // without reading this code
			if !d.take(l.id, c, &d.count.scans, -1) {
				return <-c, nil
			}
			return answer{}, errEnded
		case <-late:
			return answer{}, fmt.Errorf("lane %s: a code was not answered within a minute", l.id)
		}
	}
}

// take stops waiting for the answer to a code, and counts that. It returns false if the answer has come already.
func (d *demo) take(lane string, c chan answer, count *int, by int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting[lane] != c {
		return false
	}
	delete(d.waiting, lane)
	*count += by
	return true
}

// dropped tells why the scanner of the lane has dropped a frame since the last call; empty: it has not.
func (d *demo) dropped(ctx context.Context, l *lane) (cause string) {
	frames, err := d.gated.frames(context.WithoutCancel(ctx), l.id)
	if err != nil {
		return "" // the daemon has ended
	}
	for c, n := range frames {
		if n > l.frames[c] {
			cause = c
		}
	}
	l.frames = frames
	return cause
}

// line handles a line that the daemon prints for an answer. The answer to a code goes to the visitor who showed it.
func (d *demo) line(printed []byte) {
	var a judge.Answer
	if json.Unmarshal(printed, &a) != nil {
		fmt.Fprintf(d.Stderr, "gated-demo: not a verdict: %s\n", printed)
		return
	}
	if d.LogVerdicts {
		d.Stdout.Write(append(printed, '\n'))
	}
	d.openings.Answer(a)
	d.answers.Answer(a)
	d.mu.Lock()
	if a.Passage != "" && !a.Repeat {
		if d.holds[a.Passage] {
			d.latest[policy.Hold]--
			delete(d.holds, a.Passage)
		}
		if a.Verdict == policy.Hold {
			d.holds[a.Passage] = true
		}
		d.latest[a.Verdict]++
	}
	d.mu.Unlock()
	if a.OfCode() {
		d.answered(a)
	}
}

func (d *demo) answered(a judge.Answer) {
	d.mu.Lock()
	c := d.waiting[a.Lane]
	delete(d.waiting, a.Lane)
	switch {
	case c == nil:
	case a.Repeat:
		d.count.repeats++
	default:
		d.count.answered++
	}
	d.mu.Unlock()
	if c != nil {
		c <- answer{out: a}
	} else if d.injected != nil { // such as noise that made a frame
		d.injected.unexpected(a)
	}
}

func (d *demo) say(lane string, v visitor, a answer) {
	if d.Fast || d.LogVerdicts {
		return
	}
	what := a.out.Verdict + " (" + a.out.Reason + ")"
	switch {
	case a.dropped != "":
		what = "dropped: not a whole code"
	case a.out.Repeat:
		what = "already read: " + a.out.Verdict
	}
	fmt.Fprintf(d.Stdout, "%s  %-3s  %-32s → %s\n", time.Now().Format(time.TimeOnly), lane, v.what, what)
}
