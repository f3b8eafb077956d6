package register

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestSearchFindsPassagesThroughTheIndex(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-22 23:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	for i := range 40 {
		if i == 20 {
			ck.set("2026-11-23 08:00:00")
		}
		id, lane, verdict := fmt.Sprint(i), "in", "admit"
		if i%2 == 1 {
			lane = "out"
		}
		if i%5 == 0 {
			verdict = "refuse"
		}
		mustAppend(t, l, append(passage(ck, id, lane, verdict), decided(ck, id, lane, verdict, "resident"))...)
	}
	l.Close()
	for _, c := range []struct {
		f     Filter
		n     int
		first string
	}{
		{Filter{Limit: 100}, 40, "39"},
		{Filter{Limit: 3}, 3, "39"},
		{Filter{Day: "2026-11-22", Limit: 100}, 20, "19"},
		{Filter{Day: "2026-11-23", Verdict: "refuse", Limit: 100}, 4, "35"},
		{Filter{Lane: "in", Verdict: "refuse", Class: "resident", Reason: "resident", Limit: 100}, 4, "30"},
		{Filter{Reason: "' OR 1 --", Limit: 100}, 0, ""},
	} {
		found, behind, err := Search(dir, c.f)
		if err != nil || behind != 0 {
			t.Fatalf("%+v: %d behind, %v", c.f, behind, err)
		}
		if len(found) != c.n || c.n > 0 && found[0].ID != c.first {
			t.Errorf("%+v: found %d, the first %+v", c.f, len(found), found)
		}
	}
	// A clock that is set back again and again gives a day many segments.
	l = open(t, dir, ck)
	for i := range 2200 {
		ck.set([]string{"2026-11-22 23:30:00", "2026-11-23 08:30:00"}[i%2])
		mustAppend(t, l, passage(ck, fmt.Sprint("back", i), "in", "admit")[0])
	}
	l.Close()
	for limit, last := range map[int]string{5: "back2190", 1120: "0"} {
		found, _, err := Search(dir, Filter{Day: "2026-11-22", Limit: limit})
		if err != nil || len(found) != limit || found[0].ID != "back2198" || found[limit-1].ID != last {
			t.Errorf("at most %d of a day in pieces: found %d, %v", limit, len(found), err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Search(dir, Filter{Limit: 1}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without an index: %v", err)
	}
}
