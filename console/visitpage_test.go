package console

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"gated/gate"
)

// visiting is a box at the level at which visitors come, and a page before it that has what is chosen from.
func visiting(t *testing.T) (b *site, ctx context.Context) {
	t.Helper()
	b = newBox(t)
	b.atNormal()
	b.forget()
	ctx = browser(t, b.serve(t))
	see(t, ctx, "the firms", `chosenFrom && $('visit').querySelectorAll('[data-firm]').length === 12 && $('lost').hidden`)
	return b, ctx
}

// makes makes a visit and returns its ID and its digits.
func (b *site) makes(f gate.VisitForm) (id, digits string) {
	b.t.Helper()
	id, err := b.gate.MakeVisit(f)
	p, err2 := b.gate.PrintVisit(id)
	if err := errors.Join(err, err2); err != nil {
		b.t.Fatal(err)
	}
	return id, p.Digits
}

// inside waits until so many are inside.
func inside(t *testing.T, ctx context.Context, n int) {
	t.Helper()
	see(t, ctx, fmt.Sprint(n, " inside"), fmt.Sprintf(`view.inside === %d`, n))
}

// A delivery is two touches, the firm and the building, or two digits behind a key, and takes a practised hand no four seconds.
func TestADeliveryIsTwoTouches(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	run(t, ctx, `(waited = 0, touches = [], new MutationObserver(() => { waited += document.querySelectorAll('#holds .card').length; }).observe($('holds'), {childList: true, subtree: true}), addEventListener('pointerdown', e => touches.push(e.timeStamp), true), green = 0,
		new MutationObserver(() => { green = green || document.querySelector('#went .card.admit') && performance.now(); }).observe($('went'), {childList: true, subtree: true}))`)
	tap(t, ctx, "[data-firm=sf]")
	see(t, ctx, "the buildings", `[...document.querySelectorAll('#visit .buildings button')].map(e => e.dataset.host).join() === '1,3,7'`)
	tap(t, ctx, `[data-host="3"]`)
	b.asked(`arrive {"lane":"in","how":"delivery","firm":"sf","host":"3"}`)
	inside(t, ctx, 1)
	see(t, ctx, "green", `green`)
	sees(t, ctx, "two touches, and nobody waits", `touches.length === 2 && !waited`)
	if took := must(chromedp.Run(ctx, chromedp.Evaluate[float64](`green - touches[0]`))); took > 4000 {
		t.Errorf("it took %.0f ms", took)
	} else {
		t.Logf("a delivery took %.0f ms", took)
	}
	run(t, ctx, `(sending = true, receiveHolds([{passage: 'X', visit: 'V', permit: {how: 'delivery'}}]), waited = cards.length, sending = false)`)
	sees(t, ctx, "who passes at this moment does not wait", `waited === 0`)
	see(t, ctx, "ready for the next", `!visiting && document.querySelector('.firms [data-firm=meituan]')`)

	press(t, ctx, "d27")
	b.asked(`arrive {"lane":"in","how":"delivery","firm":"eleme","host":"7"}`)
	inside(t, ctx, 2)
	press(t, ctx, "d0"+kb.Escape+kb.Escape+"3")
	sees(t, ctx, "nothing is left of it", `!visiting && !firm`)
	tap(t, ctx, "[data-firm=post]")
	tap(t, ctx, "[data-host=parcels]")
	b.asked(`arrive {"lane":"in","how":"delivery","firm":"post","host":"parcels"}`)
	see(t, ctx, "ready for the next", `!visiting`)
	press(t, ctx, "d3")
	run(t, ctx, `(askChosenFrom = async () => {}, chosenFrom.buildings = ['1', '2', '10', '12'], render())`)
	press(t, ctx, "1")
	see(t, ctx, "one of several", `$('visit').textContent.includes('哪一栋？ 1…')`)
	press(t, ctx, "3")
	see(t, ctx, "which is none", `document.querySelector('#visit .wrong').textContent === '没有这一栋： 13'`)
	press(t, ctx, "1"+kb.Enter)
	b.asked(`arrive {"lane":"in","how":"delivery","firm":"sf","host":"1"}`)
	if n := len(slices.DeleteFunc(b.heard(), func(s string) bool { return !strings.HasPrefix(s, "arrive") })); n != 4 {
		t.Errorf("%d arrived, want 4", n)
	}

	// Where the level lets nobody new in it is said, and nobody is inside.
	rules := b.gate.Rules()
	rules.Level = "controlled"
	b.gate.SetRules(rules)
	press(t, ctx, "d11"+kb.Enter)
	see(t, ctx, "they wait, or not", `document.querySelector('#went .refuse') || document.querySelector('.card.on')`)
	inside(t, ctx, 4)
}

