package console

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gated/gate"
	"gated/register/levels"
)

// With -shots DIR the test of the looks leaves its pictures there, for the documents and for human eyes.
var shots = flag.String("shots", "", "directory for pictures of the page")

// missing skips a test for want of a tool. In CI nothing is skipped.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// browser opens the page of s in a tab of its own.
func browser(t *testing.T, url string) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "no browser: apt install chromium fonts-noto-cjk")
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 800),
		chromedp.Flag("autoplay-policy", "no-user-gesture-required"))...)
	t.Cleanup(stop)
	tab, stop := chromedp.NewContext(alloc)
	t.Cleanup(stop)
	if err := chromedp.Do(tab); err != nil { // starts the browser, whose life a time limit would end
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(tab, 90*time.Second)
	t.Cleanup(stop)
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// see waits until a JavaScript expression is true.
func see(t *testing.T, ctx context.Context, what, js string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+js+")", chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(time.Minute))); err != nil {
		text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
		t.Fatalf("%s: never seen (%s): %v; the page says:\n%s", what, js, err, text)
	}
}

// sees tells whether an expression is true now, for what must not come.
func sees(t *testing.T, ctx context.Context, what, js string) {
	t.Helper()
	if ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+js+")")); err != nil || !ok {
		t.Errorf("%s: not so (%s): %v", what, js, err)
	}
}

// press presses keys as a person does who decides: one, and a look.
func press(t *testing.T, ctx context.Context, keys string) {
	t.Helper()
	for _, k := range keys {
		strike(t, ctx, string(k), 200*time.Millisecond)
	}
}

// write writes a text as a person does, with a moment before what follows.
func write(t *testing.T, ctx context.Context, text string) {
	t.Helper()
	for _, k := range text {
		strike(t, ctx, string(k), 70*time.Millisecond)
	}
	time.Sleep(200 * time.Millisecond)
}

// strike strikes one key as a keyboard does, unlike chromedp.KeyEvent: nothing comes of a key after the page has used it.
func strike(t *testing.T, ctx context.Context, key string, then time.Duration) {
	t.Helper()
	events := kb.Encode([]rune(key)[0])
	down, up := *events[0], *events[len(events)-1]
	if char := events[1]; len(events) == 3 {
		down.Text, down.UnmodifiedText = char.Text, char.UnmodifiedText
	}
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, input.DispatchKeyEvent, down)
		if err == nil {
			_, err = cdp.Call(ctx, tab, input.DispatchKeyEvent, up)
		}
		return err
	})); err != nil {
		t.Fatal(err)
	}
	time.Sleep(then)
}

