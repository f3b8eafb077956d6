package console

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gated/gate"
	"gated/policy"
)

// asked is a hold whose guard asks a question of each kind.
func asked(passage string) gate.Hold {
	h := openHold(passage, "in", "", "", "unknown-person")
	h.Class = "unknown"
	text := func(zh, en string) policy.Text { return policy.Text{Chinese: zh, English: en} }
	h.Ask = &policy.Inquiry{Name: "visitor", BySight: true, Questions: []policy.Question{
		{Name: "whom", Kind: "text", Text: text("找哪一户", "whom they visit"), Required: true},
		{Name: "purpose", Kind: "choice", Text: text("来做什么", "what for"), Required: true, Choices: []policy.Choice{
			{Name: "family", Text: text("探亲访友", "family or friends")}, {Name: "delivery", Text: text("送货", "delivery")}, {Name: "work", Text: text("家政、维修、装修", "household help or repair")}}},
		{Name: "people", Kind: "number", Text: text("几个人", "how many people"), Min: 1, Max: 20},
		{Name: "heat", Kind: "temperature", Text: text("体温", "temperature"), Min: 34, Max: 42},
		{Name: "seen", Kind: "tick", Text: text("已看证件", "document seen"), Required: true},
	}}
	return h
}

// The questions of a hold are answered by keys, or by a finger. Before that the key that admits says what is missing, and decides
// nothing; those that need no answers do.
func TestQuestionsAreAnsweredBeforeAdmitting(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	waits := func(passage string) {
		t.Helper()
		r.change(func(v *gate.View) { v.Holds = []gate.Hold{asked(passage)} })
		anew(t, ctx, r.url)
		see(t, ctx, "they are asked", `chosen === '`+passage+`' && performance.now() - chosenAt > READ_MS && document.querySelectorAll('.card.on .question').length === 5`)
		r.heard()
	}
	nothing := func(what string) {
		t.Helper()
		if got := r.heard(); len(got) > 0 {
			t.Errorf("%s made the page ask %q", what, got)
		}
	}
	waits("H1")
	press(t, ctx, "a")
	see(t, ctx, "what is missing", `!$('toast').hidden && $('toast').textContent === '放行前请先问清: 找哪一户 未填 · 来做什么 未填 · 已看证件 未填'`)
	sees(t, ctx, "the cursor is at the first", `document.activeElement === $('answer-H1-whom')`)
	nothing("A without answers")
	write(t, ctx, "3-2-501")
	press(t, ctx, kb.Enter+"2")
	sees(t, ctx, "a choice, and on", `drafts['answer-H1-purpose'] === 'delivery' && document.querySelector('[data-value=delivery].on') && document.activeElement === $('answer-H1-people')`)
	write(t, ctx, "21")
	press(t, ctx, kb.Enter)
	write(t, ctx, "36.6")
	press(t, ctx, kb.Enter+"1")
	sees(t, ctx, "all answered, one wrong", `asking === '' && document.activeElement === document.body && drafts['answer-H1-seen'] === 'yes' && document.querySelectorAll('.question.wrong').length === 1 && document.querySelector('.question.wrong').querySelector('input').placeholder === '1 – 20'`)
	press(t, ctx, "a")
	see(t, ctx, "what is wrong", `$('toast').textContent === '放行前请先问清: 几个人 1 – 20' && document.activeElement === $('answer-H1-people')`)
	nothing("A with an answer out of range")
	press(t, ctx, kb.Backspace+kb.Escape)
	sees(t, ctx, "all is answered", `!document.querySelector('.wrong, .lacks') && document.activeElement === document.body`)

	// A ledger that fails keeps the hold and what was answered.
	r.mu.Lock()
	r.status = 503
	r.mu.Unlock()
	press(t, ctx, "1")
	sees(t, ctx, "a digit selects people again", `drafts['answer-H1-purpose'] === 'delivery' && chosen === 'H1'`)
	see(t, ctx, "to be selected is no time to decide", `performance.now() - chosenAt >= READ_MS`)
	press(t, ctx, "a")
	const all = `decide {"passage":"H1","verdict":"admit","reason":"document-sighted","note":"","answers":{"whom":"3-2-501","purpose":"delivery","people":"2","heat":"36.6","seen":"yes"}}`
	r.awaits(t, all)
	see(t, ctx, "it waits still", `document.querySelector('.card[data-passage=H1]:not(.gone)')`)
	r.mu.Lock()
	r.status = 200
	r.mu.Unlock()
	press(t, ctx, "1")
	see(t, ctx, "selected", `chosen === 'H1' && $('answer-H1-whom').value === '3-2-501' && document.querySelectorAll('.question button.on').length === 2`)
	press(t, ctx, "o5") // for another reason
	r.awaits(t, strings.Replace(all, "document-sighted", "visitor-confirmed", 1))
	see(t, ctx, "what was answered is forgotten", `Object.keys(drafts).every(id => !id.includes('H1'))`)

	// A refusal needs no answers and takes what there is; nor do those known by sight.
	waits("H2")
	press(t, ctx, "q")
	write(t, ctx, "王奶奶")
	press(t, ctx, kb.Escape+"r")
	r.awaits(t, `decide {"passage":"H2","verdict":"refuse","reason":"not-known","note":"","answers":{"whom":"王奶奶"}}`)
	waits("H3")
	press(t, ctx, "k")
	r.awaits(t, `decide {"passage":"H3","verdict":"admit","reason":"known-unnamed","note":"","answers":{}}`)

	waits("H7")
	press(t, ctx, "o9") // whoever is ill is asked nothing
	r.awaits(t, `decide {"passage":"H7","verdict":"admit","reason":"sudden-illness","note":"","answers":{}}`)

	// By a finger. What was ticked by mistake is taken back.
	waits("H4")
	for _, e := range []string{"[data-value=family]", "[data-value=work]", "#answer-H4-seen", "#answer-H4-seen"} {
		tap(t, ctx, ".card.on "+e)
	}
	sees(t, ctx, "chosen, and not ticked", `drafts['answer-H4-purpose'] === 'work' && !drafts['answer-H4-seen']`)
	tap(t, ctx, ".card.on #answer-H4-seen")
	tap(t, ctx, ".card.on #answer-H4-whom")
	write(t, ctx, "7-1-1203")
	tap(t, ctx, ".card.on .yes")
	r.awaits(t, `decide {"passage":"H4","verdict":"admit","reason":"document-sighted","note":"","answers":{"whom":"7-1-1203","purpose":"work","seen":"yes"}}`)

	// A second person's name is written like any text.
	r.change(func(v *gate.View) {
		h := openHold("H8", "in", "李秀英", "6-1-302", "watch-list")
		h.Ask = &policy.Inquiry{Name: "two", Questions: []policy.Question{{Name: "agrees", Kind: "second-person", Required: true,
			Text: policy.Text{Chinese: "另一位同意的人", English: "who else agrees"}}}}
		v.Holds = []gate.Hold{h}
	})
	anew(t, ctx, r.url)
	see(t, ctx, "somebody else is asked for", `chosen === 'H8' && performance.now() - chosenAt > READ_MS && document.querySelector('.card.on .question input')?.maxLength === 40`)
	r.heard()
	press(t, ctx, "a")
	see(t, ctx, "not alone", `$('toast').textContent === '放行前请先问清: 另一位同意的人 未填'`)
	nothing("A without a second person")
	write(t, ctx, "陈站长")
	press(t, ctx, kb.Enter)
	press(t, ctx, "a")
	r.awaits(t, `decide {"passage":"H8","verdict":"admit","reason":"document-sighted","note":"","answers":{"agrees":"陈站长"}}`)

	// Numbers as a Chinese input method writes them; and who is not asked is not held up.
	waits("H5")
	run(t, ctx, `Object.assign(drafts, {'answer-H5-whom': '甲', 'answer-H5-purpose': 'work', 'answer-H5-seen': 'yes', 'answer-H5-heat': '３６。５', 'answer-H5-people': '１２'})`)
	press(t, ctx, "a")
	r.awaits(t, `decide {"passage":"H5","verdict":"admit","reason":"document-sighted","note":"","answers":{"whom":"甲","purpose":"work","people":"12","heat":"36.5","seen":"yes"}}`)
	r.change(func(v *gate.View) { v.Holds = []gate.Hold{openHold("H6", "in", "李秀英", "6-1-302", "expired")} })
	anew(t, ctx, r.url)
	see(t, ctx, "not asked", `chosen === 'H6' && performance.now() - chosenAt > READ_MS && !document.querySelector('.ask, .by-sight')`)
	press(t, ctx, "kqa")
	r.awaits(t, `decide {"passage":"H6","verdict":"admit","reason":"document-sighted","note":""}`)
}

