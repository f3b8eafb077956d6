package console

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gated/gate"
)

// recorded serves a page that nobody's gate stands behind and remembers what the page asks for, which is answered with a status; of whom
// a guard has begun to answer, with none if that is 0.
type recorded struct {
	*shows
	url    string
	status int
	reason string
	asked  []string

	answering []string // of whom a guard has begun to answer
}

// refuse has what the page asks for refused, for a reason.
func (r *recorded) refuse(status int, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.reason = status, reason
}

func record(t *testing.T) *recorded {
	r := &recorded{shows: newShows(), status: http.StatusOK}
	r.view.Lanes = lanes()
	pages := r.handler(nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if !strings.HasPrefix(q.URL.Path, "/api/") {
			pages.ServeHTTP(w, q)
			return
		}
		if path.Base(q.URL.Path) == "visit-words" { // no firms: nobody delivers here
			answer(w, http.StatusOK, nil)
			return
		}
		body, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		if path.Base(q.URL.Path) == "answering" { // nothing that is decided
			r.answering = append(r.answering, string(body))
			switch r.status {
			case http.StatusOK:
				w.WriteHeader(http.StatusNoContent)
			case 0:
				panic(http.ErrAbortHandler) // the connection is cut
			default:
				w.WriteHeader(r.status)
			}
			return
		}
		if q.Method == "POST" {
			r.asked = append(r.asked, path.Base(q.URL.Path)+" "+string(body))
		}
		answer(w, r.status, map[string]string{"passage": "P", "reason": r.reason})
	}))
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

// heard is what pages asked for since the last time.
func (r *recorded) heard() (asked []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	asked, r.asked = r.asked, nil
	return asked
}

// count is how often a page asked for something.
func (r *recorded) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.asked)
}

// awaits waits until a page asked for something, and for nothing else.
func (r *recorded) awaits(t *testing.T, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if got := r.heard(); len(got) > 0 {
			if len(got) != 1 || got[0] != want {
				t.Errorf("the page asked %q, want %q", got, want)
			}
			return
		}
	}
	t.Fatalf("the page never asked %q", want)
}

// anew opens the page again as it is at first.
func anew(t *testing.T, ctx context.Context, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	see(t, ctx, "the page", `$('lost').hidden && view`)
	run(t, ctx, `(stamps = [], addEventListener('keydown', e => stamps.push(e.timeStamp), true), true)`)
}

