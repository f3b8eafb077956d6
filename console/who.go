package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"gated/access"
	"gated/box"
	"gated/gate"
	"gated/gate/duty"

	"github.com/prometheus/client_golang/prometheus"
)

// cookie is what a browser is known by while somebody is signed in at it.
const cookie = "gated-session"

type actorKey struct{}

// actor is who asks; zero: whoever is at the page.
func actor(r *http.Request) access.Actor {
	a, _ := r.Context().Value(actorKey{}).(access.Actor)
	return a
}

// as is the gate for whoever asks.
func (c *console) as(r *http.Request) *gate.Gate { return c.gate.As(actor(r)) }

// asks lets through who may do a task. What asks nobody waits for nothing here.
func (c *console) asks(task access.Task, next http.HandlerFunc) http.HandlerFunc {
	if task == "" {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		s, signedIn, ok := c.session(r, true)
		switch anybody := !c.gate.Rules().PINs || task == access.SignOn && c.accounts.Unguarded(); {
		case !ok:
			unknownToken(w)
			return
		case !signedIn && anybody:
			s.Role = access.Guard
		}
		if s.Role.May(task) {
			next(w, r.WithContext(context.WithValue(r.Context(), actorKey{}, s.Actor)))
			return
		}
		may := strings.Trim(fmt.Sprint(task.Roles()), "[]")
		if signedIn {
			failFor(w, http.StatusForbidden, "role", "%s is not for the role %s: sign off, and have it done by somebody who is signed on "+
				"as one of: %s", r.URL.Path, s.Role, may)
			return
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		failFor(w, http.StatusUnauthorized, "sign-on", "%s takes somebody who is signed on: sign on at the page with name and PIN, or "+
			"send a program's token (gated user token NAME --role R) as Authorization: Bearer; as one of: %s", r.URL.Path, may)
	}
}

// session is who is signed in at the browser that asks, or the program whose token comes with it; not ok: nobody has that token.
func (c *console) session(r *http.Request, uses bool) (s access.Session, signedIn, ok bool) {
	if token, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); is {
		s, ok = c.sessions.OfProgram(token)
		return s, ok, ok
	}
	s, signedIn = c.sessions.Of(token(r), uses)
	return s, signedIn, true
}

// token is that of the browser's session; "": there is none.
func token(r *http.Request) string {
	if k, err := r.Cookie(cookie); err == nil {
		return k.Value
	}
	return ""
}

func unknownToken(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	failFor(w, http.StatusUnauthorized, "token", "nobody has this token: it was revoked, or is none (gated user list)")
}

// setCookie has the browser known by a token; "": by none any more.
func setCookie(w http.ResponseWriter, r *http.Request, token string) {
	k := &http.Cookie{Name: cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil}
	if token == "" {
		k.MaxAge = -1
	}
	http.SetCookie(w, k)
}

// told is what the page is told of who is signed in at it, and of accounts.
func (c *console) told(r *http.Request) (any, bool) {
	s, signedIn, ok := c.session(r, false)
	locked, accounts := c.accounts.Locked()
	t := told{Accounts: accounts, Required: c.gate.Rules().PINs, Locked: []lockout{}}
	t.ByName = !t.Required || c.accounts.Unguarded() || s.Role.May(access.SignOn)
	if signedIn {
		t.Name, t.Role, t.How, t.MayLift = s.Name, s.Role, s.How, s.Role.May(access.LiftLockout)
	}
	for _, a := range locked {
		l := lockout{Until: c.here(a.LockedUntil())}
		if t.MayLift { // to all others it would say whose names there are
			l.Name = a.Name
		}
		t.Locked = append(t.Locked, l)
	}
	return t, ok
}

type told struct {
	Name     string      `json:"name"` // who is signed in; "": nobody
	Role     access.Role `json:"role"`
	How      string      `json:"how"` // pin, password or unauthenticated
	MayLift  bool        `json:"may_lift"`
	Accounts bool        `json:"accounts"` // there are some, so that PINs are asked for
	Required bool        `json:"required"` // only who is signed in decides
	ByName   bool        `json:"by_name"`  // a name alone is taken, too
	Locked   []lockout   `json:"locked"`
}

type lockout struct {
	Name  string    `json:"name"`
	Until time.Time `json:"until"`
}

