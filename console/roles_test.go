package console

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gated/access"
	"gated/gate"
	"gated/ledger"
	"gated/ledger/file"
)

const (
	pin      = "271828"
	sentence = "the gate is open" // a password
)

// people are who has an account at a gate that was given some.
var people = []access.Change{
	{What: access.Added, Name: "张伟", Role: access.Guard, Secret: pin},
	{What: access.Added, Name: "Li Na", Role: access.ShiftLeader, Secret: pin},
	{What: access.Added, Name: "Chen", Role: access.Manager, Secret: sentence},
	{What: access.Added, Name: "Wu", Role: access.Auditor, Secret: sentence},
	{What: access.Added, Name: "Zhao", Role: access.Maintainer, Secret: sentence},
}

// give makes some accounts.
func (b *site) give(changes ...access.Change) {
	b.t.Helper()
	for _, c := range changes {
		if _, err := b.accounts.Do(c, func(access.Account) error { return nil }); err != nil {
			b.t.Fatal(err)
		}
	}
}

// require has guards sign on with a PIN.
func (b *site) require() {
	r := b.gate.Rules()
	r.PINs = true
	b.gate.SetRules(r)
}

// post asks for something with a cookie (nil: none).
func (b *site) post(path, body string, c *http.Cookie) *httptest.ResponseRecorder {
	r := request("POST", path, body)
	if c != nil {
		r.AddCookie(c)
	}
	return b.ask(r)
}

// signOn signs somebody in, and returns the browser's cookie.
func (b *site) signOn(name, secret string, before *http.Cookie) *http.Cookie {
	b.t.Helper()
	w := b.post("/api/signon", fmt.Sprintf(`{"name":%q,"secret":%q}`, name, secret), before)
	if w.Code != 204 || len(w.Result().Cookies()) != 1 {
		b.t.Fatalf("%s: %d %s", name, w.Code, w.Body)
	}
	return w.Result().Cookies()[0]
}

// by are who decided, of entries after an earlier one: how it is known, and who the guard was.
func (b *site) by(after int64) (list []string) {
	b.t.Helper()
	r, err := file.OpenReader(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	if err := r.Scan(after+1, 1<<62, true, func(e *ledger.Entry) error {
		if e.By != "" && e.By != "machine" {
			list = append(list, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.By, " ", e.Personally("guard")+e.Personally("by"))))
		}
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return list
}

// TestRoles prints which route each role may use, where PINs are required, and has each try all of them: what it may not use it is
// refused, with words that say what to do.
func TestRoles(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people...)
	b.require()
	cookies := map[access.Role]*http.Cookie{"": nil}
	for _, p := range people {
		cookies[p.Role] = b.signOn(p.Name, p.Secret, nil)
	}
	head := fmt.Sprintf("%-22s%-14s%-12s", "", "task", "nobody")
	for _, role := range access.Roles {
		head += fmt.Sprintf("%-14s", role)
	}
	t.Log(head)
	for _, r := range (&console{gate: b.gate}).routes(nil) {
		line := fmt.Sprintf("%-5s%-17s%-14s", r.method, r.path, r.task)
		for _, role := range append([]access.Role{""}, access.Roles...) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a stream ends at once
			req := request(r.method, r.path, `{"no":"such key"}`).WithContext(ctx)
			if c := cookies[role]; c != nil && r.path != "/api/signoff" {
				req.AddCookie(c)
			}
			before := b.ledger.Size()
			w := b.ask(req)
			may := r.task == "" || role.May(r.task)
			want := map[bool]int{true: 0, false: map[bool]int{true: 401, false: 403}[role == ""]}[may]
			if got := w.Code; got != want && (want != 0 || got == 401 || got == 403) {
				t.Errorf("%s as %q: %d %s, want %d", r.path, role, got, w.Body, want)
			}
			if refused := w.Body.String(); !may && (!strings.Contains(refused, "sign") || !strings.Contains(refused, string(r.task.Roles()[0])) || b.ledger.Size() != before) {
				t.Errorf("%s as %q: refused with %s", r.path, role, refused)
			}
			line += fmt.Sprintf(map[bool]string{true: "%-12s", false: "%-14s"}[role == ""], map[bool]string{true: "yes", false: "-"}[may])
		}
		t.Log(strings.TrimRight(line, " "))
		if asksNobody := slices.Contains([]string{"/events", "/healthz", "/api/emergency", "/api/close", "/api/shut", "/api/code", "/api/picture",
			"/api/notice", "/api/visit-words", "/api/signon", "/api/signoff"}, r.path); asksNobody != (r.task == "") {
			t.Errorf("%s asks nobody: %t", r.path, !asksNobody)
		}
	}
}

