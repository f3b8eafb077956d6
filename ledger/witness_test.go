package ledger

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/ledger/tlog"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// fakeWitness does what c2sp.org/tlog-witness demands of one, unless told otherwise.
type fakeWitness struct {
	*httptest.Server
	key string // note verifier key

	mu     sync.Mutex
	name   string
	secret ed25519.PrivateKey
	logKey string
	size   int64
	root   tlog.Hash
	got    []int64 // sizes that it was sent
	answer func(w http.ResponseWriter) bool
}

func newFakeWitness(t testing.TB, name string) *fakeWitness {
	t.Helper()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeWitness{name: name, secret: secret, key: cosignerKey(name, public)}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// witnessKeyType is that of cosignature/v1 with Ed25519 (c2sp.org/tlog-cosignature).
const witnessKeyType = 4

func cosignerKey(name string, public ed25519.PublicKey) string {
	raw := append([]byte{witnessKeyType}, public...)
	return fmt.Sprintf("%s+%08x+%s", name, keyHash(name, raw), base64.StdEncoding.EncodeToString(raw))
}

func keyHash(name string, raw []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), raw...))
	return binary.BigEndian.Uint32(sum[:])
}

// sign is its line for a text.
func (f *fakeWitness) sign(text string, at uint64) string {
	raw := append([]byte{witnessKeyType}, f.secret.Public().(ed25519.PublicKey)...)
	sig := binary.BigEndian.AppendUint32(nil, keyHash(f.name, raw))
	sig = binary.BigEndian.AppendUint64(sig, at)
	sig = append(sig, ed25519.Sign(f.secret, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...)
	return fmt.Sprintf("— %s %s\n", f.name, base64.StdEncoding.EncodeToString(sig))
}

func (f *fakeWitness) set(answer func(w http.ResponseWriter) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func (f *fakeWitness) sizes() []int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got)
}