// signOn signs somebody in at the browser. Who may sign on is on duty from then on.
func (c *console) signOn(w http.ResponseWriter, r *http.Request) {
	var q struct{ Name, Secret string }
	if !read(w, r, &q, func() error {
		if q.Secret == "" || len(q.Secret) > maxSecret {
			return fmt.Errorf("secret has %d bytes; it takes 1 to %d: a PIN or a password", len(q.Secret), maxSecret)
		}
		return checkName("name", &q.Name)
	}) {
		return
	}
	now, s, err := c.sessions.SignIn(q.Name, q.Secret)
	locked := access.Locked{}
	switch guessed := (access.Guessed{}); {
	case errors.As(err, &guessed):
		c.guessed()
		c.refuseLocked(w, guessed.Locked)
		return
	case errors.As(err, &locked):
		c.refuseLocked(w, locked)
		return
	case errors.Is(err, access.ErrWrong):
		failFor(w, http.StatusUnauthorized, "wrong", "%v", err)
		return
	case err != nil:
		c.log.Error("nobody can sign in", "err", err)
		failFor(w, http.StatusServiceUnavailable, "accounts", "%v", err)
		return
	}
	if s.Role.May(access.SignOn) {
		if err := c.gate.As(s.Actor).SignOn(s.Name); err != nil {
			c.sessions.End(now)
			c.failGate(w, r, err)
			return
		}
	}
	c.sessions.End(token(r))
	setCookie(w, r, now)
	w.WriteHeader(http.StatusNoContent)
}

// maxSecret is as long as a password can be, whatever it is written in.
const maxSecret = 800

func (c *console) refuseLocked(w http.ResponseWriter, l access.Locked) {
	answer(w, http.StatusTooManyRequests, map[string]any{"error": l.Error(), "reason": "locked", "until": c.here(l.Until)})
}

// here is a time in the gate's own zone.
func (c *console) here(at time.Time) time.Time { return at.In(c.gate.View().Now.Location()) }

// guessed tells that somebody tried one name until it was locked: whose stands nowhere.
func (c *console) guessed() {
	c.locked.Inc()
	c.log.Warn("somebody guesses PINs or passwords at the page: a name was locked for a while")
	if err := c.gate.Append(box.Guessed()); err != nil {
		c.log.Error("that somebody guesses PINs is not on record", "err", err)
	}
}

func newLocked(reg prometheus.Registerer) prometheus.Counter {
	n := prometheus.NewCounter(prometheus.CounterOpts{Name: "gated_account_lockouts_total",
		Help: "How often a name was locked for a while, since somebody tried wrong PINs or passwords of it in a row."})
	if reg != nil {
		reg.MustRegister(n)
	}
	return n
}

// duty signs somebody on by a name that nothing proves: a stand-in, whom somebody who is signed on lets do it; anybody, where no PIN is
// required.
func (c *console) duty(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Name, Body string
		Joins      bool
	}
	if !read(w, r, &q, func() error {
		err := checkName("name", &q.Name)
		if q.Body != "" {
			err = errors.Join(err, checkWord("body", q.Body))
		}
		return err
	}) {
		return
	}
	if err := c.gate.Shift().SignOn(duty.SignOn{Name: q.Name, Body: q.Body, Joins: q.Joins}); err != nil {
		c.failGate(w, r, err)
		return
	}
	if _, signedIn := c.sessions.Of(token(r), true); signedIn || c.gate.Rules().PINs {
		now, _ := c.sessions.ByName(q.Name, token(r))
		setCookie(w, r, now)
	}
	w.WriteHeader(http.StatusNoContent)
}

// signOff has somebody on duty no more: whoever is signed in at the browser, whose session ends, else the one who decides.
func (c *console) signOff(w http.ResponseWriter, r *http.Request) {
	var q struct{ Name string }
	if !read(w, r, &q, func() error {
		if q.Name == "" {
			return nil
		}
		return checkName("name", &q.Name)
	}) {
		return
	}
	s, signedIn := c.sessions.Of(token(r), false)
	if !signedIn || q.Name != "" && q.Name != s.Name { // of somebody else
		c.asks(access.SignOn, func(w http.ResponseWriter, r *http.Request) {
			c.done204(w, r, c.as(r).Shift().SignOff(q.Name))
		})(w, r)
		return
	}
	// Who was not on duty, such as the manager, signs off, too.
	if err := c.gate.As(s.Actor).Shift().SignOff(s.Name); err != nil && !errors.Is(err, gate.ErrInvalid) {
		c.failGate(w, r, err)
		return
	}
	c.sessions.End(token(r))
	setCookie(w, r, "")
	w.WriteHeader(http.StatusNoContent)
}

// lift has the wrong tries of a name forgotten.
func (c *console) lift(w http.ResponseWriter, r *http.Request) {
	var q struct{ Name string }
	if !read(w, r, &q, func() error { return checkName("name", &q.Name) }) {
		return
	}
	_, err := box.Change(c.accounts, c.gate.Append, actor(r), access.Change{What: access.Lifted, Name: q.Name})
	if refusal := access.Refusal(""); errors.As(err, &refusal) {
		fail(w, http.StatusNotFound, "%v", refusal)
		return
	}
	c.done204(w, r, err)
}
