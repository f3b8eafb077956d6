package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gated/ledger"
	"gated/ledger/entry"
	"gated/register"
	"gated/register/registertest"
)

// TestAWindowReadsAsItDid in both languages: all of it, a household's, a plate's.
func TestAWindowReadsAsItDid(t *testing.T) {
	r := played(t).reader()
	for name, w := range map[string]Window{
		"window":       {From: registertest.At("2026-11-23 10:00:00"), To: registertest.At("2026-11-23 11:30:00")},
		"window-room":  {From: registertest.At("2026-11-23 07:00:00"), To: registertest.At("2026-11-23 11:30:00"), Room: "3-2-501", Private: true},
		"window-plate": {From: registertest.At("2026-11-23 00:00:00"), To: registertest.At("2026-11-23 23:59:00"), Plate: "粤b·12345"},
		"window-none":  {From: registertest.At("2026-11-23 03:00:00"), To: registertest.At("2026-11-23 04:00:00")},
	} {
		for _, w.Language = range []string{"zh", "en"} {
			table, entries, err := w.Make(r, noonOf(t))
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := table.Write(&b, "text"); err != nil {
				t.Fatal(err)
			}
			golden(t, name+"."+w.Language+".txt", b.String()+fmt.Sprintln(len(entries), "entries"))
		}
	}
}

// TestAPrivateVisitIsInNoLook: neither whose it was, nor its entries.
func TestAPrivateVisitIsInNoLook(t *testing.T) {
	r := played(t).reader()
	w := Window{From: registertest.At("2026-11-23 10:15:00"), To: registertest.At("2026-11-23 10:25:00"), Language: "en"}
	for _, tt := range []struct {
		room    string
		private bool
		rows    int
		names   bool
	}{{"", false, 1, false}, {"3-2-501", false, 0, false}, {"", true, 1, true}, {"3-2-501", true, 1, true}} {
		w.Room, w.Private = tt.room, tt.private
		table, entries, err := w.Make(r, noonOf(t))
		if err != nil {
			t.Fatal(err)
		}
		named := false
		for _, seq := range entries {
			if err := r.Scan(seq, seq, true, func(e *entry.Entry) error {
				named = named || slices.ContainsFunc(e.Personal, func(f entry.Field) bool { return f.Value == "不可见" })
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if len(table.Rows) != tt.rows || named != tt.names || strings.Contains(fmt.Sprint(table.Rows), "不可见") != tt.names {
			t.Errorf("%+v: entries that name it: %v, %v", tt, named, table.Rows)
		}
	}
}

// TestAHoldThatWasDecidedInTheWindowIsInIt, where it began before.
func TestAHoldThatWasDecidedInTheWindowIsInIt(t *testing.T) {
	g := played(t)
	_, held := g.pass("2026-11-23 23:58:00", somebody{class: "resident", direction: "in", verdict: "hold", reason: "expired", credential: "gated-pass"})
	g.at("2026-11-24 00:03:00", ledger.Event{Kind: register.Decided, Passage: held.Passage, Lane: "in", Direction: "in", Class: "resident", Verdict: "admit", Reason: "pass-expired", By: "unauthenticated"})
	w := Window{From: registertest.At("2026-11-24 00:00:00"), To: registertest.At("2026-11-24 00:10:00"), Language: "en"}
	table, _, err := w.Make(g.reader(), registertest.At("2026-11-24 12:00:00"))
	if err != nil || len(table.Rows) != 1 {
		t.Errorf("%+v, %v", table, err)
	}
}
