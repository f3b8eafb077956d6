package console

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"gated/gate"
)

// What was admitted a moment ago the guard puts right by two presses; against a refusal they admit all the same, where its rule allows it.
func TestTheGuardPutsRight(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ctx := browser(t, b.serve(t))
	newest := func(lane, name string) (passage string) {
		t.Helper()
		passage = b.scan(lane, b.pass(name, time.Hour)).Passage
		see(t, ctx, "the newest in the list", fmt.Sprintf(`view && view.recent[0]?.passage === '%s' && view.recent[0].amend && document.querySelector('#recent li button.amend')`, passage))
		return passage
	}
	first := newest("in", "王小明")
	tap(t, ctx, "#recent li:first-child button.amend")
	see(t, ctx, "asked what happened", `document.querySelector('#right .amend') && $('annul').textContent.includes('没有通过') && $('way-out')`)
	tap(t, ctx, "#amend-back")
	see(t, ctx, "not asked any more", `!document.querySelector('#right .amend')`)
	tap(t, ctx, "#recent li:first-child button.amend")
	tap(t, ctx, "#annul")
	b.asked(`annul {"passage":"` + first + `"}`)
	b.has("correction in refuse did-not-go-through")
	see(t, ctx, "nothing is left to put right", `!document.querySelector('#right .amend') && !document.querySelector('#recent li button.amend') && $('recent').textContent.includes('没有通过')`)

	second := newest("in", "李四")
	tap(t, ctx, "#recent li:first-child button.amend")
	tap(t, ctx, "#way-out")
	b.asked(`correct {"passage":"` + second + `","lane":"out"}`)
	b.has("register out admit corrected")

	third := newest("in", "李四")
	tap(t, ctx, "#recent li:first-child button.amend")
	tap(t, ctx, "#another")
	see(t, ctx, "whom to look for", `document.activeElement === $('room') && document.querySelector('#right .amend').textContent.includes('按房号')`)
	write(t, ctx, "7-1-1203")
	see(t, ctx, "found, and instead of whom", `$('found').textContent.includes('王小明') && $('found').textContent.includes('代替')`)
	press(t, ctx, kb.Enter)
	press(t, ctx, kb.Enter)
	b.asked(`correct {"passage":"` + third + `","lane":"in","id":"` + b.person("王小明") + `"}`)
	see(t, ctx, "done", `!document.querySelector('#right .amend')`)

	refused := b.scan("out", "GP1:X").Passage // going out is asked, not refused
	see(t, ctx, "asked", fmt.Sprintf(`view.holds.some(h => h.passage === '%s') && !document.querySelector('#right .refused')`, refused))
	refused = b.scan("in", "parcel 4711").Passage
	see(t, ctx, "refused", `document.querySelector('#right .refused') && $('override-in')`)
	tap(t, ctx, "#override-in")
	see(t, ctx, "asked who approved", `$('approver') && !$('override-in')`)
	tap(t, ctx, "#approver")
	write(t, ctx, "张经理")
	press(t, ctx, kb.Enter)
	b.asked(`override {"passage":"` + refused + `","reason":"approved-by-telephone","approver":"张经理","note":""}`)
	b.has("correction in admit approved-by-telephone")
	see(t, ctx, "green", `document.querySelector('#stage-in .verdict.admit') && !document.querySelector('#right .refused')`)
}

