package gate

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gated/access"
	"gated/barrier"
	"gated/clock"
	"gated/credential"
	"gated/demo/issuer"
	"gated/evidence"
	"gated/gate/query"
	"gated/gate/subject"
	"gated/gate/writing"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/roster"
	"gated/roster/sheet"

	"github.com/prometheus/client_golang/prometheus"
)

// site is a real gate with a real ledger and roster in a temporary directory; only its clock is ours.
type site struct {
	t      testing.TB
	dir    string
	key    ed25519.PrivateKey
	signer *ecdsa.PrivateKey // of health certificates
	cert   *x509.Certificate
	people *roster.Store
	trust  *credential.Trust
	src    clock.Source
	mu     sync.Mutex
	shift  time.Duration // of the wall clock
	synced bool
	broken atomic.Bool  // the disk
	log    slog.Handler // of the gate; nil: none

	g        *Gate
	l        *ledger.Ledger
	register *register.Register
	reading  func(op string) error // asked while the register reads
	relay    *barrier.Barrier
	relays   map[string]*barrier.Barrier // one for each lane, instead of relay
	sensor   *barrier.Sensor             // of lane in
	inject   func(op string) error       // beside broken
	hangs    time.Duration               // how long the ledger waits for the disk: a machine may be busy
	outs     chan Outcome
	stop     context.CancelFunc
	ended    chan struct{}
	policy   *policy.Policy
	level    string // of the settings at the next start; "": guarded
	more     []Lane // beside in and out, likewise
}

var office = []sheet.Row{
	{Number: 2, ID: "r-000001", Building: "3", Unit: "2", Room: "501", Name: "王小明", Class: "resident"},
	{Number: 3, ID: "r-000002", Building: "3", Unit: "2", Room: "501", Name: "李芳", Document: "11010519491231002X", Class: "resident"},
	{Number: 4, ID: "r-000003", Name: "赵六", Class: "staff"},
	{Number: 5, ID: "v-0001", Plate: "粤B12345", Service: "ambulance"},
	{Number: 6, ID: "v-0002", Plate: "粤B54321", Building: "3", Unit: "2", Room: "501"},
}

func newSite(t testing.TB) *site {
	s := &site{t: t, dir: t.TempDir(), key: credential.NewKey(), synced: true, policy: policy.Shipped(), hangs: time.Minute}
	pub := filepath.Join(s.dir, "trust", "pass")
	if err := os.MkdirAll(pub, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := credential.WritePublicKey(filepath.Join(pub, "office.pub"), s.key.Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	s.signer = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	now := time.Now()
	s.cert = must(issuer.SignerCertificate(s.signer, "XX", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)))
	dcc := filepath.Join(s.dir, "trust", "dcc")
	if err := errors.Join(os.Mkdir(dcc, 0o700), os.WriteFile(filepath.Join(dcc, "xx.cer"), s.cert.Raw, 0o600)); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.trust, err = credential.LoadTrust(filepath.Join(s.dir, "trust")); err != nil {
		t.Fatal(err)
	}
	if s.people, err = roster.Open(filepath.Join(s.dir, "roster.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.people.Close() })
	if _, err := s.people.Import(context.Background(), office, roster.ImportOptions{CheckResidentID: func(n string) (string, error) {
		id, err := credential.ResidentID(n)
		return id.BirthDate, err
	}}); err != nil {
		t.Fatal(err)
	}
	sys := clock.System()
	s.src = clock.Source{Boot: sys.Boot, Mono: sys.Mono,
		Wall:   func() time.Time { s.mu.Lock(); defer s.mu.Unlock(); return sys.Wall().Add(s.shift) },
		Synced: func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.synced }}
	s.start()
	t.Cleanup(s.end)
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// dcc is a health certificate of 王小明 that makes one statement.
func (s *site) dcc(h credential.Health) string {
	now := s.g.clock.Now().Time
	h.Disease = "840539006"
	return must(issuer.DCC{Given: "小明", Family: "王", BirthDate: "1990-01-02", ID: "URN:UVCI:01:XX:1", Issued: now.AddDate(0, 0, -1), Expires: now.AddDate(0, 1, 0), Statement: issuer.Statement(h)}.Sign(s.signer, s.cert))
}

// says is what the record of an entry says in words. Times, numbers and hashes may have any digits and letters in them, by chance also
// those of a secret.
func says(e *ledger.Entry) string {
	r := e.Record
	r.Seq, r.Time, r.Boot, r.Mono, r.Ref, r.Passage, r.Policy, r.Roster, r.Personal = 0, "", "", 0, 0, "", "", "", ""
	return string(must(json.Marshal(r)))
}

func (s *site) start() {
	s.t.Helper()
	s.open()
	s.run()
}

// open opens the ledger and makes the gate, which does not run yet.
func (s *site) open() {
	s.t.Helper()
	box := clock.New(s.src)
	log := slog.New(slog.DiscardHandler)
	var g atomic.Pointer[Gate]
	var err error
	s.outs = make(chan Outcome, 10000)
	now := func() ledger.Stamp { return ledger.Stamp(box.Now()) }
	if s.register, err = register.New(register.Options{Dir: s.dir, Key: []byte("k"), Now: now, Log: log, Inject: s.reading}); err != nil {
		s.t.Fatal(err)
	}
	s.l, err = ledger.Open(ledger.Options{Hangs: s.hangs, Dir: s.dir, Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: now, Log: log,
		Known: s.register.Known, Follow: s.register.Follow, Recovered: s.register.Recovered,
		OnChange: func(f *ledger.Fault) {
			if g := g.Load(); g != nil {
				g.LedgerChanged(f)
			}
		},
		Inject: func(op string) error {
			if s.broken.Load() {
				return syscall.EIO
			}
			if s.inject != nil {
				return s.inject(op)
			}
			return nil
		}})
	if err != nil {
		s.t.Fatal(err)
	}
	s.register.Start(s.l)
	lanes := append([]Lane{{ID: "in", Direction: "in", Barrier: s.relay, Pulse: 100 * time.Millisecond, Sensor: s.sensor},
		{ID: "out", Direction: "out", Barrier: s.relay, Pulse: 100 * time.Millisecond}}, s.more...)
	for i := range lanes {
		if b := s.relays[lanes[i].ID]; b != nil {
			lanes[i].Barrier = b
		}
	}
	s.g = New(Options{Name: "East gate", Version: "test", Lanes: lanes,
		Ledger: s.l, Register: s.register, Roster: s.people, Clock: box, Spool: filepath.Join(s.dir, "pending.spool"), Log: slog.New(cmp.Or[slog.Handler](s.log, slog.DiscardHandler)), OnOutcome: func(o Outcome) { s.outs <- o }},
		Rules{Policy: s.policy, Trust: s.trust, Level: cmp.Or(s.level, "guarded"), Hold: time.Minute, Repeat: 3 * time.Second, Language: "zh"})
	g.Store(s.g)
}

func (s *site) run() {
	var ctx context.Context
	ctx, s.stop = context.WithCancel(context.Background())
	s.ended = make(chan struct{})
	ended := s.ended
	changed, cancel := s.g.Subscribe()
	go func(g *Gate) { defer close(ended); g.Run(ctx) }(s.g)
	for !s.g.writing.Begun() && !s.g.Fault() {
		<-changed
	}
	cancel()
}

func (s *site) end() {
	if s.stop != nil {
		s.stop()
		<-s.ended
	}
	s.l.Close()
	s.register.Close()
}

// hours has it be an hour at which the level controlled lets people go out.
func (s *site) hours() {
	now := s.now().In(s.l.Zone())
	from, to := now.Add(-6*time.Hour).Format("15:04"), now.Add(6*time.Hour).Format("15:04")
	hours := strings.NewReplacer("06:00-20:00", from+"-"+to, "20:00-06:00", to+"-"+from)
	p := must(policy.Parse("test", []byte(hours.Replace(string(policy.Shipped().Source())))))
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Policy = p }))
}

