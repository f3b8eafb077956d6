// Package left remembers on whom nobody decided, by name for the guard who is asked what became of them.
package left

import (
	"slices"
	"sync"

	"gated/gate/view"
	"gated/policy"
	"gated/register"
)

// most is how many of them at most are known by name, or asked about.
const most = 20

// Somebody is one of them by name; not beyond this run.
type Somebody struct {
	Passage, Name, Room string
	Entry               int64 // that says so
}

// List has the newest. Its lock is never held while anything waits.
type List struct {
	mu   sync.Mutex
	list []Somebody
}

// Add remembers who it was.
func (l *List) Add(s Somebody) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list = append(l.list, s); len(l.list) > most {
		l.list = l.list[1:]
	}
}

// ShiftEnds forgets them: the next guard was not there.
func (l *List) ShiftEnds() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = nil
}

// Undecided are those of this shift of whom nobody has said what became of them, the newest first; only the newest is named.
func (l *List) Undecided(s *register.State) []view.Undecided {
	list := []view.Undecided{}
	for i := len(s.Recent) - 1; i >= 0 && len(list) < most; i-- {
		p := s.Recent[i]
		open := p.Verdict == policy.Undecided && p.Reason != "undecided-changed" && p.Reason != "unseen"
		if open && p.Last > s.Duty {
			list = append(list, view.Undecided{Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Class: p.Class, At: p.At, Of: p})
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list[:min(1, len(list))] {
		who := slices.IndexFunc(l.list, func(s Somebody) bool { return s.Passage == list[i].Passage })
		if who >= 0 && l.list[who].Entry > s.Erased { // else it may have been they who were erased
			list[i].Name, list[i].Room = l.list[who].Name, l.list[who].Room
		}
	}
	return list
}