// tap taps an element as a person does who has looked first.
func tap(t *testing.T, ctx context.Context, element string) {
	t.Helper()
	time.Sleep(700 * time.Millisecond)
	err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(element)))
	for end := time.Now().Add(time.Minute); err != nil && strings.Contains(err.Error(), "node with given id") && time.Now().Before(end); {
		err = chromedp.Do(ctx, chromedp.Click(chromedp.CSS(element))) // the page drew it anew since it was found
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tapTo taps an element until an expression is true: the page takes no tap while something moves, which a slow machine makes last.
func tapTo(t *testing.T, ctx context.Context, element, what, js string) {
	t.Helper()
	for range 10 {
		tap(t, ctx, element)
		poll := chromedp.Poll[bool]("!!("+js+")", chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(5*time.Second))
		if _, err := chromedp.Run(ctx, poll); err == nil {
			return
		}
	}
	see(t, ctx, what, js)
}

func lanes() []gate.LaneView {
	since := time.Now().Add(-time.Hour)
	return []gate.LaneView{
		{ID: "in", Direction: "in", Scanner: "online", Up: true, Since: since, Barrier: "ok"},
		{ID: "out", Direction: "out", Scanner: "online", Up: true, Since: since, Barrier: "ok"},
	}
}

func shownNow(passage, verdict, reason string) *gate.Shown {
	return &gate.Shown{Passage: passage, Lane: "in", Direction: "in", Verdict: verdict, Reason: reason, Class: "resident",
		Credential: "gated-pass", Name: "王小明", Room: "7-1-1203", By: "machine", At: time.Now()}
}

func openHold(passage, lane, name, room, reason string) gate.Hold {
	now := time.Now()
	return gate.Hold{Shown: gate.Shown{Passage: passage, Lane: lane, Direction: lane, Reason: reason, Class: "resident", Name: name, Room: room, At: now}, Until: now.Add(2 * time.Minute)}
}

func TestVerdictArrivesAndFades(t *testing.T) {
	t.Parallel()
	d := newShows()
	d.view.Lanes = lanes()
	s := httptest.NewServer(d.handler(nil))
	t.Cleanup(s.Close)
	ctx := browser(t, s.URL)
	see(t, ctx, "ready", `document.querySelector('#stage .ready b')?.textContent === '待检' && $('lost').hidden`)

	d.change(func(v *gate.View) {
		v.Lanes[0].Last = shownNow("P1", "admit", "valid-pass")
		v.Lanes[0].Last.At = time.Now().Add(-7 * time.Second) // three left
	})
	see(t, ctx, "the verdict", `document.querySelector('#stage .verdict.admit .word')?.textContent === '放行'`)
	see(t, ctx, "the way", `document.querySelector('#stage .way').textContent === '进'`)
	see(t, ctx, "name and room", `document.querySelector('#stage .who').textContent === '王小明 · 7-1-1203'`)
	see(t, ctx, "the reason", `document.querySelector('#stage .why').textContent === '通行码有效'`)
	// The compositor fades it by itself, even if the script hangs.
	see(t, ctx, "the fade", `(a => a && a.playState === 'running' && a.effect.getTiming().duration === 10000 && a.currentTime >= 7000 && a.effect.getKeyframes().at(-1).opacity === '0')(document.querySelector('#stage .verdict').getAnimations()[0])`)
	start := time.Now()
	see(t, ctx, "ready again", `!document.querySelector('#stage .verdict') && !!document.querySelector('#stage .ready')`)
	if took := time.Since(start); took > 8*time.Second { // ten if it began anew
		t.Errorf("a verdict seven seconds old stood for %v more", took)
	}
	see(t, ctx, "no name left anywhere", `!document.documentElement.outerHTML.includes('王小明') && !document.documentElement.outerHTML.includes('7-1-1203')`)

	// The same answer does not come back with the next view, nor on a page opened later.
	d.change(func(v *gate.View) { v.Inside = 1234 })
	see(t, ctx, "the next view", `$('inside').textContent.includes('1,234')`)
	sees(t, ctx, "no stale green", `!document.querySelector('#stage .verdict')`)
	// An answer from the future – the clock was set back – is not taken for fresh.
	d.change(func(v *gate.View) {
		v.Inside, v.Lanes[0].Last = 1235, shownNow("P2", "admit", "valid-pass")
		v.Lanes[0].Last.At = time.Now().Add(time.Hour)
	})
	see(t, ctx, "the next view", `$('inside').textContent.includes('1,235')`)
	sees(t, ctx, "no green from the future", `!document.querySelector('#stage .verdict')`)

	// A repeat has a look of its own, never the fresh green.
	d.change(func(v *gate.View) {
		v.Lanes[0].Last = shownNow("P1", "admit", "valid-pass")
		v.Lanes[0].Last.Repeat = true
	})
	see(t, ctx, "already read", `document.querySelector('#stage .verdict.repeat .word')?.textContent === '已扫过' && !document.querySelector('#stage .admit')`)
	d.change(func(v *gate.View) { v.Lanes[0].Last = shownNow("P3", "refuse", "bad-signature") })
	see(t, ctx, "refuse", `document.querySelector('#stage .verdict.refuse .word')?.textContent === '禁止通行'`)

	press(t, ctx, "\t")
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#language"))); err != nil {
		t.Fatal(err)
	}
	see(t, ctx, "English", `document.documentElement.lang === 'en' && document.querySelector('#stage .word').textContent === 'REFUSE' && document.querySelector('#stage .why').textContent.includes('forged')`)
	if err := chromedp.Do(ctx, chromedp.Reload()); err != nil {
		t.Fatal(err)
	}
	see(t, ctx, "English after a reload", `document.documentElement.lang === 'en' && $('sound').textContent.startsWith('Sound')`)
	d.change(func(v *gate.View) { v.Lanes[0].Last = shownNow("P4", "hold", "a-word-nobody-knows") })
	see(t, ctx, "an unknown word as it is", `document.querySelector('#stage .why')?.textContent === 'a-word-nobody-knows'`)
}