// controlled puts the level into force at which each household has one trip in two days.
func (s *site) controlled() {
	s.hours()
	s.g.SetRules(ruled(s.g.Rules(), func(r *Rules) { r.Level = "controlled" }))
}

// pendingOpenings are the emergency openings without their entry.
func (s *site) pendingOpenings() []Opening {
	return slices.DeleteFunc(s.g.toAccountFor(), func(o Opening) bool { return o.What != "entry-pending" })
}

// whereabouts is where the register has somebody.
func (s *site) whereabouts(id string) (where string) {
	s.register.View(func(st *register.State) { where = st.Place(id).Where(s.now(), 0) })
	return where
}

func (s *site) subject(plateOrName string) string {
	for _, p := range s.people.Snapshot().People() {
		if p.Name == plateOrName {
			return p.ID
		}
	}
	for _, v := range s.people.Snapshot().Vehicles() {
		if v.Plate == plateOrName {
			return v.ID
		}
	}
	s.t.Fatalf("%s is not in the roster", plateOrName)
	return ""
}

// pass issues a pass that is good from a day ago for the given time from now on.
func (s *site) pass(kind, subject string, left time.Duration) string {
	s.t.Helper()
	text, err := credential.Issue(s.key, credential.Pass{Issuer: "office", Subject: subject, Kind: kind, NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(left)})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// spoilt is a pass with a signature that does not fit.
func spoilt(pass string) string {
	tail := "000"
	if strings.HasSuffix(pass, tail) {
		tail = "001"
	}
	return pass[:len(pass)-len(tail)] + tail
}

func (s *site) scan(lane, code string) Outcome {
	s.t.Helper()
	out, err := s.g.Scan(lane, []byte(code), time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// records reads the whole ledger, after checking it.
func (s *site) records() (all []ledger.Entry) {
	s.t.Helper()
	r, err := file.OpenReader(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	if _, err := evidence.Verify(r, evidence.Given{}); err != nil {
		s.t.Fatal(err)
	}
	if err := r.Scan(1, 1<<62, true, func(e *ledger.Entry) error { all = append(all, *e); return nil }); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// pulsed waits until the ledger tells of n pulses what became of them.
func (s *site) pulsed(n int) {
	s.t.Helper()
	for deadline, is := time.Now().Add(time.Minute), 0; is < n; time.Sleep(time.Millisecond) {
		is = 0
		for _, e := range s.records() {
			if e.Kind == register.Opening && e.Ref > 0 {
				is++
			}
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%d pulses on record, want %d", is, n)
		}
	}
}

const month = 30 * 24 * time.Hour

func TestWhoPasses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := credential.NewKey()
	resident := s.subject("王小明")
	forged, _ := credential.Issue(other, credential.Pass{Issuer: "office", Subject: resident, Kind: "resident", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(month)})
	foreign, _ := credential.Issue(other, credential.Pass{Issuer: "elsewhere", Subject: "r-999999", Kind: "resident", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(month)})
	revoked := s.pass("resident", resident, month)
	claim := s.trust.Check([]byte(revoked), time.Now())
	if err := s.people.Revoke(context.Background(), claim.Serial, "lost", true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, lane, code, want string }{
		{"resident in", "in", s.pass("resident", resident, month), "admit valid-pass"},
		{"resident out", "out", s.pass("resident", resident, month), "admit valid-pass"},
		{"staff in", "in", s.pass("staff", s.subject("赵六"), month), "admit valid-pass"},
		{"household pass in", "in", s.pass("household", "3-2-501", month), "admit valid-pass"},
		{"ambulance in", "in", s.pass("vehicle", s.subject("粤B12345"), month), "admit emergency-service"},
		{"a resident's car in", "in", s.pass("vehicle", s.subject("粤B54321"), month), "refuse outside-vehicle"},
		{"expired", "in", s.pass("resident", resident, -time.Minute), "hold expired"},
		{"revoked", "in", revoked, "hold revoked"},
		{"forged in a resident's name", "in", forged, "refuse unknown-signer"},
		{"pass of another compound", "in", foreign, "refuse other-issuer"},
		{"signed, but not in the roster", "in", s.pass("resident", "r-999999", month), "refuse outsider"},
		{"ID number of a resident", "in", "11010519491231002X", "hold no-valid-pass"},
		{"ID number of a resident, out", "out", "11010519491231002X", "hold no-valid-pass"},
		{"ID number of a stranger", "in", "110105195001010012", "refuse outsider"},
		{"the ambulance's plate", "in", "粤B12345", "hold emergency-vehicle"},
		{"a resident's plate", "in", "粤B·54321", "refuse outside-vehicle"},
		{"a resident's plate, out", "out", "粤b54321", "hold no-valid-pass"},
		{"a stranger's plate", "in", "粤BD12345", "refuse outside-vehicle"},
		{"a police plate", "in", "粤B1234警", "hold official-plate"},
		{"a fire engine's plate", "in", "粤X1234应急", "hold official-plate"},
		{"a shop's bar code", "in", "6901234567892", "refuse unknown-code"},
		{"a payment by WeChat", "in", "134567890123456789", "refuse unknown-code"},
		{"a payment by WeChat, out", "out", "134567890123456789", "refuse unknown-code"},
		{"a payment by Alipay, out", "out", "281234567890123456", "refuse unknown-code"},
		{"noise, out", "out", "\xff\x00\xfe\xff\xff", "refuse unknown-code"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.l.Size()
			out := s.scan(c.lane, c.code)
			if got := out.Verdict + " " + out.Reason; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			want := int64(3)
			if out.Verdict == policy.Hold {
				want = 2
			}
			if n := s.l.Size() - before; n != want {
				t.Errorf("%d events, want %d", n, want)
			}
		})
	}
	for _, e := range s.records() {
		if e.Kind == register.Query && e.Detail["known"] == "no" && e.Personally("subject") != "" {
			t.Errorf("entry %d: nobody knows them, and they have a roster ID", e.Seq)
		}
		for _, secret := range []string{"王小明", "李芳", "11010519491231002X", "3-2-501", "粤B", resident, "GP1:"} {
			if strings.Contains(says(&e), secret) {
				t.Errorf("the record tells who it was: %s", e.Raw)
			}
		}
	}
}

// A health certificate says what was found about somebody of that name: who shows it, and whether they live here, it does
// not. It is shown to the guard, admits nobody of itself, and what it says of a body stands beside the record.
func TestAHealthCertificateIsAskedAbout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	now := s.g.clock.Now().Time
	for _, c := range []struct {
		name  string
		lane  string
		h     credential.Health
		want  string
		field string
		hours int
	}{
		{"vaccinated", "in", credential.Health{Kind: credential.Vaccination, Date: "2026-01-01", Dose: 2, Doses: 2}, "vaccination", "vaccination", 0},
		{"tested", "out", credential.Health{Kind: credential.Test, Result: "negative", Sampled: now.Add(-12*time.Hour - time.Minute)}, "negative-test", "negative-test 12 h", 12},
		{"tested positive", "in", credential.Health{Kind: credential.Test, Result: "positive", Sampled: now.Add(-12 * time.Hour)}, "positive-test", "positive-test", 0},
		{"recovered", "in", credential.Health{Kind: credential.Recovery, Date: "2026-01-01", From: "2020-01-01", Until: "2099-01-01"}, "recovery", "recovery", 0},
		{"recovered long ago", "in", credential.Health{Kind: credential.Recovery, Date: "2020-01-01", From: "2020-01-01", Until: "2020-06-01"}, "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := s.scan(c.lane, s.dcc(c.h))
			if out.Verdict != policy.Hold || out.Reason != "health-certificate" || out.Class != "unknown" {
				t.Fatalf("got %+v", out)
			}
			last := s.last(c.lane)
			if last.Name != "小明 王" || last.Room != "" || last.Health != c.want || last.TestHours != c.hours {
				t.Errorf("the page shows %+v", last)
			}
			for _, e := range s.records() {
				if e.Passage != out.Passage || e.Kind != register.Query {
					continue
				}
				if e.Detail["known"] != "no" || e.Personally("health") != c.field || e.Personally("subject") != "" || strings.Contains(says(&e), "test") || strings.Contains(says(&e), "vaccination") {
					t.Errorf("%s %v", e.Raw, e.Personal)
				}
			}
		})
	}
	forged := s.dcc(credential.Health{Kind: credential.Vaccination, Date: "2026-01-01"})
	if out := s.scan("in", spoilt(forged)); out.Verdict != policy.Refuse {
		t.Errorf("a damaged one: %+v", out)
	}
	for _, e := range s.records() {
		for _, f := range e.Personal {
			if strings.Contains(f.Value, "UVCI") {
				t.Errorf("kept for nothing: %v", f)
			}
		}
	}
}

func TestACodeWithAnyCharacterChangedNeverAdmits(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	code := []byte(s.pass("resident", s.subject("王小明"), month))
	now := s.g.clock.Now()
	for i := range code {
		bad := append([]byte(nil), code...)
		bad[i] ^= 1 << (i % 7)
		claim := query.Doubt(s.trust.Check(bad, s.g.clock.Judge(now)), s.g.query(s.g.moment()))
		who := subject.Find(s.people.Snapshot(), claim)
		d := s.policy.Decide(policy.Facts{Direction: "in", Class: who.Class, Known: who.Known, Credential: claim.Kind, Valid: claim.Valid, Reason: claim.Reason, Proof: string(claim.Proof), ClockTrusted: true})
		if claim.Valid || d.Verdict == policy.Admit {
			t.Errorf("character %d changed: %+v", i, d)
		}
	}
}

func TestTheSameCodeAgainIsShownAsReadAndRecordedOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	code := s.pass("resident", s.subject("王小明"), month)
	first := s.scan("in", code)
	size := s.l.Size()
	again := s.scan("in", code)
	if !again.Repeat || again.Passage != first.Passage || again.Verdict != first.Verdict || s.l.Size() != size {
		t.Errorf("got %+v after %+v, %d new entries", again, first, s.l.Size()-size)
	}
	if !s.last("in").Repeat {
		t.Error("the page does not say that it was read already")
	}
	if out := s.scan("out", code); out.Repeat {
		t.Error("the other lane has not read it yet")
	}
	r := s.g.Rules()
	r.Repeat = 0
	s.g.SetRules(r)
	a := s.scan("in", s.pass("resident", s.subject("李芳"), month))
	if b := s.scan("in", code); b.Repeat && b.Passage == a.Passage {
		t.Error("another code took its place")
	}
}

