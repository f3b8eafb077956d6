package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"gated/policy"
)

// The page says how many are not back in time, and on demand who; that somebody looked is on record, and the names go by themselves.
func TestThePageSaysWhoIsOverdue(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	p, err := policy.Parse("test", []byte("name: test\nlevels: [{name: guarded, basis: contract, trip_hours: 3}]\nrules:\n"+
		"  - {name: pass, when: {known: true, valid: true, proof: signed}, then: admit}\n  - {name: others, then: hold}\n"))
	if err != nil {
		t.Fatal(err)
	}
	rules := b.gate.Rules()
	rules.Policy = p
	b.gate.SetRules(rules)
	if err := b.gate.SignOn("老张"); err != nil {
		t.Fatal(err)
	}
	if w := b.ask(request("POST", "/api/trips", "{}")); w.Code != http.StatusOK || strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("nobody is overdue: %d %s", w.Code, w.Body)
	}
	b.scan("out", b.pass("王小明", 24*time.Hour))
	ctx := browser(t, b.serve(t))
	see(t, ctx, "nobody is overdue", `view && view.trips_overdue === 0 && !$('overdue').textContent`)
	b.shift.Store(int64(3*time.Hour + 5*time.Minute))
	see(t, ctx, "one is overdue", `$('overdue').textContent.includes('逾期未归 1') && !$('overdue').textContent.includes('王小明')`)
	at := b.ledger.Size()
	tap(t, ctx, "#overdue-list")
	b.asked("trips {}")
	see(t, ctx, "who", `$('overdue').textContent.includes('王小明') && $('overdue').textContent.includes('7-1-1203') && $('overdue').textContent.includes('5:00')`)
	b.await(at, "export trips 老张")
	tap(t, ctx, "#overdue-list")
	see(t, ctx, "no names", `!$('overdue').textContent.includes('王小明')`)
	b.scan("in", b.pass("王小明", 24*time.Hour))
	see(t, ctx, "nobody any more", `view.trips_overdue === 0 && !$('overdue').textContent`)
}