func TestGuardAtTheKeyboard(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if _, err := b.gate.Emergency("in"); err != nil {
		t.Fatal(err)
	}
	if err := b.gate.Close("in"); err != nil {
		t.Fatal(err)
	}
	h1 := b.scan("in", b.pass("李四", -time.Minute)).Passage
	h2 := b.scan("out", "GP1:6901234567892").Passage
	ctx := browser(t, b.serve(t))
	click := func(id string) { t.Helper(); tap(t, ctx, id) }
	see(t, ctx, "two holds", `document.querySelectorAll('#holds .card').length === 2`)
	see(t, ctx, "the first is chosen", fmt.Sprintf(`document.querySelector('#holds .card.on').dataset.passage === '%s'`, h1))

	press(t, ctx, "2")
	see(t, ctx, "the second is chosen", fmt.Sprintf(`document.querySelector('#holds .card.on').dataset.passage === '%s'`, h2))
	press(t, ctx, "1o")
	see(t, ctx, "other reasons", `document.querySelectorAll('#holds .card.on .reasons button.yes').length === 7 && document.querySelectorAll('#holds .card.on .reasons button.no').length === 2`)
	press(t, ctx, kb.Escape)
	see(t, ctx, "no reasons", `!document.querySelector('#holds .reasons')`)
	press(t, ctx, "a")
	b.asked(`decide {"passage":"` + h1 + `","verdict":"admit","reason":"document-sighted","note":""}`)
	b.has("register in admit document-sighted")
	see(t, ctx, "one hold", `document.querySelectorAll('#holds .card').length === 1`)
	see(t, ctx, "which kept its digit", `document.querySelector('#holds .card kbd').textContent === '2'`)
	press(t, ctx, "2on")
	write(t, ctx, "ok")
	press(t, ctx, kb.Enter)
	press(t, ctx, "6")
	b.asked(`decide {"passage":"` + h2 + `","verdict":"refuse","reason":"no-business","note":"ok"}`)
	b.has("register out refuse no-business ok")
	see(t, ctx, "no hold", `!document.querySelector('#holds .card')`)

	// Find by room and present.
	first := b.gate.Find("3-2-501")[0]
	press(t, ctx, "/")
	write(t, ctx, "3-2-501")
	see(t, ctx, "found", `$('found').textContent.includes('赵奶奶') && $('found').querySelectorAll('button').length === 4`)
	press(t, ctx, kb.Enter)
	see(t, ctx, "the first lane is chosen", `document.activeElement === $('found').querySelector('button')`)
	press(t, ctx, kb.Enter)
	b.asked(`present {"lane":"in","id":"` + first.ID + `"}`)
	b.has("check in found-by-room")
	see(t, ctx, "the new hold", fmt.Sprintf(`document.querySelector('#holds .card.on')?.textContent.includes('%s')`, first.Name))
	see(t, ctx, "found names are gone", `$('found').childElementCount === 0 && $('room').value === ''`)
	press(t, ctx, "o4")
	b.has("register in admit child-or-elder")

	// The emergency key, with the cursor in a field; open until closed, not asked for twice.
	press(t, ctx, "/")
	start := time.Now()
	if err := chromedp.Do(ctx, chromedp.KeyEvent(kb.F9)); err != nil {
		t.Fatal(err)
	}
	b.asked(`emergency {"lane":"in"}`)
	t.Logf("F9 took %v to reach the gate", time.Since(start))
	see(t, ctx, "latched open", `document.querySelector('.alarm.by-hand')?.textContent.includes('手动') && document.querySelector('#stage-in .verdict.emergency')`)
	press(t, ctx, kb.F9)
	press(t, ctx, kb.F10)
	b.asked(`emergency {"lane":"out"}`)
	if n := strings.Count(strings.Join(b.heard(), ";"), `emergency {"lane":"in"}`); n != 2 { // its relay may have let go
		t.Errorf("F9 on an open lane: asked %d times", n)
	}
	see(t, ctx, "both open", `document.querySelectorAll('.alarm.by-hand').length === 2`)
	click("#close-in")
	b.asked(`close {"lane":"in"}`)
	see(t, ctx, "one closed", `document.querySelectorAll('.alarm.by-hand').length === 1`)
	click("#close-out")
	see(t, ctx, "closed", `!document.querySelector('.alarm.by-hand')`)
	click("#panic-out")
	see(t, ctx, "latched by the button", `document.querySelector('.alarm.by-hand')`)
	if n := strings.Count(strings.Join(b.heard(), ";"), `emergency {"lane":"out"}`); n != 2 {
		t.Errorf("one press of the button and one of the key: asked %d times", n)
	}

	// Who passed.
	see(t, ctx, "openings to account for", `document.querySelectorAll('#accounts form').length === 4 && document.querySelectorAll('#accounts input').length === 4`)
	id := b.gate.View().ToAccountFor[0].ID
	click("#account-" + id)
	write(t, ctx, "120 ambulance")
	press(t, ctx, kb.Enter)
	b.has("register in admit emergency-key 120 ambulance")
	see(t, ctx, "one less", `document.querySelectorAll('#accounts form').length === 3`)

	// Duty, known to be unauthenticated.
	click("#duty button")
	write(t, ctx, "周班长")
	press(t, ctx, kb.Enter)
	b.has("signon 周班长")
	see(t, ctx, "on duty", `$('duty').textContent.includes('周班长') && $('duty').textContent.includes('未验证身份')`)

	// The clock in two steps.
	b.unsync.Store(true)
	b.shift.Store(int64(10 * time.Minute))
	see(t, ctx, "the clock", `document.querySelector('.alarm.time')`)
	click("#clock-right")
	see(t, ctx, "asked again", `$('clock-right').textContent === '再按一次确认'`)
	if strings.Contains(strings.Join(b.heard(), ";"), "clock") {
		t.Error("one press confirmed the clock")
	}
	for n := 0; n < 10 && !strings.Contains(b.entries(0), "clock clock-confirmed 周班长"); n++ { // the question is taken back after 5 s
		click("#clock-right")
		see(t, ctx, "an answer", `!$('clock-right') || $('clock-right').textContent === '再按一次确认'`)
	}
	b.has("clock clock-confirmed 周班长")
	see(t, ctx, "the clock is trusted", `!document.querySelector('.alarm.time')`)

	// What does not open is said loudly.
	b.refuse.Store(true)
	press(t, ctx, kb.F9)
	see(t, ctx, "not opened", `!$('alert').hidden && $('alert').textContent.includes('手动开闸')`)
}

