package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"gated/gate"
)

// Bounds of the stream. The page covers itself after five seconds without a beat, so that a beat may be late.
const (
	beatEvery    = time.Second
	viewAtMost   = 50 * time.Millisecond // between two views: a burst of codes must not drown a slow tablet
	writeTimeout = 5 * time.Second
)

// stream sends the gate's views to the pages that are open.
type stream struct {
	view      func() gate.View
	subscribe func() (changed <-chan struct{}, cancel func())
	done      <-chan struct{} // closed when all streams shall end
	// who is what a page is told of whoever is signed in at it. With ok false the stream ends.
	who func(*http.Request) (told any, ok bool)
}

// ServeHTTP streams the gate to one page: who is signed in at it and a view at once and after each change, a beat with the gate's time
// each second. A browser that does not take its bytes within writeTimeout is dropped; it will call again. How many there are is bounded
// by the connections of the server.
func (s *stream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, ok := s.who(r); !ok {
		unknownToken(w)
		return
	}
	changed, cancel := s.subscribe()
	defer cancel()

	rc := http.NewResponseController(w)
	rc.SetReadDeadline(time.Time{}) // the server's own would end the stream
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(event string, data any) error {
		b, err := json.Marshal(data) // has no newlines: one data line
		if err != nil {
			return err
		}
		rc.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, b); err != nil {
			return err
		}
		return rc.Flush()
	}

	var told any
	tell := func() bool {
		now, ok := s.who(r)
		if ok && !reflect.DeepEqual(now, told) {
			told = now
			ok = send("session", now) == nil
		}
		return ok
	}
	if !tell() {
		return
	}

	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	pause := time.NewTimer(0) // runs while the next view must wait
	defer pause.Stop()
	zone := time.Local
	ready, dirty := true, true // dirty: the page has not the newest view
	for {
		if dirty && ready {
			v := s.view()
			zone = v.Now.Location()
			if send("view", v) != nil {
				return
			}
			ready, dirty = false, false
			pause.Reset(viewAtMost)
		}
		select {
		case <-r.Context().Done():
			return
		case <-s.done:
			return
		case _, open := <-changed:
			if !open {
				return
			}
			dirty = true
		case <-pause.C:
			ready = true
		case now := <-beat.C:
			if !tell() || send("beat", map[string]time.Time{"now": now.In(zone)}) != nil {
				return
			}
		}
	}
}