func TestAHoldWaitsForTheGuard(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.g.SignOn("老张"); err != nil {
		t.Fatal(err)
	}
	code := s.pass("resident", s.subject("王小明"), -time.Minute)
	held := s.scan("in", code)
	if other := s.scan("in", s.pass("resident", s.subject("李芳"), month)); other.Verdict != policy.Admit {
		t.Error("a hold blocks the lane")
	}
	if again := s.scan("in", code); !again.Repeat || again.Passage != held.Passage {
		t.Error("a code that waits was read as new")
	}
	v := s.g.View()
	if len(v.Holds) != 1 || v.Holds[0].Name != "王小明" || v.Holds[0].Room != "3-2-501" || v.Duty != "老张" {
		t.Errorf("the page shows %+v, on duty %q", v.Holds, v.Duty)
	}
	for _, r := range []Ruling{{Verdict: "hold", Reason: "x"}, {Verdict: "admit", Reason: "wang-xiaoming"}, {Verdict: "refuse", Reason: "known-by-sight"}, {Verdict: "admit"}, {Verdict: "admit", Reason: "ok", Note: strings.Repeat("x", 501)}} {
		if _, err := s.g.Decide(held.Passage, r); err == nil {
			t.Errorf("accepted %+v", r)
		}
	}
	out, err := s.g.Decide(held.Passage, Ruling{Verdict: "admit", Reason: "document-sighted", Note: "shows an old ID card"})
	if err != nil || out.Verdict != policy.Admit || out.Passage != held.Passage {
		t.Fatalf("got %+v, %v", out, err)
	}
	if _, err := s.g.Decide(held.Passage, Ruling{Verdict: "refuse", Reason: "not-known"}); !errors.Is(err, ErrNoHold) {
		t.Errorf("decided twice: %v", err)
	}
	all := s.records()
	e := all[len(all)-1]
	if e.Kind != register.Decided || e.By != "unauthenticated" || e.Personally("guard") != "老张" || e.Personally("note") == "" || e.Passage != held.Passage {
		t.Errorf("registered as %s %v", e.Raw, e.Personal)
	}
	if v := s.g.View(); len(v.Holds) != 0 || v.Inside != 2 {
		t.Errorf("%d holds, %d inside", len(v.Holds), v.Inside)
	}
}