// Only what a guard can fill in has a field; and what goes into the handover book stands still while it is copied.
func TestWhatTheGuardWrites(t *testing.T) {
	t.Parallel()
	d := newShows()
	d.view.Lanes = lanes()
	d.view.ToAccountFor = []gate.Opening{{ID: "D1", Lane: "in", Since: time.Now(), What: "who-passed"}, {ID: "D2", Lane: "in", Since: time.Now(), What: "entry-pending"}}
	s := httptest.NewServer(d.handler(nil))
	t.Cleanup(s.Close)
	ctx := browser(t, s.URL)
	see(t, ctx, "openings to account for", `document.querySelectorAll('#accounts form').length === 2 && document.querySelectorAll('#accounts input').length === 1`)
	d.change(func(v *gate.View) { v.ShortRoot = "1234:ABCDEFGHIJKLMNOP" })
	see(t, ctx, "short root known", `view.short_root === '1234:ABCDEFGHIJKLMNOP'`)
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#duty button"))); err != nil {
		t.Fatal(err)
	}
	d.change(func(v *gate.View) { v.ShortRoot = "1240:QRSTUVWXYZ234567" })
	see(t, ctx, "newer short root known", `view.short_root.startsWith('1240')`)
	see(t, ctx, "handover book", `document.querySelector('#duty .short-root b').textContent === '1234: ABCD EFGH IJKL MNOP'`)
}

// A guard takes a picture of a code: it goes to the lane whose button was pressed, and a toast says what was wrong with it.
func TestPictureOfACode(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.forget() // each is a passage
	before := b.ledger.Size()
	ctx := browser(t, b.serve(t))
	dir := t.TempDir()
	pass, text := filepath.Join(dir, "pass.jpg"), filepath.Join(dir, "text.jpg")
	if err := errors.Join(os.WriteFile(pass, photo(t, b.pass("王小明", time.Hour)), 0o600), os.WriteFile(text, []byte("text"), 0o600)); err != nil {
		t.Fatal(err)
	}
	see(t, ctx, "a button for each lane", `document.querySelectorAll('#lanes .picture').length === 2 && $('picture-out').textContent === '拍照'`)
	sees(t, ctx, "the camera is asked for", `$('picture').accept === 'image/*' && $('picture').getAttribute('capture') === 'environment'`)
	take := func(file string) {
		t.Helper()
		time.Sleep(500 * time.Millisecond) // else it is the second tap of two
		// The browser's own dialog is answered with the file.
		if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS("#picture-out")), chromedp.SetUploadFiles(chromedp.CSS("#picture"), []string{file})); err != nil {
			t.Fatal(err)
		}
	}
	for range goes(200) {
		take(pass)
		see(t, ctx, "an answer", `!$('picture-out').disabled`)
		if b.entries(before) != "" {
			break
		}
	}
	b.await(before, "check out ok; query out; register out admit valid-pass")
	see(t, ctx, "ready for the next", `!$('picture-out').disabled && $('toast').hidden`)
	take(text)
	see(t, ctx, "what was wrong", `!$('toast').hidden && $('toast').textContent === '不是可读的图片'`)
	for deadline := time.Now().Add(time.Minute); strings.Count(b.entries(before), "check out") < 2; { // the same file again
		if time.Now().After(deadline) {
			t.Fatalf("the ledger has %q", b.entries(before))
		}
		take(pass)
		see(t, ctx, "an answer", `!$('picture-out').disabled`)
	}
}

