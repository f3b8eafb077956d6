package console

import (
	"net/http"
	"strings"
	"testing"

	"gated/gate"
)

func TestFindingByRequests(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.atNormal()
	posts[gate.Print](b, "/api/visit", `{"how": "announced", "host": "3-2-501", "name": "周访", "phone": "13812345678"}`, http.StatusOK)
	w := b.ask(request("GET", "/api/find?q=3+%E8%B5%B5", ""))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "赵奶奶") || strings.Contains(w.Body.String(), "13812345678") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	after := b.ledger.Size()
	found := posts[gate.Finding](b, "/api/search", `{"text": "周访", "why": "迷路的客人"}`, http.StatusOK)
	if len(found.Visits) != 1 || !found.Visits[0].Telephone {
		t.Errorf("%+v", found)
	}
	if got := b.entries(after); got != "export search 迷路的客人" {
		t.Errorf("the ledger has %q", got)
	}
	for _, body := range []string{`{"text": "周访"}`, `{"why": "x"}`, `{"text": "a\u0007b", "why": "x"}`} {
		posts[map[string]string](b, "/api/search", body, http.StatusBadRequest)
	}
	for range namesAtOnce + 100 { // one limit for all of them
		if w := b.ask(request("GET", "/api/find?q=%E8%B5%B5", "")); w.Code != http.StatusOK {
			posts[map[string]string](b, "/api/search", `{"text": "赵", "why": "x"}`, http.StatusTooManyRequests)
			return
		}
	}
	t.Error("nobody is stopped")
}
