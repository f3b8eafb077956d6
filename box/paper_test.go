package box

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"gated/box/pages"
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