func (f *fakeWitness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, err := io.ReadAll(io.LimitReader(req.Body, 10<<10)) // as litewitness bounds it
	if f.answer != nil && f.answer(w) {
		return
	}
	head, checkpoint, ok := strings.Cut(string(body), "\n\n")
	lines := strings.Split(head, "\n")
	size, ok2 := strings.CutPrefix(lines[0], "old ")
	old, err2 := strconv.ParseInt(size, 10, 64)
	known, err3 := tlog.Verifiers(f.logKey)
	if err != nil || err2 != nil || err3 != nil || !ok || !ok2 || req.Method != "POST" || req.URL.Path != "/add-checkpoint" || len(lines) > 64 {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	n, err := note.Open([]byte(checkpoint), known)
	if err != nil || len(n.UnverifiedSigs) > 0 {
		http.Error(w, "signature", http.StatusForbidden)
		return
	}
	h, err := tlog.ParseHead([]byte(checkpoint))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if old != f.size || old == h.Size && f.root != h.Root {
		w.Header().Set("Content-Type", "text/x.tlog.size")
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", f.size)
		return
	}
	var proof sumdb.TreeProof
	for _, l := range lines[1:] {
		hash, err := sumdb.ParseHash(l)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		proof = append(proof, hash)
	}
	if old > 0 && sumdb.CheckTree(proof, h.Size, h.Root, old, f.root) != nil || old == 0 && len(proof) > 0 {
		http.Error(w, "proof", http.StatusUnprocessableEntity)
		return
	}
	f.size, f.root, f.got = h.Size, h.Root, append(f.got, h.Size)
	io.WriteString(w, "— somebody.else AAAAAAAA\n"+f.sign(n.Text, 1700000000+uint64(h.Size)))
}

// to is a sender to the witness that does not run by itself.
func (f *fakeWitness) to(t testing.TB, l *Ledger, every int) *tlog.Sender {
	t.Helper()
	f.mu.Lock()
	f.logKey = publicKeys(t, l.opt.Dir)[0]
	f.mu.Unlock()
	all, err := tlog.NewSenders(sending{l}, []tlog.Witness{{URL: f.URL, Key: f.key}}, every, l.opt.Log, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := all[0]
	s.Client.Timeout, s.Look, s.Pause = 5*time.Second, 5*time.Millisecond, time.Millisecond
	t.Cleanup(s.Close)
	return s
}

// steps sends all that is due.
func steps(t testing.TB, s *tlog.Sender) {
	t.Helper()
	for {
		sent, err := s.Step(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !sent {
			return
		}
	}
}

// signNow signs a head without waiting for the second to pass.
func signNow(t testing.TB, l *Ledger) tlog.Head {
	t.Helper()
	if err := l.do(func() error { l.signed(); return nil }); err != nil {
		t.Fatal(err)
	}
	return *l.Head()
}

func cosignedSizes(t testing.TB, l *Ledger, key string) (sizes []int64) {
	t.Helper()
	r := reader(t, l.opt.Dir)
	if err := r.Heads(func(size int64, note string, _ []byte) error {
		h, err := tlog.ParseHead([]byte(note))
		if h.SignedBy(key) {
			sizes = append(sizes, size)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return sizes
}

func TestAWitnessSignsAndItsSignatureIsKept(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	many(t, l, ck, 300)
	first := signNow(t, l)
	f := newFakeWitness(t, "witness.example/w1")
	s := f.to(t, l, 0)
	steps(t, s)
	if got := f.sizes(); len(got) != 1 || got[0] != first.Size {
		t.Fatalf("it was sent %v, want the newest head, %d", got, first.Size)
	}
	named := first.Size + 1 // the entry that names the key
	if h := l.Head(); h.Size != named {
		t.Errorf("the newest head is of %d entries, want %d: it has to cover the witness's key", h.Size, named)
	}
	e, err := readEntry(t, l, named)
	if err != nil || e.Kind != KeyChange || e.Reason != "witness" || e.Detail["verifier"] != f.key {
		t.Errorf("entry %d: %+v (%v)", named, e.Record, err)
	}
	if d := cmp.Diff([]int64{first.Size}, cosignedSizes(t, l, f.key)); d != "" {
		t.Error(d)
	}

	// A day ends: its last head goes out, and no second entry names the key.
	ck.set("2026-11-22 08:00:00")
	many(t, l, ck, 10)
	signNow(t, l)
	steps(t, s)
	if d := cmp.Diff([]int64{300, 301}, f.sizes()); d != "" {
		t.Error(d)
	}
	if l.Size() != 311 {
		t.Errorf("%d entries, want 311", l.Size())
	}
	if got, at := testutil.ToFloat64(s.Size), testutil.ToFloat64(s.At); got != 301 || at != 1700000301 {
		t.Errorf("metrics: %v, %v", got, at)
	}
	verify(t, l)
	rep, err := verifyReader(reader(t, l.opt.Dir), Given{})
	if err != nil || rep.Witness != 301 || fmt.Sprint(rep.Cosigned) != "[witness.example/w1]" {
		t.Errorf("verify: %+v (%v)", rep, err)
	}

	// After a restart it is known where the witness stands.
	anew := f.to(t, l, 0)
	steps(t, anew)
	if got := testutil.ToFloat64(anew.Size); got != 301 || len(f.sizes()) != 2 {
		t.Errorf("after a restart: %v, sent %v", got, f.sizes())
	}
}

func readEntry(t testing.TB, l *Ledger, seq int64) (e Entry, err error) {
	t.Helper()
	err = reader(t, l.opt.Dir).Scan(seq, seq, false, func(x *Entry) error { e = *x; return nil })
	return e, err
}

func TestDayEndsThatAWitnessMissedAreSentInOrder(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	many(t, l, ck, 10)
	signNow(t, l)
	f := newFakeWitness(t, "w1")
	s := f.to(t, l, 0)
	steps(t, s) // 10, and entry 11
	f.set(func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true })
	for day := 22; day < 26; day++ {
		ck.set(fmt.Sprintf("2026-11-%d 08:00:00", day))
		many(t, l, ck, 300)
		signNow(t, l)
		if _, err := s.Step(t.Context()); err == nil || !strings.Contains(err.Error(), "502") {
			t.Fatalf("a witness that is away: %v", err)
		}
		s.Close()
	}
	f.set(nil)
	steps(t, s)
	if d := cmp.Diff([]int64{10, 11, 311, 611, 911}, f.sizes()); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]int64{10, 11, 311, 611, 911}, cosignedSizes(t, l, f.key)); d != "" {
		t.Error(d)
	}
	verify(t, l)
}

func TestEveryNthHeadIsSent(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	many(t, l, ck, 10)
	signNow(t, l)
	f := newFakeWitness(t, "w1")
	s := f.to(t, l, 3)
	steps(t, s)
	for range 10 {
		many(t, l, ck, 10)
		signNow(t, l)
		steps(t, s)
	}
	got := f.sizes()
	if len(got) < 3 || len(got) > 5 || got[0] != 10 {
		t.Errorf("of 12 heads %v were sent, want each third", got)
	}
	if d := cmp.Diff(got, cosignedSizes(t, l, f.key)); d != "" {
		t.Error(d)
	}
	verify(t, l)
}

// TestASignatureThatComesLateIsKept though the head was no row and newer ones have taken its place, and beside another
// witness's.
func TestASignatureThatComesLateIsKept(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	mustAppend(t, l, startOf(l))
	many(t, l, ck, 9)
	h := signNow(t, l)
	f, g := newFakeWitness(t, "w1"), newFakeWitness(t, "w2")
	text := h.Text()
	many(t, l, ck, 10)
	signNow(t, l)
	if h := headAt(t, reader(t, l.opt.Dir), 10); h.Note != nil {
		t.Fatal("the head of 10 entries is a row: this tests nothing")
	}
	for _, w := range []*fakeWitness{f, g, f} {
		if err := l.Cosign(h, w.key, strings.TrimSuffix(w.sign(text, 1700000000), "\n")); err != nil {
			t.Fatal(err)
		}
	}
	kept := headAt(t, reader(t, l.opt.Dir), 10)
	if !kept.SignedBy(f.key) || !kept.SignedBy(g.key) || len(kept.Signatures()) != 3 {
		t.Errorf("not signed by both witnesses: %s", kept.Note)
	}
	newest := signNow(t, l)
	text = newest.Text()
	if err := l.Cosign(newest, f.key, strings.TrimSuffix(f.sign(text, 1700000001), "\n")); err != nil {
		t.Fatal(err)
	}
	if !l.Head().SignedBy(f.key) || l.Head().Size != newest.Size {
		t.Errorf("what the ledger publishes has no cosignature: %s", l.Head().Note)
	}
	// It is published with a folder of tiles, too, and can be checked there.
	out := t.TempDir()
	writeTiles(t, l.opt.Dir, out)
	if err := verifyTiles(out, publicKeys(t, l.opt.Dir), io.Discard); err != nil {
		t.Error(err)
	}
	both := append(publicKeys(t, l.opt.Dir), f.key)
	if err := verifyTiles(out, both, io.Discard); err != nil {
		t.Errorf("with the witness's key: %v", err)
	}
	if err := verifyTiles(out, append(both, g.key), io.Discard); err == nil || !strings.Contains(err.Error(), "the witness w2 did not sign it") {
		t.Errorf("with the key of a witness that did not sign the newest head: %v", err)
	}
	b, _ := os.ReadFile(filepath.Join(out, "checkpoint"))
	b[len(b)-10] ^= 1
	os.WriteFile(filepath.Join(out, "checkpoint"), b, 0o644)
	if err := verifyTiles(out, publicKeys(t, l.opt.Dir), io.Discard); err == nil {
		t.Error("a changed cosignature in a folder is not seen")
	}
	// Nothing else gets in.
	many(t, l, ck, 5)
	size := l.Size()
	good := f.sign(text, 5)
	other := newFakeWitness(t, "w1")
	for name, x := range map[string]struct{ key, line string }{
		"another text":    {f.key, f.sign(text+"x\n", 5)},
		"another key":     {f.key, other.sign(text, 5)},
		"garbage":         {f.key, "garbage"},
		"two lines":       {f.key, good + good},
		"not canonical":   {f.key, strings.Replace(good, "— w1 ", "— w1  ", 1)},
		"a log's key":     {publicKeys(t, l.opt.Dir)[0], strings.TrimSuffix(string(newest.Note[len(text)+1:]), "\n")},
		"no key":          {"", good},
		"somebody's line": {other.key, strings.TrimSuffix(good, "\n")},
	} {
		if err := l.Cosign(newest, x.key, x.line); err == nil {
			t.Errorf("%s is kept", name)
		}
	}
	if l.Fault() != nil || l.Size() != size {
		t.Errorf("refusing them cost something: %+v, %d entries of %d", l.Fault(), l.Size(), size)
	}
	verify(t, l)
}

func TestWhereAWitnessStands(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	many(t, l, ck, 10)
	h := signNow(t, l)
	// It has signed, and its answer was lost.
	f := newFakeWitness(t, "w1")
	s := f.to(t, l, 1)
	f.size, f.root = h.Size, h.Root
	steps(t, s)
	if d := cmp.Diff([]int64{10, 11}, f.sizes()); d != "" {
		t.Error(d)
	}
	// It stands between two day ends: the older one cannot be signed any more, the next one is.
	g := newFakeWitness(t, "w2")
	s = g.to(t, l, 0)
	steps(t, s)
	ck.set("2026-11-22 08:00:00")
	many(t, l, ck, 10)
	mid := signNow(t, l)
	ck.set("2026-11-23 08:00:00")
	many(t, l, ck, 10)
	signNow(t, l)
	g.mu.Lock()
	g.size, g.root, g.got = mid.Size-1, rootAt(t, l, mid.Size-1), nil
	g.mu.Unlock()
	steps(t, s)
	if d := cmp.Diff([]int64{mid.Size}, g.sizes()); d != "" {
		t.Errorf("it stood at %d: %s", mid.Size-1, d)
	}
	verify(t, l)
}

func rootAt(t testing.TB, l *Ledger, size int64) tlog.Hash {
	t.Helper()
	root, err := tlog.RootAt(reader(t, l.opt.Dir), size)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestAWitnessThatDoesNotSign(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	many(t, l, ck, 10)
	h := signNow(t, l)
	other := newFakeWitness(t, "w1")
	f := newFakeWitness(t, "w1")
	text := h.Text()
	status := func(code int, typ, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", typ)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(code)
			io.WriteString(w, body)
			return true
		}
	}
	const size = "text/x.tlog.size"
	turns, hung := 0, make(chan struct{})
	for name, tt := range map[string]struct {
		answer func(http.ResponseWriter) bool
		want   string
	}{
		"unknown log":        {status(404, "text/plain", "unknown"), "does not know the ledger east-gate (404)"},
		"unknown key":        {status(403, "text/plain", "no"), "does not accept the key"},
		"proof refused":      {status(422, "text/plain", "no"), "does not accept the proof (422)"},
		"redirect":           {status(307, "text/plain", ""), "status 307"},
		"error":              {status(500, "text/html", "<h1>"), "status 500"},
		"ahead":              {status(409, size, "99\n"), "older copy"},
		"same size":          {status(409, size, "0\n"), "another ledger of 0 entries"},
		"conflict, no size":  {status(409, "text/plain", "5\n"), "does not say where"},
		"conflict, garbage":  {status(409, size, "five\n"), "no size"},
		"conflict, negative": {status(409, size, "-5\n"), "no size"},
		"conflict, zeroes":   {status(409, size, "007\n"), "no size"},
		"conflict, huge":     {status(409, size, "99999999999999999999\n"), "no size"},
		"conflict each time": {func(w http.ResponseWriter) bool { turns++; return status(409, size, fmt.Sprintln(1+turns%5))(w) }, "each time"},
		"empty":              {status(200, "", ""), "no signature of the key"},
		"garbage":            {status(200, "", "garbage\n"), "not made of signature lines"},
		"cut line":           {status(200, "", strings.TrimSuffix(f.sign(text, 1), "\n")), "not made of signature lines"},
		"another's key":      {status(200, "", other.sign(text, 1)), "no signature of the key"},
		"another text":       {status(200, "", f.sign("x\n", 1)), "signature is wrong"},
		"endless":            {status(200, "", strings.Repeat("— x AAAA\n", 20000)), "more than 65536 bytes"},
		"hangs": {func(http.ResponseWriter) bool {
			<-hung
			return true
		}, "deadline exceeded"},
	} {
		f.set(tt.answer)
		s := f.to(t, l, 0)
		if name == "hangs" {
			s.Client.Timeout = 20 * time.Millisecond
		}
		if sent, err := s.Step(t.Context()); sent || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
		if name == "hangs" {
			close(hung)
		}
	}
	f.set(nil)
	s := f.to(t, l, 0)
	s.URL = "http://127.0.0.1:1"
	if _, err := s.Step(t.Context()); err == nil {
		t.Error("nobody there: no error")
	}
	if l.Size() != 10 || l.Fault() != nil {
		t.Errorf("they cost something: %d entries, %+v", l.Size(), l.Fault())
	}
}

// TestSendingRunsByItself: pauses after failures, one line in the log for a cause, and ends when told to.
func TestSendingRunsByItself(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	dir := t.TempDir()
	reg := prometheus.NewRegistry()
	var said lockedLog
	opt := options(dir, ck)
	opt.Registry, opt.Log = reg, slog.New(slog.NewTextHandler(&said, nil))
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	many(t, l, ck, 10)
	signNow(t, l)
	f := newFakeWitness(t, "w1")
	f.set(func(w http.ResponseWriter) bool { w.WriteHeader(404); return true })
	s := f.to(t, l, 0)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { s.Run(ctx); close(done) }()
	await(t, "three failures", func() bool { return testutil.ToFloat64(s.Failures) >= 3 })
	f.set(nil)
	await(t, "a signature", func() bool { return testutil.ToFloat64(s.Size) == 10 })
	cancel()
	<-done
	if n := strings.Count(said.String(), "did not sign"); n != 1 || !strings.Contains(said.String(), "signs again") {
		t.Errorf("said %d times:\n%s", n, said.String())
	}

	ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- l.SendHeads(ctx, []tlog.Witness{{URL: f.URL + "/", Key: f.key}}, 0) }()
	gathered := func() string {
		var all []string
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range families {
			if strings.HasPrefix(m.GetName(), "gated_witness_") {
				x := m.Metric[0]
				all = append(all, fmt.Sprintf("%s{%s} %v", m.GetName(), x.Label[0].GetValue(), x.GetGauge().GetValue()+x.GetCounter().GetValue()))
			}
		}
		return strings.Join(all, " ")
	}
	want := "gated_witness_failures_total{w1} 0 gated_witness_size{w1} 10 gated_witness_timestamp_seconds{w1} 1.70000001e+09"
	await(t, "metrics", func() bool { return gathered() == want })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := l.SendHeads(t.Context(), []tlog.Witness{{URL: f.URL, Key: "nonsense"}}, 0); err == nil {
		t.Error("a key that is none is taken")
	}
	verify(t, l)
}

type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s", what)
		}
	}
}

