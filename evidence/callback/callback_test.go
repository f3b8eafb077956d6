package callback

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gated/evidence"
	"gated/evidence/bundle"
	"gated/evidence/report"
	"gated/ledger"
	"gated/register"
	"gated/register/registertest"
	"gated/roster"
	"gated/roster/sheet"
)

// gate is one that a test writes to.
type gate struct {
	t   *testing.T
	dir string
	ck  *registertest.Clock
	box *registertest.Box
}

func newGate(t *testing.T) *gate {
	g := &gate{t: t, dir: t.TempDir(), ck: &registertest.Clock{}}
	g.ck.Set("2026-11-22 08:00:00")
	g.box = registertest.Open(t, g.dir, g.ck)
	g.append(ledger.Event{Kind: ledger.Start})
	return g
}

func (g *gate) append(events ...ledger.Event) {
	g.t.Helper()
	for i := range events {
		events[i].Stamp = g.ck.Now()
	}
	registertest.MustAppend(g.t, g.box, events...)
}

// fields are personal fields: name, value and so on.
func fields(f ...string) (list []ledger.Field) {
	for i := 0; i < len(f); i += 2 {
		list = append(list, ledger.Field{Name: f[i], Value: f[i+1]})
	}
	return list
}

// pass appends a passage as a guard, or the machine, decided it.
func (g *gate) pass(id, visit, check, reason, by, class string, who ...string) {
	g.t.Helper()
	detail := map[string]string{}
	if visit != "" {
		detail["visit"] = visit
	}
	ev := ledger.Event{Passage: id, Lane: "in", Direction: "in", Class: class, Detail: detail}
	c, q, d := ev, ev, ev
	c.Kind, c.Reason, c.Class = register.Check, check, ""
	q.Kind, q.Personal = register.Query, fields(who...)
	d.Kind, d.Verdict, d.Reason, d.By = register.Decided, "admit", reason, by
	g.append(c, q, d)
}

const guard = "unauthenticated"

// played is a day that is over: five passages of which some are drawn, among others.
func played(t *testing.T) *gate {
	g := newGate(t)
	g.append(ledger.Event{Kind: register.Visit, Reason: "walk-in", Class: "visitor", Detail: map[string]string{"visit": "v1", "consent": "gate-called"},
		Personal: fields("host", "3-2-501", "name", "王来访\x07")})
	g.append(ledger.Event{Kind: register.Visit, Reason: "walk-in", Class: "contractor", Detail: map[string]string{"visit": "v2", "consent": "intercom", "private": "yes"},
		Personal: fields("host", "3-2-502", "name", "不可见")})
	g.ck.Set("2026-11-22 09:00:00")
	g.pass("pa", "v1", "ok", "visitor-confirmed", guard, "visitor")
	g.pass("pb", "v2", "ok", "visitor-confirmed", guard, "contractor")
	g.pass("pc", "", "found-by-room", "dead-phone", guard, "resident", "household", "3-2-501", "name", "王奶奶")
	g.pass("pd", "", "ok", "known-by-sight", guard, "resident", "household", "5-1-101", "name", "五幢业主")
	g.pass("pe", "v1", "ok", "visitor-confirmed", guard, "visitor")
	// None of those:
	g.pass("pf", "v3", "ok", "order-shown", guard, "courier")
	g.pass("pg", "v1", "ok", "valid-pass", "machine", "visitor")
	g.pass("ph", "", "ok", "document-sighted", guard, "resident", "household", "5-1-101")
	g.ck.Set("2026-11-23 00:10:00")
	g.append(ledger.Event{Kind: register.Alive})
	g.pass("pi", "v1", "ok", "visitor-confirmed", guard, "visitor")
	return g
}

func (g *gate) reader() *evidence.Reader {
	g.t.Helper()
	g.box.Close()
	r, err := evidence.OpenReader(g.dir)
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { r.Close() })
	return r
}

func ids(x *Draw) (list []string) {
	for _, c := range x.Drawn {
		list = append(list, c.Passage)
	}
	return list
}

