package report

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/evidence"
	"gated/ledger"
	"gated/register"
	"gated/register/registertest"
	"gated/roster"
	"gated/roster/sheet"
)

// gate is one that a test writes to, and then reads.
type gate struct {
	t   *testing.T
	dir string
	ck  *registertest.Clock
	box *registertest.Box
	n   int

	quiet bool // the box was not watching before the next entry
}

func newGate(t *testing.T) *gate {
	g := &gate{t: t, dir: t.TempDir(), ck: &registertest.Clock{}}
	g.ck.Set("2026-11-22 00:00:00")
	g.box = registertest.Open(t, g.dir, g.ck)
	return g
}

// at appends an event of a time.
func (g *gate) at(when string, ev ledger.Event) ledger.Entry {
	g.t.Helper()
	for hour := g.ck.Time.Add(time.Hour); !g.quiet && hour.Before(registertest.At(when)); hour = g.ck.Time.Add(time.Hour) {
		g.ck.Set(hour.Format(time.DateTime))
		registertest.MustAppend(g.t, g.box, ledger.Event{Stamp: g.ck.Now(), Kind: register.Alive})
	}
	g.ck.Set(when)
	ev.Stamp = g.ck.Now()
	return registertest.MustAppend(g.t, g.box, ev)[0]
}

// fields are personal fields: name, value and so on.
func fields(f ...string) (list []ledger.Field) {
	for i := 0; i < len(f); i += 2 {
		list = append(list, ledger.Field{Name: f[i], Value: f[i+1]})
	}
	return list
}

// somebody passes: what all three entries of a passage say.
type somebody struct {
	class, direction, credential, verdict, reason string
	detail                                        map[string]string
	who, decided                                  []ledger.Field
	check                                         string // reason of the check
	register                                      map[string]string
}

// pass appends a passage, and returns its ID and the entry that decided it.
func (g *gate) pass(when string, s somebody) (id string, decided ledger.Entry) {
	g.t.Helper()
	g.n++
	id = fmt.Sprintf("p%02d", g.n)
	detail := func(more map[string]string) map[string]string {
		d := map[string]string{}
		for _, m := range []map[string]string{s.detail, more} {
			for k, v := range m {
				d[k] = v
			}
		}
		return d
	}
	if s.verdict == "" {
		s.verdict = "admit"
	}
	if s.check == "" {
		s.check = "ok"
	}
	ev := ledger.Event{Passage: id, Lane: s.direction, Direction: s.direction}
	c, q, d := ev, ev, ev
	c.Kind, c.Credential, c.Reason, c.Detail = register.Check, s.credential, s.check, detail(nil)
	q.Kind, q.Class, q.Personal, q.Detail = register.Query, s.class, s.who, detail(nil)
	d.Kind, d.Class, d.Verdict, d.Reason, d.By, d.Detail = register.Decided, s.class, s.verdict, s.reason, "machine", detail(s.register)
	for _, f := range s.who {
		if f.Name == "subject" || f.Name == "household" {
			d.Personal = append(d.Personal, f)
		}
	}
	d.Personal = append(d.Personal, s.decided...)
	g.at(when, c)
	if s.verdict == "hold" {
		q.Verdict, q.Reason = "hold", s.reason
		return id, g.at(when, q)
	}
	g.at(when, q)
	return id, g.at(when, d)
}

// resident is one of the roster.
func resident(id, home, name, direction string) somebody {
	return somebody{class: "resident", direction: direction, credential: "gated-pass", reason: "valid-pass",
		who: fields("subject", id, "household", home, "name", name)}
}

// visitor is somebody of a visit.
func visitor(visit, class, direction string) somebody {
	return somebody{class: class, direction: direction, credential: "none", reason: "visitor-confirmed", detail: map[string]string{"visit": visit}}
}

// made is a visit's first entry.
func made(visit, how, class string, detail map[string]string, personal ...string) ledger.Event {
	d := map[string]string{"visit": visit}
	for k, v := range detail {
		d[k] = v
	}
	return ledger.Event{Kind: kindVisit, Reason: how, Class: class, Detail: d, Personal: fields(personal...), By: "unauthenticated"}
}

// rfc is a time of the gate's zone as entries write it.
func rfc(s string) string { return registertest.At(s).Format(time.RFC3339) }