// Whoever walks in is entered by keys; what is not required is left out.
func TestAWalkInIsEnteredByKeys(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	press(t, ctx, "w")
	see(t, ctx, "the first question", `document.activeElement === $('visit-walk-in-host')`)
	write(t, ctx, "9-9-999")
	press(t, ctx, kb.Enter+"2")
	sees(t, ctx, "a choice, and on", `drafts['visit-walk-in-consent'] === 'intercom' && visitAsk === 'purpose'`)
	press(t, ctx, "13")
	sees(t, ctx, "how many", `drafts['visit-walk-in-people'] === '3' && visitAsk === 'document'`)
	press(t, ctx, "1")
	sees(t, ctx, "and the name", `drafts['visit-walk-in-document'] === 'yes' && document.activeElement === $('visit-walk-in-name')`)
	write(t, ctx, "wang")
	press(t, ctx, kb.Escape+"s")
	b.asked(`arrive {"lane":"in","how":"walk-in","host":"9-9-999","consent":"intercom","purpose":"family","people":3,"document":true,"name":"wang"}`)
	see(t, ctx, "what is wrong stands beside it", `document.querySelector('[data-fault=host]').textContent.startsWith('没有这个房号') && document.activeElement === $('visit-walk-in-host')`)

	// Meanwhile somebody comes, and goes on; nothing of it is lost.
	held := b.scan("in", b.pass("王小明", -time.Minute)).Passage
	see(t, ctx, "somebody waits", `chosen === '`+held+`' && performance.now() - chosenAt > READ_MS`)
	sees(t, ctx, "what was entered", `$('visit-walk-in-host').value === '9-9-999' && $('visit-walk-in-name').value === 'wang' && document.activeElement === $('visit-walk-in-host')`)
	press(t, ctx, kb.Escape+"a")
	b.has("register in admit document-sighted")
	inside(t, ctx, 1)
	sees(t, ctx, "digits are for the form still", `visitKeys && visiting === 'walk-in'`)
	run(t, ctx, `(drafts['visit-walk-in-host'] = $('visit-walk-in-host').value = '3栋2单元501室')`)
	press(t, ctx, "s")
	b.asked(`arrive {"lane":"in","how":"walk-in","host":"3-2-501","consent":"intercom","purpose":"family","people":3,"document":true,"name":"wang"}`)
	b.has("register in admit visitor-confirmed")
	inside(t, ctx, 4)
	see(t, ctx, "and forgotten", `!visiting && !Object.keys(drafts).some(id => id.startsWith('visit-'))`)

	// By a finger; what is required is asked for before anything is sent.
	tapTo(t, ctx, "#visit-tab-taxi", "a taxi", `visiting === 'taxi'`)
	tap(t, ctx, "#visit-send")
	see(t, ctx, "both are required", `document.querySelectorAll('#visit .wrong:not(:empty)').length === 2`)
	run(t, ctx, `(drafts['visit-taxi-host'] = $('visit-taxi-host').value = '物业')`)
	tap(t, ctx, "#visit-taxi-plate")
	write(t, ctx, "8a21")
	tap(t, ctx, "#visit-send")
	b.asked(`arrive {"lane":"in","how":"taxi","host":"office","plate":"8A21"}`)
	inside(t, ctx, 5)
}