func TestAStartNamesTheGateAndItsZone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	s.start()
	s.end()
	var said []string
	for _, e := range s.records() {
		if e.Kind == ledger.Start {
			said = append(said, e.Detail["after"]+" "+e.Detail["gate"]+" "+e.Detail["time_zone"])
		}
	}
	if want := "first East gate Asia/Shanghai, stop East gate Asia/Shanghai"; strings.Join(said, ", ") != want {
		t.Errorf("got %q, want %s", said, want)
	}
}

func TestHoldsEndAsUndecided(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := s.g.Rules()
	r.Hold = 10 * time.Millisecond
	s.g.SetRules(r)
	changed, cancel := s.g.Subscribe()
	defer cancel()
	held := s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
	for len(s.g.View().Holds) > 0 {
		<-changed
	}
	r.Hold = time.Hour
	s.g.SetRules(r)
	left := s.scan("out", "11010519491231002X")
	s.end()
	s.start()
	want := map[string]string{held.Passage: "undecided", left.Passage: "undecided-restart"}
	for _, e := range s.records() {
		if e.Kind == register.Decided && want[e.Passage] == e.Reason && e.Verdict == policy.Undecided { // which is no refusal
			delete(want, e.Passage)
		}
	}
	if len(want) > 0 {
		t.Errorf("not registered: %v", want)
	}
	if v := s.g.View(); len(v.Holds) != 0 {
		t.Errorf("holds %v", v.Holds)
	}
}

