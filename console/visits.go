package console

import (
	"errors"
	"net/http"

	"gated/gate"
)

// visit records a visit that is announced, standing or a group's, and answers with how it is printed.
func (c *console) visit(w http.ResponseWriter, r *http.Request) {
	var f gate.VisitForm
	if !read(w, r, &f, func() error { return nil }) { // the gate says all that is wrong with it
		return
	}
	id, err := c.as(r).MakeVisit(f)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	c.printed(w, r, id)
}

// arrive records the visit of somebody who stands at a lane, and lets them in as far as the rules let a guard.
func (c *console) arrive(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Lane string `json:"lane"`
		gate.VisitForm
	}
	if read(w, r, &q, func() error { return checkWord("lane", q.Lane) }) {
		out, err := c.as(r).Arrive(q.Lane, q.VisitForm)
		c.outcome(w, r, out, err)
	}
}

// passVisit is a passage of whom the guard found by their visit: at once, or a hold, where the guard is to look first.
func (c *console) passVisit(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Lane, Visit string
		Heads       int
		Look        bool
	}
	if !read(w, r, &q, func() error { return errors.Join(checkWord("lane", q.Lane), checkWord("visit", q.Visit)) }) {
		return
	}
	pass := func() (gate.Outcome, error) { return c.as(r).PassVisit(q.Lane, q.Visit, q.Heads) }
	if q.Look {
		pass = func() (gate.Outcome, error) { return c.as(r).PresentVisit(q.Lane, q.Visit) }
	}
	out, err := pass()
	c.outcome(w, r, out, err)
}

// visits lists who is inside by a visit, and who may come today.
func (c *console) visits(w http.ResponseWriter, r *http.Request) {
	if !read(w, r, &struct{}{}, func() error { return nil }) {
		return
	}
	list, err := c.as(r).Counter().Visits(nil)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, list)
}

// printVisit answers with how a visit is printed.
func (c *console) printVisit(w http.ResponseWriter, r *http.Request) {
	c.ofVisit(w, r, func(string) error { return nil }, func(id string) { c.printed(w, r, id) })
}

// reprintVisit gives it new digits and a new pass; the old ones are void.
func (c *console) reprintVisit(w http.ResponseWriter, r *http.Request) {
	c.ofVisit(w, r, c.as(r).Reprint, func(id string) { c.printed(w, r, id) })
}

// endVisit has nobody come in by it any more.
func (c *console) endVisit(w http.ResponseWriter, r *http.Request) {
	c.ofVisit(w, r, c.as(r).EndVisit, func(string) { w.WriteHeader(http.StatusNoContent) })
}

// consent records what the host of a visit said to it.
func (c *console) consent(w http.ResponseWriter, r *http.Request) {
	var q struct{ Visit, Consent, By string }
	if read(w, r, &q, func() error { return errors.Join(checkWord("visit", q.Visit), checkWord("consent", q.Consent)) }) {
		c.done204(w, r, c.as(r).Consent(q.Visit, q.Consent, q.By))
	}
}

func (c *console) ofVisit(w http.ResponseWriter, r *http.Request, do func(id string) error, done func(id string)) {
	var q struct{ Visit string }
	if !read(w, r, &q, func() error { return checkWord("visit", q.Visit) }) {
		return
	}
	if err := do(q.Visit); err != nil {
		c.failGate(w, r, err)
		return
	}
	done(q.Visit)
}

// printed answers with the digits of a visit, its pass as a picture with the digits below, and one text to copy into a chat.
func (c *console) printed(w http.ResponseWriter, r *http.Request, id string) {
	p, err := c.as(r).PrintVisit(id)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, p)
}

// paper tells that so many lines of a page have been written by hand.
func (c *console) paper(w http.ResponseWriter, r *http.Request) {
	var q struct{ Page, Lines int }
	if read(w, r, &q, func() error { return nil }) { // the gate knows the pages
		c.done204(w, r, c.as(r).Counter().Paper(q.Page, q.Lines))
	}
}

// visitWords are those that are chosen, and the buildings.
func (c *console) visitWords(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, c.gate.VisitWords())
}
