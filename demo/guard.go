package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"gated/demo/judge"
)

// ruling makes the guard decide a hold: after some seconds, or with --fast at once.
func (d *demo) ruling(ctx context.Context, hold judge.Answer, v visitor, admit bool, guards *sync.WaitGroup) error {
	if d.Fast {
		return d.decide(ctx, hold, v, admit)
	}
	guards.Go(func() {
		if !wait(ctx, 4*time.Second) {
			return
		}
		if err := d.decide(ctx, hold, v, admit); err != nil {
			fmt.Fprintln(d.Stderr, "gated-demo: the guard:", err)
		}
	})
	return nil
}

func (d *demo) decide(ctx context.Context, hold judge.Answer, v visitor, admit bool) error {
	r := map[string]string{"passage": hold.Passage, "verdict": "admit", "reason": "document-sighted"}
	if !admit {
		r["verdict"], r["reason"] = "refuse", "not-known"
	}
	_, err := d.ask(ctx, "api/decide", r)
	if err == nil && !d.Fast && !d.LogVerdicts {
		fmt.Fprintf(d.Stdout, "%s  %-3s  the guard, about %-16s → %s (%s)\n",
			time.Now().Format(time.TimeOnly), hold.Lane, v.what, r["verdict"], r["reason"])
	}
	return err
}

// emergency presses the emergency key for an ambulance, and closes the lane after it has passed. With --fast the guard sometimes
// presses the key twice, and says later who passed: otherwise a long run would leave thousands of openings to account for.
func (d *demo) emergency(ctx context.Context, lane string, rng *rand.Rand, guards *sync.WaitGroup) error {
	if err := d.press(ctx, judge.Press{Lane: lane}); err != nil {
		return err
	}
	pause, again := 8*time.Second, false
	if d.Fast { // people keep passing meanwhile
		pause, again = time.Duration(200+rng.IntN(800))*time.Millisecond, rng.IntN(3) == 0
	}
	if again {
		if err := d.press(ctx, judge.Press{Lane: lane}); err != nil {
			return err
		}
	}
	if !d.Fast && !d.LogVerdicts {
		fmt.Fprintf(d.Stdout, "%s  %-3s  an ambulance without a pass      → F9, held open\n", time.Now().Format(time.TimeOnly), lane)
	}
	guards.Go(func() {
		wait(ctx, pause)
		ctx := context.WithoutCancel(ctx)
		err := d.press(ctx, judge.Press{Lane: lane, Closing: true})
		if err == nil && d.Fast {
			err = d.account(ctx, lane)
		}
		if err != nil {
			fmt.Fprintln(d.Stderr, "gated-demo: the guard:", err)
			if d.injected != nil {
				d.injected.fail("the guard of lane %s: %v", lane, err)
			}
		}
	})
	return nil
}

// press presses the emergency key, or the one that closes.
func (d *demo) press(ctx context.Context, p judge.Press) error {
	d.keys.Lock()
	defer d.keys.Unlock()
	path := "api/emergency"
	if p.Closing {
		path = "api/close"
	}
	p.From = time.Now()
	b, err := d.ask(ctx, path, map[string]string{"lane": p.Lane})
	p.Until, p.Answered = time.Now(), err == nil && b != nil
	if p.Answered && !p.Closing {
		var out struct{ Passage string }
		err = json.Unmarshal(b, &out)
		p.Passage = out.Passage
	}
	d.run.Presses = append(d.run.Presses, p)
	return err
}

// account records who passed through the lane while it was held open.
func (d *demo) account(ctx context.Context, lane string) error {
	for _, o := range d.page.now().ToAccountFor {
		if o.Lane != lane || o.What != "who-passed" {
			continue
		}
		if _, err := d.ask(ctx, "api/account", map[string]string{"id": o.ID, "note": "救护车 an ambulance"}); err != nil {
			return err
		}
	}
	return nil
}

// ask sends what the page sends when the guard presses a key. It returns nil if the daemon ended before it answered, and if there
// was nothing left to do: the gate may have left a hold undecided before the guard got to it.
func (d *demo) ask(ctx context.Context, path string, body any) ([]byte, error) {
	b, err := d.gated.post(ctx, path, body)
	if err != nil && (errors.Is(err, errConflict) || ctx.Err() != nil || !d.gated.running()) {
		return nil, nil
	}
	return b, err
}
