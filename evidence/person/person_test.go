package person

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gated/ledger"
	"gated/ledger/entry"
	"gated/register"
	"gated/register/registertest"
	"gated/roster"
	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// fields are personal fields: name, value and so on.
func fields(f ...string) (list []ledger.Field) {
	for i := 0; i < len(f); i += 2 {
		list = append(list, ledger.Field{Name: f[i], Value: f[i+1]})
	}
	return list
}

// played is a gate at which somebody passed, was marked, and came to another compound's flat as a visitor once.
func played(t *testing.T) (dir string, x Request) {
	dir = t.TempDir()
	ck := &registertest.Clock{}
	ck.Set("2026-11-22 08:00:00")
	b := registertest.Open(t, dir, ck)
	add := func(when string, ev ledger.Event) {
		ck.Set(when)
		ev.Stamp = ck.Now()
		registertest.MustAppend(t, b, ev)
	}
	add("2026-11-22 08:00:00", ledger.Event{Kind: ledger.Start})
	p := ledger.Event{Passage: "p1", Lane: "in", Direction: "in", Class: "resident"}
	c, q, d := p, p, p
	c.Kind, c.Reason, c.Personal = register.Check, "ok", fields("code", "00ff")
	q.Kind, q.Personal = register.Query, fields("subject", "r-000001", "household", "3-2-501", "name", "王<b>明")
	d.Kind, d.Verdict, d.Reason, d.By = register.Decided, "admit", "document-sighted", "unauthenticated"
	d.Personal = fields("subject", "r-000001", "guard", "赵", "note", "与陈静同来", "answer_who", "本人", "answer_host", "3-2-502")
	add("2026-11-22 09:00:00", c)
	add("2026-11-22 09:00:00", q)
	add("2026-11-22 09:00:05", d)
	add("2026-11-22 10:00:00", ledger.Event{Kind: register.Correction, Passage: "p1", Direction: "in", Class: "resident", Verdict: "admit", Reason: "corrected", Ref: 3,
		Personal: fields("subject", "r-000002", "name", "陈静")})
	add("2026-11-22 11:00:00", ledger.Event{Kind: register.Mark, Reason: "exempt", Detail: map[string]string{"until": "2026-12-01"}, Personal: fields("subject", "r-000001", "approved_by", "陈经理", "note", "透析")})
	add("2026-11-22 12:00:00", ledger.Event{Kind: register.Visit, Reason: "walk-in", Class: "visitor", Detail: map[string]string{"visit": "v1", "consent": "gate-called"},
		Personal: fields("host", "5-1-101", "name", "王<b>明", "phone", "138 0000 0002", "consent_by", "五幢业主")})
	add("2026-11-22 12:00:10", ledger.Event{Kind: register.Decided, Passage: "p2", Direction: "in", Class: "visitor", Verdict: "admit", Reason: "visitor-confirmed", Detail: map[string]string{"visit": "v1"}, Personal: fields("guard", "赵")})
	// Of the same name, and somebody else.
	add("2026-11-22 13:00:00", ledger.Event{Kind: register.Visit, Reason: "walk-in", Class: "visitor", Detail: map[string]string{"visit": "v2"}, Personal: fields("host", "5-1-101", "name", "王<b>明", "phone", "13911111111")})
	b.Close()
	file := filepath.Join(dir, "roster.db")
	s, err := roster.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	list, err := sheet.Read([]byte("id,room,name,class,phone\nr-000001,3-2-501,王<b>明,resident,13800000002\nr-000002,3-2-502,陈静,resident,\n"))
	if err == nil {
		_, err = s.Import(t.Context(), list.Rows, roster.ImportOptions{Key: roster.NewKey()})
	}
	pass := roster.IssuedPass{Serial: "0011223344556677", Subject: "r-000001", Issuer: "office", NotBefore: registertest.At("2026-11-01 00:00:00"), NotAfter: registertest.At("2026-12-01 00:00:00")}
	others := roster.IssuedPass{Serial: "7711223344556677", Subject: "r-000002", Issuer: "office", NotBefore: pass.NotBefore, NotAfter: pass.NotAfter}
	if err == nil {
		err = s.RecordPasses(t.Context(), []roster.IssuedPass{pass, others})
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, Request{ID: "r-000001", Copy: true, Roster: file}
}

// told calls f for the entries of passages that name them, as erasure.Subject does.
func told(t *testing.T, dir string, seqs ...int64) func(bool, func(*entry.Entry) error) error {
	return func(known bool, f func(*entry.Entry) error) error {
		if !known {
			t.Error("the roster knows them")
		}
		r, err := register.OpenReader(dir)
		if err != nil {
			return err
		}
		defer r.Close()
		return r.ScanSome(seqs, func(e *entry.Entry) { f(e) })
	}
}

// TestTheCopyReadsAsItDid in both languages, and as JSON.
func TestTheCopyReadsAsItDid(t *testing.T) {
	dir, x := played(t)
	x.Tell = told(t, dir, 2, 3, 4, 5, 6)
	for _, as := range []string{"zh.html", "en.html", "json"} {
		var b bytes.Buffer
		x.Language, x.JSON = strings.TrimSuffix(as, ".html"), as == "json"
		if x.JSON {
			x.Language = "en"
		}
		if err := x.Write(dir, registertest.At("2026-11-23 12:00:00"), &b); err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{"赵", "陈静", "陈经理", "透析", "五幢业主", "5-1-101", "3-2-502", "13911111111", "7711223344556677", "<b>明"} {
			if strings.Contains(b.String(), other) && !(other == "<b>明" && x.JSON) {
				t.Errorf("%s has %s", as, other)
			}
		}
		golden(t, "copy."+as, b.String())
	}
}

// TestEveryTextOfThePageIsThere in both languages.
func TestEveryTextOfThePageIsThere(t *testing.T) {
	for _, m := range regexp.MustCompile(`\.T "([a-z_-]+)"`).FindAllStringSubmatch(pageHTML, -1) {
		if _, is := words[m[1]]; !is {
			t.Errorf("no words for %q", m[1])
		}
	}
	for name, texts := range words {
		if texts[0] == "" || texts[1] == "" {
			t.Errorf("%s: %q", name, texts)
		}
	}
}

func TestBadRequests(t *testing.T) {
	dir, x := played(t)
	x.Tell = told(t, dir)
	for want, y := range map[string]Request{
		`--language "fr"`:  {ID: "r-000001", Language: "fr"},
		"is a directory":   {ID: "r-000001", Language: "en", Out: dir},
		"--copy: say":      {ID: "r-000001", Language: "en"},
		"is a household":   {ID: "3-2-501", Language: "en"},
		"no such file":     {ID: "r-000001", Language: "en", Out: filepath.Join(dir, "no", "such.html")},
		"roster-elsewhere": {ID: "r-000001", Language: "en", Roster: filepath.Join(dir, "roster-elsewhere")},
	} {
		y.Tell, y.Copy = x.Tell, want != "--copy: say"
		if y.Roster == "" {
			y.Roster = x.Roster
		}
		if err := y.Write(dir, registertest.At("2026-11-23 12:00:00"), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