func TestLinkLost(t *testing.T) {
	t.Parallel()
	d := newShows()
	d.view.Lanes = lanes()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(l net.Listener) *http.Server {
		s := &http.Server{Handler: d.handler(nil)}
		go s.Serve(l)
		return s
	}
	s := serve(l)
	ctx := browser(t, "http://"+l.Addr().String())
	see(t, ctx, "ready", `document.querySelector('#stage .ready') && $('lost').hidden`)
	d.change(func(v *gate.View) { v.Lanes[0].Last = shownNow("P1", "admit", "valid-pass") })
	see(t, ctx, "the verdict", `document.querySelector('#stage .verdict')`)

	start := time.Now()
	s.Close()
	see(t, ctx, "link lost", `!$('lost').hidden && $('lost').textContent.includes('连接中断')`)
	if took := time.Since(start); took < 3*time.Second || took > 15*time.Second {
		t.Errorf("link lost was shown after %v, want about 5 s after the last beat", took)
	}
	see(t, ctx, "no verdict, no name", `!document.querySelector('#stage .verdict') && !document.body.outerHTML.includes('王小明')`)
	see(t, ctx, "the cover is over the stage", `document.elementFromPoint(400, 400).closest('#lost') !== null`)
	press(t, ctx, kb.F9) // still tries, and says that it failed
	see(t, ctx, "not opened", `!$('alert').hidden`)
	press(t, ctx, kb.Escape)

	if l, err = net.Listen("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	s = serve(l)
	t.Cleanup(func() { s.Close() })
	see(t, ctx, "connected again", `$('lost').hidden && document.querySelector('#stage .ready')`)

	// A page that slept for a minute finds an old green waiting in its queue, and does not believe it.
	d.change(func(v *gate.View) { v.Lanes[0].Last = nil; v.Inside = 77 })
	see(t, ctx, "nothing to show", `$('inside').textContent.includes('77') && !document.querySelector('#stage .verdict')`)
	sees(t, ctx, "no green out of the queue", `(() => {
		const now = performance.now.bind(performance);
		performance.now = () => now() + 60000;
		const last = {passage: 'OLD', lane: 'in', direction: 'in', verdict: 'admit', reason: 'valid-pass', class: 'resident', at: view.now};
		source.dispatchEvent(new MessageEvent('view', {data: JSON.stringify({...view, lanes: view.lanes.map(l => ({...l, last}))})}));
		return !document.querySelector('#stage .verdict');
	})()`)
	see(t, ctx, "connected anew", `$('lost').hidden && document.querySelector('#stage .ready') && !document.querySelector('#stage .verdict')`)
}

// TestLooks brings the page into each of its states at both screen sizes: nothing may stick out of the screen, and
// nothing may break the page's own Content-Security-Policy.
func TestLooks(t *testing.T) {
	t.Parallel()
	d := newShows()
	s := httptest.NewServer(d.handler(nil))
	t.Cleanup(s.Close)
	ctx := browser(t, s.URL)
	now := time.Now()
	var recent []gate.Shown
	for i, r := range []gate.Shown{
		{Verdict: "admit", Reason: "valid-pass", Class: "resident"}, {Verdict: "admit", Reason: "valid-pass", Class: "resident", Direction: "out"},
		{Verdict: "refuse", Reason: "outsider", Class: "unknown"}, {Verdict: "admit", Reason: "emergency-service", Class: "emergency-vehicle"},
		{Verdict: "hold", Reason: "expired", Class: "resident"}, {Verdict: "admit", Reason: "known-by-sight", Class: "resident", By: "unauthenticated"},
		{Verdict: "admit", Reason: "emergency-key", Class: "unknown", Emergency: true}, {Verdict: "refuse", Reason: "bad-signature", Class: "unknown"},
		{Verdict: "admit", Reason: "valid-pass", Class: "staff", Direction: "out"}, {Verdict: "hold", Reason: "unknown-out", Class: "unknown", Direction: "out"},
		{Verdict: "admit", Reason: "valid-pass", Class: "resident", Repeat: true}, {Verdict: "admit", Reason: "valid-pass", Class: "resident"},
		{Verdict: "refuse", Reason: "unknown-code", Class: "unknown"}, {Verdict: "admit", Reason: "valid-pass", Class: "resident"},
	} {
		if r.Direction == "" {
			r.Direction = "in"
		}
		r.Passage, r.Lane, r.At = fmt.Sprint("R", i), r.Direction, now.Add(-time.Duration(10+37*i)*time.Second)
		recent = append(recent, r)
	}
	base := gate.View{Gate: "东门", Version: "test", Language: "zh", Lanes: lanes(), Recent: recent, Duty: "周建国", Clock: gate.ClockView{Trusted: true}, Inside: 1876,
		Levels: []gate.LevelView{{Notice: levels.Notice{Level: "guarded"}, State: "in-force"}}}
	two := []gate.Hold{openHold("H1", "in", "李秀英", "6-1-302", "expired"), openHold("H2", "out", "", "", "unknown-out")}
	two[0].At, two[0].Until = now.Add(-80*time.Second), now.Add(40*time.Second)
	two[1].Class = "unknown"
	last := func(verdict, reason string) func(v *gate.View) {
		return func(v *gate.View) { v.Lanes[0].Last = shownNow("L"+verdict, verdict, reason) }
	}
	// make e2e looks at all of them; make test at a third of the languages and sizes of each look, another one each time.
	all := os.Getenv("E2E") == "all" || *shots != ""
	turn := rand.IntN(3)
	for _, look := range []struct {
		name, seen string
		set        func(v *gate.View)
		keys       string
	}{
		{"ready", `.ready`, func(v *gate.View) {}, ""},
		{"admit", `.verdict.admit`, last("admit", "valid-pass"), ""},
		{"refuse", `.verdict.refuse`, func(v *gate.View) {
			last("refuse", "bad-signature")(v)
			v.Lanes[0].Last.Class, v.Lanes[0].Last.Name, v.Lanes[0].Last.Room = "unknown", "", ""
		}, ""},
		{"not-ours", `.verdict.not-ours`, func(v *gate.View) { last("refuse", "unknown-code")(v) }, ""},
		{"hold", `.verdict.hold`, func(v *gate.View) {
			v.Holds = two
			last("hold", "unknown-out")(v)
			v.Lanes[0].Last.Class, v.Lanes[0].Last.Name, v.Lanes[0].Last.Room = "unknown", "", ""
		}, ""},
		{"one-hold", `.ready`, func(v *gate.View) { v.Holds = two[:1] }, ""},
		{"reasons", `.ready`, func(v *gate.View) { v.Holds = two }, "o"},
		{"two-lanes", `.verdict.refuse`, func(v *gate.View) {
			last("refuse", "bad-signature")(v)
			v.Lanes[1].Last = shownNow("L2", "admit", "valid-pass")
			v.Lanes[1].Last.Lane, v.Lanes[1].Last.Direction = "out", "out"
		}, ""},
		{"one-lane", `.verdict.admit`, func(v *gate.View) { v.Lanes = v.Lanes[:1]; last("admit", "valid-pass")(v) }, ""},
		{"went", `.ready`, func(v *gate.View) {
			v.Holds = append(two, openHold("H3", "in", "赵奶奶", "3-2-501", "no-valid-pass"))
		}, "went"},
		{"scanner-as-keyboard", `.ready`, func(v *gate.View) { v.Holds = two[:1] }, "scan"},
		{"many-holds", `.ready`, func(v *gate.View) {
			v.Holds = append([]gate.Hold{}, two...)
			for i := range 4 {
				h := openHold(fmt.Sprint("M", i), "in", "赵子轩", fmt.Sprintf("%d-2-60%d", i+1, i), "no-valid-pass")
				v.Holds = append(v.Holds, h)
			}
			v.ToAccountFor = []gate.Opening{{ID: "D1", Lane: "in", Since: now, What: "who-passed"}}
		}, ""},
		{"fault-verdict", `.verdict.fault`, last("fault", "ledger-fault"), ""},
		{"fault", `.trouble.fault`, func(v *gate.View) {
			v.Fault = &gate.FaultView{Since: now, Text: "append: disk I/O error (10)", Call: "物业值班室 8660 1234"}
		}, ""},
		{"fault-scanned", `.trouble.fault p:last-child`, func(v *gate.View) {
			v.Fault = &gate.FaultView{Since: now, Text: "append: disk I/O error (10)", Call: "物业值班室 8660 1234"}
			last("fault", "ledger-fault")(v)
			v.Lanes[0].Last.Found = "valid-pass"
		}, ""},
		{"repeat", `.verdict.repeat`, func(v *gate.View) { last("admit", "valid-pass")(v); v.Lanes[0].Last.Repeat = true }, ""},
		{"emergency", `.verdict.emergency`, func(v *gate.View) {
			v.Lanes[0].Latch = "open"
			v.ToAccountFor = []gate.Opening{{ID: "D1", Lane: "in", Since: now, What: "who-passed"}}
		}, ""},
		{"emergency-by-hand", `.verdict.emergency`, func(v *gate.View) { v.Lanes[0].Latch = "by-hand" }, ""},
		{"not-opened", `.verdict.failed`, func(v *gate.View) { v.Lanes[0].Latch, v.Lanes[0].Barrier = "failed", "open-by-hand" }, ""},
		{"not-opened-read", `.verdict.failed`, func(v *gate.View) {
			v.Lanes[0].Latch, v.Lanes[0].Barrier = "failed", "open-by-hand"
			v.Lanes[1].Latch = "opening"
		}, kb.Escape},
		{"scanner-down", `.trouble.down`, func(v *gate.View) {
			v.Lanes[0].Up, v.Lanes[0].Scanner, v.Lanes[0].Cause, v.Lanes[0].Since = false, "absent", "absent", now.Add(-95*time.Second)
		}, ""},
		{"card-reader-down", `.ready`, func(v *gate.View) { v.Lanes[0].CardReader, v.Lanes[1].CardReader = "no-answer", "up" }, ""},
		{"sensor-unreadable", `.ready`, func(v *gate.View) { v.Lanes[0].Sensor, v.Lanes[1].Sensor = "unreadable", "up" }, ""},
		{"all-at-once", `.verdict.admit`, func(v *gate.View) {
			v.Lanes[0] = gate.LaneView{ID: "in", Direction: "in", Scanner: "backoff", Cause: "hang-up", Since: now, Latch: "open", Barrier: "open-by-hand", CardReader: "no-permission", Sensor: "unreadable"}
			last("admit", "valid-pass")(v)
			v.Clock, v.LowSpace = gate.ClockView{Reason: "clock-unsynchronised"}, true
			v.Holds, v.Duty = two, ""
		}, ""},
		{"roster-fault", `.ready`, func(v *gate.View) { v.RosterFault = true }, ""},
		{"levels", `.ready`, func(v *gate.View) {
			v.Levels = []gate.LevelView{{Notice: levels.Notice{Entry: 7, Level: "controlled", Number: "2026-17", Issuer: "街道办"}, State: "in-force"},
				{Notice: levels.Notice{Entry: 9, Level: "sealed", Place: "3-2", Oral: true}, State: "in-force"},
				{Notice: levels.Notice{Entry: 11, Level: "normal", From: now}, State: "announced"}}
		}, ""},
		{"second-trip", `.verdict.hold`, func(v *gate.View) {
			last("hold", "household-limit")(v)
			v.Lanes[0].Last.Next = "2026-11-25"
			v.Holds = []gate.Hold{openHold("H1", "out", "李秀英", "6-1-302", "household-limit")}
			v.Holds[0].Next = "2026-11-25"
		}, ""},
		{"undecided", `.ready`, func(v *gate.View) {
			v.Undecided = []gate.Undecided{{Passage: "U1", Lane: "in", Direction: "in", Class: "resident", Name: "李秀英", Room: "6-1-302", At: now}, {Passage: "U2", Lane: "out", Direction: "out", Class: "unknown", At: now}}
			v.ToAccountFor = []gate.Opening{{ID: "D1", Lane: "in", Since: now, What: "who-passed"}}
		}, ""},
		{"put-right", `.verdict.refuse`, func(v *gate.View) {
			last("refuse", "outsider")(v)
			v.Lanes[0].LatchLost = true
			v.Lanes[0].Refused = &gate.Refused{Passage: "Lrefuse", Class: "unknown", Reason: "outsider", Override: "guard", At: now}
			v.Recent = append([]gate.Shown{}, recent...)
			v.Recent[0].Amend, v.Recent[1].Amend = true, true
			v.Holds = two[:1]
		}, "right"},
		{"open-by-hand", `.hand-open`, func(v *gate.View) {
			v.Lanes[0].ByHand = standsOpen(7, "in", "school-run", 25*time.Minute)
			v.Holds = two[:1]
		}, ""},
		{"open-by-hand-both", `.hand-open`, func(v *gate.View) {
			v.Lanes[0].ByHand, v.Lanes[1].ByHand = standsOpen(7, "in", "school-run", 25*time.Minute), standsOpen(9, "out", "relay-dead", 5*time.Minute+time.Second)
			v.Lanes[1].ByHand.Barrier, v.Lanes[1].Barrier = "failed", "open-by-hand"
		}, "h"},
		{"open-by-hand-why", `.ready`, func(v *gate.View) { v.Holds = two[:1] }, "h"},
		{"wrong-tries", `.verdict.refuse`, func(v *gate.View) { last("refuse", "bad-signature")(v); v.Lanes[0].WrongTries = true }, ""},
		{"sign-on", `.ready`, func(v *gate.View) { v.ShortRoot, v.Holds = "123456:ABCDEFGHIJKLMNOP", two }, "signon"},
		{"setup-fault", `.ready`, func(v *gate.View) {
			v.SetupFaults = []gate.SetupFault{{What: "settings", Why: "line 3: consle: unknown key", LastGood: true}, {What: "trust/dcc/new.pem", Why: "no X.509 certificate"}}
		}, ""},
		{"link-lost", "", func(v *gate.View) {}, ""},
	} {
		for _, language := range []string{"zh", "en"} {
			sizes := [][2]int64{{1280, 800}}
			if language == "zh" {
				sizes = append(sizes, [2]int64{1920, 1080})
			}
			if look.name == "all-at-once" || look.name == "reasons" || strings.HasPrefix(look.name, "open-by-hand") {
				sizes = append(sizes, [2]int64{1024, 768}, [2]int64{800, 1280}) // tablets
			}
			for _, size := range sizes {
				if turn++; !all && turn%3 != 0 {
					continue
				}
				name := fmt.Sprintf("%s-%s-%dx%d", look.name, language, size[0], size[1])
				d.mu.Lock()
				d.view = base
				d.view.Lanes = lanes()
				d.view.Language = language
				look.set(&d.view)
				for _, l := range d.view.Lanes {
					if l.Last != nil {
						l.Last.At = time.Now()
					}
				}
				d.mu.Unlock()
				if err := chromedp.Do(ctx, chromedp.EmulateViewport(size[0], size[1]), chromedp.Navigate(s.URL)); err != nil {
					t.Fatal(err)
				}
				see(t, ctx, name, `$('lost').hidden`)
				if look.seen == "" { // TestLinkLost waits for it in earnest
					if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(source.close(), source = {close() {}}, opened = stamp(-60000), heard = stamp(6000), tick(), true)`)); err != nil {
						t.Fatal(err)
					}
					see(t, ctx, name, `!$('lost').hidden`)
				} else {
					see(t, ctx, name, fmt.Sprintf(`!!document.querySelector('#stage ' + %q)`, look.seen))
				}
				if look.name == "card-reader-down" { // the lane with a good one, and one without, say nothing of it
					see(t, ctx, name, fmt.Sprintf(`[...document.querySelectorAll('#lanes .card-reader')].map(e => e.textContent).join() === %q`, map[string]string{"zh": "读卡器 无应答", "en": "ID reader no answer"}[language]))
				}
				if look.name == "second-trip" {
					said := map[string]string{"zh": "下次可外出 11-25", "en": "may go out again on 11-25"}[language]
					see(t, ctx, name, fmt.Sprintf(`document.querySelector('.card .why').textContent.includes(%q) && document.querySelector('#stage .why').textContent.includes(%[1]q)`, said))
				}
				if look.name == "levels" {
					see(t, ctx, name, fmt.Sprintf(`$('level').textContent === %q`, map[string]string{
						"zh": "通行级别 封闭管理3-2 封控 口头指令，通告待补", "en": "level controlled3-2 sealed oral order, notice to follow"}[language]))
				}
				if look.name == "wrong-tries" {
					see(t, ctx, name, fmt.Sprintf(`document.querySelector('.alarm.tries').textContent.includes(%q)`, map[string]string{"zh": "有人在试码", "en": "somebody tries"}[language]))
				}
				if look.name == "roster-fault" {
					see(t, ctx, name, fmt.Sprintf(`document.querySelector('.alarm.roster').textContent.startsWith(%q)`, map[string]string{"zh": "名册故障", "en": "Roster fault"}[language]))
				}
				if look.name == "setup-fault" {
					see(t, ctx, name, fmt.Sprintf(`[...document.querySelectorAll('.alarm.setup')].map(e => e.textContent).join() === %q`, map[string]string{
						"zh": "配置有误，按上一次有效的配置工作，请通知维护人员settings: line 3: consle: unknown key,配置有误，此项未生效，请通知维护人员trust/dcc/new.pem: no X.509 certificate",
						"en": "Settings fault: the last good ones count; tell the maintainersettings: line 3: consle: unknown key,Settings fault: this one does not count; tell the maintainertrust/dcc/new.pem: no X.509 certificate"}[language]))
				}
				if look.name == "sensor-unreadable" { // nor of a sensor
					see(t, ctx, name, fmt.Sprintf(`[...document.querySelectorAll('#lanes .sensor')].map(e => e.textContent).join() === %q`, map[string]string{"zh": "道闸传感器：无信号", "en": "sensor: no signal"}[language]))
				}
				if look.keys == "went" { // one admitted here, one whose time is up
					run(t, ctx, `(cards[0].ruled = {passage: 'H1', verdict: 'admit', reason: 'document-sighted', done: true}, choose('H2'), cards.forEach(c => c.gone = {mono: Infinity, wall: Infinity}))`)
					d.change(func(v *gate.View) {
						v.Holds = v.Holds[2:]
						v.Recent = append([]gate.Shown{{Passage: "H2", Lane: "out", Direction: "out", Verdict: "undecided", Reason: "undecided", By: "machine", At: time.Now()}}, recent...)
					})
					see(t, ctx, name, `document.querySelectorAll('.card.gone').length >= 2`)
				} else if look.keys == "right" {
					run(t, ctx, `($('override-in').click(), document.querySelector('#recent button.amend').click())`)
					see(t, ctx, name, `$('annul') && $('why-sudden-illness') && document.querySelector('.alarm.lost')`)
				} else if look.keys == "signon" {
					run(t, ctx, `(session = {name: '张伟', role: 'shift-leader', how: 'pin', may_lift: true, accounts: true, required: true, by_name: true, locked: [{name: '李娜', until: view.now}]}, openSignOn(), notSignedOn = p('locked-until') + ' ' + clock(view.now), render())`)
					see(t, ctx, name, `$('pin').placeholder && $('sign-off') && $('lift') && document.querySelector('#signon .short-root') && document.querySelector('#signon .bad')`)
				} else if look.keys == "scan" {
					for _, k := range "6901234567892\r" {
						strike(t, ctx, string(k), 5*time.Millisecond)
					}
					see(t, ctx, name, `document.querySelector('.alarm.keyboard')`)
				} else {
					press(t, ctx, look.keys)
				}
				see(t, ctx, name+" fits", `document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth &&
					[...document.querySelectorAll('.panic, .picture, .hand-button, .alarm, #hand button, .alarm button, #stage .word, #stage .way, #stage .why, #stage .who, #stage .trouble p, .card button, .card input, .asked button, header > *, #find, #signon *')].every(e => { const r = e.getBoundingClientRect(); return r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 1 && r.bottom <= innerHeight + 1 })`)
				if *shots != "" {
					picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
					if err == nil {
						err = os.WriteFile(filepath.Join(*shots, name+".png"), picture, 0o644)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
}
