package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/credential"
	"gated/gate"
	"gated/policy"
	"gated/scanner"
)

// TestInterface asks a real gate. What is in braces in a body is filled in.
func TestInterface(t *testing.T) {
	t.Parallel()
	b, faulty := newBox(t), newBox(t)
	waits := faulty.scan("in", faulty.pass("李四", -time.Minute)).Passage // on hold since before the fault
	faulty.broken.Store(true)
	faulty.scan("in", "x") // finds it
	if err := b.gate.SignOn("老张"); err != nil {
		t.Fatal(err)
	}
	good := b.pass("王小明", time.Hour)
	const admitted = `{"passage":"P","verdict":"admit","reason":"valid-pass","repeat":false}`
	const held = `{"passage":"P","verdict":"hold","reason":"no-valid-pass","repeat":false}`
	fill := func(body string) string {
		for word, value := range map[string]func() string{
			"{good}":     func() string { return good },
			"{hold}":     func() string { return b.scan("in", b.pass("李四", -time.Minute)).Passage },
			"{waits}":    func() string { return waits },
			"{person}":   func() string { return b.person("赵小宝") },
			"{admitted}": func() string { return b.comesIn("王小明").Passage },
			"{household}": func() string {
				code, err := credential.Issue(b.key, credential.Pass{Issuer: "office", Subject: "1-1-101", Kind: "household", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)})
				if err != nil {
					t.Fatal(err)
				}
				return b.scan("in", code).Passage
			},
			"{refused}": func() string { return b.scan("in", fmt.Sprint("parcel ", b.ledger.Size())).Passage },
			"{annulled}": func() string {
				id := b.comesIn("王小明").Passage
				if err := b.gate.Annul(id, ""); err != nil {
					t.Fatal(err)
				}
				return id
			},
			"{opening}": func() string {
				if _, err := b.gate.Emergency("in"); err != nil {
					t.Fatal(err)
				}
				return b.gate.View().ToAccountFor[0].ID
			},
		} {
			if strings.Contains(body, word) {
				body = strings.ReplaceAll(body, word, value())
			}
		}
		return body
	}
	for _, tt := range []struct {
		name         string
		method, path string
		body         string
		fault        bool
		status       int
		answer       string // whole body, its passage called P, or /part/ of it
		wrote        string // entries
	}{
		{"code", "POST", "/api/code", `{"lane":"in","code":"{good}"}`, false, 200, admitted, "check in ok; query in; register in admit valid-pass"},
		{"repeat", "POST", "/api/code", `{"lane":"in","code":"{good}"}`, false, 200, `/"repeat":true/`, ""},
		{"code with a space", "POST", "/api/code", `{"lane":"in","code":"GP1:X Y"}`, false, 200, `/"verdict":"refuse"/`, "check in bad-base45; query in; register in refuse bad-base45"},
		{"code on an unknown lane", "POST", "/api/code", `{"lane":"side","code":"GP1:X"}`, false, 404, `/no such lane/`, ""},
		{"code during a fault", "POST", "/api/code", `{"lane":"in","code":"GP1:X"}`, true, 503, `{"passage":"","verdict":"fault","reason":"ledger-fault","repeat":false}`, ""},
		{"longest code", "POST", "/api/code", `{"lane":"in","code":"` + strings.Repeat("X", 4096) + `"}`, false, 200, `/"verdict":"refuse"/`, "check in unknown-code; query in; register in refuse unknown-code"},
		{"code too long", "POST", "/api/code", `{"lane":"in","code":"` + strings.Repeat("X", 4097) + `"}`, false, 400, `/code has 4097 bytes; it takes 1 to 4096/`, ""},
		{"no code", "POST", "/api/code", `{"lane":"in"}`, false, 400, `/code has 0 bytes/`, ""},
		{"no lane", "POST", "/api/code", `{"code":"GP1:X"}`, false, 400, `/lane is missing/`, ""},
		{"null", "POST", "/api/code", `null`, false, 400, `/lane is missing/`, ""},
		{"unknown field", "POST", "/api/code", `{"lane":"in","code":"GP1:X","force":true}`, false, 400, `/unknown field \"force\"/`, ""},
		{"two values", "POST", "/api/code", `{"lane":"in","code":"GP1:X"} {}`, false, 400, `/more than one/`, ""},
		{"wrong type", "POST", "/api/code", `{"lane":"in","code":7}`, false, 400, `/\"code\" must be a string/`, ""},
		{"half a body", "POST", "/api/code", `{"lane":"in"`, false, 400, `/ends in the middle/`, ""},
		{"no body", "POST", "/api/code", ``, false, 400, `/it is empty/`, ""},
		{"syntax", "POST", "/api/code", `{lane}`, false, 400, `/syntax error at byte 2/`, ""},
		{"not UTF-8", "POST", "/api/code", "{\"lane\":\"in\",\"code\":\"\xff\xfe\"}", false, 400, `/not UTF-8/`, ""},
		{"body too large", "POST", "/api/code", `{"lane":"in","code":"` + strings.Repeat(" ", 64<<10) + `"}`, false, 413, `/larger than 65536 bytes/`, ""},
		{"wrong method", "GET", "/api/code", ``, false, 405, `/takes POST/`, ""},
		{"unknown page", "GET", "/api/nothing", ``, false, 404, `/no such page/`, ""},

		{"decide", "POST", "/api/decide", `{"passage":"{hold}","verdict":"admit","reason":"known-by-sight","note":" 住 101 "}`, false, 200, `{"passage":"P","verdict":"admit","reason":"known-by-sight","repeat":false}`, "register in admit known-by-sight 老张 住 101"},
		{"decide without a reason", "POST", "/api/decide", `{"passage":"p1","verdict":"admit"}`, false, 400, `/reason is missing/`, ""},
		{"decide for a reason of one's own", "POST", "/api/decide", `{"passage":"{hold}","verdict":"admit","reason":"x"}`, false, 400, `/want one of known-by-sight/`, ""},
		{"decide to hold", "POST", "/api/decide", `{"passage":"p1","verdict":"hold","reason":"x"}`, false, 400, `/verdict is \"hold\"/`, ""},
		{"decide with lines in the note", "POST", "/api/decide", `{"passage":"p1","verdict":"admit","reason":"x","note":"a\nb"}`, false, 400, `/note takes one line/`, ""},
		{"decide too late", "POST", "/api/decide", `{"passage":"p1","verdict":"admit","reason":"known-by-sight"}`, false, 409, `/its time was up/`, ""},
		{"decide during a fault", "POST", "/api/decide", `{"passage":"{waits}","verdict":"admit","reason":"known-by-sight"}`, true, 503, `{"passage":"","verdict":"fault","reason":"ledger-fault","repeat":false}`, ""},
		{"present", "POST", "/api/present", `{"lane":"in","id":"{person}"}`, false, 200, held, "check in found-by-room; query in hold no-valid-pass"},
		{"present a stranger", "POST", "/api/present", `{"lane":"in","id":"R7"}`, false, 404, `/no such person/`, ""},
		{"present nobody", "POST", "/api/present", `{"lane":"in"}`, false, 400, `/id is missing/`, ""},
		{"find", "GET", "/api/find?room=1-1-101", ``, false, 200, `[{"id":"` + b.person("李四") + `","name":"李四","room":"1-1-101","class":"resident"}]`, ""},
		{"find nobody", "GET", "/api/find?room=9", ``, false, 200, `[]`, ""},
		{"find without a room", "GET", "/api/find", ``, false, 400, `/room is missing/`, ""},
		{"emergency", "POST", "/api/emergency", `{"lane":"out"}`, false, 200, `{"passage":"P","verdict":"admit","reason":"emergency-key","repeat":false}`, "open out admit emergency-key"},
		{"emergency on an unknown lane", "POST", "/api/emergency", `{"lane":"side"}`, false, 404, `/no such lane/`, ""},
		{"emergency during a fault", "POST", "/api/emergency", `{"lane":"out"}`, true, 200, `/"verdict":"admit","reason":"emergency-key"/`, ""},
		{"close", "POST", "/api/close", `{"lane":"out"}`, false, 204, ``, "close-by-hand out"},
		{"account", "POST", "/api/account", `{"id":"{opening}","note":"120 救护车"}`, false, 204, ``, "register out admit emergency-key 老张 120 救护车"},
		{"account without a word", "POST", "/api/account", `{"id":"e1","note":"  "}`, false, 400, `/note is missing/`, ""},
		{"an account of nothing", "POST", "/api/account", `{"id":"e1","note":"x"}`, false, 409, `/no emergency opening to account for/`, ""},
		{"what became of nobody", "POST", "/api/afterwards", `{"passage":"p","what":"went-through"}`, false, 409, `/nobody is asked what became of that passage/`, ""},
		{"what nobody does", "POST", "/api/afterwards", `{"passage":"p","what":"flew"}`, false, 400, `/became of nobody: want went-through/`, ""},
		{"annul", "POST", "/api/annul", `{"passage":"{admitted}"}`, false, 204, ``, "correction in refuse did-not-go-through 老张"},
		{"annul twice", "POST", "/api/annul", `{"passage":"{annulled}"}`, false, 409, `/was annulled already/`, ""},
		{"annul nobody", "POST", "/api/annul", `{}`, false, 400, `/passage is missing/`, ""},
		{"annul what is not there", "POST", "/api/annul", `{"passage":"p"}`, false, 409, `/no passage \"p\" in this epoch/`, ""},
		{"correct", "POST", "/api/correct", `{"passage":"{admitted}","lane":"out","id":"{person}"}`, false, 200, `{"passage":"P","verdict":"admit","reason":"corrected","repeat":false}`, "correction in refuse did-not-go-through 老张; check out found-by-room; query out hold no-valid-pass; register out admit corrected 老张"},
		{"correct the direction", "POST", "/api/correct", `{"passage":"{admitted}","lane":"out"}`, false, 200, `/"reason":"corrected"/`, "correction in refuse did-not-go-through 老张; check out found-by-room; query out hold no-valid-pass; register out admit corrected 老张"},
		{"correct nothing", "POST", "/api/correct", `{"passage":"{admitted}","lane":"in"}`, false, 400, `/the same person in the same direction/`, ""},
		{"correct to a stranger", "POST", "/api/correct", `{"passage":"{admitted}","lane":"in","id":"R7"}`, false, 404, `/no such person/`, ""},
		{"correct what was nobody of the roster", "POST", "/api/correct", `{"passage":"{household}","lane":"out"}`, false, 409, `/"reason":"no-person"/`, ""},
		{"correct without a lane", "POST", "/api/correct", `{"passage":"p"}`, false, 400, `/lane is missing/`, ""},
		{"override", "POST", "/api/override", `{"passage":"{refused}","reason":"approved-by-telephone","approver":" 张经理 "}`, false, 200, `{"passage":"P","verdict":"admit","reason":"approved-by-telephone","repeat":false}`, "correction in admit approved-by-telephone 老张"},
		{"override without a name", "POST", "/api/override", `{"passage":"{refused}","reason":"approved-by-telephone"}`, false, 400, `/say in 1 to 40 who else agrees/`, ""},
		{"override without a reason", "POST", "/api/override", `{"passage":"{refused}"}`, false, 400, `/reason is missing/`, ""},
		{"override what was admitted", "POST", "/api/override", `{"passage":"{admitted}","reason":"approved-by-telephone"}`, false, 409, `/no refusal with this passage ID in the last minute/`, ""},
		{"duty", "POST", "/api/duty", `{"name":" 李四 "}`, false, 204, ``, "signon 李四"},
		{"duty without a name", "POST", "/api/duty", `{"name":""}`, false, 400, `/name is missing/`, ""},
		{"duty with a novel", "POST", "/api/duty", `{"name":"` + strings.Repeat("李", 61) + `"}`, false, 400, `/name has 61 characters; it takes at most 60/`, ""},
		{"duty during a fault", "POST", "/api/duty", `{"name":"李四"}`, true, 503, `/nothing was recorded/`, ""},
		{"clock", "POST", "/api/clock", `{}`, false, 204, ``, "clock clock-confirmed 李四"},
		{"healthy", "GET", "/healthz", ``, false, 200, `{"status":"ok"}`, ""},
		{"ledger fault", "GET", "/healthz", ``, true, 503, `{"status":"ledger-fault"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, body := b, fill(tt.body)
			if tt.fault {
				b = faulty
			}
			before := b.ledger.Size()
			w := b.ask(request(tt.method, tt.path, body))
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			got := passageID.ReplaceAllString(strings.TrimSpace(w.Body.String()), `"passage":"P"`)
			if part, ok := strings.CutPrefix(tt.answer, "/"); ok {
				if part = strings.TrimSuffix(part, "/"); !strings.Contains(got, part) {
					t.Errorf("answer %s, want %s in it", got, part)
				}
				if tt.status >= 400 {
					var e struct{ Error string }
					if json.Unmarshal([]byte(got), &e) != nil || e.Error == "" {
						t.Errorf("answer %s, want {\"error\":…}", got)
					}
				}
			} else if got != tt.answer {
				t.Errorf("answer %s, want %s", got, tt.answer)
			}
			b.await(before, tt.wrote)
		})
	}
}

// What the gate says that is none of its known errors is a fault of ours, and logged.
func TestAnUnknownErrorOfTheGate(t *testing.T) {
	var log bytes.Buffer
	c := &console{log: slog.New(slog.NewTextHandler(&log, nil))}
	w := httptest.NewRecorder()
	c.outcome(w, request("POST", "/api/emergency", ""), gate.Outcome{}, errors.New("hold the barrier open: exit status 1"))
	if w.Code != 500 || !strings.Contains(w.Body.String(), "exit status 1") || !strings.Contains(log.String(), "/api/emergency") {
		t.Errorf("%d %s, logged %s", w.Code, w.Body, &log)
	}
}

func TestPostMustBeJSON(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for kind, want := range map[string]int{"application/json": 204, "application/json; charset=utf-8": 204, "text/plain": 415, "application/x-www-form-urlencoded": 415, "": 415, "application/jsonx": 415} {
		before := b.ledger.Size()
		r := request("POST", "/api/duty", `{"name":"周班长"}`)
		r.Header.Set("Content-Type", kind)
		w := b.ask(r)
		if w.Code != want || (want != 204) == strings.Contains(b.entries(before), "signon") {
			t.Errorf("Content-Type %q: %d %s, want %d", kind, w.Code, w.Body, want)
		}
	}
}

func TestForeignHostsAndOrigins(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 8080}
	for _, tt := range []struct {
		host, origin, site string
		want               int
	}{
		{"127.0.0.1:8080", "", "", 204},
		{"127.0.0.1", "", "", 204},
		{"127.8.8.8:1", "", "", 204},
		{"localhost:9", "", "", 204},
		{"LocalHost.:9", "", "", 204},
		{"[::1]:8080", "", "", 204},
		{"[::ffff:127.0.0.1]:8080", "", "", 204},
		{"10.0.0.5:8080", "", "", 204}, // the address that the connection came in on
		{"gate-3.example:8080", "", "", 204},
		{"GATE-3.example", "", "", 204},
		{"10.0.0.6:8080", "", "", 403},
		{"evil.example:8080", "", "", 403},
		{"localhost.evil.example", "", "", 403},
		{"127.0.0.1.evil.example", "", "", 403},
		{"evil.example:127.0.0.1", "", "", 403},
		{"2130706433", "", "", 403}, // 127.0.0.1 to some parsers
		{"127.1", "", "", 403},
		{"0.0.0.0", "", "", 403},
		{"[::]", "", "", 403},
		{"", "", "", 403},

		{"127.0.0.1:8080", "http://127.0.0.1:8080", "", 204},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", "same-origin", 204},
		{"127.0.0.1:8080", "https://127.0.0.1:8080", "same-origin", 204}, // behind a proxy
		{"127.0.0.1:8080", "", "none", 204},
		{"127.0.0.1:8080", "http://127.0.0.1:9090", "", 403}, // another program on this box
		{"127.0.0.1:8080", "http://localhost:8080", "", 403},
		{"127.0.0.1:8080", "http://evil.example", "", 403},
		{"127.0.0.1:8080", "http://evil.example", "same-origin", 403},
		{"127.0.0.1:8080", "null", "", 403},
		{"127.0.0.1:8080", "file://", "", 403},
		{"127.0.0.1:8080", "chrome-extension://127.0.0.1:8080", "", 403},
		{"127.0.0.1:8080", "", "cross-site", 403},
		{"127.0.0.1:8080", "", "same-site", 403},
		{"127.0.0.1:8080", "", "a-word-of-the-future", 403},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", "cross-site", 403},
		{"evil.example:8080", "http://evil.example:8080", "same-origin", 403}, // rebinding
	} {
		before := b.ledger.Size()
		r := request("POST", "/api/duty", `{"name":"周班长"}`)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := b.ask(r)
		if wrote := b.entries(before); w.Code != tt.want || (tt.want == 403) != (wrote == "") {
			t.Errorf("Host %q Origin %q Sec-Fetch-Site %q: %d %s, wrote %q, want %d", tt.host, tt.origin, tt.site, w.Code, w.Body, wrote, tt.want)
		}
		if w.Code == 403 && !strings.Contains(w.Body.String(), `{"error":"`) {
			t.Errorf("403 without its reason: %s", w.Body)
		}
	}

	// The Host is checked on reads too, and another site can neither search nor use up the streams; it may link here.
	for _, tt := range []struct {
		host, site, path string
		want             int
	}{
		{"evil.example", "", "/", 403},
		{"evil.example", "", "/healthz", 403},
		{"evil.example", "", "/events", 403},
		{"localhost", "cross-site", "/events", 403},
		{"localhost", "cross-site", "/api/find?room=501", 403},
		{"localhost", "cross-site", "/", 200},
		{"localhost", "none", "/healthz", 200},
	} {
		r := request("GET", tt.path, "")
		r.Host = tt.host
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := b.ask(r)
		if w.Code != tt.want {
			t.Errorf("GET %s Host %q Sec-Fetch-Site %q: %d, want %d", tt.path, tt.host, tt.site, w.Code, tt.want)
		}
	}
}

