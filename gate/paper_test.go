package gate

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"gated/ledger"
	"gated/register"
	"gated/register/paper"
)

func (s *site) printed(pages int) {
	s.t.Helper()
	if _, err := s.g.Counter().OfPaper(func(b paper.Book, _ time.Time) ([]ledger.Event, error) {
		return []ledger.Event{{Kind: paper.Kind, Reason: paper.Printed, By: byMachine, Detail: map[string]string{paper.First: strconv.Itoa(b.Next + 1),
			paper.Pages: strconv.Itoa(pages), paper.Day: "2026-11-24"}}}, nil
	}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) waiting() (list []paper.Waiting) {
	s.register.View(func(st *register.State) { list = st.Paper.Waiting("") })
	return list
}

// The guard tells the page and how many lines, in two touches; a slip is put right by telling it again.
func TestTheGateIsToldOfAPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.g.Counter().Paper(7, 23); !errors.Is(err, ErrInvalid) {
		t.Errorf("a page that was never printed: %v", err)
	}
	s.printed(9)
	for _, wrong := range [][2]int{{0, 1}, {-1, 1}, {10, 1}, {7, -1}, {7, paper.LinesOfPage + 1}, {1 << 40, 1}} {
		if err := s.g.Counter().Paper(wrong[0], wrong[1]); !errors.Is(err, ErrInvalid) {
			t.Errorf("page %d, %d lines: %v", wrong[0], wrong[1], err)
		}
	}
	for _, lines := range []int{3, 23} {
		if err := s.g.Counter().Paper(7, lines); err != nil {
			t.Fatal(err)
		}
	}
	if w := s.waiting(); len(w) != 1 || w[0] != (paper.Waiting{Page: 7, Lines: 23, Day: "2026-11-24"}) {
		t.Errorf("waiting: %v", w)
	}
	s.end()
	s.start()
	if w := s.waiting(); len(w) != 1 {
		t.Errorf("after a restart: %v", w)
	}
	if err := s.g.Counter().Paper(7, 0); err != nil || len(s.waiting()) != 0 {
		t.Errorf("taken back: %v, %v", err, s.waiting())
	}
	defer s.block()()
	if err := s.g.Counter().Paper(7, 1); !errors.Is(err, ErrLedger) {
		t.Errorf("in a fault: %v", err)
	}
}
