package console

import (
	"bufio"
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
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/gate"
	"gated/policy"
	"gated/scanner"
)

var _ Gate = (*gate.Gate)(nil)

// double is a gate that says what a test wants and remembers what it was asked.
type double struct {
	mu      sync.Mutex
	view    gate.View
	subs    map[chan struct{}]bool
	asked   []string
	outcome gate.Outcome
	err     error
	fault   bool
	found   []gate.Found
	act     func(asked string) // called without the lock after each change was asked for
}

func newDouble() *double {
	return &double{subs: map[chan struct{}]bool{}, view: gate.View{Gate: "东门", Version: "test", Language: "zh", Clock: gate.ClockView{Trusted: true}}}
}

func (d *double) View() gate.View {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.view
	v.Now = time.Now()
	return v
}

func (d *double) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subs[c] = true
	return c, func() { d.mu.Lock(); delete(d.subs, c); d.mu.Unlock() }
}

// change changes the view and tells the pages.
func (d *double) change(f func(v *gate.View)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.view)
	for c := range d.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

func (d *double) ask(format string, args ...any) (gate.Outcome, error) {
	s := fmt.Sprintf(format, args...)
	d.mu.Lock()
	d.asked = append(d.asked, s)
	act, out, err := d.act, d.outcome, d.err
	d.mu.Unlock()
	if act != nil {
		act(s)
	}
	return out, err
}

func (d *double) heard() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

func (d *double) Scan(lane string, code []byte, _ time.Time) (gate.Outcome, error) {
	return d.ask("scan %s %s", lane, code)
}
func (d *double) Decide(passage string, r gate.Ruling) (gate.Outcome, error) {
	return d.ask("decide %s %s %s %q", passage, r.Verdict, r.Reason, r.Note)
}
func (d *double) Present(lane, person string) (gate.Outcome, error) {
	return d.ask("present %s %s", lane, person)
}
func (d *double) Emergency(lane string) (gate.Outcome, error) {
	return d.ask("emergency %s", lane)
}
func (d *double) Close(lane string) error {
	_, err := d.ask("close %s", lane)
	return err
}
func (d *double) AccountFor(id, note string) error {
	_, err := d.ask("account %s %s", id, note)
	return err
}
func (d *double) SignOn(name string) error {
	_, err := d.ask("duty %s", name)
	return err
}
func (d *double) ConfirmClock(by string) error {
	_, err := d.ask("clock %s", by)
	return err
}
func (d *double) Find(room string) []gate.Found {
	d.ask("find %s", room)
	return d.found
}
func (d *double) Fault() bool { return d.fault }

var quiet = slog.New(slog.DiscardHandler)