// TestTheTreeHeadDraws: the order is that of the hashes, and of the right passages.
func TestTheTreeHeadDraws(t *testing.T) {
	r := played(t).reader()
	all, err := Make(r, "2026-11-22", Most)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pa", "pb", "pc", "pd", "pe"}
	h, err := r.DayEnd(all.Size - 1)
	if err != nil || h.Root.String() != all.Root || h.Size != all.Size {
		t.Fatalf("drawn by %d %s, the head is %+v, %v", all.Size, all.Root, h, err)
	}
	slices.SortFunc(want, func(a, b string) int {
		x, y := sha256.Sum256([]byte(string(h.Root[:])+a)), sha256.Sum256([]byte(string(h.Root[:])+b))
		return bytes.Compare(x[:], y[:])
	})
	if got := ids(all); !slices.Equal(got, want) || all.Of != 5 {
		t.Errorf("got %v of %d, want %v", got, all.Of, want)
	}
	if few, err := Make(r, "2026-11-22", 3); err != nil || !slices.Equal(ids(few), want[:3]) || few.Of != 5 {
		t.Errorf("three: %+v, %v", few, err)
	}
	if none, err := Make(r, "2026-11-22", 0); err != nil || len(none.Drawn) != 0 {
		t.Errorf("none: %+v, %v", none, err)
	}
	for day, says := range map[string]string{"2026-11-23": "is not over", "2026-11-20": "nothing was recorded"} {
		if _, err := Make(r, day, 3); !errors.Is(err, report.ErrNo) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", day, err)
		}
	}
}

// TestAnAuditorDrawsTheSame with what docs/auditor.md says, from a bundle.
func TestAnAuditorDrawsTheSame(t *testing.T) {
	python, err := exec.LookPath("python3")
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("python3 is not on PATH: apt-get install python3")
	default:
		t.Skip("needs python3: apt-get install python3")
	}
	doc, err := os.ReadFile("../../docs/auditor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, _ := strings.Cut(string(doc), "```python\n# draw.py")
	script, _, _ = strings.Cut("#"+script, "```")
	r, dir := played(t).reader(), t.TempDir()
	var b bytes.Buffer
	if err := bundle.Write(&b, r, "2026-11-22", false); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(in)
		if err := os.WriteFile(filepath.Join(dir, f.Name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), python, "-c", script, filepath.Join(dir, "day.txt"), filepath.Join(dir, "records.jsonl"), "3").CombinedOutput()
	x, drawn := Make(r, "2026-11-22", 3)
	if want := strings.Join(ids(x), "\n") + "\n"; err != nil || drawn != nil || string(out) != want {
		t.Errorf("got %s%v, want %s%v", out, err, want, drawn)
	}
}

func people(t *testing.T) *roster.Snapshot {
	t.Helper()
	s, err := roster.Open(filepath.Join(t.TempDir(), "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	list, err := sheet.Read([]byte("id,room,name,class,phone\nr-000001,3-2-501,王小明,resident,13800000002\nr-000002,3-2-502,陈静,resident,13800000003\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), list.Rows, roster.ImportOptions{Key: roster.NewKey()}); err != nil {
		t.Fatal(err)
	}
	return s.Snapshot()
}

// TestItSaysWhomToCall, and neither the host nor the name of a visit that is private.
func TestItSaysWhomToCall(t *testing.T) {
	r := played(t).reader()
	x, err := Make(r, "2026-11-22", Most)
	if err == nil {
		err = x.Name(r, people(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, c := range x.Drawn {
		got[c.Passage] = fmt.Sprint(c.How, " ", c.Consent, " ", c.Name, c.Hosts, c.Whom)
	}
	for id, want := range map[string]string{
		"pa": "visit gate-called 王来访\x07[3-2-501] [{3-2-501 王小明 13800000002}]",
		"pb": "visit intercom [] []",
		"pc": "by-sight  王奶奶[3-2-501] [{3-2-501 王小明 13800000002}]",
		"pd": "by-sight  五幢业主[5-1-101] []",
	} {
		if got[id] != want {
			t.Errorf("%s: got %q, want %q", id, got[id], want)
		}
	}
	var b strings.Builder
	if err := Print(&b, x); err != nil || !strings.Contains(b.String(), "private: an auditor calls") || strings.ContainsAny(b.String(), "\x07") ||
		strings.Contains(b.String(), "不可见") || !strings.Contains(b.String(), "王小明 13800000002") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestAnAnswerCountsOnce, unless nobody was reached.
func TestAnAnswerCountsOnce(t *testing.T) {
	g := played(t)
	answer := func(passage, says string) {
		g.append(ledger.Event{Kind: register.Callback, Reason: says, Passage: passage, Ref: 1})
	}
	answer("pa", "nobody-reached")
	answer("pb", "nobody-reached")
	answer("pb", "yes")
	g.append(ledger.Event{Kind: register.Disputed, Passage: "pd", Ref: 1})
	x, err := Make(g.reader(), "2026-11-22", Most)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"pa": "", "pc": "", "pb": "answered already: yes", "pd": "answered already: disputed", "pi": "was not drawn"} {
		first, err := x.Answerable(id)
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, report.ErrNo) || !strings.Contains(err.Error(), want)) || err == nil && first == 0 {
			t.Errorf("%s: %d, %v, want %q", id, first, err, want)
		}
	}
}
