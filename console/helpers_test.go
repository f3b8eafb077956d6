package console

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gated/access"
	"gated/clock"
	"gated/credential"
	"gated/gate"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/roster"
	"gated/roster/sheet"
)

var quiet = slog.New(slog.DiscardHandler)

// site is a gate with a ledger and a small roster in a temporary directory, and the console before it. Only its clock and
// its disk are ours.
type site struct {
	t       testing.TB
	dir     string
	gate    *gate.Gate
	ledger  *ledger.Ledger
	handler http.Handler
	key     ed25519.PrivateKey
	people  *roster.Store

	accounts *access.Accounts
	metrics  *prometheus.Registry
	broken   atomic.Bool  // every commit fails
	unsync   atomic.Bool  // the clock is not synchronised
	shift    atomic.Int64 // of the wall clock
	done     chan struct{}
	refuse   atomic.Bool // the emergency key

	mu       sync.Mutex
	requests []string // of pages
}

var office = []sheet.Row{
	{Number: 2, ID: "r-000001", Building: "3", Unit: "2", Room: "501", Name: "赵奶奶", Class: "resident"},
	{Number: 3, ID: "r-000002", Building: "3", Unit: "2", Room: "501", Name: "赵小宝", Class: "resident"},
	{Number: 4, ID: "r-000003", Building: "1", Unit: "1", Room: "101", Name: "李四", Class: "resident"},
	{Number: 5, ID: "r-000004", Building: "7", Unit: "1", Room: "1203", Name: "王小明", Class: "resident"},
}

