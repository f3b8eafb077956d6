package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/register/levels"
)

// A level that was announced stands on the page before it counts, and on demand whom it will overturn; that somebody looked is on record.
func TestThePageSaysWhatALevelWillOverturn(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if err := b.gate.SignOn("老张"); err != nil {
		t.Fatal(err)
	}
	ctx := browser(t, b.serve(t))
	see(t, ctx, "nothing is to come", `view && !$('coming').textContent`)
	var entries []int64
	for _, n := range []levels.Notice{{Level: "sealed", From: time.Now().Add(time.Hour).Truncate(time.Second), Number: "2026-17", Issuer: "街道办"},
		{Level: "normal", Place: "7-1"}} {
		reason := levels.Announced
		if n.From.IsZero() {
			reason = levels.Prepared
		}
		seq, err := b.gate.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) {
			return []ledger.Event{{Reason: reason, By: "unauthenticated", Detail: n.Detail()}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, seq)
	}
	see(t, ctx, "both", `$('coming').textContent.includes('封控') && $('coming').textContent.includes('7-1 日常 备用')`)
	at := b.ledger.Size()
	tap(t, ctx, fmt.Sprintf("#plan-%d", entries[0]))
	b.asked(fmt.Sprintf(`plan {"entry":%d}`, entries[0]))
	see(t, ctx, "residents by number", `$('coming').textContent.includes('居民') && $('coming').textContent.includes('放行 → ') && !$('coming').textContent.includes('王小明')`)
	b.await(at, "export level-plan 老张")
	tap(t, ctx, fmt.Sprintf("#plan-%d", entries[1]))
	see(t, ctx, "of one at a time", `!$('coming').textContent.includes('放行 → ')`)
	if w := b.ask(request("POST", "/api/plan", `{"entry":1}`)); w.Code != http.StatusNotFound {
		t.Errorf("what is no level: %d %s", w.Code, w.Body)
	}
}

// Whom an announced level changes is judged at the time at which it begins: here by night where it is day now, else by day.
func TestThePageJudgesALevelToComeAtItsBeginning(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	zone := b.ledger.Zone()
	now := time.Now().In(zone)
	begins, late := time.Date(now.Year(), now.Month(), now.Day()+1, 8, 0, 0, 0, zone), false
	if now.Hour() >= 6 && now.Hour() < 20 {
		begins, late = begins.Add(14*time.Hour), true
	}
	seq, err := b.gate.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) {
		n := levels.Notice{Level: "controlled", From: begins, Number: "2026-17", Issuer: "街道办"}
		return []ledger.Event{{Reason: levels.Announced, By: "unauthenticated", Detail: n.Detail()}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w := b.ask(request("POST", "/api/plan", fmt.Sprintf(`{"entry":%d}`, seq)))
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), `"outside-hours"`) != late {
		t.Errorf("of a level that begins at %s it says %d %s", begins, w.Code, w.Body)
	}
}

// A touch on the level shows the notice on which it rests: of an oral order what came in writing.
func TestATouchOnTheLevelShowsItsNotice(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	say := func(reason, text string, ref int64, n levels.Notice) (seq int64) {
		t.Helper()
		seq, err := b.gate.Announce(func(levels.Board, time.Time) ([]ledger.Event, error) {
			return []ledger.Event{{Reason: reason, By: "unauthenticated", Ref: ref, Detail: n.Detail(), Personal: []ledger.Field{{Name: "notice", Value: text}}}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	until := time.Now().Add(48 * time.Hour).Truncate(time.Minute)
	seq := say(levels.Ordered, "今晚起封闭", 0, levels.Notice{Level: "controlled", From: time.Now().Add(-time.Second)})
	ctx := browser(t, b.serve(t))
	see(t, ctx, "the level", `view && $('level').textContent.includes('封闭管理') && $('notice').hidden`)
	tap(t, ctx, "#level span")
	b.asked(fmt.Sprintf(`notice {"entry":%d}`, seq))
	see(t, ctx, "the order", `!$('notice').hidden && $('notice').textContent.includes('今晚起封闭') && $('notice').textContent.includes('口头') && $('notice').textContent.includes('另行通知')`)
	tap(t, ctx, "#notice")
	tapped := time.Now()
	see(t, ctx, "it is gone", `$('notice').hidden`)
	if took := time.Since(tapped); took > 20*time.Second {
		t.Errorf("it went by itself after %v", took)
	}
	say(levels.Completed, "第一条 凭证出入", seq, levels.Notice{Number: "2026-17", Issuer: "街道办", Until: until})
	see(t, ctx, "it is in writing", `!$('level').textContent.includes('口头')`)
	tap(t, ctx, "#level span")
	see(t, ctx, "the notice", fmt.Sprintf(`['2026-17', '街道办', '第一条 凭证出入', '%s'].every(s => $('notice').textContent.includes(s))`, until.In(b.ledger.Zone()).Format("2006-01-02 15:04")))
	if w := b.ask(request("POST", "/api/notice", `{"entry":1}`)); w.Code != http.StatusBadRequest {
		t.Errorf("what is no notice: %d %s", w.Code, w.Body)
	}
}
