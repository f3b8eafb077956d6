// Package console shows the gate to its guards in a browser.
//
// It serves one page, the stream of views that keeps the page alive, and the small JSON interface through which
// the page – or a program on the same box – gives the gate codes and decisions. It decides nothing itself.
package console

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/gate"
)

// Gate is what the console needs of the gate. All methods may be called from many goroutines at once. An Outcome
// returned without an error is durable unless its verdict is "fault"; a method that changes something answers only
// when that change would survive a power cut, except Emergency, which opens first. Errors are those of package
// gate (ErrUnknownLane, ErrNoHold, …), perhaps wrapped.
type Gate interface {
	// View is a copy for the caller of everything the page shows at this moment.
	View() gate.View
	// Subscribe returns a channel that holds a token whenever the view may differ from the last one taken. The
	// gate never waits for its reader. The caller must call cancel once.
	Subscribe() (changed <-chan struct{}, cancel func())

	Scan(lane string, code []byte, at time.Time) (gate.Outcome, error)
	Decide(passage string, r gate.Ruling) (gate.Outcome, error)
	Present(lane, person string) (gate.Outcome, error)
	Find(room string) []gate.Found
	Emergency(lane string) (gate.Outcome, error)
	Close(lane string) error
	AccountFor(id, note string) error
	SignOn(name string) error
	ConfirmClock(by string) error
	Fault() bool
}

// Options are what Handler is made of; only Gate is required.
type Options struct {
	Gate  Gate
	Hosts []string        // names under which the page may be opened, besides the loopback ones and the address the connection came in on
	Done  <-chan struct{} // when closed, open streams end, so that the server can shut down
	Log   *slog.Logger    // slog.Default() when nil
}

// Limits of what is read from outside. In bytes where nothing else is said.
const (
	maxBody    = 64 << 10
	maxCode    = 4096 // as of a scanner
	maxWord    = 128  // a lane, an ID, a reason
	maxText    = 500  // a note
	maxName    = 40   // of a guard, in characters
	maxFound   = 50
	maxStreams = 64
)

// Times of the stream. The page covers itself after five seconds without a beat, so that a beat may be late.
const (
	beatEvery    = time.Second
	viewAtMost   = 50 * time.Millisecond // between two views: a burst of codes must not drown a slow tablet
	writeTimeout = 5 * time.Second
	readTimeout  = 10 * time.Second
)

//go:embed page
var pageFiles embed.FS

type console struct {
	gate    Gate
	hosts   map[string]bool
	cross   *http.CrossOriginProtection
	done    <-chan struct{}
	streams chan struct{} // one token for each open stream
	dark    darkroom
	log     *slog.Logger
}

// Handler serves the page at / and the interface beside it. It refuses requests for a Host that is not its own
// (DNS rebinding) and whatever another web site makes a guard's browser send.
func Handler(o Options) http.Handler {
	c := &console{
		gate:    o.Gate,
		hosts:   map[string]bool{"localhost": true},
		cross:   http.NewCrossOriginProtection(),
		done:    o.Done,
		streams: make(chan struct{}, maxStreams),
		dark:    newDarkroom(),
		log:     o.Log,
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
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	for path, name := range map[string]string{"/{$}": "index.html", "/style.css": "style.css", "/words.js": "words.js", "/page.js": "page.js", "/icon.svg": "icon.svg"} {
		route("GET", path, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
	}
	route("GET", "/events", c.events)
	route("GET", "/healthz", c.healthz)
	route("GET", "/api/find", c.find)
	route("POST", "/api/code", c.code)
	route("POST", "/api/picture", c.picture)
	route("POST", "/api/decide", c.decide)
	route("POST", "/api/present", c.present)
	route("POST", "/api/emergency", c.emergency)
	route("POST", "/api/close", c.close)
	route("POST", "/api/account", c.account)
	route("POST", "/api/duty", c.duty)
	route("POST", "/api/clock", c.clock)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fail(w, http.StatusNotFound, "no such page") })
	return c.guard(mux)
}

