// Package console shows the gate to its guards in a browser.
//
// It serves one page, the stream of views that the page lives on, and the small JSON interface through which the page
// – or a program on the same box – gives the gate codes and decisions. It decides nothing itself.
package console

import (
	"embed"
	"log/slog"
	"net/http"
	"time"

	"gated/gate"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what Handler is made of; only Gate is required.
type Options struct {
	Gate  *gate.Gate
	Hosts []string        // names under which the page may be opened, besides the loopback ones and the address the connection came in on
	Done  <-chan struct{} // when closed, open streams end, so that the server can shut down
	Log   *slog.Logger    // slog.Default() when nil

	Metrics prometheus.Registerer // may be nil
}

// Limits of what is read from outside. In bytes where nothing else is said.
const (
	maxBody = 64 << 10
	maxCode = 4096 // as of a scanner
	maxWord = 128  // a lane, an ID, a reason
	maxText = 500  // a note
	maxName = 40   // of a guard, in characters
)

// readTimeout is how long a request's body may take.
const readTimeout = 10 * time.Second

//go:embed page
var pageFiles embed.FS

type console struct {
	gate  *gate.Gate
	hosts map[string]bool
	cross *http.CrossOriginProtection
	dark  darkroom
	log   *slog.Logger

	finder *finder
}

// Handler serves the page at / and the interface beside it. It refuses requests for a Host that is not its own
// (DNS rebinding) and whatever another web site makes a guard's browser send.
func Handler(o Options) http.Handler {
	c := &console{
		gate:  o.Gate,
		hosts: map[string]bool{"localhost": true},
		cross: http.NewCrossOriginProtection(),
		dark:  newDarkroom(),
		log:   o.Log,

		finder: newFinder(o.Metrics),
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	for _, h := range o.Hosts {
		c.hosts[hostName(h)] = true
	}

	mux := http.NewServeMux()
	route := func(method, path string, h http.HandlerFunc) {
		mux.HandleFunc(method+" "+path, h)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			fail(w, http.StatusMethodNotAllowed, "%s takes %s, not %.16q", r.URL.Path, method, r.Method)
		})
	}
	page(route)
	route("GET", "/events", newStream(o.Gate.View, o.Gate.Subscribe, o.Done).ServeHTTP)
	route("GET", "/healthz", c.healthz)
	route("GET", "/api/find", c.find)
	route("POST", "/api/code", c.code)
	route("POST", "/api/picture", c.picture)
	route("POST", "/api/answering", c.answering)
	route("POST", "/api/decide", c.decide)
	route("POST", "/api/present", c.present)
	route("POST", "/api/emergency", c.emergency)
	route("POST", "/api/close", c.close)
	route("POST", "/api/open", c.open)
	route("POST", "/api/shut", c.shut)
	route("POST", "/api/account", c.account)
	route("POST", "/api/afterwards", c.afterwards)
	route("POST", "/api/annul", c.annul)
	route("POST", "/api/correct", c.correct)
	route("POST", "/api/override", c.override)
	route("POST", "/api/trips", c.trips)
	route("POST", "/api/plan", c.plan)
	route("POST", "/api/notice", c.notice)
	route("POST", "/api/visit", c.visit)
	route("POST", "/api/arrive", c.arrive)
	route("POST", "/api/pass-visit", c.passVisit)
	route("POST", "/api/visits", c.visits)
	route("POST", "/api/visit-print", c.printVisit)
	route("POST", "/api/visit-reprint", c.reprintVisit)
	route("POST", "/api/visit-end", c.endVisit)
	route("GET", "/api/visit-words", c.visitWords)
	route("POST", "/api/duty", c.duty)
	route("POST", "/api/clock", c.clock)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, http.StatusNotFound, "no such page") })
	return c.guard(mux)
}

// page serves the page's files.
func page(route func(method, path string, h http.HandlerFunc)) {
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	for _, f := range files {
		path := "/" + f.Name()
		if f.Name() == "index.html" {
			path = "/{$}"
		}
		route("GET", path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "page/"+f.Name()) })
	}
}