func newBox(t testing.TB) *site {
	t.Helper()
	b := &site{t: t, dir: t.TempDir(), key: credential.NewKey(), done: make(chan struct{}), metrics: prometheus.NewRegistry()}
	b.accounts = access.In(b.dir, time.Now)
	trusted := filepath.Join(b.dir, "trust", "pass")
	var trust *credential.Trust
	err := errors.Join(os.MkdirAll(trusted, 0o700), credential.WritePublicKey(filepath.Join(trusted, "office.pub"), b.key.Public().(ed25519.PublicKey)))
	if err == nil {
		trust, err = credential.LoadTrust(filepath.Join(b.dir, "trust"))
	}
	if err == nil {
		b.people, err = roster.Open(filepath.Join(b.dir, "roster.db"))
	}
	if err == nil {
		_, err = b.people.Import(t.Context(), office, roster.ImportOptions{CheckResidentID: func(n string) (string, error) {
			id, err := credential.ResidentID(n)
			return id.BirthDate, err
		}})
	}
	if err != nil {
		t.Fatal(err)
	}
	sys := clock.System()
	src := clock.Source{Boot: sys.Boot, Mono: sys.Mono, Synced: func() bool { return !b.unsync.Load() },
		Wall: func() time.Time { return sys.Wall().Add(time.Duration(b.shift.Load())) }}
	c := clock.New(src)
	now := func() ledger.Stamp { return ledger.Stamp(c.Now()) }
	reg, err := register.New(register.Options{Dir: b.dir, Key: []byte("k"), Now: now, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	var running atomic.Pointer[gate.Gate]
	b.ledger, err = ledger.Open(ledger.Options{Hangs: time.Minute, Dir: b.dir, Gate: "东门", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: now, Log: quiet,
		Known: reg.Known, Follow: reg.Follow, Recovered: reg.Recovered,
		OnChange: func(f *ledger.Fault) {
			if g := running.Load(); g != nil {
				g.LedgerChanged(f)
			}
		},
		Inject: func(string) error {
			if b.broken.Load() {
				return syscall.EIO
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	reg.Start(b.ledger)
	lanes := []gate.Lane{{ID: "in", Direction: "in"}, {ID: "out", Direction: "out"}}
	b.gate = gate.New(gate.Options{Name: "东门", Version: "test", Lanes: lanes, Ledger: b.ledger, Register: reg, Roster: b.people, Clock: c, Log: quiet},
		gate.Rules{Policy: policy.Shipped(), Trust: trust, Level: "guarded", Hold: 2 * time.Minute, Repeat: 3 * time.Second, Language: "zh"})
	running.Store(b.gate)
	b.gate.Begin()
	for _, l := range lanes {
		b.gate.ScannerState(l.ID, true, "online", "")
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- b.gate.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-ended, b.ledger.Close(), reg.Close(), b.people.Close()); err != nil && !b.broken.Load() {
			t.Error(err)
		}
	})
	b.handler = Handler(Options{Gate: b.gate, Accounts: b.accounts, Metrics: b.metrics, Hosts: []string{"gate-3.example"}, Done: b.done, Log: quiet})
	return b
}

// ask sends a request to the console.
func (b *site) ask(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func request(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:8080"+path, strings.NewReader(body))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// person is the roster ID of somebody.
func (b *site) person(name string) string {
	b.t.Helper()
	for _, p := range b.people.Snapshot().People() {
		if p.Name == name {
			return p.ID
		}
	}
	b.t.Fatalf("%s is not in the roster", name)
	return ""
}

// pass is a pass of somebody that is good for the given time from now on.
func (b *site) pass(name string, left time.Duration) string {
	b.t.Helper()
	text, err := credential.Issue(b.key, credential.Pass{Issuer: "office", Subject: b.person(name), Kind: "resident", NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(left)})
	if err != nil {
		b.t.Fatal(err)
	}
	return text
}

// forget has every code count as new.
func (b *site) forget() {
	r := b.gate.Rules()
	r.Repeat = 0
	b.gate.SetRules(r)
}

// scan hands a code to a lane.
func (b *site) scan(lane, code string) gate.Outcome {
	b.t.Helper()
	out, err := b.gate.Scan(lane, []byte(code), time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// comesIn is somebody who is admitted in, who has gone out before if the gate says so.
func (b *site) comesIn(name string) gate.Outcome {
	b.t.Helper()
	out := b.scan("in", b.pass(name, time.Hour))
	if out.Reason == "passed-back" {
		if _, err := b.gate.Decide(out.Passage, gate.Ruling{Verdict: "refuse", Reason: "not-known"}); err != nil {
			b.t.Fatal(err)
		}
		b.scan("out", b.pass(name, time.Hour))
		out = b.scan("in", b.pass(name, time.Hour))
	}
	return out
}

var passageID = regexp.MustCompile(`"passage":"[a-z2-7]{16}"`)

// entries are what the ledger has from an entry on, in words: kind, lane, verdict, reason, and what somebody said.
func (b *site) entries(after int64) string {
	b.t.Helper()
	r, err := file.OpenReader(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	var list []string
	if err := r.Scan(after+1, 1<<62, true, func(e *ledger.Entry) error {
		if e.Kind == register.Scanner || e.Kind == register.Alive { // the box's own
			return nil
		}
		s := string(e.Kind)
		for _, word := range []string{e.Lane, e.Verdict, e.Reason, e.Personally("by"), e.Personally("guard"), e.Personally("note")} {
			if word != "" {
				s += " " + word
			}
		}
		list = append(list, s)
		return nil
	}); err != nil {
		b.t.Fatal(err)
	}
	return strings.Join(list, "; ")
}

// await waits until the ledger has those entries after an earlier one, and no others.
func (b *site) await(after int64, want string) {
	b.t.Helper()
	got := b.entries(after)
	for end := time.Now().Add(time.Minute); got != want && len(got) <= len(want) && time.Now().Before(end); got = b.entries(after) {
		time.Sleep(2 * time.Millisecond)
	}
	if got != want {
		b.t.Errorf("the ledger has %q, want %q", got, want)
	}
}

// shows is what a page shows that nobody's gate stands behind: views as a gate would send them, for looks that a real one
// hardly has.
type shows struct {
	mu     sync.Mutex
	view   gate.View
	signed told
	subs   map[chan struct{}]bool
}

func newShows() *shows {
	return &shows{subs: map[chan struct{}]bool{}, signed: told{ByName: true, Locked: []lockout{}}, view: gate.View{Gate: "东门", Version: "test", Language: "zh", Clock: gate.ClockView{Trusted: true}}}
}

func (s *shows) View() gate.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.view
	v.Now = time.Now()
	return v
}

func (s *shows) Subscribe() (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[c] = true
	return c, func() { s.mu.Lock(); delete(s.subs, c); s.mu.Unlock() }
}

// who is nobody, at a gate without accounts, unless a test says otherwise.
func (s *shows) who(*http.Request) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed, true
}

// change changes the view and tells the pages.
func (s *shows) change(f func(v *gate.View)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.view)
	for c := range s.subs {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// handler serves the page and its stream as Handler does.
func (s *shows) handler(done <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	page(func(method, path string, h http.HandlerFunc) { mux.HandleFunc(method+" "+path, h) })
	mux.Handle("GET /events", &stream{s.View, s.Subscribe, done, s.who})
	return withPolicy(mux)
}

// withPolicy sets the page's own Content-Security-Policy.
func withPolicy(next http.Handler) http.Handler {
	c := &console{hosts: map[string]bool{"localhost": true}, cross: http.NewCrossOriginProtection()}
	return c.guard(next)
}

// serve serves the console to a browser, remembers what its page asks for, and refuses the emergency key while refuse is set.
func (b *site) serve(t *testing.T) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "POST" && r.Header.Get("Content-Type") == "application/json" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			b.mu.Lock()
			if path.Base(r.URL.Path) != "answering" { // nothing that is decided
				b.requests = append(b.requests, path.Base(r.URL.Path)+" "+string(body))
			}
			b.mu.Unlock()
		}
		if r.URL.Path == "/api/emergency" && b.refuse.Load() {
			fail(w, http.StatusInternalServerError, "hold the barrier open: exit status 1")
			return
		}
		b.handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// heard is what pages asked for.
func (b *site) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.requests)
}

// asked waits until a page asked for something.
func (b *site) asked(want string) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !slices.Contains(b.heard(), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("the page never asked %q, but %q", want, b.heard())
		}
	}
}

// has waits until an entry is in the ledger.
func (b *site) has(want string) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !slices.Contains(strings.Split(b.entries(0), "; "), want); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("the ledger never had %q, but %q", want, b.entries(0))
		}
	}
}
