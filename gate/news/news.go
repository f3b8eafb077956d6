// Package news wakes everybody who watches.
package news

import "sync"

// Watchers are those who watch; the zero value has none.
type Watchers struct {
	mu  sync.Mutex
	all map[chan struct{}]bool
}

// Changed wakes them all. Nobody is waited for.
func (w *Watchers) Changed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.all {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// Subscribe returns a channel that gets a token whenever there is news.
func (w *Watchers) Subscribe() (changed <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[chan struct{}]bool{}
	}
	w.all[c] = true
	return c, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, c)
	}
}
