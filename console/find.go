package console

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"gated/gate"

	"github.com/prometheus/client_golang/prometheus"
)

// Guards look for one flat at a time. Who reads the whole roster in this way is stopped, and is seen to.
const (
	maxFound       = 50
	namesAtOnce    = 200
	namesPerMinute = 60
)

// finder is what searches by room may give away.
type finder struct {
	searches *prometheus.CounterVec
	names    prometheus.Counter

	mu     sync.Mutex
	left   float64 // names that may be given now; below zero after a search that went over it
	at     time.Time
	warned bool // since there were some left
}

func newFinder(reg prometheus.Registerer) *finder {
	f := &finder{left: namesAtOnce,
		searches: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gated_room_searches_total",
			Help: "Searches by room on the page: answered, or refused since too many names were asked for."}, []string{"result"}),
		names: prometheus.NewCounter(prometheus.CounterOpts{Name: "gated_room_search_names_total",
			Help: "People whose names searches by room gave."})}
	f.searches.WithLabelValues("answered")
	f.searches.WithLabelValues("refused")
	if reg != nil {
		reg.MustRegister(f.searches, f.names)
	}
	return f
}

// wait is how long to wait before the next search; zero: it may be now. first is the first refusal since one was allowed.
func (f *finder) wait(now time.Time) (wait time.Duration, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if passed := now.Sub(f.at).Minutes(); passed > 0 {
		f.left = min(f.left+passed*namesPerMinute, namesAtOnce)
	}
	f.at = now
	if f.left >= 1 {
		f.searches.WithLabelValues("answered").Inc()
		f.warned = false
		return 0, false
	}
	f.searches.WithLabelValues("refused").Inc()
	first, f.warned = !f.warned, true
	return time.Duration((1 - f.left) / namesPerMinute * float64(time.Minute)), first
}

// gave notes that a search named so many; to name nobody tells something, too.
func (f *finder) gave(names int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left -= float64(max(names, 1))
	f.names.Add(float64(names))
}

// find looks for people by a room, or for whoever else may come in by what a guard types.
func (c *console) find(w http.ResponseWriter, r *http.Request) {
	key, text := "room", strings.TrimSpace(r.URL.Query().Get("room"))
	if q := strings.TrimSpace(r.URL.Query().Get("q")); q != "" {
		key, text = "q", q
	}
	if err := checkText(key, text, maxWord); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	if !c.mayFind(w) {
		return
	}
	if key == "q" {
		found, err := c.as(r).Counter().Find(text)
		c.found(w, r, found, err)
		return
	}
	found := c.gate.Find(text)
	if len(found) > maxFound {
		found = found[:maxFound]
	}
	c.finder.gave(len(found))
	answer(w, http.StatusOK, found)
}

// search is for a name or a telephone without a building; the gate records first who looks, for whom and why.
func (c *console) search(w http.ResponseWriter, r *http.Request) {
	var q struct{ Text, Why string }
	if !read(w, r, &q, func() error {
		q.Text, q.Why = strings.TrimSpace(q.Text), strings.TrimSpace(q.Why)
		return errors.Join(checkText("text", q.Text, maxWord), checkText("why", q.Why, maxText))
	}) || !c.mayFind(w) {
		return
	}
	found, err := c.as(r).Counter().Search(q.Text, q.Why)
	c.found(w, r, found, err)
}

func (c *console) found(w http.ResponseWriter, r *http.Request, found gate.Finding, err error) {
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	c.finder.gave(found.Names())
	answer(w, http.StatusOK, found)
}

// mayFind tells whether more names may be given now, and answers where not.
func (c *console) mayFind(w http.ResponseWriter) bool {
	wait, first := c.finder.wait(time.Now())
	if wait <= 0 {
		return true
	}
	if first {
		c.log.Warn("searches by room are refused for a while: too many names were asked for",
			"at_once", namesAtOnce, "a_minute", namesPerMinute)
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	failFor(w, http.StatusTooManyRequests, "too-many-names",
		"searches by room give %d names at once and %d a minute: wait a little", namesAtOnce, namesPerMinute)
	return false
}