func TestTheGuardFindsAPersonByRoom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	found := s.g.Find("3-2-501")
	if len(found) != 2 {
		t.Fatalf("found %v", found)
	}
	out, err := s.g.Present("in", found[0].ID)
	if err != nil || out.Verdict != policy.Hold {
		t.Fatalf("got %+v, %v", out, err)
	}
	if again, _ := s.g.Present("in", found[0].ID); again.Passage != out.Passage || !again.Repeat {
		t.Error("one person waits twice")
	}
	if v := s.g.View(); len(v.Holds) != 1 || v.Holds[0].Passage != out.Passage || v.Holds[0].Repeat {
		t.Errorf("the page shows %+v", v.Holds)
	}
	if _, err := s.g.Present("in", "r-000999"); !errors.Is(err, ErrUnknownPerson) {
		t.Errorf("got %v", err)
	}
	if _, err := s.g.Decide(out.Passage, Ruling{Verdict: "admit", Reason: "dead-phone"}); err != nil {
		t.Fatal(err)
	}
	if s.g.View().Inside != 1 {
		t.Error("admitted, but not inside")
	}
}

// While somebody waits for the lock the rules may change: those count that are in force when it is their turn.
func TestRulesCountThatAreInForceUnderTheLock(t *testing.T) {
	s := newSite(t)
	code := s.pass("resident", s.subject("王小明"), month)
	person := s.subject("李芳")
	strict := s.g.Rules()
	strict.Level = "sealed"
	strict.Trust = must(credential.LoadTrust(t.TempDir())) // nobody's signature counts any more
	for name, c := range map[string]struct {
		pass func() (Outcome, error)
		want string
	}{
		"a person found by room":             {func() (Outcome, error) { return s.g.Present("out", person) }, "hold only-for-need"},
		"a code whose issuer is not trusted": {func() (Outcome, error) { return s.g.Scan("out", []byte(code), time.Now()) }, "hold other-issuer"},
	} {
		old := s.g.rules.Load()
		s.g.passage.Lock()
		answered := make(chan Outcome)
		go func() {
			out, err := c.pass()
			if err != nil {
				t.Error(err)
			}
			answered <- out
		}()
		time.Sleep(50 * time.Millisecond) // it has come to the lock by then, or loads its rules after it
		s.g.rules.Store(&strict)
		s.g.passage.Unlock()
		out := <-answered
		if got := out.Verdict + " " + out.Reason; got != c.want {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
		for _, e := range s.records() {
			if e.Passage == out.Passage && e.Kind == register.Query && e.Detail["level"] != "sealed" {
				t.Errorf("%s: judged by level %s", name, e.Detail["level"])
			}
		}
		s.g.rules.Store(old)
	}
}

func TestTwoLanesCannotBothTakeTheLastTrip(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.controlled()
	codes := []string{s.pass("resident", s.subject("王小明"), month), s.pass("resident", s.subject("李芳"), month)}
	var wg sync.WaitGroup
	got := make([]string, len(codes))
	for i, c := range codes {
		wg.Go(func() { got[i] = s.scan("out", c).Verdict })
	}
	wg.Wait()
	if got[0] == got[1] {
		t.Errorf("both %s", got[0])
	}
}

func TestInFaultNothingOpensButTheEmergencyKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	relay := relayTo(t, trace, dir)
	s := newSite(t)
	s.end()
	s.relay = relay
	s.start()
	good := s.pass("resident", s.subject("王小明"), month)

	// Another writer holds the database: every commit fails until it lets go.
	release := s.block()
	out := s.scan("in", good)
	if out.Verdict != Fault || out.Reason != "ledger-fault" || out.Passage != "" {
		t.Errorf("got %+v, want fault", out)
	}
	// What the code proves is shown all the same, and noise is told from codes: a scanner that babbles is muted still.
	if v, last := s.g.View(), s.last("in"); v.Fault == nil || v.Fault.Text == "" || last.Verdict != Fault || last.Found != "valid-pass" || last.Name != "王小明" || last.Class != "resident" || last.Credential != "gated-pass" {
		t.Errorf("the page does not say that there is a fault, or what was found: %+v, %+v", v.Fault, last)
	}
	if out.Credential != "gated-pass" {
		t.Errorf("a pass is taken for %q", out.Credential)
	}
	if out := s.scan("in", "noise"); out.Verdict != Fault || out.Credential != "unknown" {
		t.Errorf("noise: got %+v", out)
	}
	em, err := s.g.Emergency("in")
	if err != nil || em.Verdict != policy.Admit {
		t.Fatalf("emergency: %+v, %v", em, err)
	}
	v := s.g.View()
	if len(v.ToAccountFor) != 1 || v.ToAccountFor[0].What != "entry-pending" || v.Lanes[0].Latch == "" {
		t.Errorf("to account for %+v, lanes %+v", v.ToAccountFor, v.Lanes)
	}
	changed, cancel := s.g.Subscribe()
	defer cancel()
	release()
	for s.g.Fault() || len(s.g.View().ToAccountFor) != 1 || s.g.View().ToAccountFor[0].What != "who-passed" {
		<-changed
	}
	if out := s.scan("in", good); out.Verdict != policy.Admit || out.Repeat {
		t.Errorf("after the fault: %+v", out)
	}
	s.pulsed(1)
	if err := s.g.AccountFor(s.g.View().ToAccountFor[0].ID, "120急救车 粤B99999"); err != nil {
		t.Fatal(err)
	}
	if d := s.g.View().ToAccountFor; len(d) != 0 {
		t.Errorf("accounted for, and still to account for: %+v", d)
	}
	if err := s.g.AccountFor("e1", "x"); !errors.Is(err, ErrNoOpening) {
		t.Errorf("got %v", err)
	}
	if err := s.g.Close("in"); err != nil {
		t.Fatal(err)
	}
	s.end()
	lines := strings.Fields(read(t, trace))
	if lines[0] != "open" || lines[len(lines)-1] != "close" {
		t.Errorf("the relay was told %v", lines)
	}
	var kinds []string
	for _, e := range s.records() {
		kinds = append(kinds, string(e.Kind)+":"+e.Reason)
	}
	text := strings.Join(kinds, " ")
	if !strings.Contains(text, "outage:ledger-fault open:emergency-key") || !strings.Contains(text, "register:emergency-key") || !strings.Contains(text, "close-by-hand:") {
		t.Errorf("entries: %s", text)
	}
	s.relay = nil
	s.start()
}