// TestACosignatureInAFault: a disk that fails while it is kept costs nothing but time.
func TestACosignatureInAFault(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	opt := options(t.TempDir(), ck)
	var fails sync.Map
	opt.Inject = func(op string) error {
		if _, now := fails.LoadAndDelete(op); now {
			return fmt.Errorf("injected %s", op)
		}
		return nil
	}
	healed := healing(&opt)
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	many(t, l, ck, 10)
	signNow(t, l)
	f := newFakeWitness(t, "w1")
	s := f.to(t, l, 1)
	for _, op := range []string{"commit", "committed"} {
		fails.Store(op, true)
		if _, err := s.Step(t.Context()); err == nil || !strings.Contains(err.Error(), "injected") {
			t.Fatalf("%s: %v", op, err)
		}
		if sent, err := s.Step(t.Context()); sent || err != nil && l.Fault() != nil {
			t.Errorf("%s: in a fault it asked again: %v, %v", op, sent, err)
		}
		<-healed
		signNow(t, l)
		verify(t, l)
	}
	steps(t, s)
	if got := cosignedSizes(t, l, f.key); len(got) == 0 {
		t.Error("no cosignature is kept")
	}
	verify(t, l)
}

// TestLitewitnessCosigns sends heads to a witness that others wrote.
func TestLitewitnessCosigns(t *testing.T) {
	t.Parallel()
	program := installed(t, "litewitness", "", "go install filippo.io/torchwood/cmd/litewitness@v0.9.0")
	agent := installed(t, "ssh-agent", "", "apt install openssh-client")
	add := installed(t, "ssh-add", "", "apt install openssh-client")
	ck := &clock{}
	ck.set("2026-11-21 08:00:00")
	l := open(t, t.TempDir(), ck)
	many(t, l, ck, 700)
	signNow(t, l)

	tmp, err := os.MkdirTemp("", "w") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(tmp) })
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(tmp, "key")
	if err := os.WriteFile(keyFile, opensshKey(public, secret), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(tmp, "agent")
	child(t, agent, "-D", "-a", socket)
	await(t, "ssh-agent", func() bool { _, err := os.Stat(socket); return err == nil })
	cmd := exec.CommandContext(t.Context(), add, keyFile)
	cmd.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v\n%s", err, out)
	}

	db, public2 := filepath.Join(tmp, "db"), publicKeys(t, l.opt.Dir)[0]
	if ctl, err := exec.LookPath("witnessctl"); err == nil {
		if out, err := exec.CommandContext(t.Context(), ctl, "add-log", "-db", db, "-origin", "east-gate", "-key", public2).CombinedOutput(); err != nil {
			t.Fatalf("witnessctl: %v\n%s", err, out)
		}
	} else { // what it would write
		c, err := connect("file:" + db)
		if err != nil {
			t.Fatal(err)
		}
		empty := tlog.Hash(sha256.Sum256(nil))
		for _, q := range []string{
			"CREATE TABLE log (origin TEXT PRIMARY KEY, tree_size INTEGER NOT NULL, tree_hash TEXT NOT NULL)",
			"CREATE TABLE key (origin TEXT NOT NULL, key TEXT NOT NULL, FOREIGN KEY(origin) REFERENCES log(origin))",
			"INSERT INTO log VALUES('east-gate', 0, '" + empty.String() + "')",
			"INSERT INTO key VALUES('east-gate', '" + public2 + "')",
		} {
			if err := c.exec(q); err != nil {
				t.Fatal(err)
			}
		}
		c.Close()
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	raw := sha256.Sum256(sshPublic(public))
	log := child(t, program, "-ssh-agent", socket, "-db", db, "-name", "witness.example/lite", "-listen", address, "-key", "SHA256:"+base64.RawStdEncoding.EncodeToString(raw[:]))
	vkey := regexp.MustCompile(`vkey=(\S+)`)
	await(t, "litewitness: "+log.String(), func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil && vkey.MatchString(log.String())
	})
	key := strings.Trim(vkey.FindStringSubmatch(log.String())[1], `"`)
	if want := cosignerKey("witness.example/lite", public); key != want {
		t.Errorf("it says its key is %s, want %s", key, want)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.SendHeads(ctx, []tlog.Witness{{URL: "http://" + address, Key: key}}, 0) }()
	defer func() { cancel(); <-done }()
	await(t, "first cosignature", func() bool { return len(cosignedSizes(t, l, key)) == 1 })
	ck.set("2026-11-22 08:00:00")
	many(t, l, ck, 300)
	signNow(t, l)
	await(t, "cosignature of the day's end", func() bool { return len(cosignedSizes(t, l, key)) == 2 })
	if got := cosignedSizes(t, l, key); got[0] != 700 || got[1] != 701 {
		t.Errorf("cosigned are the heads of %v entries, want 700 and the day's end, 701", got)
	}
	verify(t, l)
}

