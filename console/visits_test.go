package console

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gated/gate"
	"gated/ledger"
	"gated/register/paper"
)

// atNormal puts the level into force at which visitors come.
func (b *site) atNormal() {
	rules := b.gate.Rules()
	rules.Level = "normal"
	b.gate.SetRules(rules)
}

// posts asks, and returns what was answered with that status.
func posts[T any](b *site, path, body string, status int) (v T) {
	b.t.Helper()
	w := b.ask(request("POST", path, body))
	if w.Code != status {
		b.t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil && status != http.StatusNoContent {
		b.t.Fatal(err)
	}
	return v
}

func TestVisitsByRequests(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.atNormal()
	p := posts[gate.Print](b, "/api/visit", `{"how": "announced", "host": "3-2-501", "name": "周访", "consent": "gate-called"}`, http.StatusOK)
	if len(p.Digits) != 6 || !strings.HasPrefix(p.Pass, "GP1:") || !strings.HasPrefix(string(p.Picture), "\x89PNG") || !strings.Contains(p.Chat, p.Digits[:3]+" "+p.Digits[3:]) {
		t.Errorf("%+v", p)
	}
	if out := posts[gate.Outcome](b, "/api/code", `{"lane": "in", "code": "`+p.Digits+`"}`, http.StatusOK); out.Reason != "visit" {
		t.Errorf("%+v", out)
	} else if in := posts[gate.Outcome](b, "/api/decide", `{"passage": "`+out.Passage+`", "verdict": "admit", "reason": "visitor-confirmed"}`, http.StatusOK); in.Verdict != "admit" {
		t.Errorf("%+v", in)
	}
	for _, answer := range []string{"no-answer", "intercom"} {
		posts[struct{}](b, "/api/consent", `{"visit": "`+p.Visit+`", "consent": "`+answer+`", "by": "王太太"}`, http.StatusNoContent)
	}
	if out := posts[gate.Outcome](b, "/api/arrive", `{"lane": "in", "how": "delivery", "firm": "sf", "host": "3"}`, http.StatusOK); out.Verdict != "admit" {
		t.Errorf("%+v", out)
	}
	list := posts[[]gate.Visit](b, "/api/visits", "{}", http.StatusOK)
	if len(list) != 2 || list[0].Inside != 1 || list[0].Name+list[1].Name != "周访" {
		t.Errorf("%+v", list)
	}
	if out := posts[gate.Outcome](b, "/api/pass-visit", `{"lane": "out", "visit": "`+p.Visit+`"}`, http.StatusOK); out.Verdict != "admit" {
		t.Errorf("%+v", out)
	}
	again := posts[gate.Print](b, "/api/visit-reprint", `{"visit": "`+p.Visit+`"}`, http.StatusOK)
	if again.Digits == p.Digits {
		t.Error("the same digits")
	}
	posts[struct{}](b, "/api/visit-end", `{"visit": "`+p.Visit+`"}`, http.StatusNoContent)
	for path, body := range map[string]string{
		"/api/visit":         `{"how": "announced", "host": "9-9-999"}`,
		"/api/arrive":        `{"lane": "out", "how": "delivery", "firm": "sf", "host": "3"}`,
		"/api/pass-visit":    `{"lane": "in", "visit": ""}`,
		"/api/visit-print":   `{}`,
		"/api/consent":       `{"visit": "x", "consent": "yes"}`,
		"/api/visit-reprint": `{"visit": "a b"}`,
	} {
		if e := posts[map[string]string](b, path, body, http.StatusBadRequest); e["error"] == "" {
			t.Errorf("%s %s: no error is said", path, body)
		}
	}
	posts[map[string]string](b, "/api/consent", `{"visit": "nobodys", "consent": "intercom"}`, http.StatusNotFound)
	posts[map[string]string](b, "/api/visit-end", `{"visit": "nobodys"}`, http.StatusNotFound)
	if w := b.ask(request("GET", "/api/visit-words", "")); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "美团") || !strings.Contains(w.Body.String(), `"buildings":["1","3","7"]`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAPageOfTheHandoverBookIsToldInTwoTouches(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	if _, err := b.gate.Counter().OfPaper(func(paper.Book, time.Time) ([]ledger.Event, error) {
		return []ledger.Event{{Kind: paper.Kind, Reason: paper.Printed, Detail: map[string]string{paper.First: "1", paper.Pages: "7"}}}, nil
	}); err != nil {
		t.Fatal(err)
	}
	posts[struct{}](b, "/api/paper", `{"page": 7, "lines": 23}`, http.StatusNoContent)
	for _, body := range []string{`{"page": 8, "lines": 1}`, `{"page": 7, "lines": 99}`, `{"page": "7"}`, `{}`} {
		posts[map[string]string](b, "/api/paper", body, http.StatusBadRequest)
	}
}
