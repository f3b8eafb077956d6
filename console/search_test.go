package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

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

func TestAHostsCardAndATelephoneByRequests(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	rules := b.gate.Rules()
	rules.Bodies = []gate.Body{{Body: "office", People: []gate.Called{{Name: "前台", Telephone: "0755-8210000"}}}}
	b.gate.SetRules(rules)
	if w := b.ask(request("POST", "/api/host", `{"room": "office"}`)); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "0755") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if c := posts[gate.Card](b, "/api/host", `{"room": "3-2-501"}`, http.StatusOK); len(c.People) != 2 || c.People[1].Index != 1 {
		t.Errorf("%+v", c)
	}
	if n := posts[map[string]string](b, "/api/telephone", `{"body": "office", "index": 0}`, http.StatusOK); n["telephone"] != "0755-8210000" {
		t.Errorf("%v", n)
	}
	for path, body := range map[string]string{"/api/host": `{}`, "/api/telephone": `{"body": "office", "index": -1}`} {
		posts[map[string]string](b, path, body, http.StatusBadRequest)
	}
	posts[map[string]string](b, "/api/telephone", `{}`, http.StatusBadRequest)
	posts[map[string]string](b, "/api/host", `{"room": "9-9-999"}`, http.StatusNotFound)
	posts[map[string]string](b, "/api/telephone", `{"visit": "nobodys"}`, http.StatusNotFound)
}

func TestALostPassIsSuspendedByARequest(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	pass, after := b.pass("赵奶奶", time.Hour), b.ledger.Size()
	posts[struct{}](b, "/api/suspend", `{"person": "`+b.person("赵奶奶")+`", "why": "丢了"}`, http.StatusNoContent)
	if out := b.scan("in", pass); out.Reason != "suspended" {
		t.Errorf("%+v", out)
	}
	if got := b.entries(after); !strings.HasPrefix(got, "roster pass-suspended 丢了; roster pass-suspended 丢了; ") {
		t.Errorf("the ledger has %q", got)
	}
	posts[map[string]string](b, "/api/suspend", `{"person": "r-nobody", "why": "x"}`, http.StatusNotFound)
	posts[map[string]string](b, "/api/suspend", `{"person": "`+b.person("赵奶奶")+`"}`, http.StatusBadRequest)
}