// The best of several presses counts: on a busy machine anything may be slow once.
func TestTheEmergencyKeyIsQuickInAFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	defer s.block()()
	if out := s.scan("in", s.pass("resident", s.subject("王小明"), month)); out.Verdict != Fault {
		t.Fatalf("got %+v, want fault", out)
	}
	const limit = 800 * time.Millisecond // half a second, and how long the answer waits for the entry
	best := time.Duration(1<<63 - 1)
	for range 20 {
		start := time.Now()
		if out, err := s.g.Emergency("in"); err != nil || out.Verdict != policy.Admit || out.Repeat {
			t.Fatalf("emergency: %+v, %v", out, err)
		}
		if best = min(best, time.Since(start)); best <= limit {
			return
		}
		if err := s.g.Close("in"); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("the emergency key took %s or longer, want %s at most", best, limit)
}

func TestNothingOpensBeforeItsEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	s := newSite(t)
	s.end()
	s.relay = relayTo(t, trace, dir)
	s.start()
	for n := range 5 {
		s.scan("in", s.pass("vehicle", s.subject("粤B12345"), month))
		s.scan("in", s.pass("resident", s.subject("王小明"), -time.Minute))
		s.pulsed(n + 1) // or else the last ones come too late on a busy machine
	}
	s.end()
	var admits, opens int
	for _, e := range s.records() {
		switch {
		case e.Kind == register.Decided && e.Verdict == policy.Admit:
			admits++
		case e.Kind == register.Opening && e.Reason == "pulse":
			opens++
			if e.Ref == 0 || e.Ref >= e.Seq {
				t.Errorf("an opening names no admit: %s", e.Raw)
			}
		}
	}
	if pulses := strings.Count(read(t, trace), "pulse"); admits != 5 || opens != 5 || pulses != 5 {
		t.Errorf("%d admits, %d openings on record, %d pulses", admits, opens, pulses)
	}
	s.relay = nil
	s.start()
}