func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func TestInterface(t *testing.T) {
	admit := gate.Outcome{Passage: "P1", Verdict: "admit", Reason: "resident", Lane: "in", Class: "resident", Seq: 7}
	const admitted = `{"passage":"P1","verdict":"admit","reason":"resident","repeat":false}`
	for _, tt := range []struct {
		name         string
		method, path string
		body         string
		set          func(d *double)
		status       int
		answer       string // whole body, or /part/ of it
		asked        string
	}{
		{"code", "POST", "/api/code", `{"lane":"in","code":"GP1:X Y"}`, nil, 200, admitted, "scan in GP1:X Y"},
		{"repeat", "POST", "/api/code", `{"lane":"in","code":"GP1:X"}`, func(d *double) { d.outcome.Repeat = true }, 200, `/"repeat":true/`, "scan in GP1:X"},
		{"code on an unknown lane", "POST", "/api/code", `{"lane":"side","code":"GP1:X"}`, func(d *double) { d.err = fmt.Errorf("lane side: %w", gate.ErrUnknownLane) }, 404, `/no such lane/`, "scan side GP1:X"},
		{"code during a fault", "POST", "/api/code", `{"lane":"in","code":"GP1:X"}`, func(d *double) { d.outcome = gate.Outcome{Verdict: "fault", Reason: "ledger-fault"} }, 503, `{"passage":"","verdict":"fault","reason":"ledger-fault","repeat":false}`, "scan in GP1:X"},
		{"longest code", "POST", "/api/code", `{"lane":"in","code":"` + strings.Repeat("X", 4096) + `"}`, nil, 200, admitted, "scan in " + strings.Repeat("X", 4096)},
		{"code too long", "POST", "/api/code", `{"lane":"in","code":"` + strings.Repeat("X", 4097) + `"}`, nil, 400, `/code has 4097 bytes; it takes 1 to 4096/`, ""},
		{"no code", "POST", "/api/code", `{"lane":"in"}`, nil, 400, `/code has 0 bytes/`, ""},
		{"no lane", "POST", "/api/code", `{"code":"GP1:X"}`, nil, 400, `/lane is missing/`, ""},
		{"null", "POST", "/api/code", `null`, nil, 400, `/lane is missing/`, ""},
		{"unknown field", "POST", "/api/code", `{"lane":"in","code":"GP1:X","force":true}`, nil, 400, `/unknown field \"force\"/`, ""},
		{"two values", "POST", "/api/code", `{"lane":"in","code":"GP1:X"} {}`, nil, 400, `/more than one/`, ""},
		{"wrong type", "POST", "/api/code", `{"lane":"in","code":7}`, nil, 400, `/\"code\" must be a string/`, ""},
		{"half a body", "POST", "/api/code", `{"lane":"in"`, nil, 400, `/ends in the middle/`, ""},
		{"no body", "POST", "/api/code", ``, nil, 400, `/it is empty/`, ""},
		{"syntax", "POST", "/api/code", `{lane}`, nil, 400, `/syntax error at byte 2/`, ""},
		{"not UTF-8", "POST", "/api/code", "{\"lane\":\"in\",\"code\":\"\xff\xfe\"}", nil, 400, `/not UTF-8/`, ""},
		{"body too large", "POST", "/api/code", `{"lane":"in","code":"` + strings.Repeat(" ", 64<<10) + `"}`, nil, 413, `/larger than 65536 bytes/`, ""},
		{"wrong method", "GET", "/api/code", ``, nil, 405, `/takes POST/`, ""},
		{"unknown page", "GET", "/api/nothing", ``, nil, 404, `/no such page/`, ""},

		{"decide", "POST", "/api/decide", `{"passage":"P1","verdict":"admit","reason":"known-by-sight","note":" 住 501 "}`, nil, 200, admitted, `decide P1 admit known-by-sight "住 501"`},
		{"decide without a reason", "POST", "/api/decide", `{"passage":"P1","verdict":"admit"}`, nil, 400, `/reason is missing/`, ""},
		{"decide to hold", "POST", "/api/decide", `{"passage":"P1","verdict":"hold","reason":"x"}`, nil, 400, `/verdict is \"hold\"/`, ""},
		{"decide with lines in the note", "POST", "/api/decide", `{"passage":"P1","verdict":"admit","reason":"x","note":"a\nb"}`, nil, 400, `/note takes one line/`, ""},
		{"decide too late", "POST", "/api/decide", `{"passage":"P1","verdict":"admit","reason":"x"}`, func(d *double) { d.err = gate.ErrNoHold }, 409, `/its time was up/`, `decide P1 admit x ""`},
		{"decide without a ledger", "POST", "/api/decide", `{"passage":"P1","verdict":"admit","reason":"x"}`, func(d *double) { d.err = gate.ErrLedger }, 503, `/nothing was recorded/`, `decide P1 admit x ""`},
		{"present", "POST", "/api/present", `{"lane":"in","id":"R7"}`, nil, 200, admitted, "present in R7"},
		{"present a stranger", "POST", "/api/present", `{"lane":"in","id":"R7"}`, func(d *double) { d.err = gate.ErrUnknownPerson }, 404, `/no such person/`, "present in R7"},
		{"present nobody", "POST", "/api/present", `{"lane":"in"}`, nil, 400, `/id is missing/`, ""},
		{"find", "GET", "/api/find?room=3-2-501", ``, func(d *double) {
			d.found = []gate.Found{{ID: "R7", Name: "张三", Room: "3-2-501", Class: "resident"}}
		}, 200, `[{"id":"R7","name":"张三","room":"3-2-501","class":"resident"}]`, "find 3-2-501"},
		{"find nobody", "GET", "/api/find?room=9", ``, nil, 200, `[]`, "find 9"},
		{"find without a room", "GET", "/api/find", ``, nil, 400, `/room is missing/`, ""},
		{"emergency", "POST", "/api/emergency", `{"lane":"out"}`, nil, 200, admitted, "emergency out"},
		{"emergency with a barrier that fails", "POST", "/api/emergency", `{"lane":"out"}`, func(d *double) { d.err = errors.New("hold the barrier open: exit status 1") }, 500, `/exit status 1/`, "emergency out"},
		{"close", "POST", "/api/close", `{"lane":"in"}`, nil, 204, ``, "close in"},
		{"account", "POST", "/api/account", `{"id":"D1","note":"120 救护车"}`, nil, 204, ``, "account D1 120 救护车"},
		{"account without a word", "POST", "/api/account", `{"id":"D1","note":"  "}`, nil, 400, `/note is missing/`, ""},
		{"an account of nothing", "POST", "/api/account", `{"id":"D1","note":"x"}`, func(d *double) { d.err = gate.ErrNoOpening }, 409, `/no emergency opening to account for/`, "account D1 x"},
		{"duty", "POST", "/api/duty", `{"name":" 李四 "}`, nil, 204, ``, "duty 李四"},
		{"duty without a name", "POST", "/api/duty", `{"name":""}`, nil, 400, `/name is missing/`, ""},
		{"duty with a novel", "POST", "/api/duty", `{"name":"` + strings.Repeat("李", 41) + `"}`, nil, 400, `/name has 41 characters; it takes at most 40/`, ""},
		{"clock", "POST", "/api/clock", `{}`, func(d *double) { d.view.Duty = "李四" }, 204, ``, "clock 李四"},
		{"healthy", "GET", "/healthz", ``, nil, 200, `{"status":"ok"}`, ""},
		{"ledger fault", "GET", "/healthz", ``, func(d *double) { d.fault = true }, 503, `{"status":"ledger-fault"}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDouble()
			d.outcome = admit
			if tt.set != nil {
				tt.set(d)
			}
			w := httptest.NewRecorder()
			Handler(Options{Gate: d, Log: quiet}).ServeHTTP(w, request(tt.method, tt.path, tt.body))
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			got := strings.TrimSpace(w.Body.String())
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
			if asked := strings.Join(d.heard(), "; "); asked != tt.asked {
				t.Errorf("the gate was asked %q, want %q", asked, tt.asked)
			}
		})
	}
}

func TestPostMustBeJSON(t *testing.T) {
	for kind, want := range map[string]int{"application/json": 200, "application/json; charset=utf-8": 200, "text/plain": 415, "application/x-www-form-urlencoded": 415, "": 415, "application/jsonx": 415} {
		d := newDouble()
		r := request("POST", "/api/emergency", `{"lane":"in"}`)
		r.Header.Set("Content-Type", kind)
		w := httptest.NewRecorder()
		Handler(Options{Gate: d, Log: quiet}).ServeHTTP(w, r)
		if w.Code != want || (want != 200) == (len(d.heard()) == 1) {
			t.Errorf("Content-Type %q: %d %s, want %d", kind, w.Code, w.Body, want)
		}
	}
}

func TestForeignHostsAndOrigins(t *testing.T) {
	local := &net.TCPAddr{IP: net.IPv4(10, 0, 0, 5), Port: 8080}
	for _, tt := range []struct {
		host, origin, site string
		want               int
	}{
		{"127.0.0.1:8080", "", "", 200},
		{"127.0.0.1", "", "", 200},
		{"127.8.8.8:1", "", "", 200},
		{"localhost:9", "", "", 200},
		{"LocalHost.:9", "", "", 200},
		{"[::1]:8080", "", "", 200},
		{"[::ffff:127.0.0.1]:8080", "", "", 200},
		{"10.0.0.5:8080", "", "", 200}, // the address that the connection came in on
		{"gate-3.example:8080", "", "", 200},
		{"GATE-3.example", "", "", 200},
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

		{"127.0.0.1:8080", "http://127.0.0.1:8080", "", 200},
		{"127.0.0.1:8080", "http://127.0.0.1:8080", "same-origin", 200},
		{"127.0.0.1:8080", "https://127.0.0.1:8080", "same-origin", 200}, // behind a proxy
		{"127.0.0.1:8080", "", "none", 200},
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
		d := newDouble()
		r := request("POST", "/api/emergency", `{"lane":"in"}`)
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local))
		r.Host = tt.host
		if tt.origin != "" {
			r.Header.Set("Origin", tt.origin)
		}
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		w := httptest.NewRecorder()
		Handler(Options{Gate: d, Hosts: []string{"gate-3.example"}, Log: quiet}).ServeHTTP(w, r)
		if w.Code != tt.want || (tt.want == 403) != (len(d.heard()) == 0) {
			t.Errorf("Host %q Origin %q Sec-Fetch-Site %q: %d %s asked %q, want %d", tt.host, tt.origin, tt.site, w.Code, w.Body, d.heard(), tt.want)
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
		w := httptest.NewRecorder()
		Handler(Options{Gate: newDouble(), Log: quiet}).ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("GET %s Host %q Sec-Fetch-Site %q: %d, want %d", tt.path, tt.host, tt.site, w.Code, tt.want)
		}
	}
}

func TestPageFilesAndHeaders(t *testing.T) {
	h := Handler(Options{Gate: newDouble(), Log: quiet})
	for path, kind := range map[string]string{"/": "text/html", "/style.css": "text/css", "/words.js": "text/javascript", "/page.js": "text/javascript", "/icon.svg": "image/svg+xml"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", path, ""))
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
			if len(texts) != 2 || texts[0] == "" || (texts[1] == "" && word != "people") {
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
	script, err := os.ReadFile("page/page.js")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\bp\('([a-z-]+)'\)`).FindAllStringSubmatch(string(script), -1) {
		if words["page"][m[1]] == nil {
			t.Errorf("page.js asks for %q, which words.js has not", m[1])
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

// stream opens /events and returns its events in order.
func stream(t *testing.T, url string) (next func() (event, data string, err error), status int, closed func()) {
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

func TestStreamSendsViewsAndBeats(t *testing.T) {
	t.Parallel()
	d := newDouble()
	s := httptest.NewServer(Handler(Options{Gate: d, Log: quiet}))
	defer s.Close()
	next, _, closed := stream(t, s.URL)
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
	d := newDouble()
	s := httptest.NewServer(Handler(Options{Gate: d, Log: quiet}))
	defer s.Close()
	next, _, closed := stream(t, s.URL)
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

func TestStreamsAreBounded(t *testing.T) {
	d := newDouble()
	s := httptest.NewServer(Handler(Options{Gate: d, Log: quiet}))
	defer s.Close()
	var closers []func()
	for range maxStreams {
		next, status, closed := stream(t, s.URL)
		if _, _, err := next(); status != 200 || err != nil {
			t.Fatalf("stream %d: %d %v", len(closers), status, err)
		}
		closers = append(closers, closed)
	}
	_, status, closed := stream(t, s.URL)
	closed()
	if status != 503 {
		t.Errorf("stream %d: %d, want 503", maxStreams+1, status)
	}
	for _, c := range closers {
		c()
	}
	for deadline := time.Now().Add(time.Minute); ; { // once they are gone there is room again, and nobody is subscribed for nothing
		next, status, closed := stream(t, s.URL)
		if status == 200 {
			next()
			closed()
			break
		}
		closed()
		if time.Now().After(deadline) {
			t.Fatal("closed streams are never given back")
		}
	}
}

func TestShutdownEndsStreams(t *testing.T) {
	d := newDouble()
	done := make(chan struct{})
	s := httptest.NewServer(Handler(Options{Gate: d, Done: done, Log: quiet}))
	defer s.Close()
	next, _, closed := stream(t, s.URL)
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
	d := newDouble()
	for i := range 20 { // views of a size that fills the buffers of a connection
		d.view.Recent = append(d.view.Recent, gate.Shown{Passage: fmt.Sprint(i), Reason: strings.Repeat("x", 100_000)})
	}
	s := httptest.NewServer(Handler(Options{Gate: d, Log: quiet}))
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
	await(1, 5*time.Second, "the stuck browser comes")
	await(0, writeTimeout+5*time.Second, "the stuck browser is dropped")
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{`{"lane":"in","code":"GP1:X"}`, `{"passage":"P","verdict":"admit","reason":"x","note":"n"}`, `{`, `null`, `[]`, "\xff", `{"lane":{"lane":[]}}`, strings.Repeat("[", 10000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"code", "decide", "present", "emergency", "close", "account", "duty", "clock"} {
			d := newDouble()
			w := httptest.NewRecorder()
			Handler(Options{Gate: d, Log: quiet}).ServeHTTP(w, request("POST", "/api/"+path, body))
			if w.Code >= 400 && len(d.heard()) > 0 {
				t.Errorf("%s answered %d and asked the gate %q", path, w.Code, d.heard())
			}
			if w.Code >= 500 {
				t.Errorf("%s answered %d: %s", path, w.Code, w.Body)
			}
		}
	})
}
