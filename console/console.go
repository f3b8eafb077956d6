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

	"gated/access"
	"gated/gate"

	"github.com/prometheus/client_golang/prometheus"
)

// Options are what Handler is made of; Gate and Accounts are required.
type Options struct {
	Gate     *gate.Gate
	Accounts *access.Accounts
	Hosts    []string        // names for the page besides the loopback ones and the address the connection came in on
	Done     <-chan struct{} // when closed, open streams end, so that the server can shut down
	Log      *slog.Logger    // slog.Default() when nil

	Metrics prometheus.Registerer // may be nil
}

// Limits of what is read from outside. In bytes where nothing else is said.
const (
	maxBody = 64 << 10
	maxCode = 4096 // as of a scanner
	maxWord = 128  // a lane, an ID, a reason
	maxText = 500  // a note
	maxName = 60   // of a guard, in characters
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

	accounts *access.Accounts
	sessions *access.Sessions
	locked   prometheus.Counter
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

		accounts: o.Accounts, sessions: access.NewSessions(o.Accounts), locked: newLocked(o.Metrics),
	}
	if c.log == nil {
		c.log = slog.Default()
	}
	for _, h := range o.Hosts {
		c.hosts[hostName(h)] = true
	}

	mux := http.NewServeMux()
	add := func(method, path string, h http.HandlerFunc) {
		mux.HandleFunc(method+" "+path, h)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", method)
			fail(w, http.StatusMethodNotAllowed, "%s takes %s, not %.16q", r.URL.Path, method, r.Method)
		})
	}
	page(add)
	for _, r := range c.routes(o.Done) {
		add(r.method, r.path, c.asks(r.task, r.handle))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, http.StatusNotFound, "no such page") })
	return c.guard(mux)
}

// route is what may be asked of the console, and by whom: whoever asks must be allowed to do its task. Without one it asks nobody.
type route struct {
	method, path string
	task         access.Task
	handle       http.HandlerFunc
}

// routes are all but the page's own files, which ask nobody either. A code proves itself, whoever brings it; the emergency key and what
// closes a lane wait for nobody's PIN.
func (c *console) routes(done <-chan struct{}) []route {
	stream := &stream{c.gate.View, c.gate.Subscribe, done, c.told}
	return []route{
		{"GET", "/events", "", stream.ServeHTTP},
		{"GET", "/healthz", "", c.healthz},
		{"POST", "/api/emergency", "", c.emergency},
		{"POST", "/api/close", "", c.close},
		{"POST", "/api/shut", "", c.shut},
		{"POST", "/api/code", "", c.code},
		{"POST", "/api/picture", "", c.picture},
		{"POST", "/api/notice", "", c.notice},
		{"GET", "/api/visit-words", "", c.visitWords},
		{"POST", "/api/signon", "", c.signOn},
		{"POST", "/api/signoff", "", c.signOff},
		{"POST", "/api/duty", access.SignOn, c.duty},
		{"GET", "/api/find", access.Inquire, c.find},
		{"POST", "/api/search", access.Inquire, c.search},
		{"POST", "/api/host", access.Inquire, c.host},
		{"POST", "/api/telephone", access.Inquire, c.telephone},
		{"POST", "/api/suspend", access.Decide, c.suspend},
		{"POST", "/api/consent", access.Decide, c.consent},
		{"POST", "/api/trips", access.Inquire, c.trips},
		{"POST", "/api/plan", access.Inquire, c.plan},
		{"POST", "/api/visit", access.Invite, c.visit},
		{"POST", "/api/visits", access.Invite, c.visits},
		{"POST", "/api/visit-print", access.Invite, c.printVisit},
		{"POST", "/api/visit-reprint", access.Invite, c.reprintVisit},
		{"POST", "/api/visit-end", access.Invite, c.endVisit},
		{"POST", "/api/arrive", access.Decide, c.arrive},
		{"POST", "/api/pass-visit", access.Decide, c.passVisit},
		{"POST", "/api/present", access.Decide, c.present},
		{"POST", "/api/answering", access.Decide, c.answering},
		{"POST", "/api/decide", access.Decide, c.decide},
		{"POST", "/api/override", access.Decide, c.override},
		{"POST", "/api/annul", access.Decide, c.annul},
		{"POST", "/api/correct", access.Decide, c.correct},
		{"POST", "/api/afterwards", access.Decide, c.afterwards},
		{"POST", "/api/account", access.Decide, c.account},
		{"POST", "/api/paper", access.Decide, c.paper},
		{"POST", "/api/open", access.Decide, c.open},
		{"POST", "/api/draft", access.Decide, c.draft},
		{"POST", "/api/handover", access.Decide, c.handOver},
		{"POST", "/api/log", access.Decide, c.logs},
		{"POST", "/api/moment", access.Decide, c.moment},
		{"POST", "/api/count", access.Decide, c.count},
		{"POST", "/api/slip", access.Decide, c.slip},
		{"POST", "/api/slips", access.Decide, c.slips},
		{"POST", "/api/slip-used", access.Decide, c.slipUsed},
		{"POST", "/api/clock", access.ConfirmClock, c.clock},
		{"POST", "/api/lift", access.LiftLockout, c.lift},
	}
}

// page serves the page's files.
func page(add func(method, path string, h http.HandlerFunc)) {
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	for _, f := range files {
		path := "/" + f.Name()
		if f.Name() == "index.html" {
			path = "/{$}"
		}
		add("GET", path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "page/"+f.Name()) })
	}
}
