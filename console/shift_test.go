package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"gated/gate"
	"gated/gate/duty"
)

// The interface takes what guards write of their shift, and says what is wrong.
func TestTheShiftIsWritten(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	until := time.Now().Add(time.Hour).Format(time.RFC3339)
	for _, c := range []struct {
		path, body, want string
		status           int
	}{
		{"duty", `{"name":""}`, "name is missing", 400},
		{"duty", `{"name":"老张","body":"army"}`, "property, community", 400},
		{"duty", `{"name":"老张","joins":"yes"}`, "must be a bool", 400},
		{"duty", `{"name":" 老张 ","body":"property"}`, "", 204},
		{"duty", `{"name":"小李","joins":true}`, "", 204},
		{"duty", `{"name":"王五","joins":true}`, "on duty already", 400},
		{"signoff", `{"name":"王五"}`, "nobody of that name", 400},
		{"signoff", `{"name":"\u0007"}`, "plain text", 400},
		{"signoff", `{}`, "", 204},
		{"log", `{"what":"weather"}`, "one of quarrel", 400},
		{"log", `{"what":"other","note":"  "}`, "say what it was", 400},
		{"log", `{"what":"other","note":"a\nb"}`, "one line", 400},
		{"log", `{"note":"x"}`, "what is missing", 400},
		{"log", `{"what":"police","note":"<b>两名</b>"}`, "", 204},
		{"log", `{"what":"patrol"}`, "", 204},
		{"log", `{"what":"patrol","moment":5,"note":"x"}`, "not both", 400},
		{"log", `{"moment":5,"note":""}`, "note is missing", 400},
		{"log", `{"moment":5,"note":"x"}`, "no moment", 409},
		{"moment", `{"what":"x"}`, "unknown field", 400},
		{"moment", `{}`, "", 204},
		{"count", `{"what":"goods-left","n":1}`, "", 204},
		{"count", `{"what":"goods-left"}`, "0 of them", 400},
		{"count", `{"what":"goods-left","n":101}`, "1 to 100", 400},
		{"count", `{"what":"goods-left","n":1.5}`, "must be a int", 400},
		{"count", `{"what":"people","n":1}`, "goods-left", 400},
		{"slip", `{"household":"3-2-501","what":"x","agreed":"owner"}`, "until is missing", 400},
		{"slip", `{"household":"3-2-501","what":"x","agreed":"owner","until":"soon"}`, "", 400},
		{"slip", `{"household":"9-9-9","what":"x","agreed":"owner","until":"` + until + `"}`, "not in the roster", 400},
		{"slip", `{"household":"3-2-501","what":"","agreed":"owner","until":"` + until + `"}`, "what is missing", 400},
		{"slip", `{"household":"3-2-501","what":"钢琴","agreed":"owner","agreed_by":"王先生","until":"` + until + `"}`, `{"slip":"`, 200},
		{"slip-used", `{"slip":"nosuch"}`, "no slip", 409},
		{"slip-used", `{}`, "slip is missing", 400},
		{"handover", `{}`, "nobody signs", 400},
		{"handover", `{"outgoing":["小李"],"incoming":[""]}`, "incoming is missing", 400},
		{"handover", `{"outgoing":["老张"],"incoming":["老张"]}`, "the same people", 400},
		{"handover", `{"outgoing":"小李"}`, "must be a []string", 400},
	} {
		w := b.ask(request("POST", "/api/"+c.path, c.body))
		if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %d %s, want %d …%s…", c.path, c.body, w.Code, body, c.status, c.want)
		}
	}
	b.await(1, "signon 老张; signon 小李; signoff 小李; log police 老张 <b>两名</b>; log patrol 老张; keep keep 老张; log moment 老张; count goods-left 老张; slip issued 老张")

	v := b.gate.View().Shift
	slips := func(body string) (list []struct{ ID, Household, What, Agreed string }) {
		t.Helper()
		w := b.ask(request("POST", "/api/slips", body))
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		return list
	}
	open := slips(`{}`)
	if len(open) != 1 || open[0].What != "钢琴" || open[0].Agreed != "owner" || len(slips(`{"household":"3-2-501"}`)) != 1 || len(slips(`{"household":"1-1-101"}`)) != 0 {
		t.Errorf("open are %+v", open)
	}
	if v.Slips != 1 || len(v.Notes) != 3 || len(v.Guards) != 1 || v.Counts["goods-left"] != 1 {
		t.Errorf("the page shows %+v", v)
	}
	for _, c := range []struct{ path, body string }{{"log", fmt.Sprintf(`{"moment":%d,"note":"后门"}`, v.Notes[0].Entry)}, {"slip-used", `{"slip":"` + open[0].ID + `"}`}} {
		if w := b.ask(request("POST", "/api/"+c.path, c.body)); w.Code != 204 {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
	if w := b.ask(request("POST", "/api/slip-used", `{"slip":"`+open[0].ID+`"}`)); w.Code != 409 || len(slips(`{}`)) != 0 {
		t.Errorf("used twice: %d %s", w.Code, w.Body)
	}
}

// A draft changes nothing; what is signed says so, and goes on with the next guard. In a fault nothing is signed.
func TestADraftIsSigned(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	var d duty.Draft
	ask := func(path, body string, status int) {
		t.Helper()
		w := b.ask(request("POST", "/api/"+path, body))
		if d = (duty.Draft{}); w.Code != status {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if err := json.Unmarshal(w.Body.Bytes(), &d); status == 200 && err != nil {
			t.Fatal(err)
		}
	}
	ask("duty", `{"name":"老张"}`, 204)
	held := b.scan("in", b.pass("李四", -time.Hour))
	ask("draft", `{}`, 200)
	if d.Gate != "东门" || d.Entry != 0 || len(d.Outgoing) != 1 || d.Outgoing[0] != "老张" || len(d.Holds) != 1 || d.Holds[0].Passage != held.Passage || d.Inside == nil || d.Notes == nil {
		t.Errorf("the draft says %+v", d)
	}
	ask("draft", `{"day":1}`, 400)
	ask("handover", `{"outgoing":["老张"],"incoming":["小李"],"blank":3}`, 200)
	if d.Entry == 0 || d.Blank != 3 || d.Incoming[0] != "小李" || b.gate.View().Duty != "小李" {
		t.Errorf("signed is %+v, on duty %s", d, b.gate.View().Duty)
	}
	if out, err := b.gate.Decide(held.Passage, gate.Ruling{Verdict: "admit", Reason: "known-by-sight"}); err != nil || out.Verdict != "admit" {
		t.Errorf("who waited: %+v, %v", out, err)
	}
	b.broken.Store(true)
	ask("handover", `{"outgoing":["小李"]}`, 503)
	ask("draft", `{}`, 200)
	if d.Fault == "" || b.gate.View().Duty != "小李" {
		t.Errorf("in a fault %+v", d)
	}
}

// Whatever is sent, the interface answers, and what it does not take it does not write.
func FuzzTheShift(f *testing.F) {
	paths := []string{"duty", "signoff", "draft", "handover", "log", "count", "slip", "slips", "slip-used"}
	for _, body := range []string{`{}`, `{"name":"老张","joins":true}`, `{"outgoing":["a"],"incoming":["b"],"blank":3}`, `{"what":"patrol","note":"x"}`, `{"moment":1,"note":"\u202e"}`,
		`{"what":"goods-left","n":-1}`, `{"household":"3-2-501","what":"x","agreed":"owner","until":"2026-11-23T12:00:00+08:00"}`, `{"slip":"x"}`, `[`, "\xff"} {
		for i := range paths {
			f.Add(uint8(i), body)
		}
	}
	b := newBox(f)
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		b.t = t
		before := b.ledger.Size()
		w := b.ask(request("POST", "/api/"+paths[int(path)%len(paths)], body))
		if w.Code >= 500 || w.Code >= 400 && strings.Contains(b.entries(before), " ") {
			t.Errorf("%s %q: %d %s, written is %s", paths[int(path)%len(paths)], body, w.Code, w.Body, b.entries(before))
		}
	})
}
