package console

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"gated/gate"
	"gated/register/byhand"
)

// standsOpen is a lane's opening by hand so long ago.
func standsOpen(entry int64, lane, reason string, ago time.Duration) *gate.ByHand {
	return &gate.ByHand{Opening: byhand.Opening{Entry: entry, Lane: lane, Direction: lane, Since: time.Now().Add(-ago), Reason: reason}, Barrier: "open"}
}

// The interface opens and shuts, and says what is wrong.
func TestOpenAndShut(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"open", `{"lane":"roof","reason":"school-run"}`, `lane \"roof\": no such lane`, 404},
		{"open", `{"lane":"in","reason":"tea"}`, "one of school-run, rush-hour, moving-van, relay-dead, other-need", 400},
		{"open", `{"lane":"in"}`, "reason", 400},
		{"open", `{"lane":"in","reason":"school-run","note":"x"}`, "note", 400},
		{"shut", `{"lane":"in","heads":"5"}`, "not open by hand", 409},
		{"open", `{"lane":"in","reason":"school-run"}`, "", 204},
		{"open", `{"lane":"in","reason":"school-run"}`, "stands open already", 409},
		{"shut", `{"lane":"in","heads":"7"}`, "one of 0, 1, 2, 3, 4, 5, 10, 20, 50, uncounted", 400},
		{"shut", `{"lane":"in","heads":5}`, "must be a string", 400},
		{"shut", `{"lane":"roof","heads":"5"}`, "no such lane", 404},
		{"shut", `{"lane":"in","heads":"50"}`, "", 204},
		{"shut", `{"lane":"in","heads":"50"}`, "has ended", 409},
	} {
		w := b.ask(request("POST", "/api/"+c.path, c.body))
		if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d …%s…", c.path, c.body, w.Code, body, c.status, c.want)
		}
	}
	b.await(1, "by-hand in school-run; by-hand in shut")
	b.broken.Store(true)
	if w := b.ask(request("POST", "/api/open", `{"lane":"in","reason":"school-run"}`)); w.Code != 503 || !strings.Contains(w.Body.String(), "emergency key") {
		t.Errorf("in a fault: %d %s", w.Code, w.Body)
	}
}

// One key and a reason open, one key and a count shut; the lanes take turns at the key. What a key was not meant for it does not do.
func TestTheGuardOpensALaneByHand(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	nothing := func(what string) {
		t.Helper()
		if got := r.heard(); len(got) > 0 {
			t.Errorf("%s made the page ask %q", what, got)
		}
	}
	see(t, ctx, "ready", `!!document.querySelector('#stage .ready')`)
	press(t, ctx, "1")
	nothing("a digit alone")
	press(t, ctx, "h")
	see(t, ctx, "why", `$('hand').querySelector('h2').textContent.startsWith('临时开放 · 进') && [...$('hand').querySelectorAll('[data-why]')].map(e => e.textContent).join() === '1接送学生,2上下班高峰,3搬家,4道闸故障,5其他需要'`)
	press(t, ctx, "60"+kb.Escape+"1")
	nothing("a digit without a reason, and one after Escape")
	strike(t, ctx, "1", 0)
	run(t, ctx, `takeHand(view.lanes[0])`) // by a finger, before the key is known to be one
	see(t, ctx, "the key is known", `!keys.run.length`)
	nothing("a digit that was meant for something else")
	press(t, ctx, kb.Escape)
	press(t, ctx, "h1")
	r.awaits(t, `open {"lane":"in","reason":"school-run"}`)
	see(t, ctx, "asked no more", `!hand && !$('hand').textContent`)
	r.change(func(v *gate.View) { v.Lanes[0].ByHand = standsOpen(7, "in", "school-run", time.Minute) })
	see(t, ctx, "amber", `document.querySelector('#stage-in .hand-open .word')?.textContent === '临时开放' && document.querySelector('#stage-out .ready')`)
	sees(t, ctx, "since when and why", `(text => text.includes('接送学生 · 通行不登记') && /\d\d:\d\d 起/.test(text))(document.querySelector('.alarm.hand-open span').textContent) && !document.querySelector('[data-remind]')`)

	// A verdict covers it for as long as verdicts do; the emergency key counts before it.
	r.change(func(v *gate.View) { v.Lanes[0].Last = shownNow("P1", "admit", "valid-pass") })
	see(t, ctx, "green", `document.querySelector('#stage-in .verdict.admit')`)
	r.change(func(v *gate.View) { v.Lanes[0].Last.At = time.Now().Add(-9 * time.Second) })
	see(t, ctx, "amber again", `document.querySelector('#stage-in .hand-open')`)

	// The other lane, by the same key pressed twice; then the first is shut.
	press(t, ctx, "hh")
	see(t, ctx, "the other lane", `$('hand').querySelector('h2').textContent.startsWith('临时开放 · 出')`)
	press(t, ctx, "3")
	r.awaits(t, `open {"lane":"out","reason":"moving-van"}`)
	r.change(func(v *gate.View) { v.Lanes[1].ByHand = standsOpen(9, "out", "moving-van", 0) })
	see(t, ctx, "both", `document.querySelectorAll('.alarm.hand-open').length === 2`)
	press(t, ctx, "h")
	see(t, ctx, "digits for one of them", `[...$('heads-in').querySelectorAll('button')].map(e => e.textContent).join() === '00,11,22,33,44,55,610,720,850,9没数' && !$('heads-out').querySelector('button kbd')`)
	press(t, ctx, "7")
	r.awaits(t, `shut {"lane":"in","heads":"20"}`)
	r.change(func(v *gate.View) { v.Lanes[0].ByHand = nil })
	press(t, ctx, "hh0")
	r.awaits(t, `shut {"lane":"out","heads":"0"}`)

	// The lane is shut elsewhere while a count is asked for: the digit does not open it for something.
	press(t, ctx, "hh")
	see(t, ctx, "asked", `hand && hand.lane === 'out' && hand.entry === 9`)
	r.change(func(v *gate.View) { v.Lanes[1].ByHand = nil })
	see(t, ctx, "asked no more", `!hand`)
	press(t, ctx, "1")
	nothing("a digit for what is over")
	// The emergency key's lane is left out.
	r.change(func(v *gate.View) { v.Lanes[0].Latch = "open" })
	press(t, ctx, "h")
	see(t, ctx, "the other lane", `hand && hand.lane === 'out' && $('hand-in').disabled`)
	press(t, ctx, kb.Escape)
	r.change(func(v *gate.View) { v.Lanes[0].Latch = "" })

	// Whoever waits is decided by their own keys; to select somebody ends the asking.
	r.change(func(v *gate.View) { v.Holds = []gate.Hold{openHold("H1", "in", "李秀英", "6-1-302", "expired")} })
	see(t, ctx, "selected", `chosen === 'H1' && performance.now() - chosenAt > READ_MS`)
	press(t, ctx, "ho1")
	r.awaits(t, `decide {"passage":"H1","verdict":"admit","reason":"known-by-sight","note":""}`)

	// By a finger.
	tap(t, ctx, "#hand-in")
	tap(t, ctx, "[data-why=rush-hour]")
	r.awaits(t, `open {"lane":"in","reason":"rush-hour"}`)
	r.change(func(v *gate.View) { v.Holds, v.Lanes[0].ByHand = nil, standsOpen(11, "in", "rush-hour", 0) })
	tap(t, ctx, "#heads-in [data-heads=uncounted]")
	r.awaits(t, `shut {"lane":"in","heads":"uncounted"}`)

	// In a fault the page says what to do instead.
	r.mu.Lock()
	r.status = 503
	r.mu.Unlock()
	r.change(func(v *gate.View) { v.Lanes[0].ByHand = nil })
	see(t, ctx, "shut", `!document.querySelector('.hand-open')`)
	press(t, ctx, "h5")
	see(t, ctx, "the emergency key", `$('toast').textContent === '登记故障，没有打开：紧急情况按紧急键'`)
}