func run(t *testing.T, ctx context.Context, js string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(`+js+`, true)`)); err != nil {
		t.Fatal(err)
	}
}

// scans types as a scanner that is set to keyboard does, a key each pace, until one time this machine was not too busy to keep
// that up. Each time it is prepared for anew.
func scans(t *testing.T, ctx context.Context, code string, pace time.Duration, prepare func()) {
	t.Helper()
	for range 40 {
		prepare()
		next := time.Now()
		for _, k := range code {
			time.Sleep(time.Until(next))
			next = next.Add(pace)
			strike(t, ctx, string(k), 0)
		}
		if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`stamps.every((at, i) => !i || at - stamps[i - 1] < 145)`)); err != nil {
			t.Fatal(err)
		} else if ok {
			time.Sleep(300 * time.Millisecond) // what comes of it would have come
			return
		}
	}
	t.Fatal("this machine is too busy to type like a scanner")
}

var paces = []time.Duration{3 * time.Millisecond, 30 * time.Millisecond, 115 * time.Millisecond} // Bluetooth sends one each 130 ms; this machine wants some room

// A code that a scanner types decides about nobody, and its Enter presses no button. The first key of it is no burst yet.
func TestAKeyboardScannerActsOnNothing(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	waiting := func(focus string) func() {
		return func() {
			r.change(func(v *gate.View) {
				v.Holds = []gate.Hold{openHold("H1", "in", "李秀英", "6-1-302", "expired"), openHold("H2", "out", "", "", "unknown-out")}
				v.Lanes[1].Latch = "open"
			})
			anew(t, ctx, r.url)
			see(t, ctx, "the first is chosen", `chosen === 'H1' && performance.now() - chosenAt > READ_MS`)
			if focus != "" {
				run(t, ctx, `document.querySelector('`+focus+`').focus()`)
			}
			r.heard()
		}
	}
	for _, c := range []struct{ code, focus string }{
		{"A1R2a", ""}, // the scanner sends no Enter
		{"a6901234567892\r", ""},
		{"r/6901/o1\r", ""},
		{"/6901234567892\r", ""},
		{"oO1on2345\r", ""},
		{"6901234567892\r", ".card.on .yes"},
		{"6901234567892\r", "#panic-in"},
		{"6901234567892\t\r", "#close-out"},
		{"69012 67892 \r", ".card.on .no"},
	} {
		for i, pace := range paces {
			if i != len(c.code)%3 && c.code != "a6901234567892\r" { // one each, in turn
				continue
			}
			scans(t, ctx, c.code, pace, waiting(c.focus))
			name := fmt.Sprintf("%q at %v", c.code, pace)
			see(t, ctx, name+": it is said", `document.querySelector('.alarm.keyboard')?.textContent.includes('扫码器设成了键盘')`)
			if got := r.heard(); len(got) > 0 {
				t.Errorf("%s made the page ask %q", name, got)
			}
			sees(t, ctx, name+": the same is chosen, no reasons, nothing searched", `chosen === 'H1' && !document.querySelector('.reasons') && $('room').value === '' && !found`)
		}
	}

	// Hasty fingers decide nothing either, and are told so; one key does, after a silence.
	waiting("")()
	run(t, ctx, `['2', 'a'].forEach(key => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true})))`)
	see(t, ctx, "too fast", `!$('toast').hidden && $('toast').textContent.includes('按键太快')`)
	sees(t, ctx, "the same is chosen", `chosen === 'H1' && !document.querySelector('.alarm.keyboard')`)
	sees(t, ctx, "not at once", `document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true, cancelable: true})) && !cards[0].ruled`)
	r.awaits(t, `decide {"passage":"H1","verdict":"admit","reason":"document-sighted","note":""}`)

	// One Enter presses the button that has the focus, which it has no more then.
	run(t, ctx, `$('close-out').focus()`)
	press(t, ctx, kb.Enter)
	r.awaits(t, `close {"lane":"out"}`)
	sees(t, ctx, "no button has the focus", `document.activeElement === document.body`)
	press(t, ctx, kb.Enter)
	press(t, ctx, " ")
	if got := r.heard(); len(got) > 0 {
		t.Errorf("the next keys made the page ask %q", got)
	}
	// A button that was tapped has it no more, either.
	tap(t, ctx, "#close-out")
	r.awaits(t, `close {"lane":"out"}`)
	press(t, ctx, kb.Enter)
	if got := r.heard(); len(got) > 0 {
		t.Errorf("Enter after a tap made the page ask %q", got)
	}
}

// In a field a code is nobody's name, no note and no room; what a guard writes there is.
func TestAKeyboardScannerSignsNobodyOn(t *testing.T) {
	t.Parallel()
	r := record(t)
	r.view.ToAccountFor = []gate.Opening{{ID: "D1", Lane: "in", Since: time.Now(), What: "who-passed"}}
	ctx := browser(t, r.url)
	open := map[string]string{"duty-name": `document.querySelector('#duty button').click()`, "account-D1": `$('account-D1').focus()`, "room": `$('room').focus()`}
	for i, field := range []string{"duty-name", "account-D1", "room"} {
		for j, code := range []string{"6901234567892\r", "HC1:NCFOXN%TS3\r", "AB12CD\r"} {
			pace := paces[(i+j)%3]
			if field == "room" && len(code) < 12 {
				pace = paces[0]
			}
			scans(t, ctx, code, pace, func() {
				anew(t, ctx, r.url)
				run(t, ctx, open[field])
				r.heard()
			})
			name := fmt.Sprintf("%q in %s at %v", code, field, pace)
			see(t, ctx, name+": it is said", `document.querySelector('.alarm.keyboard')`)
			if got := r.heard(); len(got) > 0 {
				t.Errorf("%s made the page ask %q", name, got)
			}
			sees(t, ctx, name+" leaves the field as it was", fmt.Sprintf(`$('%s').value === '' && document.activeElement === $('%[1]s') && !found`, field))
		}
	}
	anew(t, ctx, r.url)
	run(t, ctx, open["duty-name"])
	write(t, ctx, "Zhou Jianguo")
	press(t, ctx, kb.Enter)
	r.awaits(t, `duty {"name":"Zhou Jianguo"}`)
	see(t, ctx, "the form closes", `!$('duty-name')`)
	press(t, ctx, "/")
	write(t, ctx, "3-2-501")
	sees(t, ctx, "a room", `document.activeElement === $('room') && $('room').value === '3-2-501'`)
	sees(t, ctx, "a person is no scanner", `!document.querySelector('.alarm.keyboard')`)
}

// Where the settings name a lane for it, a whole code that a scanner types is a reading of that lane, from whichever field.
func TestACodeThatIsTypedIsReadWhereTheSettingsSaySo(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	rules := b.gate.Rules()
	rules.Keyboard, rules.Repeat = "out", 0
	b.gate.SetRules(rules)
	ctx := browser(t, b.serve(t))
	url := must(chromedp.Run(ctx, chromedp.Location()))
	var code string
	for i, focus := range []string{"", "document.querySelector('#duty button').click()"} {
		code = b.pass([]string{"王小明", "李四"}[i], time.Hour)
		before := b.ledger.Size()
		scans(t, ctx, code+"\r", paces[0], func() {
			anew(t, ctx, url)
			before = b.ledger.Size()
			if focus != "" {
				run(t, ctx, focus)
			}
		})
		b.await(before, "check out ok; query out; register out admit valid-pass")
		see(t, ctx, "its verdict", `document.querySelector('#stage-out .verdict.admit') && !document.querySelector('.alarm.keyboard')`)
		if want := fmt.Sprintf(`code {"lane":"out","code":%q}`, code); b.heard()[len(b.heard())-1] != want {
			t.Errorf("%d: the page asked %q, want %s", i, b.heard(), want)
		}
	}

	// Half a code is none: neither its beginning without Enter, nor what comes after.
	asked := len(b.heard())
	scans(t, ctx, code[:20], paces[0], func() { anew(t, ctx, url) })
	see(t, ctx, "it is said", `!$('toast').hidden && $('toast').textContent.includes('没读全')`)
	scans(t, ctx, code[20:]+"\r", paces[0], func() {
		anew(t, ctx, url)
		run(t, ctx, `keys.broken = performance.now() + 60000`) // as it was, on a slow machine
	})
	if got := b.heard(); len(got) > asked {
		t.Errorf("half a code made the page ask %q", got[asked:])
	}
	b.gate.SetRules(gate.Rules{Policy: rules.Policy, Trust: rules.Trust, Level: rules.Level, Hold: rules.Hold, Language: "zh"})
	scans(t, ctx, code+"\r", paces[0], func() { anew(t, ctx, url) })
	see(t, ctx, "not read without the setting", `document.querySelector('.alarm.keyboard')`)
	if got := b.heard(); len(got) > asked {
		t.Errorf("without the setting a code made the page ask %q", got[asked:])
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// One key says what became of somebody on whom nobody decided, but never while somebody is selected, nor twice, nor as a scanner's.
func TestOneKeySaysWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	r.change(func(v *gate.View) {
		v.Undecided = []gate.Undecided{{Passage: "U1", Lane: "in", Direction: "in", Class: "resident", Name: "李秀英", Room: "6-1-302", At: time.Now()},
			{Passage: "U2", Lane: "out", Direction: "out", Class: "unknown", At: time.Now()}}
		v.UndecidedInAll = 31 // more than the page has
		v.Holds = []gate.Hold{openHold("H1", "in", "王小明", "7-1-1203", "expired")}
	})
	anew(t, ctx, r.url)
	see(t, ctx, "asked about the newest", `document.querySelector('.asked').textContent.includes('李秀英') && $('accounts').textContent.includes(' 31') && chosen === 'H1'`)
	press(t, ctx, "i")
	sees(t, ctx, "somebody else is selected", `document.querySelector('.asked').textContent.includes('李秀英')`)
	r.change(func(v *gate.View) { v.Holds = nil })
	see(t, ctx, "nobody waits", `!document.querySelector('.card')`)
	for _, k := range "itu12\r" {
		strike(t, ctx, string(k), 5*time.Millisecond)
	}
	see(t, ctx, "a scanner", `!!document.querySelector('.alarm.keyboard')`)
	time.Sleep(700 * time.Millisecond) // no key acts so soon after it
	if got := r.heard(); len(got) > 0 {
		t.Fatalf("the page asked %q", got)
	}
	press(t, ctx, "t")
	r.awaits(t, `afterwards {"passage":"U1","what":"turned-away"}`)
	see(t, ctx, "asked about the next", `!document.querySelector('.asked').textContent.includes('李秀英') && $('accounts').textContent.includes(' 30')`)
}

// Who is asked about stays until somebody has said what became of them, whoever comes after; the next one takes no tap and no key that
// was meant for the one before.
func TestTheQuestionStaysWithWhoItIsAbout(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	about := func(passage, name string) gate.Undecided {
		return gate.Undecided{Passage: passage, Lane: "in", Direction: "in", Class: "resident", Name: name, At: time.Now()}
	}
	asked := func(list ...gate.Undecided) {
		r.change(func(v *gate.View) { v.Undecided, v.UndecidedInAll = list, len(list) })
	}
	asked(about("U1", "李秀英"))
	anew(t, ctx, r.url)
	see(t, ctx, "asked about them", `document.querySelector('.asked').textContent.includes('李秀英')`)
	asked(about("U2", "王小明"), about("U1", ""))
	see(t, ctx, "there is another", `$('accounts').textContent.includes(' 2')`)
	sees(t, ctx, "and still asked about the first", `document.querySelector('.asked').textContent.includes('李秀英')`)
	r.change(func(v *gate.View) { v.Undecided, v.UndecidedInAll = []gate.Undecided{about("U2", "王小明")}, 51 }) // it is not among those that the page has
	see(t, ctx, "there are many", `$('accounts').textContent.includes(' 51')`)
	sees(t, ctx, "and still asked about the first", `document.querySelector('.asked').textContent.includes('李秀英')`)
	r.heard()
	run(t, ctx, `(shows = () => document.querySelector('.asked')?.textContent.includes('王小明'), swapped = 0, tried = 0, new MutationObserver(() => {
		if (swapped || !shows()) return;
		swapped = performance.now();
		const soon = (ms, e, on) => setTimeout(() => { tried++; if (performance.now() - swapped < 550) on().dispatchEvent(e()); }, ms);
		soon(50, () => new KeyboardEvent('keydown', { key: 'u', code: 'KeyU', bubbles: true, cancelable: true }), () => document.body);
		soon(450, () => new MouseEvent('click', { detail: 1, bubbles: true, cancelable: true }), () => document.querySelector('.asked button'));
	}).observe($('accounts'), { childList: true, subtree: true }))`)
	asked(about("U2", "王小明")) // somebody else has said it
	see(t, ctx, "asked about the other", `shows() && tried === 2`)
	time.Sleep(300 * time.Millisecond) // what comes of it would have come
	if got := r.heard(); len(got) > 0 {
		t.Fatalf("the page asked %q", got)
	}
	tap(t, ctx, ".asked button")
	r.awaits(t, `afterwards {"passage":"U2","what":"went-through"}`)
}

// The second tap of a double tap decides nothing, whatever it falls on: no reason, and not whoever comes next.
func TestTheSecondTapOfADoubleTapDecidesNothing(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	two := []gate.Hold{openHold("H1", "in", "李秀英", "6-1-302", "expired"), openHold("H2", "out", "", "", "unknown-out")}
	touch := false
	down := func(x, y float64) chromedp.Action[chromedp.Void] {
		if !touch {
			return chromedp.MouseClickXY(x, y)
		}
		return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			p := input.DispatchTouchEventParams{Type: input.DispatchTouchEventTypeTouchStart, TouchPoints: []*input.TouchPoint{{X: x, Y: y}}}
			_, err := cdp.Call(ctx, tab, input.DispatchTouchEvent, p)
			if err == nil {
				p.Type, p.TouchPoints = input.DispatchTouchEventTypeTouchEnd, []*input.TouchPoint{}
				_, err = cdp.Call(ctx, tab, input.DispatchTouchEvent, p)
			}
			return err
		})
	}
	want := map[string]string{
		".card.on .yes": `decide {"passage":"H1","verdict":"admit","reason":"document-sighted","note":""}`,
		".card.on .no":  `decide {"passage":"H1","verdict":"refuse","reason":"not-known","note":""}`,
	}
	twice := func(element string, apart time.Duration) {
		t.Helper()
		r.change(func(v *gate.View) { v.Holds = two })
		anew(t, ctx, r.url)
		see(t, ctx, "the first is chosen", `chosen === 'H1' && performance.now() - chosenAt > READ_MS`)
		r.heard()
		at := must(chromedp.Run(ctx, chromedp.Evaluate[[]float64](fmt.Sprintf(`(b => [b.left + b.width / 2, b.top + b.height / 2])(document.querySelector(%q).getBoundingClientRect())`, element))))
		next := time.Now()
		for range 2 {
			time.Sleep(time.Until(next))
			next = next.Add(apart)
			if err := chromedp.Do(ctx, down(at[0], at[1])); err != nil {
				t.Fatal(err)
			}
			r.change(func(v *gate.View) { // as a gate that is quick
				if got := r.asked; len(got) > 0 && strings.HasPrefix(got[0], "decide") {
					v.Holds = two[1:]
				}
			})
		}
		for end := time.Now().Add(5 * time.Second); want[element] != "" && r.count() == 0 && time.Now().Before(end); {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // for what must not come
	}
	for i, apart := range []time.Duration{0, 60, 150, 300, 390, 450, 500} {
		apart *= time.Millisecond
		for _, element := range []string{".card.on .yes", []string{".card:not(.on)", ".card.on .no", ".card.on .others"}[i%3]} {
			twice(element, apart)
			if want[element] != "" && r.count() == 0 { // on a busy machine the page is covered at times, since no heartbeat came
				twice(element, apart)
			}
			if got := strings.Join(r.heard(), "; "); got != want[element] {
				t.Errorf("two taps on %s, %v apart, made the page ask %q, want %q", element, apart, got, want[element])
			}
		}
	}
	touch = true
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	for element, apart := range map[string]time.Duration{".card.on .yes": 200 * time.Millisecond, ".card:not(.on)": 320 * time.Millisecond} {
		twice(element, apart)
		if got := strings.Join(r.heard(), "; "); got != want[element] {
			t.Errorf("two touches of %s, %v apart, made the page ask %q, want %q", element, apart, got, want[element])
		}
	}
	// The reasons are elsewhere, and are given with a tap of their own.
	r.change(func(v *gate.View) { v.Holds = two })
	anew(t, ctx, r.url)
	tap(t, ctx, ".card.on .others")
	tap(t, ctx, ".reasons button:nth-child(2)")
	r.awaits(t, `decide {"passage":"H1","verdict":"admit","reason":"dead-phone","note":""}`)
}

// Who is decided elsewhere, or runs out of time, while the guard looks at them takes the selection along: the keys on their
// way decide about nobody else.
func TestTheNextKeysDecideAboutNobodyElse(t *testing.T) {
	t.Parallel()
	r := record(t)
	h1, h2 := openHold("H1", "in", "李秀英", "6-1-302", "expired"), openHold("H2", "out", "赵奶奶", "3-2-501", "no-valid-pass")
	r.view.Holds = []gate.Hold{h1, h2}
	ctx := browser(t, r.url)
	anew(t, ctx, r.url)
	see(t, ctx, "the first is chosen", `chosen === 'H1' && performance.now() - chosenAt > READ_MS`)
	place := `document.querySelector('.card[data-passage=H2]').getBoundingClientRect().top`
	run(t, ctx, `top2 = `+place)
	run(t, ctx, `(stood = 0, new MutationObserver(() => { if (document.querySelector('.card.gone')) stood ||= performance.now(); else if (stood > 0) stood = stood - performance.now() }).observe($('holds'), {childList: true, subtree: true}))`)
	r.change(func(v *gate.View) {
		v.Holds = []gate.Hold{h2}
		v.Recent = []gate.Shown{{Passage: "H1", Lane: "in", Direction: "in", Verdict: "undecided", Reason: "undecided", By: "machine", At: time.Now()}}
	})
	see(t, ctx, "nobody is chosen, and who went is said", `chosen === '' && $('toast').textContent === '李秀英 · 6-1-302 · 超时未处理'`)
	press(t, ctx, "aor")
	see(t, ctx, "the list moves on", `!document.querySelector('.card.gone')`)
	if stood := -must(chromedp.Run(ctx, chromedp.Evaluate[float64](`stood`))); stood < 900 || stood > 5000 {
		t.Errorf("the list stood still for %.0f ms, want about a second", stood)
	}
	press(t, ctx, "a")
	if got := r.heard(); len(got) > 0 {
		t.Errorf("the keys made the page ask %q", got)
	}
	see(t, ctx, "the guard is told what to do", `!$('toast').hidden && $('toast').textContent.includes('先选人')`)

	// Whoever comes next has another digit: the key for the one who went may be on its way.
	h3 := openHold("H3", "in", "王小明", "7-1-1203", "expired")
	r.change(func(v *gate.View) { v.Holds = []gate.Hold{h2, h3} })
	see(t, ctx, "a new one", `document.querySelector('.card[data-passage=H3] kbd')?.textContent === '3' && chosen === ''`)
	press(t, ctx, "1a")
	if got := r.heard(); len(got) > 0 {
		t.Errorf("the digit of somebody who went made the page ask %q", got)
	}
	press(t, ctx, "2a")
	r.awaits(t, `decide {"passage":"H2","verdict":"admit","reason":"document-sighted","note":""}`)
	// The guard's own decision is seen at the desk, in green; the same key again decides about nobody.
	see(t, ctx, "what was decided", `document.querySelector('.card.gone.admit')?.textContent.includes('已看证件')`)
	press(t, ctx, "a")
	r.change(func(v *gate.View) { v.Holds = []gate.Hold{h3} })
	press(t, ctx, "a")
	if got := r.heard(); len(got) > 0 {
		t.Errorf("the same key again made the page ask %q", got)
	}
	// What could not be decided waits still.
	r.mu.Lock()
	r.status = http.StatusServiceUnavailable
	r.mu.Unlock()
	press(t, ctx, "3r")
	r.awaits(t, `decide {"passage":"H3","verdict":"refuse","reason":"not-known","note":""}`)
	see(t, ctx, "it waits still", `document.querySelector('.card[data-passage=H3]:not(.gone)') && !document.querySelector('.card[data-passage=H3].gone')`)

	// Nobody decides by key about somebody whom the page selected a moment ago.
	r.change(func(v *gate.View) { v.Holds = nil })
	see(t, ctx, "nobody", `cards.length === 0`)
	r.heard()
	run(t, ctx, `READ = 0, choose = (c => (...a) => { c(...a); if (a[1]) document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true, cancelable: true})) })(choose)`)
	r.change(func(v *gate.View) { v.Holds = []gate.Hold{openHold("H4", "in", "王小明", "7-1-1203", "expired")} })
	see(t, ctx, "a new one is chosen", `chosen === 'H4' && performance.now() - chosenAt > READ_MS`)
	if got := r.heard(); len(got) > 0 {
		t.Errorf("a key pressed as somebody came made the page ask %q", got)
	}
}

// Each lane has its own part of the stage: an answer at one covers none at another.
func TestEachLaneHasItsPartOfTheStage(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	anew(t, ctx, r.url)
	see(t, ctx, "two parts", `document.querySelectorAll('#stage .ready').length === 2`)
	r.change(func(v *gate.View) { v.Lanes[0].Last = shownNow("P1", "refuse", "bad-signature") })
	see(t, ctx, "refused at one", `document.querySelector('#stage-in .verdict.refuse') && document.querySelector('#stage-out .ready')`)
	r.change(func(v *gate.View) {
		v.Lanes[1].Last = shownNow("P2", "admit", "valid-pass")
		v.Lanes[1].Last.Lane, v.Lanes[1].Last.Direction = "out", "out"
	})
	see(t, ctx, "admitted at the other", `document.querySelector('#stage-out .verdict.admit')`)
	sees(t, ctx, "refused still", `(e => e && getComputedStyle(e).opacity === '1' && e.contains(document.elementFromPoint(300, e.getBoundingClientRect().top + 40)))(document.querySelector('#stage-in .verdict.refuse'))`)
	sees(t, ctx, "none covers the other", `(a => a[0].bottom <= a[1].top && Math.abs(a[0].height - a[1].height) < 2)([...document.querySelectorAll('#stage .part')].map(e => e.getBoundingClientRect()))`)
	// What happens at the desk is not on the stage at all: see the gate's TestTheDeskTakesNoLanesStage.
	r.change(func(v *gate.View) {
		v.Recent = []gate.Shown{{Passage: "H9", Lane: "out", Direction: "out", Verdict: "undecided", Reason: "undecided", By: "machine", At: time.Now()}}
		v.Inside = 4321
	})
	see(t, ctx, "a hold's time was up", `$('inside').textContent.includes('4,321')`)
	sees(t, ctx, "admitted still", `document.querySelector('#stage-out .verdict.admit')`)
}

// Stage, banner and key of a lane say what its barrier answers to the emergency key, and each press is sent.
func TestThePageFollowsTheBarriersAnswerToTheEmergencyKey(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	anew(t, ctx, r.url)
	shows := func(what, stage, banner, key string, alert bool) {
		t.Helper()
		see(t, ctx, what, fmt.Sprintf(`document.querySelector('#stage-in %s') && (%q === '' ? !document.querySelector('.alarm') : document.querySelector('.alarm.' + %[2]q)) && $('panic-in').textContent.includes(%[3]q) && $('alert').hidden === %[4]t`, stage, banner, key, !alert))
	}
	latch := func(to string) {
		r.change(func(v *gate.View) {
			v.Lanes[0].Latch = to
			if v.Lanes[0].Barrier = "ok"; to == "failed" {
				v.Lanes[0].Barrier = "open-by-hand"
			}
		})
	}
	shows("nothing", ".ready", "", "紧急开启", false)
	press(t, ctx, kb.F9)
	r.awaits(t, `emergency {"lane":"in"}`)
	latch("opening")
	shows("not open yet", ".verdict.opening", "opening", "正在开启", false)
	sees(t, ctx, "not said to be open", `!$('stage-in').textContent.includes('紧急开启') && !document.querySelector('.alarm.open')`)
	latch("failed")
	shows("the relay is dead", ".verdict.failed", "failed", "再按", true)
	sees(t, ctx, "nothing says that it is open", `!document.body.innerText.includes('常开中') && document.querySelectorAll('.alarm').length === 1`)
	sees(t, ctx, "the keys are in sight", `document.elementFromPoint(...(b => [b.left + 20, b.top + 20])($('panic-in').getBoundingClientRect())).closest('#panic-in')`)
	for range 2 { // and however often
		press(t, ctx, kb.F9)
		r.awaits(t, `emergency {"lane":"in"}`)
	}
	tap(t, ctx, "#panic-in")
	r.awaits(t, `emergency {"lane":"in"}`)
	latch("opening")
	latch("failed")
	shows("dead again", ".verdict.failed", "failed", "再按", true)
	press(t, ctx, kb.Escape)
	shows("read", ".verdict.failed", "failed", "再按", false)
	press(t, ctx, kb.F9)
	r.awaits(t, `emergency {"lane":"in"}`)
	latch("open")
	shows("open", ".verdict.emergency", "open", "常开中", false)

	// What was not sent is not open, but if the barrier says so.
	latch("")
	shows("closed", ".ready", "", "紧急开启", false)
	r.mu.Lock()
	r.status = http.StatusInternalServerError
	r.mu.Unlock()
	press(t, ctx, kb.F9)
	shows("not sent", ".ready", "", "紧急开启", true)
	sees(t, ctx, "in words", `$('alert').textContent.includes('请手动开闸') && !$('alert').textContent.includes('object')`)
	latch("open")
	shows("open all the same", ".verdict.emergency", "open", "常开中", false)
	press(t, ctx, kb.F9)
	r.heard()
	time.Sleep(200 * time.Millisecond)
	shows("open, whatever became of another press", ".verdict.emergency", "open", "常开中", false)

	// An answer to somebody stands over it for its time; the banner stays.
	r.change(func(v *gate.View) {
		v.Lanes[0].Last = shownNow("P1", "refuse", "outsider")
		v.Lanes[0].Last.At = time.Now().Add(-8 * time.Second)
	})
	shows("an answer", ".verdict.refuse", "open", "常开中", false)
	shows("open again", ".verdict.emergency", "open", "常开中", false)

	// An emergency key that a scanner types in a code is none; a hand's is, also while one is typed, or with others beside it.
	scans(t, ctx, "6901234"+kb.F9+"5\r", paces[0], func() { anew(t, ctx, r.url); r.heard() })
	if got := r.heard(); len(got) > 0 {
		t.Errorf("a code made the page ask %q", got)
	}
	press(t, ctx, kb.Escape)
	holds := func(key string, d time.Duration) {
		t.Helper()
		events := kb.Encode([]rune(key)[0])
		for _, e := range []input.DispatchKeyEventParams{*events[0], *events[len(events)-1]} {
			if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
				_, err := cdp.Call(ctx, tab, input.DispatchKeyEvent, e)
				return err
			})); err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			d = 0
		}
	}
	for _, k := range "69012345" {
		strike(t, ctx, string(k), 0)
	}
	holds(kb.F9, 100*time.Millisecond)
	r.awaits(t, `emergency {"lane":"in"}`)
	scans(t, ctx, "8"+kb.F8+kb.F9, paces[0], func() { anew(t, ctx, r.url); r.heard() })
	if got := r.heard(); !slices.Contains(got, `emergency {"lane":"in"}`) {
		t.Errorf("F9 with two other keys made the page ask %q", got)
	}
}