// What happened in a fault and could not wait for its entry outlasts even a restart on the failing disk.
func TestWhatIsPendingOutlastsARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.pass("resident", s.subject("王小明"), month)
	if out := s.scan("in", good); out.Verdict != policy.Admit {
		t.Fatalf("got %+v", out)
	}
	release := s.block()
	if out := s.scan("in", s.pass("resident", s.subject("李芳"), month)); out.Verdict != Fault {
		t.Fatalf("got %+v", out)
	}
	if out := s.scan("in", good); out.Verdict != Fault || out.Repeat {
		t.Errorf("a green from memory in a fault: %+v", out)
	}
	em, err := s.g.Emergency("in")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.g.Emergency("in"); err != nil || again.Passage != em.Passage || !again.Repeat {
		t.Errorf("a second press: %+v, %v", again, err)
	}
	r := s.g.Rules()
	r.Level = "sealed"
	s.g.SetRules(r)
	if err := s.g.Close("in"); err != nil {
		t.Fatal(err)
	}
	s.end()
	s.start()
	if d := s.g.View().ToAccountFor; len(d) != 1 || d[0].ID != em.Passage || d[0].What != "entry-pending" {
		t.Errorf("after a restart in the fault: to account for %+v", d)
	}
	changed, cancel := s.g.Subscribe()
	defer cancel()
	release()
	for len(s.g.View().ToAccountFor) != 1 || s.g.View().ToAccountFor[0].What != "who-passed" {
		<-changed
	}
	for !s.g.writing.WritePending() {
		<-changed
	}
	count := map[string]int{}
	for _, e := range s.records() {
		count[string(e.Kind)+" "+e.Reason]++
	}
	for _, want := range []string{"open emergency-key", "level sealed", "settings reloaded", "close-by-hand "} {
		if count[want] != 1 {
			t.Errorf("%d entries %q, want 1: %v", count[want], want, count)
		}
	}
	s.end()
	s.start()
	if d := s.pendingOpenings(); len(d) != 0 {
		t.Errorf("written, and still pending: %+v", d)
	}
}

func TestTheDeskIsBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	known := s.scan("out", s.pass("resident", s.subject("李芳"), -time.Minute))
	for i := range maxHolds + 20 { // signed, and not in the roster
		s.scan("out", s.pass("resident", fmt.Sprintf("r-9%05d", i), month))
	}
	v := s.g.View()
	if len(v.Holds) != maxHolds {
		t.Errorf("%d holds, want %d", len(v.Holds), maxHolds)
	}
	found := false
	for _, h := range v.Holds {
		found = found || h.Passage == known.Passage
	}
	if !found {
		t.Error("a resident was given up for strangers")
	}
	const stranger = "440524199001010016"
	if out := s.scan("out", stranger); out.Verdict != policy.Refuse || out.Reason != "desk-full" {
		t.Errorf("a number pushed somebody off the desk: %+v", out)
	}
	if _, err := s.g.Decide(v.Holds[0].Passage, Ruling{Verdict: "refuse", Reason: "not-known"}); err != nil {
		t.Fatal(err)
	}
	if out := s.scan("out", stranger); out.Verdict != policy.Hold { // they were told to scan again
		t.Errorf("once there is room: %+v", out)
	}
}

func TestNothingIsAnsweredBeforeTheStartEntry(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	g := New(s.g.opt, *s.g.rules.Load())
	if out, _ := g.Scan("in", []byte(s.pass("resident", s.subject("王小明"), month)), time.Now()); out.Verdict != Fault {
		t.Errorf("got %+v", out)
	}
	s.start()
}

// Whoever comes before the start entry is refused, or their entry follows it.
func TestNothingStandsBeforeTheStartEntry(t *testing.T) {
	s := newSite(t)
	em := must(s.g.Emergency("out")) // of which nobody said yet who passed
	code := s.pass("resident", s.subject("王小明"), month)
	s.end()
	s.open()
	before := s.l.Size()
	refused := map[string]error{
		"sign-on":        s.g.SignOn("周班长"),
		"the clock":      s.g.ConfirmClock("maintainer"),
		"an account":     s.g.AccountFor(s.g.View().ToAccountFor[0].ID, "fire engine"),
		"the box itself": s.g.Append(ledger.Event{Kind: ledger.Backup, By: byMachine}),
	}
	for what, err := range refused {
		if !errors.Is(err, writing.ErrNotBegun) || what != "the box itself" && !errors.Is(err, ErrLedger) {
			t.Errorf("%s before the start: %v", what, err)
		}
	}
	faults := map[string]Outcome{
		"a code":   must(s.g.Scan("in", []byte(code), time.Now())),
		"a card":   must(s.g.ScanCard("in", nil, time.Now())),
		"a person": must(s.g.Present("in", s.subject("李芳"))),
	}
	for what, out := range faults {
		if out.Verdict != Fault || out.Passage != "" {
			t.Errorf("%s before the start: %+v", what, out)
		}
	}
	if s.g.writing.Note(ledger.Event{Stamp: s.g.clock.Now(), Kind: register.Alive, By: byMachine}) {
		t.Error("alive before the start")
	}
	// What has happened all the same.
	if out, err := s.g.Emergency("in"); err != nil || out.Verdict != policy.Admit || out.Passage == em.Passage {
		t.Errorf("the emergency key before the start: %+v, %v", out, err)
	}
	if err := s.g.Close("in"); err != nil {
		t.Error(err)
	}
	s.g.RosterChanged(ledger.Event{Kind: register.Roster, Reason: "imported", By: unauthenticated})
	s.g.SetRules(s.g.Rules())
	s.g.lanes.Of("in").Sensed(barrier.OpenedUnasked, barrier.Opening{})
	s.g.work.Wait()
	if n := s.l.Size() - before; n > 0 {
		t.Errorf("%d entries before the start", n)
	}
	s.run()
	if out := s.scan("in", code); out.Verdict != policy.Admit {
		t.Errorf("after the start: %+v", out)
	}
	var kinds []string
	for _, e := range s.records()[before:] {
		kinds = append(kinds, string(e.Kind))
	}
	got := strings.Join(kinds, " ")
	if !strings.HasPrefix(got, "start ") || strings.Index(got, "check") < strings.LastIndex(got, "settings") {
		t.Errorf("entries of the run: %s; want the start, what was pending, and then the passage", got)
	}
	for _, kind := range []string{"open", "close-by-hand", "roster", "settings", "sensor"} {
		if strings.Count(got, kind) != 1 {
			t.Errorf("entries of the run: %s; want one %s", got, kind)
		}
	}
}

