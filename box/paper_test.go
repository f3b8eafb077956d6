package box

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/box/pages"
	"gated/clock"
	"gated/register"
	"gated/register/paper"
)

// Whoever prints, and however often: no number is given twice.
func TestNoPageNumberIsGivenTwice(t *testing.T) {
	dir := site(t)
	if _, err := Perform(t.Context(), dir, PrintPaper, paper.Print{Day: "2026-11-24", Pages: 2}); err == nil || !strings.Contains(err.Error(), "no daemon runs") {
		t.Errorf("without a daemon: %v", err)
	}
	stop := listening(t, dir)
	for _, wrong := range []paper.Print{{Day: "tomorrow", Pages: 1}, {Day: "2026-11-24"}, {Day: "2026-11-24", Pages: 1000}, {Pages: 1}} {
		if b, err := Perform(t.Context(), dir, PrintPaper, wrong); err == nil {
			t.Errorf("%+v: %+v", wrong, b)
		}
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	given := map[int]bool{}
	for range 5 {
		work.Go(func() {
			b, err := Perform(t.Context(), dir, PrintPaper, paper.Print{Day: "2026-11-24", Pages: 3})
			if err != nil || b.Gate != "South Gate" {
				t.Error(b, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for n := range b.Pages {
				if given[b.First+n] {
					t.Errorf("page %d was given twice", b.First+n)
				}
				given[b.First+n] = true
			}
		})
	}
	work.Wait()
	stop()
	stop = listening(t, dir)
	defer stop()
	b, err := Perform(t.Context(), dir, PrintPaper, paper.Print{Day: "2026-11-25", Pages: 1})
	if err != nil || b.First != 16 || len(given) != 15 {
		t.Errorf("after a restart: %+v, %v; %d pages before", b, err, len(given))
	}
}

func TestABlankPage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := pages.Blank{Print: paper.Print{First: 7, Pages: 2, Day: "2026-11-24"}, Gate: `East <b>gate</b>`}
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	for part, times := range map[string]int{"<section>": 2, "第 7 页 · page 7": 1, "第 8 页 · page 8": 1, "<td>25</td>": 2, "<td>26</td>": 0, "<b>gate": 0,
		"房号/被访<span>host, room</span>": 2, "谁同意/方式": 2, "A4 landscape": 1, "2026-11-24": 3} {
		if n := strings.Count(out.String(), part); n != times {
			t.Errorf("%q is there %d times, want %d", part, n, times)
		}
	}
}

// What was written in a power cut is entered once the box is back. It moves nobody who is inside now.
func TestPaperIsEnteredAfterThePowerCut(t *testing.T) {
	dir := site(t)
	from := clock.System()
	from.Synced = func() bool { return true }
	b, stop := daemonAt(t, dir, from)
	defer stop()
	yesterday := time.Now().In(b.Ledger.Zone()).AddDate(0, 0, -1)
	if _, err := PrintPaper.do(t.Context(), b, "clerk", paper.Print{Day: yesterday.Format(time.DateOnly), Pages: 8}); err != nil {
		t.Fatal(err)
	}
	if err := b.Gate.Counter().Paper(7, 2); err != nil {
		t.Fatal(err)
	}
	lines, err := pages.Read([]byte("页,行,进,出,房号,姓名,值班员\n7,1,08:15,,1-1-101,周师傅,老陈\n7,2,08:20,08:40,1-1-102,,\n"), "en")
	if err != nil {
		t.Fatal(err)
	}
	inside := b.Gate.View().Inside
	r, err := EnterPaper.do(t.Context(), b, "clerk", pages.File{Lines: lines})
	if err != nil || len(r.Faults) > 0 || r.Entries != 9 || len(r.Waiting) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if v := b.Gate.View(); v.Inside != inside {
		t.Errorf("%d are inside by what stood on paper", v.Inside-inside)
	}
	b.Register.View(func(s *register.State) {
		if w := s.Paper.Waiting(""); len(w) > 0 || s.Paper.Typed(7, 2) == 0 || len(s.Visits) > 0 {
			t.Errorf("waiting %v, %d visits", w, len(s.Visits))
		}
	})
	if r, err := EnterPaper.do(t.Context(), b, "clerk", pages.File{Lines: lines, Anyway: true}); err != nil || len(r.Faults) != 2 {
		t.Errorf("once more: %+v, %v", r, err)
	}
}
