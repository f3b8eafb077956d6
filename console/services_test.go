package console

import (
	"slices"
	"testing"

	"gated/gate"
)

// listen has the page note its tones instead of playing them.
const listen = `(tones = [], sound = kind => tones.push(kind))`

// A plate of the police or an emergency service that was typed or printed sounds like nothing else, and its card stands before all others;
// no card gets another digit by it, nor is anybody else selected.
func TestThePlateOfAServiceComesFirst(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	waiting := []gate.Hold{openHold("H1", "in", "李秀英", "6-1-302", "expired"), openHold("H2", "out", "李芳", "3-2-501", "expired")}
	r.change(func(v *gate.View) { v.Holds = waiting })
	anew(t, ctx, r.url)
	see(t, ctx, "two wait", `cards.length === 2 && chosen === 'H1'`)
	run(t, ctx, listen)
	police := openHold("H3", "in", "", "", "official-plate")
	police.Class = "vehicle"
	r.change(func(v *gate.View) {
		v.Lanes[0].Last = shownNow("H3", "hold", "official-plate")
		v.Holds = append(slices.Clone(waiting), police)
	})
	const order = `[...document.querySelectorAll('#holds .card')].map(e => e.dataset.passage + e.querySelector('kbd').textContent).join(' ')`
	see(t, ctx, "the plate first", order+` === 'H33 H11 H22'`)
	sees(t, ctx, "selected as before", `chosen === 'H1' && document.querySelector('.card.on').dataset.passage === 'H1'`)
	sees(t, ctx, "its tone", `tones.join(' ') === 'official' && TONES.official.length === 4 && Object.values(TONES).filter(t => t.join() === TONES.official.join()).length === 1`)
	r.change(func(v *gate.View) {
		v.Lanes[0].Last = shownNow("H4", "hold", "expired")
		v.Holds = append(v.Holds, openHold("H4", "in", "王小明", "7-1-1203", "expired"))
	})
	see(t, ctx, "who is new comes last", order+` === 'H33 H11 H22 H44'`)
	sees(t, ctx, "that of any hold", `tones.join(' ') === 'official hold'`)
	r.change(func(v *gate.View) {
		v.Lanes[0].Last = shownNow("H3", "hold", "official-plate")
		v.Lanes[0].Last.Repeat = true
	})
	see(t, ctx, "read again", `tones.join(' ') === 'official hold repeat'`)
	press(t, ctx, "3")
	see(t, ctx, "selected by its digit", `chosen === 'H3' && performance.now() - chosenAt > READ_MS`)
	press(t, ctx, "a")
	r.awaits(t, `decide {"passage":"H3","verdict":"admit","reason":"document-sighted","note":""}`)
}

// A code of something else, such as a payment, says so on grey, large and softly: nobody did wrong. A forged pass is refused as ever.
func TestACodeOfSomethingElseIsNoReproach(t *testing.T) {
	t.Parallel()
	r := record(t)
	ctx := browser(t, r.url)
	anew(t, ctx, r.url)
	run(t, ctx, listen)
	shows := func(reason string, repeat bool) {
		r.change(func(v *gate.View) {
			l := shownNow("P"+reason, "refuse", reason)
			l.Class, l.Name, l.Room, l.Repeat = "unknown", "", "", repeat
			v.Lanes[0].Last, v.Recent = l, []gate.Shown{*l}
		})
	}
	shows("unknown-code", false)
	see(t, ctx, "what it is", `document.querySelector('#stage-in .verdict .word')?.textContent === '不是本小区的码' && document.querySelector('#stage-in .why').textContent === '请出示通行码'`)
	sees(t, ctx, "grey", `getComputedStyle(document.querySelector('#stage-in .verdict')).backgroundColor === 'rgb(70, 82, 95)' && !document.querySelector('#stage .refuse')`)
	sees(t, ctx, "not refused aloud", `!$('stage').textContent.includes('禁止') && tones.join(' ') === 'repeat'`)
	sees(t, ctx, "nor in the list", `document.querySelector('#recent .mark.not-ours') && !document.querySelector('#recent .mark.refuse')`)
	shows("unknown-code", true)
	see(t, ctx, "read again", `document.querySelector('#stage-in .verdict.repeat .why')?.textContent === '此前 · 不是本小区的码'`)
	shows("bad-signature", false)
	see(t, ctx, "forged", `document.querySelector('#stage-in .verdict.refuse .word')?.textContent === '禁止通行' && tones.join(' ') === 'repeat repeat refuse'`)
}