// Where PINs are required nobody takes a guard off duty but themselves, and who is signed on.
func TestStrangersSignNobodyOff(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[:2]...)
	rules := b.gate.Rules()
	rules.PINs = true
	b.gate.SetRules(rules)
	one := b.signOn("张伟", pin, nil)
	before := b.ledger.Size()
	for _, body := range []string{`{}`, `{"name":"张伟"}`} {
		if w := b.post("/api/signoff", body, nil); w.Code != 401 || b.ledger.Size() != before || b.gate.View().Duty != "张伟" {
			t.Errorf("%s: %d %s, on duty %q", body, w.Code, w.Body, b.gate.View().Duty)
		}
	}
	two := b.signOn("li na", pin, nil)
	b.post("/api/duty", `{"name":"张伟"}`, one)
	if w := b.post("/api/signoff", `{"name":"张伟"}`, two); w.Code != 204 {
		t.Errorf("by another guard: %d %s", w.Code, w.Body)
	}
}

// Each thing that a guard does names the one whose session it is, also where two are on duty; without one, who signed on by name.
func TestWhoDecided(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[:2]...)
	hold := func() string { b.t.Helper(); return b.scan("in", b.pass("李四", -time.Minute)).Passage }
	decide := func(c *http.Cookie) {
		t.Helper()
		if w := b.post("/api/decide", fmt.Sprintf(`{"passage":%q,"verdict":"refuse","reason":"not-known"}`, hold()), c); w.Code != 200 {
			t.Errorf("decide: %d %s", w.Code, w.Body)
		}
	}
	before := b.ledger.Size()
	if w := b.post("/api/duty", `{"name":"周班长"}`, nil); w.Code != 204 || len(w.Result().Cookies()) != 0 {
		t.Errorf("by name: %d, cookies %v", w.Code, w.Result().Cookies())
	}
	decide(nil)
	one := b.signOn("张伟", pin, nil)
	if duty := b.gate.View().Duty; duty != "张伟" {
		t.Errorf("on duty is %q", duty)
	}
	two := b.signOn("li na", pin, nil)
	decide(one)
	decide(two)
	decide(nil)
	for path, body := range map[string]string{"/api/clock": `{}`, "/api/trips": `{}`, "/api/open": `{"lane":"out","reason":"school-run"}`,
		"/api/annul": fmt.Sprintf(`{"passage":%q}`, b.comesIn("王小明").Passage)} {
		at := b.ledger.Size()
		if w := b.post(path, body, two); w.Code >= 300 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if got := b.by(at); len(got) != 1 || !strings.HasSuffix(got[0], " pin Li Na") {
			t.Errorf("%s: %q", path, got)
		}
	}
	at := b.ledger.Size()
	standIn := b.post("/api/duty", `{"name":"老王"}`, one).Result().Cookies()
	if len(standIn) != 1 {
		t.Fatal("a stand-in has no session")
	}
	decide(standIn[0])
	if w := b.post("/api/signoff", `{}`, standIn[0]); w.Code != 204 || w.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign-off: %d %v", w.Code, w.Result().Cookies())
	}
	decide(nil)
	want := []string{"signon unauthenticated 老王", "register unauthenticated 老王", "signoff unauthenticated 老王", "register unauthenticated"}
	if diff := cmp.Diff(want, b.by(at)); diff != "" {
		t.Error(diff)
	}
	got := b.by(before)[:7]
	want = []string{"signon unauthenticated 周班长", "register unauthenticated 周班长", "signon pin 张伟", "signon pin Li Na", "register pin 张伟",
		"register pin Li Na", "register unauthenticated Li Na"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Where PINs are required nobody decides before they signed on, and nobody waits for that: codes are read, the emergency key opens, and
// what stands open is closed.
func TestPINsRequired(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[:3]...)
	b.require()
	hold := b.scan("in", b.pass("李四", -time.Minute)).Passage
	admit := fmt.Sprintf(`{"passage":%q,"verdict":"admit","reason":"known-by-sight"}`, hold)
	if err := b.gate.OpenByHand("out", "school-run"); err != nil {
		t.Fatal(err)
	}
	office := b.signOn("Chen", sentence, nil)
	for _, tt := range []struct {
		path, body string
		as         *http.Cookie
		status     int
		reason     string
	}{
		{"/api/decide", admit, nil, 401, "sign-on"},
		{"/api/decide", admit, &http.Cookie{Name: cookie, Value: "guessed"}, 401, "sign-on"},
		{"/api/decide", admit, office, 403, "role"},
		{"/api/duty", `{"name":"周班长"}`, nil, 401, "sign-on"},
		{"/api/duty", `{"name":"周班长"}`, office, 403, "role"},
		{"/api/trips", `{}`, office, 200, ""},
		{"/api/code", `{"lane":"in","code":"` + b.pass("王小明", time.Hour) + `"}`, nil, 200, ""},
		{"/api/emergency", `{"lane":"in"}`, nil, 200, ""},
		{"/api/emergency", `{"lane":"in"}`, office, 200, ""},
		{"/api/close", `{"lane":"in"}`, nil, 204, ""},
		{"/api/shut", `{"lane":"out","heads":"5"}`, nil, 204, ""},
		{"/api/signon", `{"name":"张伟","secret":"000001"}`, nil, 401, "wrong"},
		{"/api/signon", `{"name":"张伟","secret":""}`, nil, 400, ""},
		{"/api/signon", `{"name":"张伟","secret":"` + strings.Repeat("1", 801) + `"}`, nil, 400, ""},
		{"/api/signon", `{"name":"\u001b","secret":"1234"}`, nil, 400, ""},
	} {
		w := b.post(tt.path, tt.body, tt.as)
		if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.reason) || strings.Contains(w.Body.String(), "000001") {
			t.Errorf("%s %.40s: %d %s, want %d %s", tt.path, tt.body, w.Code, w.Body, tt.status, tt.reason)
		}
	}
	if v := b.gate.View(); v.Duty != "" || len(v.Holds) != 1 {
		t.Errorf("on duty is %q, %d wait", v.Duty, len(v.Holds))
	}
	guard := b.signOn("张伟", pin, office)
	if w := b.post("/api/trips", `{}`, office); w.Code != 401 {
		t.Errorf("who was signed in at this browser before still is: %d", w.Code)
	}
	before := b.ledger.Size()
	if w := b.post("/api/decide", admit, guard); w.Code != 200 {
		t.Errorf("decide: %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff([]string{"register pin 张伟"}, b.by(before)); diff != "" {
		t.Error(diff)
	}
	b.broken.Store(true)
	if w := b.post("/api/signon", `{"name":"Li Na","secret":"`+pin+`"}`, nil); w.Code != 503 || len(w.Result().Cookies()) != 0 {
		t.Errorf("signed on, and not on record: %d %s", w.Code, w.Body)
	}
}

