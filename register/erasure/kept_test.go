package erasure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"
	"gated/register/registertest"
	"gated/register/retention"
)

// What happened within a time that is kept stays, with all of the passages that have an entry in it and what was said of them later, and
// nothing else does; until that is lifted.
func TestWhatHappenedAroundAMomentIsKept(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	l := open(t, dir, ck)
	at := func(when string, events ...ledger.Event) (first int64) {
		ck.Set("2026-11-" + when)
		for i := range events {
			events[i].Stamp = ck.Now()
		}
		return registertest.MustAppend(t, l, events...)[0].Seq
	}
	pass := func(when, who string) { at(when, someone(ck, "p-"+who, who, "resident", "in")...) }
	note := func(ref int64, text string) ledger.Event {
		return ledger.Event{Kind: register.Log, Reason: "moment", Ref: ref, Personal: []ledger.Field{{Name: "note", Value: text}}}
	}
	pass("20 23:00:00", "before")
	at("20 23:51:00", registertest.Passage(ck, "began", "in", "hold")...) // and is decided within it
	pass("20 23:58:00", "within")
	moment := at("21 00:05:00", note(0, "marked"))
	keep := at("21 00:05:00", ledger.Event{Kind: ledger.Keep, Reason: "keep", Detail: map[string]string{"why": "moment", "from": "2026-11-20T23:55:00+08:00", "to": "2026-11-21T00:15:00+08:00"}})
	at("21 00:06:00", registertest.Decided(ck, "began", "in", "admit", "known-by-sight"))
	at("21 00:14:00", registertest.Passage(ck, "ends", "in", "hold")...) // and is decided after it
	at("21 00:20:00", registertest.Decided(ck, "ends", "in", "admit", "known-by-sight"))
	pass("21 00:20:00", "behind")
	at("21 06:00:00", note(moment, "words"), note(0, "other"))
	pass("22 12:00:00", "later")
	ck.Set("2026-12-24 08:00:00")

	who := func() string {
		var names []string
		for _, v := range left(t, l) {
			if f := strings.Fields(v); f[1] == "subject" || f[1] == "note" && f[2] != "asked" {
				names = append(names, strings.TrimPrefix(f[2], "r-"))
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	refused := func(sel Selection) {
		t.Helper()
		var kept KeptError
		if done, err := l.Erase(sel, "zhou", "asked for"); !errors.As(err, &kept) || kept.Seq != keep || done.Fields != 0 || !strings.Contains(err.Error(), "what happened from 2026-11-20T23:55:00+08:00") {
			t.Errorf("%+v: %+v, %v, want a refusal by entry %d", sel, done, err, keep)
		}
	}
	all := who()
	refused(Selection{Before: "2026-11-21"})
	refused(Selection{Before: "2026-12-01"})
	refused(Selection{Subject: "within"})
	refused(Selection{Subject: "r-began"})
	refused(Selection{Subject: "r-ends"})
	refused(Selection{Seq: moment})
	if got := who(); got != all {
		t.Errorf("left are %s, of %s", got, all)
	}
	if done, err := l.Erase(Selection{Subject: "later"}, "zhou", "asked for"); err != nil || done.Entries != 3 {
		t.Errorf("somebody else: %+v, %v", done, err)
	}
	if _, err := l.Retain([]retention.Rule{{Class: "*", Days: 7}}, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got, want := who(), "began began ends ends marked within within words"; got != want {
		t.Errorf("after a night left are %s, want %s", got, want)
	}
	verify(t, l)
	l.Close()
	l = open(t, dir, ck)
	refused(Selection{Subject: "within"})
	if s := l.Register.Keeps()[keep]; s != (register.Span{From: "2026-11-20T23:55:00+08:00", To: "2026-11-21T00:15:00+08:00"}) {
		t.Errorf("kept is %+v", s)
	}
	if _, err := l.Lift(keep, "zhou", "closed"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Retain([]retention.Rule{{Class: "*", Days: 7}}, func() error { return nil }); err != nil || who() != "" {
		t.Errorf("after the lift left are %s (%v)", who(), err)
	}
	verify(t, l)
}

// What is told late, of a time that was kept and read already, is kept as well.
func TestWhatIsToldLateIsKept(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	l := open(t, t.TempDir(), ck)
	ck.Set("2026-11-20 12:00:00")
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Keep, Reason: "keep", Detail: map[string]string{"from": "2026-11-20T11:50:00+08:00", "to": "2026-11-20T12:10:00+08:00"}})
	then := ck.Now()
	registertest.MustAppend(t, l, someone(ck, "a", "first", "resident", "in")...)
	ck.Set("2026-12-20 12:00:00")
	retain := func() {
		if _, err := l.Retain([]retention.Rule{{Class: "*", Days: 7}}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	retain()
	late := someone(ck, "b", "second", "resident", "in")
	for i := range late {
		late[i].Stamp = then
	}
	registertest.MustAppend(t, l, late...)
	retain()
	l.Keep("2026-01-01", "2026-01-01", "zhou", "so that all is looked at anew")
	retain()
	if got := strings.Join(left(t, l), ","); !strings.Contains(got, "name-of-first") || !strings.Contains(got, "name-of-second") {
		t.Errorf("left are %s", got)
	}
}

// Times that cannot be read keep nothing and break nothing.
func FuzzTimesOfAKeep(f *testing.F) {
	f.Add("2026-11-20T23:55:00+08:00", "2026-11-21T00:15:00+08:00")
	f.Add("2026-11-20", "2026-11-21T00:15:00+08:00")
	f.Add("", "x")
	f.Fuzz(func(t *testing.T, from, to string) {
		a, b, are := register.Span{From: from, To: to}.Times()
		_, err1 := time.Parse(time.RFC3339, from)
		_, err2 := time.Parse(time.RFC3339, to)
		if are != (err1 == nil && err2 == nil) || are && (a.IsZero() && from == "" || b.IsZero() && to == "") {
			t.Errorf("%q to %q: %t", from, to, are)
		}
		if msg := (KeptError{1, register.Span{From: from, To: to}}).Error(); !strings.Contains(msg, fmt.Sprint(from, " to ", to)) {
			t.Errorf("says %q", msg)
		}
	})
}