func TestPageFilesAndHeaders(t *testing.T) {
	b := newBox(t)
	for path, kind := range map[string]string{"/": "text/html", "/style.css": "text/css", "/words.js": "text/javascript", "/keys.js": "text/javascript", "/look.js": "text/javascript", "/ask.js": "text/javascript", "/hand.js": "text/javascript", "/trips.js": "text/javascript", "/plan.js": "text/javascript", "/signon.js": "text/javascript", "/visit.js": "text/javascript", "/visits.js": "text/javascript", "/sound.js": "text/javascript", "/page.js": "text/javascript", "/input.js": "text/javascript", "/icon.svg": "image/svg+xml"} {
		w := b.ask(request("GET", path, ""))
		if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) || w.Body.Len() == 0 {
			t.Errorf("GET %s: %d %s, %d bytes", path, w.Code, w.Header().Get("Content-Type"), w.Body.Len())
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "frame-ancestors 'none'") || strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("GET %s: Content-Security-Policy %q", path, csp)
		}
		if got, want := w.Header().Get("X-Content-Type-Options")+" "+w.Header().Get("Cache-Control"), "nosniff no-store"; got != want {
			t.Errorf("GET %s: %s, want %s", path, got, want)
		}
	}

	page, err := os.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`style="`, `onclick`, `<script>`, `<style`, `https://`} {
		if strings.Contains(string(page), bad) {
			t.Errorf("index.html has %s, which the page's own policy forbids", bad)
		}
	}
}