// Only its own page reads the cookie, and over TLS alone where there is some.
func TestTheCookie(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[0])
	for _, secure := range []bool{false, true} {
		r := request("POST", "/api/signon", `{"name":"张伟","secret":"`+pin+`"}`)
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		c := b.ask(r).Result().Cookies()[0]
		if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure != secure || c.Path != "/" || c.MaxAge != 0 || !c.Expires.IsZero() || len(c.Value) != 43 {
			t.Errorf("TLS %t: %+v", secure, c)
		}
	}
}

// Who guesses a PIN is locked out, seen and on record without a name; a shift leader who is signed on lifts it, and nobody else there.
func TestPINGuessing(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[:2]...)
	leader := b.signOn("Li Na", pin, nil)
	guard := b.signOn("张伟", pin, nil)
	before := b.ledger.Size()
	guess := `{"name":"张伟","secret":"000001"}`
	for n := range 7 {
		w, want := b.post("/api/signon", guess, nil), map[bool]int{true: 401, false: 429}[n < 4]
		if w.Code != want || want == 429 && (!strings.Contains(w.Body.String(), `"locked"`) || !strings.Contains(w.Body.String(), `"until"`)) {
			t.Errorf("try %d: %d %s, want %d", n+1, w.Code, w.Body, want)
		}
	}
	b.await(before, "alarm pin-guessing")
	if err := testutil.GatherAndCompare(b.metrics, strings.NewReader("# HELP gated_account_lockouts_total How often a name was locked for a while, "+
		"since somebody tried wrong PINs or passwords of it in a row.\n# TYPE gated_account_lockouts_total counter\ngated_account_lockouts_total 1\n"),
		"gated_account_lockouts_total"); err != nil {
		t.Error(err)
	}
	if w := b.post("/api/decide", `{"passage":"p","verdict":"admit","reason":"known-by-sight"}`, guard); w.Code != 409 {
		t.Errorf("who is signed on is locked out: %d %s", w.Code, w.Body)
	}
	lift := `{"name":"张伟"}`
	if w := b.post("/api/lift", lift, nil); w.Code != 401 {
		t.Errorf("nobody lifts it: %d %s", w.Code, w.Body)
	}
	if w := b.post("/api/lift", lift, guard); w.Code != 403 {
		t.Errorf("they lift it themselves: %d %s", w.Code, w.Body)
	}
	before = b.ledger.Size()
	if w := b.post("/api/lift", `{"name":"nobody"}`, leader); w.Code != 404 {
		t.Errorf("of nobody: %d %s", w.Code, w.Body)
	}
	if w := b.post("/api/lift", lift, leader); w.Code != 204 {
		t.Errorf("the shift leader: %d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff([]string{"account pin Li Na"}, b.by(before)); diff != "" {
		t.Error(diff)
	}
	b.signOn("张伟", pin, nil)
}