// A guard who may admit by themselves says why; one who takes too long is told.
func TestTheGuardSaysWhyTheyAdmitAllTheSame(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	r.change(func(v *gate.View) {
		v.Lanes = lanes()
		v.Lanes[0].Refused = &gate.Refused{Passage: "R1", Class: "vehicle", Reason: "outside-vehicle", Override: "guard", At: time.Now()}
	})
	see(t, ctx, "refused", `!!$('override-in')`)
	tap(t, ctx, "#override-in")
	see(t, ctx, "the reasons", `document.querySelectorAll('#right .refused button').length === 4 && $('why-sudden-illness').textContent === '急病'`)
	press(t, ctx, kb.Escape)
	see(t, ctx, "back", `!!$('override-in')`)
	tap(t, ctx, "#override-in")
	tap(t, ctx, "#why-sudden-illness")
	r.awaits(t, `override {"passage":"R1","reason":"sudden-illness","approver":"","note":""}`)
	r.change(func(v *gate.View) { v.Lanes[0].Refused.Passage, v.Lanes[0].Refused.Override = "R2", "" })
	see(t, ctx, "refused without an override", `$('override-in')?.textContent === '紧急事由' && document.querySelector('#right .slight')`)
	tap(t, ctx, "#override-in")
	see(t, ctx, "the urgent ones", `document.querySelectorAll('#right .refused button').length === 2`)
	tap(t, ctx, "#why-personal-safety")
	r.awaits(t, `override {"passage":"R2","reason":"personal-safety","approver":"","note":""}`)
	r.change(func(v *gate.View) { v.Lanes[0].Refused.Passage, v.Lanes[0].Refused.Override = "R3", "telephone" })
	tapTo(t, ctx, "#override-in", "who approved", `!!$('approver')`)
	tap(t, ctx, "#approver")
	write(t, ctx, "张经理")
	see(t, ctx, "a name", `$('approver').value === '张经理'`)
	press(t, ctx, kb.Escape)
	see(t, ctx, "back once more", `!!$('override-in')`)
	r.change(func(v *gate.View) { v.Lanes[0].Refused.Passage = "R4" })
	tapTo(t, ctx, "#override-in", "of the next one nobody has approved yet", `$('approver')?.value === ''`)
	r.change(func(v *gate.View) { v.Lanes[0].Refused.Passage, v.Lanes[0].Refused.Override = "R5", "second-person" })
	tapTo(t, ctx, "#override-in", "who else agrees", `$('approver')?.placeholder === '另一位同意的人是谁？'`)
	tap(t, ctx, "#approver")
	write(t, ctx, "陈站长")
	press(t, ctx, kb.Enter)
	r.awaits(t, `override {"passage":"R5","reason":"second-person-agrees","approver":"陈站长","note":""}`)
	r.change(func(v *gate.View) { v.Lanes[0].Refused = nil })
	see(t, ctx, "the minute is over", `!document.querySelector('#right .refused')`)
}

// Somebody else is looked for in the place of one admission only as long as nobody else has come, and not for long. A car has no other way.
func TestTheNextOneIsNotTakenForACorrection(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	arm := func(class string) {
		t.Helper()
		r.change(func(v *gate.View) {
			v.Lanes, v.Holds = lanes(), []gate.Hold{}
			v.Recent = []gate.Shown{{Passage: "R1", Lane: "in", Direction: "in", Verdict: "admit", Class: class, Amend: true, At: time.Now()}}
		})
		see(t, ctx, "the newest", fmt.Sprintf(`view?.recent[0]?.class === '%s' && !view.holds.length && document.querySelector('#recent li button.amend')`, class))
		tapTo(t, ctx, "#recent li:first-child button.amend", "what can be put right", `$('another')`)
	}
	arm("vehicle")
	see(t, ctx, "a car", `$('annul') && !$('way-out')`)
	for what, comes := range map[string]func(v *gate.View){
		"a hold": func(v *gate.View) {
			v.Holds = []gate.Hold{{Shown: gate.Shown{Passage: "H1", Lane: "in", Direction: "in", Verdict: "hold", Class: "visitor", At: time.Now()}, Until: time.Now().Add(time.Minute)}}
		},
		"an answer": func(v *gate.View) {
			v.Lanes[0].Last = &gate.Shown{Passage: "A1", Lane: "in", Direction: "in", Verdict: "admit", Class: "resident", At: time.Now()}
		},
	} {
		arm("resident")
		see(t, ctx, "a resident", `!!$('way-out')`)
		tapTo(t, ctx, "#another", what+": armed", `another() === true`)
		r.change(comes)
		see(t, ctx, what+": no more", `!another() && !document.querySelector('#right .amend')`)
	}
	arm("resident")
	tapTo(t, ctx, "#another", "armed", `another() === true`)
	see(t, ctx, "20 seconds later", `another() && (amending.since = stamp(ANOTHER_MS + 1), tick(), !another())`)
}