// Once a guard has begun to answer the gate is told, until it has heard: the machine lets nobody through meanwhile. To look at somebody begins nothing.
func TestThePageTellsThatAGuardHasBegun(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	r.change(func(v *gate.View) {
		v.Holds = []gate.Hold{asked("H1"), openHold("H2", "in", "李秀英", "6-1-302", "expired"), openHold("H3", "out", "李芳", "3-2-501", "expired")}
	})
	anew(t, ctx, r.url)
	told := func(want ...string) {
		t.Helper()
		var got []string
		for end := time.Now().Add(time.Minute); time.Now().Before(end) && len(got) < len(want); time.Sleep(5 * time.Millisecond) {
			r.mu.Lock()
			got = slices.Clone(r.answering)
			r.mu.Unlock()
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	press(t, ctx, "3")
	see(t, ctx, "selected", `chosen === 'H3'`)
	press(t, ctx, "2")
	see(t, ctx, "selected", `chosen === 'H2'`)
	press(t, ctx, "o")
	see(t, ctx, "the reasons", `panel`)
	told(`{"passage":"H2"}`)
	press(t, ctx, kb.Escape+"1q")
	write(t, ctx, "3-2-501")
	see(t, ctx, "the first question", `$('answer-H1-whom').value === '3-2-501'`)
	told(`{"passage":"H2"}`, `{"passage":"H1"}`)

	// What the gate did not hear, or could not take, it is told again; not what it refused.
	again := func(status int, passage string) {
		t.Helper()
		r.mu.Lock()
		r.status, r.answering = status, nil
		r.mu.Unlock()
		r.change(func(v *gate.View) { v.Holds = []gate.Hold{openHold(passage, "in", "李秀英", "6-1-302", "expired")} })
		anew(t, ctx, r.url)
		see(t, ctx, "selected", `chosen === '`+passage+`' && performance.now() - chosenAt > READ_MS`)
		press(t, ctx, "o")
	}
	for passage, status := range map[string]int{"H4": 0, "H5": 503} {
		again(status, passage)
		for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
			r.mu.Lock()
			n := len(r.answering)
			r.mu.Unlock()
			if n > 1 {
				break
			} else if time.Now().After(end) {
				t.Fatalf("answered %d: told %d times, want more", status, n)
			}
		}
		r.refuse(http.StatusOK, "")
		see(t, ctx, "heard at last", `cards[0].told && performance.getEntriesByName(location.origin + '/api/answering').at(-1)?.responseStatus === 204`)
	}
	again(http.StatusConflict, "H6")
	told(`{"passage":"H6"}`)
	see(t, ctx, "refused", `performance.getEntriesByName(location.origin + '/api/answering').at(-1)?.responseStatus === 409`)
	run(t, ctx, `(rendered = 0, renders = render, render = () => { rendered++; renders(); })`)
	see(t, ctx, "looked at since", `rendered > 4`)
	told(`{"passage":"H6"}`)
}

// A code that a scanner types into an answer, or while a question is asked, answers nothing and decides nothing.
func TestAKeyboardScannerAnswersNothing(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	for i, c := range []struct{ code, focus string }{
		{"6901234567892\r", "askFor(waiting(chosen), questions(waiting(chosen))[0])"},
		{"HC1:NCFOXN%TS3\r", "askFor(waiting(chosen), questions(waiting(chosen))[2])"},
		{"1234567890121\r", "askFor(waiting(chosen), questions(waiting(chosen))[1])"},
		{"1111111111111\r", "askFor(waiting(chosen), questions(waiting(chosen))[4])"},
		{"q1k2a345678901\r", "askFor()"},
		{"kkkkkkk", "askFor()"},
	} {
		scans(t, ctx, c.code, paces[i%3], func() {
			r.change(func(v *gate.View) { v.Holds = []gate.Hold{asked("H1")} })
			anew(t, ctx, r.url)
			see(t, ctx, "the first is chosen", `chosen === 'H1' && performance.now() - chosenAt > READ_MS`)
			run(t, ctx, c.focus)
			run(t, ctx, `(was = document.activeElement.id, askedFor = asking)`)
			r.heard()
		})
		see(t, ctx, c.code+": it is said", `document.querySelector('.alarm.keyboard')`)
		if got := r.heard(); len(got) > 0 {
			t.Errorf("%q made the page ask %q", c.code, got)
		}
		sees(t, ctx, c.code+" answers nothing", `Object.values(drafts).every(v => !v) && [...document.querySelectorAll('.question input')].every(e => !e.value) && !document.querySelector('.question button.on') && document.activeElement.id === was && asking === askedFor && chosen === 'H1'`)
	}
}

// The questions are all in sight, in both languages, on a monitor and on a tablet held upright.
func TestQuestionsAreInSight(t *testing.T) {
	t.Parallel()
	r := record(t)
	r.view.Holds = []gate.Hold{asked("H1"), openHold("H2", "in", "李秀英", "6-1-302", "expired")}
	ctx := browser(t, r.url)
	for name, size := range map[string][2]int64{"monitor": {1280, 800}, "tablet": {800, 1280}} {
		for _, lang := range []string{"zh", "en"} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(size[0], size[1])); err != nil {
				t.Fatal(err)
			}
			anew(t, ctx, r.url+"?lang="+lang)
			see(t, ctx, "they are asked", `chosen === 'H1' && document.querySelectorAll('.question').length === 5`)
			run(t, ctx, `(askFor(waiting('H1'), questions(waiting('H1'))[1]), pickKey(2))`)
			see(t, ctx, "a choice", `document.querySelector('[data-value=delivery].on')`)
			if *shots != "" {
				picture := must(chromedp.Run(ctx, chromedp.CaptureScreenshot()))
				if err := os.WriteFile(filepath.Join(*shots, "questions-"+name+"-"+lang+".png"), picture, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			sees(t, ctx, name+" "+lang+": targets are big", `[...document.querySelectorAll('.question button, .question input, .act button')].every(e => e.getBoundingClientRect().height >= 40)`)
			sees(t, ctx, name+" "+lang+": nothing is cut off", `[...document.querySelectorAll('.question')].every(e => e.scrollWidth <= e.clientWidth + 1)`)
			sees(t, ctx, name+" "+lang+": A and R can be seen", `(b => b.bottom <= $('holds').getBoundingClientRect().bottom + 1)(document.querySelector('.card.on .act').getBoundingClientRect())`)
		}
	}
}

// A stranger at the level normal is asked, as the shipped policy says: by the API and, with a real gate, on the page.
func TestAStrangerIsAsked(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	rules := b.gate.Rules()
	rules.Level = "normal"
	b.gate.SetRules(rules)
	held := b.scan("in", "GP1:6901234567892")
	before := b.ledger.Size()
	for _, c := range []struct {
		answers, want string
		status        int
	}{
		{``, "answers: whom is missing: answer it before you admit; purpose is missing", 400},
		{`,"answers":null`, "whom is missing", 400},
		{`,"answers":{"whom":"  "}`, "whom is missing", 400},
		{`,"answers":{"whom":"王奶奶","purpose":"tea"}`, "answers: purpose: write one of family, delivery, work, other", 400},
		{`,"answers":{"whom":"王奶奶","purpose":"work","people":"51"}`, "answers: people: write a number from 1 to 50", 400},
		{`,"answers":{"whom":"王奶奶","purpose":"work","王小明":"1"}`, "an answer to what is not asked: this hold asks whom, purpose, people", 400},
		{`,"answers":{"whom":7}`, "must be a string", 400},
		{`,"answers":["王奶奶"]`, `\"answers\" must be a map`, 400},
		{`,"answers":{"whom":"王奶奶","purpose":"work"}`, `"verdict":"admit"`, 200},
	} {
		w := b.ask(request("POST", "/api/decide", `{"passage":"`+held.Passage+`","verdict":"admit","reason":"visitor-confirmed"`+c.answers+`}`))
		if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "王") {
			t.Errorf("%s: %d %s, want %d …%s…", c.answers, w.Code, body, c.status, c.want)
		}
		if c.status != 200 && b.ledger.Size() != before {
			t.Errorf("%s: something was recorded", c.answers)
		}
	}

	ctx := browser(t, b.serve(t))
	b.forget()
	held = b.scan("in", "GP1:6901234567893")
	see(t, ctx, "they are asked", `chosen === '`+held.Passage+`' && performance.now() - chosenAt > READ_MS && document.querySelectorAll('.card.on .question').length === 3`)
	press(t, ctx, "q")
	write(t, ctx, "3-2-501")
	press(t, ctx, kb.Enter+"1"+kb.Enter+"a")
	b.asked(`decide {"passage":"` + held.Passage + `","verdict":"admit","reason":"document-sighted","note":"","answers":{"whom":"3-2-501","purpose":"family"}}`)
	see(t, ctx, "admitted", `document.querySelector('.card.gone.admit') || !cards.length`)
	held = b.scan("in", b.pass("王小明", -time.Minute))
	see(t, ctx, "one key for whoever is of the roster", `view.holds.some(o => o.passage === '`+held.Passage+`' && !o.ask)`)
}