// Digits that a visitor says bring a hold with everything that is known, which one key admits.
func TestAnAnnouncedVisitorByDigits(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	_, digits := b.makes(gate.VisitForm{How: "announced", Host: "3-2-501", Name: `<b>周</b>`, Consent: "gate-called"})
	press(t, ctx, "c")
	for _, k := range digits { // as fast as on a number pad
		strike(t, ctx, string(k), 60*time.Millisecond)
	}
	strike(t, ctx, kb.Enter, 200*time.Millisecond)
	b.asked(`code {"lane":"in","code":"` + digits + `"}`)
	see(t, ctx, "who it is", `(e => e && e.textContent.includes('<b>周</b>') && !e.querySelector('b') && e.textContent.includes('找 3-2-501') && e.textContent.includes('预约访客 · 电话同意'))(document.querySelector('.card.on'))`)
	sees(t, ctx, "the digits are gone", `$('visit-code').value === '' && !drafts['visit-code']`)
	sees(t, ctx, "what the key says", `document.querySelector('.card.on .yes').textContent.includes('住户已确认访客')`)
	see(t, ctx, "to be selected is no time to decide", `performance.now() - chosenAt > READ_MS`)
	press(t, ctx, "a")
	b.has("register in admit visitor-confirmed")
	inside(t, ctx, 1)
	press(t, ctx, "c123"+kb.Enter)
	see(t, ctx, "three are no code", `$('toast').textContent === '访客码是六位数字'`)
	press(t, ctx, kb.Escape)

	// The digit of the reason that the first key gives is that of a document seen.
	_, digits = b.makes(gate.VisitForm{How: "announced", Host: "office", Consent: "none"})
	b.scan("in", digits)
	see(t, ctx, "the body by its name", `[...document.querySelectorAll('#holds .card')].some(e => e.textContent.includes('找 物业') && e.textContent.includes('未联系'))`)
	run(t, ctx, `choose(cards.find(c => !c.gone).hold.passage)`)
	see(t, ctx, "selected", `chosen && performance.now() - chosenAt > READ_MS`)
	press(t, ctx, "o5")
	b.has("register in admit document-sighted")
}

// Of a group one key admits one of them, another five, and the card says how many are still to come.
func TestAGroupByKeys(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	_, digits := b.makes(gate.VisitForm{How: "group", Host: "3-2-501", Entries: 8, Consent: "in-person"})
	comes := func(more, keys string) {
		t.Helper()
		held := b.scan("in", digits).Passage
		see(t, ctx, "they wait", `view.holds.some(o => o.passage === '`+held+`')`)
		run(t, ctx, `choose('`+held+`')`)
		see(t, ctx, more, `performance.now() - chosenAt > READ_MS && document.querySelector('.card.on .permit').textContent.endsWith('还可进 `+more+`')`)
		sees(t, ctx, keys, `[...document.querySelectorAll('.card.on .act .yes span')].map(e => e.firstChild.textContent.trim()).join() === '`+keys+`'`)
	}
	comes("8", "放行 +1,放行 +5")
	press(t, ctx, "f")
	inside(t, ctx, 5)
	comes("3", "放行 +1,放行 +3")
	tapTo(t, ctx, ".card.on .act .yes:nth-of-type(2)", "all of them", `view.inside === 8`)
	if !slices.ContainsFunc(b.heard(), func(s string) bool { return strings.HasSuffix(s, `"reason":"visitor-confirmed","note":"","heads":5}`) }) {
		t.Errorf("the page asked %q", b.heard())
	}
}