func TestAnUnknownLaneIsAnError(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.g.Scan("roof", []byte("x"), time.Now()); !errors.Is(err, ErrUnknownLane) {
		t.Errorf("scan: %v", err)
	}
	if _, err := s.g.Emergency("roof"); !errors.Is(err, ErrUnknownLane) {
		t.Errorf("emergency: %v", err)
	}
}

// block makes the disk fail until the returned function is called.
func (s *site) block() (release func()) {
	s.broken.Store(true)
	return func() { s.broken.Store(false) }
}

// relayTo is a barrier whose program writes down what it is told.
func relayTo(t testing.TB, trace, dir string) *barrier.Barrier {
	t.Helper()
	program := filepath.Join(dir, "relay")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho \"$1\" >> "+trace+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := barrier.New(barrier.Options{Config: barrier.Config{Driver: barrier.Exec, Command: []string{program}}, Lane: "in",
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Metrics: barrier.NewMetrics(prometheus.NewRegistry(), "in", "out")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What the sensor tells is an entry of its own, and names the opening it belongs to.
func TestWhatTheSensorTellsIsRecorded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, c := range []struct {
		means   string
		steps   string // a: a resident is admitted; e, c: emergency key and close; +, -: the line; late: nobody goes through
		want    string
		unasked bool
	}{
		{barrier.MeansPassed, "a + -", "sensor passed of register", false},
		{barrier.MeansPassed, "a late", "sensor turned-back of register", false},
		{barrier.MeansPassed, "e + - c", "sensor passed of open", false},
		{barrier.MeansOpen, "+", "sensor opened-unasked of nothing", true},
		{barrier.MeansOpen, "a +", "", false},
	} {
		t.Run(c.means+" "+c.steps, func(t *testing.T) {
			s.end()
			within := time.Hour
			if strings.Contains(c.steps, "late") {
				within = time.Millisecond
			}
			s.sensor = barrier.NewSensor("in", barrier.SensorConfig{Line: "cts", Means: c.means, Within: within}, slog.New(slog.DiscardHandler), barrier.NewMetrics(prometheus.NewRegistry(), "in"))
			s.start()
			before := s.l.Size()
			var lines atomic.Int64
			read := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.sensor.Run(ctx, func() (int, error) {
					select {
					case read <- struct{}{}:
					case <-ctx.Done():
					}
					return int(lines.Load()), nil
				})
			}()
			sample := func() { <-read; <-read; <-read }
			sample()
			for _, step := range strings.Fields(c.steps) {
				switch step {
				case "a":
					if out := s.scan("in", s.pass("vehicle", s.subject("粤B12345"), month)); out.Verdict != policy.Admit {
						t.Fatal(out)
					}
				case "e":
					if _, err := s.g.Emergency("in"); err != nil {
						t.Fatal(err)
					}
				case "c":
					if err := s.g.Close("in"); err != nil {
						t.Fatal(err)
					}
				case "+":
					lines.Store(syscall.TIOCM_CTS)
				case "-":
					lines.Store(0)
				}
				sample()
			}
			cancel()
			<-done
			if got := s.g.View().Lanes[0].Unasked; got != c.unasked {
				t.Errorf("the page shows an unasked opening: %t, want %t", got, c.unasked)
			}
			s.end()
			got := ""
			all := s.records()
			for _, e := range all[before:] {
				if e.Kind != register.Sensor {
					continue
				}
				of := "nothing"
				for _, o := range all[before:] {
					if e.Ref == o.Seq || e.Ref == 0 && e.Passage != "" && o.Passage == e.Passage && o.Kind == register.Opening {
						of = string(o.Kind)
					}
				}
				got += string(e.Kind) + " " + e.Reason + " of " + of
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			s.start()
		})
	}
}

// The page says when nobody knows what the sensor sees.
func TestASensorThatCannotBeReadIsOnThePage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.end()
	s.sensor = barrier.NewSensor("in", barrier.SensorConfig{Line: "cts", Means: barrier.MeansOpen}, slog.New(slog.DiscardHandler), barrier.NewMetrics(prometheus.NewRegistry(), "in"))
	s.start()
	changed, unsubscribe := s.g.Subscribe()
	defer unsubscribe()
	var broken atomic.Bool
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.sensor.Run(ctx, func() (int, error) {
			if broken.Load() {
				return 0, errors.New("unplugged")
			}
			return 0, nil
		})
	}()
	for _, want := range []string{"up", "unreadable", "up"} {
		broken.Store(want != "up")
		for end := time.After(time.Minute); s.g.View().Lanes[0].Sensor != want; {
			select {
			case <-changed:
			case <-end:
				t.Fatalf("the page does not show %s", want)
			}
		}
	}
	cancel()
	<-done
	if got := s.g.View().Lanes[1].Sensor; got != "" {
		t.Errorf("a lane without a sensor shows %q", got)
	}
}

// root is a user of the box at the control socket.
var root = access.Actor{Name: "root", How: access.Socket}