// Whom the rules refuse by now no key of the card admits but for an urgent need, and it says so.
func TestTheCardSaysThatOnlyAnUrgentNeedAdmits(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	r.change(func(v *gate.View) {
		h := openHold("H1", "in", "赵六", "", "no-staff")
		h.Refused = true
		v.Holds = []gate.Hold{h}
	})
	anew(t, ctx, r.url)
	see(t, ctx, "the card says it", `chosen === 'H1' && performance.now() - chosenAt > READ_MS && document.querySelector('.card.on .only-urgent').textContent.includes('急病')`)
	sees(t, ctx, "and has no button that admits at once", `!document.querySelector('.card.on .act .yes') && document.querySelector('.card.on .act .no')`)
	r.heard()
	press(t, ctx, "a")
	see(t, ctx, "the key says why not", `!$('toast').hidden && $('toast').textContent.includes('急病')`)
	press(t, ctx, "o")
	see(t, ctx, "the other reasons", `panel`)
	press(t, ctx, "1")
	if got := r.heard(); len(got) > 0 {
		t.Errorf("the page asked %q", got)
	}
	run(t, ctx, `document.querySelectorAll('.card.on .reasons .yes')[document.querySelectorAll('.card.on .reasons .yes').length - 1].click()`)
	r.awaits(t, `decide {"passage":"H1","verdict":"admit","reason":"sudden-illness","note":""}`)
}
