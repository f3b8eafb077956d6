// Package left remembers on whom nobody decided, by name for the guard who is asked what became of them.
package left

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"gated/gate/view"
	"gated/register"
)

// Somebody is one of them by name; not beyond this run.
type Somebody struct {
	Passage, Name, Room string
	Entry               int64 // that says so
}

// List has those about whom the register asks. Its lock is never held while anything waits.
type List struct {
	mu   sync.Mutex
	list []Somebody
}

// Add remembers who it was.
func (l *List) Add(s Somebody) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
}

// Undecided are those of this shift of whom nobody has said what became of them, the newest first; only the newest is named. The others
// of whom it remembers the name are forgotten.
func (l *List) Undecided(s *register.State) []view.Undecided {
	list := []view.Undecided{}
	for _, p := range slices.SortedFunc(maps.Values(s.Undecided), func(a, b register.Passage) int { return cmp.Compare(b.Last, a.Last) }) {
		list = append(list, view.Undecided{Passage: p.ID, Lane: p.Lane, Direction: p.Direction, Class: p.Class, At: p.At, Of: &p})
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = slices.DeleteFunc(l.list, func(who Somebody) bool {
		_, asked := s.Undecided[who.Passage]
		return !asked || who.Entry <= s.Erased // it may have been they who were erased
	})
	for i := range list[:min(1, len(list))] {
		if who := slices.IndexFunc(l.list, func(s Somebody) bool { return s.Passage == list[i].Passage }); who >= 0 {
			list[i].Name, list[i].Room = l.list[who].Name, l.list[who].Room
		}
	}
	return list
}
