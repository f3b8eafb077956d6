package paper

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gated/ledger"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 8*3600))

func entry(seq int64, kind ledger.Kind, reason string, detail ...string) *ledger.Entry {
	e := &ledger.Entry{Record: ledger.Record{Seq: seq, Kind: kind, Reason: reason, Detail: map[string]string{}}, At: noon}
	for i := 0; i < len(detail); i += 2 {
		e.Detail[detail[i]] = detail[i+1]
	}
	return e
}

func printed(seq int64, first, pages int, day string) *ledger.Entry {
	return entry(seq, Kind, Printed, First, strconv.Itoa(first), Pages, strconv.Itoa(pages), Day, day)
}

func filled(seq int64, page, lines int) *ledger.Entry {
	return entry(seq, Kind, Filled, Page, strconv.Itoa(page), Lines, strconv.Itoa(lines))
}

func typed(seq int64, page, line int) *ledger.Entry {
	return entry(seq, Kind, Entered, Page, strconv.Itoa(page), Lines, strconv.Itoa(line))
}

func book(t *testing.T, entries ...*ledger.Entry) (b Book) {
	t.Helper()
	for _, e := range entries {
		before, _ := json.Marshal(b)
		after := b.After(e)
		if still, _ := json.Marshal(b); string(still) != string(before) {
			t.Fatalf("the entry %d changed the book in place", e.Seq)
		}
		b = after
	}
	return b
}

func TestWhichPagesWait(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		entries []*ledger.Entry
		want    []Waiting
	}{
		"nothing":                      {nil, nil},
		"printed alone":                {[]*ledger.Entry{printed(1, 1, 10, "2026-11-24")}, nil},
		"of the day it is printed for": {[]*ledger.Entry{printed(1, 1, 10, "2026-11-24"), filled(2, 7, 23)}, []Waiting{{7, 23, "2026-11-24"}}},
		"else of the day it was told":  {[]*ledger.Entry{filled(2, 7, 23)}, []Waiting{{7, 23, "2026-11-23"}}},
		"what is said last counts":     {[]*ledger.Entry{filled(2, 7, 23), filled(3, 7, 22)}, []Waiting{{7, 22, "2026-11-23"}}},
		"taken back":                   {[]*ledger.Entry{filled(2, 7, 23), filled(3, 7, 0)}, nil},
		"a part is entered":            {[]*ledger.Entry{filled(2, 7, 3), typed(4, 7, 1), typed(5, 7, 2)}, []Waiting{{7, 1, "2026-11-23"}}},
		"all of it":                    {[]*ledger.Entry{filled(2, 7, 2), typed(4, 7, 1), typed(5, 7, 2)}, nil},
		"more than was told":           {[]*ledger.Entry{filled(2, 7, 1), typed(4, 7, 1), typed(5, 7, 2)}, nil},
		"several at once":              {[]*ledger.Entry{filled(2, 7, 4), entry(4, Kind, Entered, Page, "7", Lines, "1 2 4")}, []Waiting{{7, 1, "2026-11-23"}}},
		"two pages":                    {[]*ledger.Entry{filled(2, 8, 1), filled(3, 7, 2)}, []Waiting{{7, 2, "2026-11-23"}, {8, 1, "2026-11-23"}}},
		"a page that is none":          {[]*ledger.Entry{filled(2, 0, 5), typed(4, -1, 3), entry(5, Kind, "x", Page, "1", Lines, "y")}, nil},
	} {
		if d := cmp.Diff(c.want, book(t, c.entries...).Waiting("")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if got := book(t, printed(1, 1, 9, "2026-11-24"), filled(2, 7, 1)).Waiting("2026-11-23"); got != nil {
		t.Errorf("of another day: %v", got)
	}
}

func TestALineIsKnownByItsEntry(t *testing.T) {
	t.Parallel()
	b := book(t, filled(1, 7, 2), typed(4, 7, 1))
	if got := [3]int64{b.Typed(7, 1), b.Typed(7, 2), b.Typed(8, 1)}; got != [3]int64{4, 0, 0} {
		t.Errorf("got %v", got)
	}
	for page := 1; page <= 3*remembered; page++ { // years of paper
		b = b.After(filled(int64(10*page), page+10, 1)).After(typed(int64(10*page+1), page+10, 1))
	}
	if len(b.Sheets) > remembered+1 {
		t.Errorf("%d pages are kept by the line", len(b.Sheets))
	}
	if b.Typed(11, 1) != 11 || b.Typed(7, 1) != 4 || len(b.Waiting("")) != 1 {
		t.Errorf("entries %d, %d, waiting %v", b.Typed(11, 1), b.Typed(7, 1), b.Waiting(""))
	}
}

// A new epoch gives no page number twice, and asks on for what is not entered.
func TestANewEpochGoesOn(t *testing.T) {
	t.Parallel()
	old := book(t, printed(1, 1, 10, "2026-11-22"), filled(2, 7, 3), filled(3, 8, 1), typed(4, 7, 1), typed(5, 8, 1))
	var b Book
	for i, ev := range old.Again() {
		b = b.After(&ledger.Entry{Record: ledger.Record{Seq: int64(i + 1), Kind: ev.Kind, Reason: ev.Reason, Detail: ev.Detail}, At: noon.AddDate(0, 0, 5)})
	}
	if b.Next != 10 {
		t.Errorf("the next page is %d", b.Next+1)
	}
	if d := cmp.Diff(old.Waiting(""), b.Waiting("")); d != "" {
		t.Error(d)
	}
	if events := (Book{}).Again(); events != nil {
		t.Errorf("of nothing: %v", fmt.Sprint(events))
	}
}