// played is a gate after two days: what every report here tells of.
func played(t *testing.T) *gate {
	g := newGate(t)
	g.at("2026-11-22 00:00:00", ledger.Event{Kind: ledger.Start, Detail: map[string]string{"level": "guarded", "inside_for": "336h"}})
	g.at("2026-11-22 07:30:00", made("vh", "standing", "helper", map[string]string{"from": rfc("2026-11-01 00:00:00"), "until": rfc("2026-12-31 20:00:00"), "per": "day", "consent": "standing"},
		"host", "3-2-501 3-2-502", "name", "李阿姨", "phone", "13800000001"))
	g.pass("2026-11-22 08:01:00", visitor("vh", "helper", "in"))
	g.pass("2026-11-22 12:31:00", visitor("vh", "helper", "out"))
	g.at("2026-11-22 15:00:00", made("va", "announced", "visitor", map[string]string{"from": rfc("2026-11-23 09:00:00"), "until": rfc("2026-11-23 18:00:00"), "consent": "gate-called"},
		"host", "3-2-501", "name", "\u202e王来访\x07<b>", "plate", "粤B12345", "consent_by", "王小明"))
	g.pass("2026-11-22 21:55:00", somebody{class: "staff", direction: "in", credential: "gated-pass", reason: "valid-pass", who: fields("subject", "r-000009", "name", "保洁张")})
	g.day()
	return g
}

// day is the second of them, with a shift from eight to eight.
func (g *gate) day() {
	g.pass("2026-11-23 06:05:00", somebody{class: "staff", direction: "out", credential: "gated-pass", reason: "valid-pass", who: fields("subject", "r-000009", "name", "保洁张")})
	g.pass("2026-11-23 07:00:00", resident("r-000001", "3-2-501", "王小明", "in"))
	g.at("2026-11-23 08:00:00", ledger.Event{Kind: register.SignOn, Personal: fields("guard", "赵")})
	out := resident("r-000002", "3-2-502", "陈静", "out")
	out.register = map[string]string{"due": rfc("2026-11-23 12:00:00")}
	g.pass("2026-11-23 09:00:00", out)
	g.pass("2026-11-23 09:30:00", visitor("va", "visitor", "in"))
	g.at("2026-11-23 10:00:00", made("vd", "delivery", "courier", map[string]string{"firm": "meituan", "consent": "order-shown"}, "to", "3"))
	g.pass("2026-11-23 10:00:01", visitor("vd", "courier", "in"))
	g.at("2026-11-23 10:05:00", made("vw", "walk-in", "contractor", map[string]string{"consent": "intercom", "due": rfc("2026-11-23 12:30:00"), "occupants": "2"},
		"host", "5-1-101", "name", "水管工", "consent_by", "五幢业主", "guard", "赵"))
	g.pass("2026-11-23 10:06:00", visitor("vw", "contractor", "in"))
	g.at("2026-11-23 10:10:00", made("vg", "group", "visitor", map[string]string{"entries": "12", "consent": "gate-called", "until": rfc("2026-11-23 22:00:00")}, "host", "office"))
	for _, heads := range []string{"5", "7"} {
		s := visitor("vg", "visitor", "in")
		s.detail["heads"] = heads
		g.pass("2026-11-23 10:11:00", s)
	}
	g.at("2026-11-23 10:20:00", made("vp", "walk-in", "visitor", map[string]string{"consent": "in-person", "private": "yes", "due": rfc("2026-11-23 23:00:00")}, "host", "3-2-501", "name", "不可见"))
	g.pass("2026-11-23 10:21:00", visitor("vp", "visitor", "in"))
	g.at("2026-11-23 10:30:00", made("vt", "standing", "contractor", map[string]string{"purpose": "waste", "consent": "standing", "until": rfc("2026-12-31 00:00:00")}, "host", "compound", "plate", "粤B99999"))
	g.pass("2026-11-23 10:31:00", visitor("vt", "contractor", "in"))
	g.pass("2026-11-23 10:50:00", visitor("vt", "contractor", "out"))
	s := visitor("vg", "visitor", "out")
	s.detail["heads"] = "4"
	g.pass("2026-11-23 11:00:00", s)
	g.pass("2026-11-23 11:10:00", somebody{class: "resident", direction: "in", credential: "none", check: "found-by-room", reason: "known-by-sight",
		who: fields("subject", "r-000003", "household", "3-2-501", "name", "王奶奶"), decided: fields("guard", "赵")})
	g.pass("2026-11-23 11:15:00", somebody{class: "unknown", direction: "in", credential: "cn-id-card", verdict: "refuse", reason: "no-business"})
	g.pass("2026-11-23 11:16:00", somebody{class: "unknown", direction: "in", credential: "gated-pass", verdict: "undecided", reason: "undecided"})
	_, no := g.pass("2026-11-23 11:20:00", somebody{class: "volunteer", direction: "in", credential: "gated-pass", verdict: "refuse", reason: "expired", who: fields("subject", "r-000008")})
	g.at("2026-11-23 11:20:30", ledger.Event{Kind: register.Correction, Passage: no.Passage, Lane: "in", Direction: "in", Class: "volunteer", Verdict: "admit", Reason: "official-duty",
		Ref: no.Seq, Detail: map[string]string{"was": "refuse", "override": "guard"}, Personal: fields("subject", "r-000008")})
	_, yes := g.pass("2026-11-23 11:25:00", resident("r-000004", "5-1-101", "五幢业主", "in"))
	g.at("2026-11-23 11:25:30", ledger.Event{Kind: register.Correction, Passage: yes.Passage, Lane: "in", Direction: "in", Class: "resident", Verdict: "refuse", Reason: register.DidNotGoThrough,
		Ref: yes.Seq, Detail: map[string]string{"was": "admit", "whereabouts": "outside"}, Personal: fields("subject", "r-000004")})
	g.pass("2026-11-23 11:30:00", visitor("va", "visitor", "out"))
	g.at("2026-11-23 11:40:00", ledger.Event{Kind: register.Opening, Passage: "em", Lane: "in", Direction: "in", Verdict: "admit", Reason: "emergency-key", Class: "emergency-vehicle"})
	hand := g.at("2026-11-23 11:45:00", ledger.Event{Kind: register.ByHand, Lane: "in", Direction: "in", Reason: "school-run"})
	g.at("2026-11-23 11:55:00", ledger.Event{Kind: register.ByHand, Lane: "in", Direction: "in", Reason: "shut", Ref: hand.Seq, Detail: map[string]string{"why": "school-run", "heads": "20"}})
	g.at("2026-11-23 11:56:00", ledger.Event{Kind: kindCount, Reason: "goods-left", Detail: map[string]string{"n": "3"}})
	g.at("2026-11-23 11:57:00", ledger.Event{Kind: kindLog, Reason: "police", Personal: fields("note", "来查案")})
	g.at("2026-11-23 11:57:30", ledger.Event{Kind: kindSlip, Reason: "issued", Detail: map[string]string{"slip": "s1", "agreed": "owner"}, Personal: fields("household", "3-2-501", "what", "电视机")})
	g.at("2026-11-23 11:57:40", ledger.Event{Kind: register.Callback, Reason: "yes", Passage: "p02", Ref: 7})
	g.at("2026-11-23 11:57:50", ledger.Event{Kind: register.Callback, Reason: "nobody-reached", Passage: "p03", Ref: 10})
	g.at("2026-11-23 11:58:00", ledger.Event{Kind: register.Alarm, Reason: "wrong-tries", Lane: "in"})
}