// guard lets through only what was asked of this gate, by its own page or by a program that is no browser.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")

		if !c.ownHost(r) {
			fail(w, http.StatusForbidden, "host %.100q is not one of this gate's: use its address, or add the name to the hosts in the settings", r.Host)
			return
		}
		if err := c.sameOrigin(r); err != nil {
			fail(w, http.StatusForbidden, "%v", err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost tells whether the Host header names this gate: a loopback name, a name of the settings, or the very
// address that the connection came in on. A name that an attacker's DNS points here is none of them.
func (c *console) ownHost(r *http.Request) bool {
	name := hostName(r.Host)
	if c.hosts[name] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	if ip.Unmap().IsLoopback() {
		return true
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return local.AddrPort().Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
	}
	return false
}

// hostName is the host of a Host header, in lower case, without port, brackets and the root's dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// sameOrigin refuses what a page of another origin made the browser send. CrossOriginProtection believes
// Sec-Fetch-Site alone where there is one; an Origin that contradicts it is refused as well. Streams and searches
// are no writes, but a foreign page could use up the streams; following a link to the page itself is harmless.
func (c *console) sameOrigin(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || (u.Scheme != "http" && u.Scheme != "https") || !strings.EqualFold(u.Host, r.Host) {
			return fmt.Errorf("origin %.100q is not this gate's page", origin)
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); r.URL.Path != "/" && (site == "cross-site" || site == "same-site") {
		return fmt.Errorf("request from another web site (Sec-Fetch-Site: %s)", site)
	}
	return c.cross.Check(r)
}

// events streams the gate to one page: a view at once and after each change, a beat with the gate's time each
// second. A browser that does not take its bytes within writeTimeout is dropped; it will call again.
func (c *console) events(w http.ResponseWriter, r *http.Request) {
	select {
	case c.streams <- struct{}{}:
		defer func() { <-c.streams }()
	default:
		w.Header().Set("Retry-After", "5")
		fail(w, http.StatusServiceUnavailable, "%d pages are open already: close some", maxStreams)
		return
	}
	changed, cancel := c.gate.Subscribe()
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

	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	pause := time.NewTimer(0) // runs while the next view must wait
	defer pause.Stop()
	zone := time.Local
	ready, dirty := true, true // dirty: the page has not the newest view
	for {
		if dirty && ready {
			v := c.gate.View()
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
		case <-c.done:
			return
		case _, open := <-changed:
			if !open {
				return
			}
			dirty = true
		case <-pause.C:
			ready = true
		case now := <-beat.C:
			if send("beat", map[string]time.Time{"now": now.In(zone)}) != nil {
				return
			}
		}
	}
}

func (c *console) healthz(w http.ResponseWriter, r *http.Request) {
	if c.gate.Fault() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "ledger-fault"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (c *console) find(w http.ResponseWriter, r *http.Request) {
	room := strings.TrimSpace(r.URL.Query().Get("room"))
	if err := checkText("room", room, maxWord); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	found := c.gate.Find(room)
	if len(found) > maxFound {
		found = found[:maxFound]
	}
	answer(w, http.StatusOK, append([]gate.Found{}, found...)) // [] rather than null
}

func (c *console) code(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane, Code string }
	if !read(w, r, &q) {
		return
	}
	if err := checkWord("lane", q.Lane); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	if n := len(q.Code); n == 0 || n > maxCode {
		fail(w, http.StatusBadRequest, "code has %d bytes; it takes 1 to %d", n, maxCode)
		return
	}
	out, err := c.gate.Scan(q.Lane, []byte(q.Code), time.Now())
	c.outcome(w, r, out, err)
}

func (c *console) decide(w http.ResponseWriter, r *http.Request) {
	var q struct{ Passage, Verdict, Reason, Note string }
	if !read(w, r, &q) {
		return
	}
	err := errors.Join(checkWord("passage", q.Passage), checkWord("reason", q.Reason))
	if q.Verdict != "admit" && q.Verdict != "refuse" {
		err = errors.Join(err, fmt.Errorf("verdict is %.20q; it takes admit or refuse", q.Verdict))
	}
	if q.Note = strings.TrimSpace(q.Note); q.Note != "" {
		err = errors.Join(err, checkText("note", q.Note, maxText))
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	out, err := c.gate.Decide(q.Passage, gate.Ruling{Verdict: q.Verdict, Reason: q.Reason, Note: q.Note})
	c.outcome(w, r, out, err)
}

func (c *console) present(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane, ID string }
	if !read(w, r, &q) {
		return
	}
	if err := errors.Join(checkWord("lane", q.Lane), checkWord("id", q.ID)); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	out, err := c.gate.Present(q.Lane, q.ID)
	c.outcome(w, r, out, err)
}

func (c *console) emergency(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane string }
	if !read(w, r, &q) {
		return
	}
	if err := checkWord("lane", q.Lane); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	out, err := c.gate.Emergency(q.Lane)
	c.outcome(w, r, out, err)
}

func (c *console) close(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane string }
	if !read(w, r, &q) {
		return
	}
	if err := checkWord("lane", q.Lane); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	c.done204(w, r, c.gate.Close(q.Lane))
}

