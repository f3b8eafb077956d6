package register

import (
	"slices"
	"testing"

	"gated/register/paper"
	"gated/register/visits"
)

// written are the entries of a line of paper, and that it is entered.
func written(ck *clock, page, line int, at string) []Event {
	s := ck.now()
	detail := func() map[string]string {
		return map[string]string{visits.ID: "v" + paper.Name(page, line), visits.Until: "2026-12-31T00:00:00+08:00", paper.Line: paper.Name(page, line), paper.Written: at}
	}
	who := []Field{{Name: "host", Value: "3-2-501"}, {Name: "guard", Value: "老陈"}}
	id := "p" + paper.Name(page, line)
	return []Event{{Stamp: s, Kind: Visit, Reason: visits.WalkIn, Class: "visitor", Detail: detail(), Personal: who},
		{Stamp: s, Kind: Check, Passage: id, Direction: "in", Reason: "paper", Detail: detail()},
		{Stamp: s, Kind: Decided, Passage: id, Direction: "in", Class: "visitor", Verdict: "admit", Reason: "paper", Detail: detail()},
		{Stamp: s, Kind: Paper, Reason: paper.Entered, Detail: map[string]string{paper.Page: "7", paper.Lines: "1"}}}
}

// What stood on paper is about the day on which it was written. It moves nobody, and opens to nobody.
func TestWhatStoodOnPaperIsOfItsDay(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	dir := t.TempDir()
	b := open(t, dir, ck)
	ck.set("2026-11-20 10:00:00")
	mustAppend(t, b, Event{Stamp: ck.now(), Kind: Paper, Reason: paper.Printed, Detail: map[string]string{paper.First: "1", paper.Pages: "9", paper.Day: "2026-11-21"}})
	ck.set("2026-11-21 10:00:00")
	first := mustAppend(t, b, Event{Stamp: ck.now(), Kind: Paper, Reason: paper.Filled, Detail: map[string]string{paper.Page: "7", paper.Lines: "2"}})[0].Seq
	ck.set("2026-11-23 10:00:00") // on the 22nd the box was off all day
	ofThe21st := mustAppend(t, b, written(ck, 7, 1, "2026-11-21T09:30:00+08:00")...)
	ofThe22nd := mustAppend(t, b, written(ck, 7, 2, "2026-11-22T09:30:00+08:00")...)
	ck.set("2026-11-24 10:00:00")
	late := mustAppend(t, b, written(ck, 8, 2, "2026-11-22T09:30:00+08:00")...)

	verify(t, b)
	inside, known := 0, 0
	b.View(func(s *State) {
		inside, known = s.Visits.Count(at("2026-11-24 10:00:00")), len(s.Visits)
		if w := s.Paper.Waiting(""); len(w) != 1 || w[0] != (paper.Waiting{Page: 7, Lines: 1, Day: "2026-11-21"}) || s.Paper.Typed(7, 1) == 0 {
			t.Errorf("waiting is %v", w)
		}
	})
	if inside != 0 || known != 0 {
		t.Errorf("%d are inside by what stood on paper, %d may come", inside, known)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := r.Later(first, first)
	want := []int64{ofThe21st[0].Seq, ofThe21st[1].Seq, ofThe21st[2].Seq}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("about the 21st are %v, want %v: %v", got, want, err)
	}
	got, err = r.Later(ofThe21st[0].Seq, ofThe21st[0].Seq)
	if want = []int64{late[0].Seq, late[1].Seq, late[2].Seq}; err != nil || !slices.Equal(got, want) { // those of the 23rd are of that day themselves
		t.Errorf("about the 22nd, and the day after it, are %v, want %v (and %d is not): %v", got, want, ofThe22nd[0].Seq, err)
	}
	if s, err := r.Newest(); err != nil || s.Paper.Next != 9 {
		t.Errorf("pages %+v, %v", s.Paper, err)
	}
	b.Close()
	verify(t, open(t, dir, ck))
}

// A commit that failed and is there all the same took nothing back that stood on paper: it had happened long before.
func TestWhatStoodOnPaperIsNotTakenBack(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 10:00:00")
	var kept []Entry
	for i, ev := range written(ck, 7, 1, "2026-11-21T09:30:00+08:00") {
		kept = append(kept, Entry{Record: Record{Seq: int64(i + 1), Kind: ev.Kind, Passage: ev.Passage, Direction: ev.Direction, Verdict: ev.Verdict, Reason: ev.Reason, Detail: ev.Detail}, At: ev.Time})
	}
	if got := takenBack(kept, ck.now()); len(got) > 0 {
		t.Errorf("taken back: %+v", got)
	}
}