// Where the accounts are damaged and PINs are required, a name is enough until they are put back.
func TestDamagedAccountsLockNoGate(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.give(people[0])
	b.require()
	path := filepath.Join(b.dir, access.File)
	whole, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, whole[:50], 0o600)
	}
	if err != nil || b.accounts.Fault() == nil {
		t.Fatal(err)
	}
	admit := func(status int, c *http.Cookie) {
		t.Helper()
		hold := b.scan("in", b.pass("李四", -time.Minute)).Passage
		if w := b.post("/api/decide", fmt.Sprintf(`{"passage":%q,"verdict":"refuse","reason":"not-known"}`, hold), c); w.Code != status {
			t.Errorf("decide: %d %s, want %d", w.Code, w.Body, status)
		}
		if status != 200 {
			b.gate.Decide(hold, gate.Ruling{Verdict: "refuse", Reason: "not-known"})
		}
	}
	if w := b.post("/api/signon", `{"name":"张伟","secret":"`+pin+`"}`, nil); w.Code != 503 || !strings.Contains(w.Body.String(), "damaged") {
		t.Errorf("by PIN: %d %s", w.Code, w.Body)
	}
	if w := b.post("/api/emergency", `{"lane":"in"}`, nil); w.Code != 200 {
		t.Errorf("emergency: %d %s", w.Code, w.Body)
	}
	admit(401, nil)
	w := b.post("/api/duty", `{"name":"张伟"}`, nil)
	if w.Code != 204 {
		t.Fatalf("by name: %d %s", w.Code, w.Body)
	}
	before := b.ledger.Size()
	admit(200, w.Result().Cookies()[0])
	if diff := cmp.Diff([]string{"register unauthenticated 张伟"}, b.by(before)); diff != "" {
		t.Error(diff)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil || b.accounts.Fault() != nil {
		t.Fatal(err)
	}
	admit(401, w.Result().Cookies()[0])
	admit(200, b.signOn("张伟", pin, nil))
}

// A program does what its token's role may, until that is revoked: then its stream ends, too.
func TestATokenIsRevokedInMidStream(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	b.require()
	guard, office := access.NewToken(), access.NewToken()
	b.give(people[2], access.Change{What: access.Added, Name: "parking", Role: access.Guard, Secret: guard, Token: true},
		access.Change{What: access.Added, Name: "office", Role: access.Manager, Secret: office, Token: true})
	s := httptest.NewServer(b.handler)
	defer s.Close()
	ask := func(method, path, body, token string) *http.Response {
		t.Helper()
		r := request(method, path, body)
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, r.Body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	status := func(path, body, token string) int {
		t.Helper()
		w := ask("POST", path, body, token)
		w.Body.Close()
		return w.StatusCode
	}
	before := b.ledger.Size()
	for _, tt := range []struct {
		path, token string
		want        int
	}{{"/api/open", guard, 204}, {"/api/open", office, 403}, {"/api/open", office[1:], 401}, {"/api/open", "", 401}, {"/api/emergency", "wrong", 200}} {
		if got := status(tt.path, map[bool]string{true: `{"lane":"in","reason":"rush-hour"}`, false: `{"lane":"out"}`}[tt.path == "/api/open"], tt.token); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.path, got, tt.want)
		}
	}
	if got := b.by(before); !slices.Contains(got, "by-hand password parking") {
		t.Errorf("recorded are %q", got)
	}
	w := ask("GET", "/events", "", guard)
	defer w.Body.Close()
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && lines.Text() != "event: beat" {
	}
	b.give(access.Change{What: access.Disabled, Name: "parking"})
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Errorf("the stream ended with %v, want its proper end", err)
	}
	if got := status("/api/open", `{"lane":"in","reason":"rush-hour"}`, guard); got != 401 {
		t.Errorf("revoked: %d", got)
	}
	if w := ask("GET", "/events", "", guard); w.StatusCode != 401 {
		t.Errorf("a stream for a revoked token: %d", w.StatusCode)
	}
}