func (c *console) account(w http.ResponseWriter, r *http.Request) {
	var q struct{ ID, Note string }
	if !read(w, r, &q) {
		return
	}
	q.Note = strings.TrimSpace(q.Note)
	if err := errors.Join(checkWord("id", q.ID), checkText("note", q.Note, maxText)); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	c.done204(w, r, c.gate.AccountFor(q.ID, q.Note))
}

func (c *console) duty(w http.ResponseWriter, r *http.Request) {
	var q struct{ Name string }
	if !read(w, r, &q) {
		return
	}
	q.Name = strings.TrimSpace(q.Name)
	if err := checkText("name", q.Name, maxText); err != nil {
		fail(w, http.StatusBadRequest, "%v", err)
		return
	}
	if n := utf8.RuneCountInString(q.Name); n > maxName {
		fail(w, http.StatusBadRequest, "name has %d characters; it takes at most %d", n, maxName)
		return
	}
	c.done204(w, r, c.gate.SignOn(q.Name))
}

func (c *console) clock(w http.ResponseWriter, r *http.Request) {
	var q struct{}
	if !read(w, r, &q) {
		return
	}
	c.done204(w, r, c.gate.ConfirmClock(c.gate.View().Duty))
}

// outcome answers with what the gate said; a fault keeps its body, so that a program sees verdict "fault".
func (c *console) outcome(w http.ResponseWriter, r *http.Request, out gate.Outcome, err error) {
	switch {
	case err != nil:
		c.failGate(w, r, err)
	case out.Verdict == "fault":
		answer(w, http.StatusServiceUnavailable, out)
	default:
		answer(w, http.StatusOK, out)
	}
}

func (c *console) done204(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *console) failGate(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, gate.ErrUnknownLane), errors.Is(err, gate.ErrUnknownPerson):
		fail(w, http.StatusNotFound, "%v", err)
	case errors.Is(err, gate.ErrInvalid):
		fail(w, http.StatusBadRequest, "%v", err)
	case errors.Is(err, gate.ErrNoHold), errors.Is(err, gate.ErrNoOpening):
		fail(w, http.StatusConflict, "%v", err)
	case errors.Is(err, gate.ErrLedger):
		fail(w, http.StatusServiceUnavailable, "%v", err)
	default:
		c.log.Error("the gate could not do what was asked", "path", r.URL.Path, "err", err)
		fail(w, http.StatusInternalServerError, "%v", err)
	}
}

// read decodes the request's JSON object into q. When it answers false it has answered the request.
func read(w http.ResponseWriter, r *http.Request, q any) bool {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "Content-Type is %.60q; it takes application/json", r.Header.Get("Content-Type"))
		return false
	}
	http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		fail(w, http.StatusRequestEntityTooLarge, "body is larger than %d bytes", maxBody)
		return false
	}
	if err != nil {
		fail(w, http.StatusBadRequest, "the body could not be read to its end")
		return false
	}
	if !utf8.Valid(body) { // the decoder would quietly change the code's bytes
		fail(w, http.StatusBadRequest, "body is not UTF-8")
		return false
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(q); err != nil {
		fail(w, http.StatusBadRequest, "body is not the JSON object that %s takes: %s", r.URL.Path, jsonFault(err))
		return false
	}
	if _, err := d.Token(); err != io.EOF {
		fail(w, http.StatusBadRequest, "body has more than one JSON value")
		return false
	}
	return true
}

// jsonFault says what is wrong without echoing values, which may be codes or names.
func jsonFault(err error) string {
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &kind):
		return fmt.Sprintf("%q must be a %v", strings.ToLower(kind.Field), kind.Type)
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends in the middle"
	}
	return fmt.Sprintf("%.120s", strings.TrimPrefix(err.Error(), "json: "))
}

// checkWord checks a machine's word: a lane, an ID, a reason.
func checkWord(key, s string) error {
	if s == "" {
		return fmt.Errorf("%s is missing", key)
	}
	if len(s) > maxWord || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsSpace(c) || unicode.IsControl(c) }) {
		return fmt.Errorf("%s takes at most %d bytes without spaces", key, maxWord)
	}
	return nil
}

// checkText checks what a guard typed.
func checkText(key, s string, limit int) error {
	switch {
	case s == "":
		return fmt.Errorf("%s is missing", key)
	case len(s) > limit:
		return fmt.Errorf("%s has %d bytes; it takes at most %d", key, len(s), limit)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%s takes one line of plain text", key)
	}
	return nil
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) // a client that went away is no fault of ours
}

func fail(w http.ResponseWriter, status int, format string, args ...any) {
	answer(w, status, map[string]string{"error": fmt.Sprintf(format, args...)})
}