// Who is inside by a visit, and who is expected, is listed on demand; one key has them leave. Names go by themselves.
func TestTheListOfVisits(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	group, _ := b.makes(gate.VisitForm{How: "group", Host: "3-2-501", Entries: 9, Consent: "in-person"})
	asked, _ := b.makes(gate.VisitForm{How: "announced", Host: "1-1-101", Name: "محمد <i>", Note: "<img src=x>", Consent: "gate-called"})
	unasked, _ := b.makes(gate.VisitForm{How: "announced", Host: "7-1-1203", Name: "郑"})
	must(b.gate.PassVisit("in", group, 7))
	must(b.gate.Arrive("in", gate.VisitForm{How: "walk-in", Host: "3-2-501", Name: "周访", People: 2, Consent: "intercom"}))
	must(b.gate.Arrive("in", gate.VisitForm{How: "delivery", Host: "3", Firm: "sf"}))
	inside(t, ctx, 10)
	see(t, ctx, "nobody waits, nothing moves", `!cards.length && performance.now() - places.get('visit').at > TAP_MS`)
	press(t, ctx, "l")
	b.asked("visits {}")
	see(t, ctx, "all of them", `[...document.querySelectorAll('#visit h2')].map(e => e.textContent).join() === '来访，在区内 2,今天预约 2,快递、外卖，一小时内进 1' && document.querySelectorAll('.visit-row').length === 5`)
	sees(t, ctx, "markup is text", `!$('visit').querySelector('i, img') && $('visit').textContent.includes('محمد <i>')`)
	press(t, ctx, "2") // the walk-in, both of them
	see(t, ctx, "they left", `[...document.querySelectorAll('.visit-row')][1].textContent.includes('出 2 ✓')`)
	inside(t, ctx, 8)
	tap(t, ctx, `[data-visit="`+group+`"] [data-act=out5]`)
	b.asked(`pass-visit {"lane":"out","visit":"` + group + `","heads":5}`)
	inside(t, ctx, 3)
	press(t, ctx, "1")
	inside(t, ctx, 2)
	sees(t, ctx, "the rows stand still", `document.querySelectorAll('.visit-row')[0].dataset.visit === '`+group+`'`)
	tap(t, ctx, `[data-visit="`+asked+`"] .comes`)
	b.asked(`pass-visit {"lane":"in","visit":"` + asked + `","heads":1}`)
	inside(t, ctx, 3)
	tap(t, ctx, `[data-visit="`+asked+`"] .who`)
	see(t, ctx, "more of it, as text", `document.querySelector('.visit-more').textContent.includes('<img src=x>')`)
	tap(t, ctx, "#visit-end")
	sees(t, ctx, "once more", `$('visit-end').textContent === '再按一次确认' && view.inside === 3`)
	tap(t, ctx, "#visit-end")
	b.asked(`visit-end {"visit":"` + asked + `"}`)
	b.has("visit ended")

	// Whom nobody asked is looked at first.
	tap(t, ctx, `[data-visit="`+unasked+`"] .comes`)
	b.asked(`pass-visit {"lane":"in","visit":"` + unasked + `","heads":1,"look":true}`)
	see(t, ctx, "they wait", `chosen && waiting(chosen).reason === 'consent-missing'`)

	run(t, ctx, `(visitList.at = stamp(FOUND_MS + 1), tick())`)
	see(t, ctx, "no names", `!$('visit').textContent.includes('郑') && $('visit-again')`)
	tap(t, ctx, "#visit-again")
	see(t, ctx, "again", `document.querySelectorAll('.visit-row').length`)
	press(t, ctx, "l")
	see(t, ctx, "closed", `!visiting && !visitList`)
}