// reader opens what was written.
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

// people is the roster of the compound.
func people(t *testing.T) *roster.Snapshot {
	t.Helper()
	s, err := roster.Open(filepath.Join(t.TempDir(), "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	list, err := sheet.Read([]byte(strings.ReplaceAll(`id,room,name,class,id_number,phone
r-000001,3-2-501,王小明,resident,110101199003074514,13800000002
r-000003,3-2-501,王奶奶,resident,,
r-000002,3-2-502,陈静,resident,,
r-000004,5-1-101,五幢业主,resident,,
r-000005,10-1-101,从未出入,resident,,
r-000008,,志愿者刘,volunteer,,
r-000009,,保洁张,staff,,
`, "\n", "\r\n")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), list.Rows, roster.ImportOptions{Key: roster.NewKey(), CheckResidentID: func(string) (string, error) { return "1990-03-07", nil }}); err != nil {
		t.Fatal(err)
	}
	return s.Snapshot()
}

// ask makes a report of the played gate.
func ask(t *testing.T, r *evidence.Reader, now string, x Request) (string, error) {
	t.Helper()
	if x.Language == "" {
		x.Language = "en"
	}
	if KindOf(x.Report).Personal {
		x.Why = "a test"
	}
	x.People = func() (*roster.Snapshot, error) { return people(t), nil }
	if x.PublicHealth == nil {
		x.PublicHealth = func(level string) (bool, error) { return level == "guarded", nil }
	}
	at := registertest.At(now)
	if err := x.Check(at); err != nil {
		return "", err
	}
	var b bytes.Buffer
	err := x.Write(r, at, &b)
	return b.String(), err
}

func noonOf(t *testing.T) time.Time {
	t.Helper()
	return registertest.At("2026-11-23 12:00:00")
}

func ofNobody() (*roster.Snapshot, error) { return &roster.Snapshot{}, nil }