// Every five minutes the page reminds of it, by a tone and a flash, each once.
func TestThePageRemindsOfALaneThatStandsOpen(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	see(t, ctx, "ready", `!!document.querySelector('#stage .ready')`)
	run(t, ctx, `(played = [], sound = kind => played.push(kind))`)
	r.change(func(v *gate.View) { v.Lanes[0].ByHand = standsOpen(7, "in", "school-run", 5*time.Minute-2*time.Second) })
	see(t, ctx, "not yet", `document.querySelector('.alarm.hand-open:not([data-remind])')`)
	sees(t, ctx, "silence", `played.length === 0`)
	see(t, ctx, "the reminder", `document.querySelector('.alarm.hand-open[data-remind]') && played.join() === 'hand'`)
	r.change(func(v *gate.View) { v.Lanes[0].ByHand.Since = v.Lanes[0].ByHand.Since.Add(-20 * time.Second) })
	see(t, ctx, "over", `document.querySelector('.alarm.hand-open:not([data-remind])')`)
	r.change(func(v *gate.View) { v.Lanes[0].ByHand.Since = v.Lanes[0].ByHand.Since.Add(-5 * time.Minute) })
	see(t, ctx, "another", `played.join() === 'hand,hand'`)
	r.change(func(v *gate.View) { v.Lanes[0].ByHand = standsOpen(8, "in", "rush-hour", 16*time.Minute) })
	see(t, ctx, "another opening", `document.querySelector('.alarm.hand-open span').textContent.includes('上下班高峰')`)
	sees(t, ctx, "silence", `played.length === 2`)
}

// What a scanner types neither opens nor shuts a lane.
func TestAKeyboardScannerOpensNothing(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	for i, code := range []string{"h1234567890\r", "hh11h22h33\r", "1h1\rh2h3h4h5", "6901234567892\r"} {
		scans(t, ctx, code, paces[i%3], func() {
			r.change(func(v *gate.View) { v.Lanes = lanes(); v.Lanes[1].ByHand = standsOpen(9, "out", "moving-van", 0) })
			anew(t, ctx, r.url)
			see(t, ctx, "ready", `document.querySelector('.alarm.hand-open')`)
			if i == 3 { // while it is asked how many passed
				run(t, ctx, `takeHand(view.lanes[1])`)
			}
			r.heard()
		})
		see(t, ctx, code+": it is said", `document.querySelector('.alarm.keyboard')`)
		if got := r.heard(); len(got) > 0 {
			t.Errorf("%q made the page ask %q", code, got)
		}
	}
}

// With a real gate: the page opens the lane, shows it, and shuts it; both stand in the ledger.
func TestALaneIsOpenedByHandAtARealGate(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx := browser(t, b.serve(t))
	see(t, ctx, "ready", `!!document.querySelector('#stage .ready')`)
	press(t, ctx, "h4")
	b.has("by-hand in relay-dead")
	see(t, ctx, "amber, and no barrier that opens by itself", `document.querySelector('#stage-in .hand-open .why')?.textContent.includes('请手动开闸') && document.querySelector('.alarm.hand-open').textContent.includes('此通道没有自动道闸')`)
	press(t, ctx, "h5")
	b.has("by-hand in shut")
	see(t, ctx, "ready", `document.querySelector('#stage-in .ready')`)
}