// TestWords reads the page's table as JSON: each word has a Chinese and an English text, and every word that the
// script asks for is there.
func TestWords(t *testing.T) {
	file, err := os.ReadFile("page/words.js")
	if err != nil {
		t.Fatal(err)
	}
	text := string(file)
	var words map[string]map[string][]string
	if err := json.Unmarshal([]byte(text[strings.Index(text, "\nconst")+len("\nconst WORDS = "):strings.LastIndex(text, "}")+1]), &words); err != nil {
		t.Fatal(err)
	}
	for table, entries := range words {
		for word, texts := range entries {
			if len(texts) != 2 || texts[0] == "" || (texts[1] == "" && word != "people" && word != "building") {
				t.Errorf("%s %s: %q, want a Chinese and an English text", table, word, texts)
			}
		}
	}
	for _, r := range policy.Shipped().Rules() {
		reason := r.Reason
		if reason == "" {
			reason = r.Name
		}
		if words["reason"][reason] == nil {
			t.Errorf("the shipped policy's reason %q has no text", reason)
		}
	}
	for _, s := range scanner.States {
		if (s == scanner.Opening || s == scanner.Settling) && words["cause"][string(s)] == nil { // the others have a cause
			t.Errorf("a lane that is %s without a cause has no text", s)
		}
		if words["scanner"][string(s)] == nil {
			t.Errorf("the scanner's state %q has no text", s)
		}
	}
	for _, cause := range scanner.DownCauses {
		if words["cause"][cause] == nil {
			t.Errorf("the scanner's cause %q has no text", cause)
		}
	}
	for _, cause := range scanner.FrameCauses {
		if words["dropped"][cause] == nil {
			t.Errorf("%q, why a frame was dropped, has no text", cause)
		}
	}
	var script []byte
	for _, name := range []string{"keys.js", "ask.js", "hand.js", "trips.js", "plan.js", "signon.js", "visit.js", "visits.js", "look.js", "page.js", "input.js"} {
		part, err := os.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		script = append(script, part...)
	}
	for _, m := range regexp.MustCompile(`\bp\('([a-z-]+)'\)`).FindAllStringSubmatch(string(script), -1) {
		if words["page"][m[1]] == nil {
			t.Errorf("the page asks for %q, which words.js has not", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^  (?:admit|refuse): \[('.*')\],$`).FindAllStringSubmatch(string(script), -1) {
		for _, reason := range strings.Split(m[1], ", ") {
			if reason = strings.Trim(reason, "'"); words["reason"][reason] == nil {
				t.Errorf("the guard's reason %q has no text", reason)
			}
		}
	}
}

// openStream opens /events and returns its events in order.
func openStream(t *testing.T, url string) (next func() (event, data string, err error), status int, closed func()) {
	t.Helper()
	resp, err := http.Get(url + "/events")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(resp.Body)
	return func() (event, data string, err error) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return event, data, err
			}
			switch line = strings.TrimSuffix(line, "\n"); {
			case line == "" && event == "session": // of who is signed in, which other tests look at
			case line == "":
				return event, data, nil
			case strings.HasPrefix(line, "event: "):
				event = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				data = line[len("data: "):]
			}
		}
	}, resp.StatusCode, func() { resp.Body.Close() }
}

// A view of a real gate comes as it is, and one more after a passage.
func TestStreamOfARealGate(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	next, _, closed := openStream(t, b.serve(t))
	defer closed()
	read := func() (v gate.View) {
		t.Helper()
		for {
			event, data, err := next()
			if err != nil {
				t.Fatal(err)
			}
			if event == "view" {
				if err := json.Unmarshal([]byte(data), &v); err != nil {
					t.Fatal(err)
				}
				return v
			}
		}
	}
	got, want := read(), b.gate.View()
	got.Now, want.Now = time.Time{}, time.Time{}
	if got.ShortRoot == "" { // signed a moment later
		want.ShortRoot = ""
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	out := b.scan("in", b.pass("王小明", time.Hour))
	for got.Lanes[0].Last == nil {
		got = read()
	}
	if got.Lanes[0].Last.Passage != out.Passage || got.Lanes[0].Last.Name != "王小明" || got.Inside != 1 {
		t.Errorf("after a passage: %+v, %d inside", got.Lanes[0].Last, got.Inside)
	}
}

func TestStreamSendsViewsAndBeats(t *testing.T) {
	t.Parallel()
	d := newShows()
	s := httptest.NewServer(d.handler(nil))
	defer s.Close()
	next, _, closed := openStream(t, s.URL)
	defer closed()

	event, data, err := next()
	if err != nil || event != "view" {
		t.Fatalf("first event %q, %v; want a view", event, err)
	}
	var got gate.View
	if err := json.Unmarshal([]byte(data), &got); err != nil {
		t.Fatal(err)
	}
	got.Now = time.Time{}
	if diff := cmp.Diff(d.view, got); diff != "" {
		t.Error(diff)
	}

	d.change(func(v *gate.View) { v.Inside = 42 })
	if event, data, _ = next(); event != "view" || !strings.Contains(data, `"inside":42`) {
		t.Errorf("after a change: %s %s", event, data)
	}
	for range 2 {
		var beat struct{ Now time.Time }
		if event, data, _ = next(); event != "beat" || json.Unmarshal([]byte(data), &beat) != nil || time.Since(beat.Now).Abs() > 2*time.Second {
			t.Errorf("when nothing happens: %s %s, want a beat with the time", event, data)
		}
	}
}

// A burst of changes is seen as few views, the last of them with the last change.
func TestBurstIsThinnedOut(t *testing.T) {
	t.Parallel()
	d := newShows()
	s := httptest.NewServer(d.handler(nil))
	defer s.Close()
	next, _, closed := openStream(t, s.URL)
	defer closed()
	next()
	const long = 500 * time.Millisecond
	last := 0
	for start := time.Now(); time.Since(start) < long; {
		last++
		d.change(func(v *gate.View) { v.Inside = last })
	}
	for views := 1; ; {
		event, data, err := next()
		var v gate.View
		if err == nil {
			err = json.Unmarshal([]byte(data), &v)
		}
		if err != nil {
			t.Fatal(err)
		}
		if event == "view" {
			views++
		}
		if v.Inside == last {
			if most := int(long/viewAtMost) + 2; views > most {
				t.Errorf("%d changes in %v made %d views, want at most %d", last, long, views, most)
			}
			return
		}
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	d := newShows()
	done := make(chan struct{})
	s := httptest.NewServer(d.handler(done))
	defer s.Close()
	next, _, closed := openStream(t, s.URL)
	defer closed()
	next()
	close(done)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := s.Config.Shutdown(ctx); err != nil {
		t.Errorf("shutdown with an open page: %v", err)
	}
	for {
		if _, _, err := next(); err != nil {
			if err != io.EOF {
				t.Errorf("the stream ended with %v, want its proper end", err)
			}
			break
		}
	}
	if len(d.subs) != 0 {
		t.Errorf("%d subscriptions left behind", len(d.subs))
	}
}

// A browser that takes nothing is dropped, and meanwhile holds up neither the gate nor the others.
func TestStuckBrowserIsDropped(t *testing.T) {
	t.Parallel()
	d := newShows()
	for i := range 20 { // views of a size that fills the buffers of a connection
		d.view.Recent = append(d.view.Recent, gate.Shown{Passage: fmt.Sprint(i), Reason: strings.Repeat("x", 100_000)})
	}
	s := httptest.NewServer(d.handler(nil))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
	subscribed := func() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.subs) }
	await := func(want int, limit time.Duration, what string) {
		t.Helper()
		for deadline := time.Now().Add(limit); subscribed() != want; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d subscribed, want %d", what, subscribed(), want)
			}
			d.change(func(v *gate.View) { v.Inside++ })
		}
	}
	await(1, time.Minute, "the stuck browser comes")
	await(0, writeTimeout+time.Minute, "the stuck browser is dropped") // five seconds, and what a busy machine takes
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{`{"lane":"in","code":"GP1:X"}`, `{"passage":"P","verdict":"admit","reason":"x","note":"n"}`, `{`, `null`, `[]`, "\xff", `{"lane":{"lane":[]}}`, strings.Repeat("[", 10000)} {
		f.Add(s)
	}
	b := newBox(f)
	f.Fuzz(func(t *testing.T, body string) {
		b.t = t
		for _, path := range []string{"code", "decide", "present", "emergency", "close", "account", "duty", "clock"} {
			before := b.ledger.Size()
			w := b.ask(request("POST", "/api/"+path, body))
			if w.Code >= 400 && b.ledger.Size() > before {
				// Of a request before it, or of a hold whose time is up.
				wrote := strings.NewReplacer("close-by-hand in", "", "close-by-hand out", "", "; ", "").Replace(b.entries(before))
				if wrote != "" && !strings.Contains(wrote, "undecided") {
					t.Errorf("%s answered %d and the ledger has %q", path, w.Code, wrote)
				}
			}
			if w.Code >= 500 {
				t.Errorf("%s answered %d: %s", path, w.Code, w.Body)
			}
		}
	})
}