// installed finds a program that others wrote, or skips with what to do.
func installed(t *testing.T, name, marker, how string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if out, err := exec.Command("go", "env", "GOPATH").Output(); err == nil {
			path, err = exec.LookPath(filepath.Join(strings.TrimSpace(string(out)), "bin", name))
			if err == nil {
				return path
			}
		}
		needs(t, false, name+" is not on PATH: "+how)
	}
	return path
}

// child runs a program until the test ends.
func child(t *testing.T, name string, args ...string) *lockedLog {
	t.Helper()
	out := &lockedLog{}
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(name), out.String())
		}
	})
	return out
}

func sshString(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func sshPublic(public ed25519.PublicKey) []byte {
	return append(sshString([]byte("ssh-ed25519")), sshString(public)...)
}

// opensshKey is a private key as ssh-add reads it (openssh-key-v1, PROTOCOL.key of OpenSSH).
func opensshKey(public ed25519.PublicKey, secret ed25519.PrivateKey) []byte {
	inner := slices.Concat([]byte{1, 2, 3, 4, 1, 2, 3, 4}, sshPublic(public), sshString(secret), sshString(nil))
	for i := byte(1); len(inner)%8 != 0; i++ {
		inner = append(inner, i)
	}
	none := sshString([]byte("none"))
	b := slices.Concat([]byte("openssh-key-v1\x00"), none, none, sshString(nil), []byte{0, 0, 0, 1}, sshString(sshPublic(public)), sshString(inner))
	return pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: b})
}