// The page says that the emergency opening of a lane ended, until the gate does so no more.
func TestThePageSaysThatAnEmergencyOpeningEnded(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	r.change(func(v *gate.View) { v.Lanes = lanes(); v.Lanes[1].LatchLost = true })
	see(t, ctx, "told of", `document.querySelector('.alarm.lost')?.textContent.includes('再按紧急键') && document.querySelector('.alarm.lost').textContent.includes('出')`)
	r.change(func(v *gate.View) { v.Lanes[1].LatchLost = false })
	see(t, ctx, "no more", `!document.querySelector('.alarm.lost')`)
}

// A wrong key about somebody on whom nobody had decided is put right by two presses: of what they did not say.
func TestTheGuardPutsRightWhatBecameOfSomebody(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	for reason, verdict := range map[string]string{"went-through": "admit", "turned-away": "refuse", "unseen": "undecided"} {
		r.change(func(v *gate.View) {
			v.Recent = []gate.Shown{{Passage: "U-" + reason, Lane: "in", Direction: "in", Verdict: verdict, Reason: reason, Class: "resident", At: v.Now, Amend: true}}
		})
		tapTo(t, ctx, "#recent li:first-child button.amend", "what can be put right", fmt.Sprintf(`document.querySelector('#right .amend') && !$('%s') && !$('annul') && !$('another') === %t`, reason, verdict != "admit"))
		for _, what := range []string{"went-through", "turned-away", "unseen"} {
			if what != reason {
				tapTo(t, ctx, "#"+what, what, `!document.querySelector('#right .amend')`)
				r.awaits(t, `afterwards {"passage":"U-`+reason+`","what":"`+what+`"}`)
				tap(t, ctx, "#recent li:first-child button.amend")
			}
		}
		tap(t, ctx, "#amend-back")
	}
}

// What cannot be put right, or not here, is told with what to do, in both languages.
func TestTheGuardIsToldWhatCannotBePutRight(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	ask := func(what, path, body, reason string) {
		t.Helper()
		if w := b.ask(request("POST", path, body)); w.Code != 409 || !strings.Contains(w.Body.String(), `"reason":"`+reason+`"`) {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	was := b.scan("in", b.pass("李四", time.Hour)).Passage
	b.scan("out", b.pass("李四", time.Hour))
	ask("they have passed since", "/api/correct", `{"passage":"`+was+`","lane":"out"}`, "past")
	if err := b.gate.SignOn("李班长"); err != nil {
		t.Fatal(err)
	}
	ask("of the shift before", "/api/annul", `{"passage":"`+was+`"}`, "too-late")

	r := record(t)
	ctx := browser(t, r.url)
	for reason, want := range map[string][2]string{"too-late": {"请告诉物业", "Tell the office"}, "past": {"请按“没有通过”", "did not go through"},
		"no-person": {"按房号找到本人", "find them by room"}, "": {"已不能由本班更正", "put right already"}} {
		for i, language := range []string{"zh", "en"} {
			r.refuse(409, reason)
			run(t, ctx, fmt.Sprintf(`(language = '%s', render(), true)`, language))
			r.change(func(v *gate.View) {
				v.Lanes = lanes()
				v.Recent = []gate.Shown{{Passage: "R1", Lane: "in", Direction: "in", Verdict: "admit", Class: "resident", Amend: true, At: time.Now()}}
			})
			see(t, ctx, "the newest", `document.querySelector('#recent li button.amend')`)
			tapTo(t, ctx, "#recent li:first-child button.amend", "what can be put right", `$('annul')`)
			tapTo(t, ctx, "#annul", reason+" in "+language, fmt.Sprintf(`!$('toast').hidden && $('toast').textContent.includes('%s')`, want[i]))
		}
	}
}
