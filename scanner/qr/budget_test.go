package qr

import (
	"context"
	"image"
	"testing"
	"time"
)

func TestABudgetEndsWithItsTimeAndItsContext(t *testing.T) {
	if newBudget(t.Context(), Limit).late() {
		t.Error("late at once")
	}
	b := &budget{ctx: t.Context(), end: time.Now().Add(-1)}
	if !b.late() {
		t.Error("not late after its end")
	}
	b.end = time.Now().Add(time.Hour)
	if !b.late() {
		t.Error("once late, it is not always so")
	}
	ctx, cancel := context.WithCancel(t.Context())
	b = newBudget(ctx, Limit)
	cancel()
	if !b.late() {
		t.Error("not late when its context has ended")
	}
}

// Every stage leaves off when the time is over, in the middle of whatever picture.
func TestEveryStageEndsWhenTheTimeIsOver(t *testing.T) {
	over := &budget{ctx: t.Context(), spent: true}
	g := tiled(540)
	if luminance(image.NewNRGBA(image.Rect(0, 0, 3000, 3000)), over) != nil {
		t.Error("luminance goes on")
	}
	for _, v := range views {
		vg := v.gray(g, over)
		if vg != nil && v.bitmap(vg, over) != nil {
			t.Errorf("view %q goes on", v.name)
		}
	}
	m := broad(g, calm(t))
	if fs := m.finders(1, over); len(fs) > 0 {
		t.Error("the search for finders goes on")
	}
	fs := m.finders(1, calm(t))
	if len(fs) != maxFinders {
		t.Fatalf("%d finders; want %d", len(fs), maxFinders)
	}
	if q := triples(g, m, candidates{fs, make([]bool, len(fs)), 0}, over); len(q) > 0 {
		t.Error("the search for triples goes on")
	}
	q, _ := newGrid(2, [4]point{{10, 10}, {100, 10}, {100, 100}, {10, 100}})
	if r := q.refine(g, true, over); r.corner != q.corner {
		t.Error("refining goes on")
	}
	if _, ok := q.align(g, over); ok {
		t.Error("the search for the alignment pattern goes on")
	}
	s := search{budget: over}
	s.picture(g)
	if len(s.found) > 0 || s.hard > 0 {
		t.Error("the search goes on")
	}
}