// A visit is announced, and then printed, copied, and printed anew.
func TestAVisitIsAnnouncedAndPrinted(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	run(t, ctx, `(prints = [], print = () => prints.push($('sheet').textContent), copied = '', navigator.clipboard.writeText = async text => { copied = text; })`)
	press(t, ctx, "b")
	see(t, ctx, "what is missing", `document.activeElement === $('visit-book-host')`)
	write(t, ctx, "3-2-501")
	press(t, ctx, kb.Enter+"41")
	sees(t, ctx, "a class, and consent", `drafts['visit-book-class'] === 'contractor' && drafts['visit-book-consent'] === 'gate-called' && document.activeElement === $('visit-book-name')`)
	tap(t, ctx, "#visit-book-until")
	write(t, ctx, "23:59")
	press(t, ctx, kb.Enter+"2"+kb.Enter+kb.Escape+"s")
	day := time.Now().In(b.ledger.Zone()).Format(time.DateOnly)
	b.asked(`visit {"how":"announced","host":"3-2-501","class":"contractor","consent":"gate-called","until":"` + day + ` 23:59","entries":2}`)
	list := must(b.gate.Counter().Visits(nil))
	if len(list) != 1 || list[0].Entries != 2 || list[0].Class != "contractor" {
		t.Fatalf("%+v", list)
	}
	p := must(b.gate.PrintVisit(list[0].ID))
	digits := p.Digits[:3] + " " + p.Digits[3:]
	see(t, ctx, "the print", `$('visit-digits')?.textContent === '`+digits+`' && $('visit-picture').dataset.drawn && $('visit-picture').width > 100`)
	tap(t, ctx, "#visit-copy")
	see(t, ctx, "the text", `copied.includes('`+digits+`') && copied === $('visit-chat').textContent && $('toast').textContent.startsWith('已复制')`)
	tap(t, ctx, "#visit-print")
	see(t, ctx, "the sheet", `prints.length === 1 && prints[0].includes('`+digits+`') && prints[0].startsWith('东门')`)
	tap(t, ctx, "#visit-back")
	press(t, ctx, "l")
	tap(t, ctx, ".visit-row .who")
	tap(t, ctx, "#visit-show")
	see(t, ctx, "the same digits", `$('visit-digits')?.textContent === '`+digits+`' && !document.querySelector('#visit .void')`)
	tap(t, ctx, "#visit-back")
	see(t, ctx, "the list", `document.querySelector('.visit-row')`)
	tap(t, ctx, ".visit-row .who")
	tap(t, ctx, "#visit-reprint")
	tap(t, ctx, "#visit-reprint")
	see(t, ctx, "the old is void", `$('visit-digits') && $('visit-digits').textContent !== '`+digits+`' && document.querySelector('#visit .void').textContent.includes('旧码作废')`)
	press(t, ctx, kb.Escape)

	// Of a standing visit an end is required; of a group how many.
	press(t, ctx, "b")
	tap(t, ctx, `[data-question=how] [data-value=standing]`)
	for _, e := range []string{"days] [data-value=wed", "days] [data-value=mon", "class] [data-value=helper"} {
		tap(t, ctx, "[data-question="+e+"]")
	}
	tap(t, ctx, "#visit-book-host")
	write(t, ctx, "1-1-101")
	press(t, ctx, kb.Escape+"s")
	see(t, ctx, "until when", `document.querySelector('[data-fault=until]').textContent === '未填' && document.activeElement === $('visit-book-until')`)
	tap(t, ctx, "[data-question=until] .quick")
	press(t, ctx, "s")
	month := time.Now().In(b.ledger.Zone())
	until := time.Date(month.Year(), month.Month(), month.Day()+30, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	b.asked(`visit {"how":"standing","host":"1-1-101","class":"helper","days":"mon,wed","until":"` + until + `"}`)
	see(t, ctx, "printed", `$('visit-digits')`)
}

// What a scanner types into a field is no name; a lost link takes nothing, and shows no list.
func TestVisitsKeepToWhatPeopleEnter(t *testing.T) {
	t.Parallel()
	b, ctx := visiting(t)
	run(t, ctx, `(stamps = [], addEventListener('keydown', e => stamps.push(e.timeStamp), true))`)
	for i, field := range []string{"name", "host"} {
		scans(t, ctx, "6901234567892\r", paces[i], func() {
			run(t, ctx, `(visiting && closeVisit(), Object.keys(drafts).forEach(k => delete drafts[k]), stamps.length = 0, keys.deaf = keys.broken = -Infinity, openVisit('walk-in'), $('visit-walk-in-`+field+`').focus())`)
		})
		see(t, ctx, "it is said", `document.querySelector('.alarm.keyboard')`)
		sees(t, ctx, "nothing is entered", `$('visit-walk-in-`+field+`').value === '' && Object.values(drafts).every(v => !v)`)
	}
	run(t, ctx, `(openVisit('list'))`)
	see(t, ctx, "the list", `visitList`)
	run(t, ctx, `(source.close(), source = {close() {}}, opened = stamp(-60000), heard = stamp(6000), tick())`)
	see(t, ctx, "nothing works, nobody is named", `lost && $('visit').inert && $('code').inert && !visitList`)
	n := len(b.heard())
	run(t, ctx, `(openVisit('taxi'), firmAt(0), deliver('3'), sendVisit())`)
	if len(b.heard()) != n {
		t.Errorf("a page that has no link asked %q", b.heard()[n:])
	}
}

// Of several lanes that lead in, the one that was chosen last is theirs. What the gate did not take is not lost, and it is said why.
func TestAVisitAtOneOfTwoLanes(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	r.change(func(v *gate.View) {
		v.Lanes = append(v.Lanes, gate.LaneView{ID: "in-2", Direction: "in", Scanner: "online", Up: true, Since: time.Now(), Barrier: "ok"})
	})
	word := `{word: 'sf', zh: '顺丰', en: 'SF Express'}`
	run(t, ctx, `(askChosenFrom = async () => {}, chosenFrom = {firms: [`+word+`], purposes: [], bodies: [], classes: ['visitor'], buildings: ['3']})`)
	see(t, ctx, "the firm", `document.querySelector('.firms [data-firm=sf]')`)
	press(t, ctx, "d13")
	r.awaits(t, `arrive {"lane":"in","how":"delivery","firm":"sf","host":"3"}`)
	see(t, ctx, "it was answered", `!sending && !visiting`) // no key is taken before
	press(t, ctx, "x")
	tap(t, ctx, ".lanes button:nth-child(2)")
	tap(t, ctx, "#visit-taxi-host")
	write(t, ctx, "3-2-501")
	press(t, ctx, kb.Enter)
	write(t, ctx, "8a21")
	r.refuse(503, "")
	press(t, ctx, kb.Enter+kb.Enter)
	r.awaits(t, `arrive {"lane":"in-2","how":"taxi","host":"3-2-501","plate":"8A21"}`)
	see(t, ctx, "why not", `document.querySelector('[data-fault=""]').textContent === '登记簿不可用，没有记录' && $('visit-taxi-host').value === '3-2-501' && $('visit-taxi-plate').value === '8a21'`)
	r.refuse(200, "")
	press(t, ctx, "s")
	r.awaits(t, `arrive {"lane":"in-2","how":"taxi","host":"3-2-501","plate":"8A21"}`)
	see(t, ctx, "closed", `!visiting`)
	press(t, ctx, "d13")
	r.awaits(t, `arrive {"lane":"in-2","how":"delivery","firm":"sf","host":"3"}`)
}

// Everything of the visits is in sight, in both languages, on monitors and tablets.
func TestVisitsAreInSight(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.atNormal()
	b.forget()
	b.makes(gate.VisitForm{How: "standing", Class: "helper", Host: "3-2-501 1-1-101", Name: "吴姐", Days: "mon,tue,wed,thu,fri", Times: "08:00-12:00", Until: time.Now().AddDate(0, 2, 0).Format(time.DateOnly)})
	b.makes(gate.VisitForm{How: "announced", Host: "7-1-1203", Name: strings.Repeat("王", 60), Note: "带两个孩子，从北门来"})
	group, digits := b.makes(gate.VisitForm{How: "group", Host: "3-2-501", Entries: 30, Consent: "in-person"})
	must(b.gate.PassVisit("in", group, 12))
	must(b.gate.Arrive("in", gate.VisitForm{How: "walk-in", Host: "3-2-501", Name: "周访", Plate: "浙A12345", Consent: "intercom", Purpose: "family", People: 2}))
	must(b.gate.Arrive("in", gate.VisitForm{How: "delivery", Host: "3", Firm: "meituan"}))
	url := b.serve(t)
	// As of the other looks a third each time, and all of them for human eyes.
	all, turn := os.Getenv("E2E") == "all" || *shots != "", rand.IntN(3)
	for name, size := range map[string][2]int64{"monitor": {1280, 800}, "large": {1920, 1080}, "tablet": {800, 1280}, "small": {1024, 768}} {
		ctx := browser(t, url)
		for _, lang := range []string{"zh", "en"} {
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(size[0], size[1])); err != nil {
				t.Fatal(err)
			}
			for _, part := range []struct{ name, open, seen string }{
				{"closed", `1`, `document.querySelector('.firms [data-firm]')`},
				{"firms", `openVisit('delivery')`, `document.querySelectorAll('.choices [data-firm]').length === 12`},
				{"buildings", `firmAt(0)`, `document.querySelector('[data-host="7"]')`},
				{"taxi", `openVisit('taxi')`, `$('visit-taxi-plate')`},
				{"walk-in", `openVisit('walk-in')`, `$('visit-walk-in-note')`},
				{"announced", `openVisit('book')`, `$('visit-book-note')`},
				{"standing", `(drafts['visit-book-how'] = 'standing', openVisit('book'))`, `$('visit-book-times')`},
				{"wrong", `(openVisit('walk-in'), visitFaults = {host: t('visit_fault', 'host'), consent: p('unanswered')}, render())`, `document.querySelectorAll('.wrong:not(:empty)').length === 2`},
				{"list", `openVisit('list')`, `document.querySelectorAll('.visit-row').length === 5`},
				{"row", `openVisit('list'), askVisits().then(() => { visitList.open = visitList.list[2].id; render(); })`, `document.querySelector('.visit-more button')`},
				{"print", `askPrint('api/visit-print', '` + group + `')`, `$('visit-picture')?.dataset.drawn`},
				{"hold", `act('api/code', {lane: 'in', code: '` + digits + `'})`, `document.querySelector('.card.on .permit')`},
				{"hold-walk-in", `openVisit('walk-in')`, `document.querySelector('.card.on .permit') && $('visit-walk-in-note')`},
			} {
				if turn++; !all && turn%3 != 0 && part.name != "hold" && part.name != "hold-walk-in" {
					continue
				}
				anew(t, ctx, url+"?lang="+lang)
				see(t, ctx, "what is chosen from", `chosenFrom && $('visit').childElementCount > 1`)
				run(t, ctx, part.open)
				see(t, ctx, part.name, part.seen)
				what := strings.Join([]string{"visits", part.name, name, lang}, "-")
				if *shots != "" {
					picture := must(chromedp.Run(ctx, chromedp.CaptureScreenshot()))
					if err := os.WriteFile(filepath.Join(*shots, what+".png"), picture, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				sees(t, ctx, what+" fits", `document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth && [...document.querySelectorAll('#visit-send, #visit-tab-list, #visit-code, .card.on .act button')].every(e => { const r = e.getBoundingClientRect(); return r.left >= 0 && r.top >= 0 && r.right <= innerWidth + 1 && r.bottom <= innerHeight + 1 && (!e.closest('#holds') || r.bottom <= $('holds').getBoundingClientRect().bottom + 1); })`)
				sees(t, ctx, what+": nothing is cut off at its side", `[...document.querySelectorAll('#visit .choices button, #visit .tabs button, #visit .send button, .vq, #visit-code')].every(e => e.scrollWidth <= e.clientWidth + 1)`)
				if part.name == "hold-walk-in" { // the same digits make the next one
					for _, h := range b.gate.View().Holds {
						must(b.gate.Decide(h.Passage, gate.Ruling{Verdict: "refuse", Reason: "not-known"}))
					}
				}
			}
		}
	}
}
