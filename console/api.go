package console

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"gated/gate"
)

func (c *console) healthz(w http.ResponseWriter, r *http.Request) {
	if c.gate.Fault() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "ledger-fault"})
		return
	}
	if c.gate.RosterFault() {
		answer(w, http.StatusServiceUnavailable, map[string]string{"status": "roster-fault"})
		return
	}
	if len(c.gate.View().SetupFaults) > 0 { // the gate works: who restarts it for this would gain nothing
		answer(w, http.StatusOK, map[string]string{"status": "setup-fault"})
		return
	}
	answer(w, http.StatusOK, map[string]string{"status": "ok"})
}

func (c *console) code(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane, Code string }
	if !read(w, r, &q, func() error {
		if n := len(q.Code); q.Lane != "" && (n == 0 || n > maxCode) {
			return fmt.Errorf("code has %d bytes; it takes 1 to %d", n, maxCode)
		}
		return checkWord("lane", q.Lane)
	}) {
		return
	}
	out, err := c.gate.Scan(q.Lane, []byte(q.Code), time.Now())
	c.outcome(w, r, out, err)
}

func (c *console) decide(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Passage, Verdict, Reason, Note string
		Answers                        map[string]string
		Heads                          int
	}
	if !read(w, r, &q, func() error {
		err := errors.Join(checkWord("passage", q.Passage), checkWord("reason", q.Reason))
		if q.Verdict != "admit" && q.Verdict != "refuse" {
			err = errors.Join(err, fmt.Errorf("verdict is %.20q; it takes admit or refuse", q.Verdict))
		}
		if q.Note = strings.TrimSpace(q.Note); q.Note != "" {
			err = errors.Join(err, checkText("note", q.Note, maxText))
		}
		return err
	}) {
		return
	}
	out, err := c.as(r).Decide(q.Passage, gate.Ruling{Verdict: q.Verdict, Reason: q.Reason, Note: q.Note, Answers: q.Answers,
		Heads: q.Heads})
	c.outcome(w, r, out, err)
}

// answering says that a guard has begun to answer a hold, so that the machine does not settle it.
func (c *console) answering(w http.ResponseWriter, r *http.Request) {
	var q struct{ Passage string }
	if read(w, r, &q, func() error { return checkWord("passage", q.Passage) }) {
		c.done204(w, r, c.as(r).Answering(q.Passage))
	}
}

func (c *console) present(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane, ID string }
	if read(w, r, &q, func() error { return errors.Join(checkWord("lane", q.Lane), checkWord("id", q.ID)) }) {
		out, err := c.as(r).Present(q.Lane, q.ID)
		c.outcome(w, r, out, err)
	}
}

func (c *console) emergency(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane string }
	if read(w, r, &q, func() error { return checkWord("lane", q.Lane) }) {
		out, err := c.gate.Emergency(q.Lane)
		c.outcome(w, r, out, err)
	}
}

func (c *console) close(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane string }
	if read(w, r, &q, func() error { return checkWord("lane", q.Lane) }) {
		c.done204(w, r, c.gate.Close(q.Lane))
	}
}

func (c *console) open(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane, Reason string }
	if read(w, r, &q, func() error { return errors.Join(checkWord("lane", q.Lane), checkWord("reason", q.Reason)) }) {
		c.done204(w, r, c.as(r).OpenByHand(q.Lane, q.Reason))
	}
}

func (c *console) shut(w http.ResponseWriter, r *http.Request) {
	var q struct{ Lane, Heads string }
	if read(w, r, &q, func() error { return errors.Join(checkWord("lane", q.Lane), checkWord("heads", q.Heads)) }) {
		c.done204(w, r, c.gate.ShutByHand(q.Lane, q.Heads))
	}
}

func (c *console) account(w http.ResponseWriter, r *http.Request) {
	var q struct{ ID, Note string }
	if read(w, r, &q, func() error {
		q.Note = strings.TrimSpace(q.Note)
		return errors.Join(checkWord("id", q.ID), checkText("note", q.Note, maxText))
	}) {
		c.done204(w, r, c.as(r).AccountFor(q.ID, q.Note))
	}
}

func (c *console) afterwards(w http.ResponseWriter, r *http.Request) {
	var q struct{ Passage, What string }
	if read(w, r, &q, func() error { return errors.Join(checkWord("passage", q.Passage), checkWord("what", q.What)) }) {
		c.done204(w, r, c.as(r).Afterwards(q.Passage, q.What))
	}
}

func (c *console) annul(w http.ResponseWriter, r *http.Request) {
	var q struct{ Passage string }
	if read(w, r, &q, func() error { return checkWord("passage", q.Passage) }) {
		c.done204(w, r, c.as(r).Annul(q.Passage, ""))
	}
}

func (c *console) correct(w http.ResponseWriter, r *http.Request) {
	var q struct{ Passage, Lane, ID string }
	if read(w, r, &q, func() error {
		err := errors.Join(checkWord("passage", q.Passage), checkWord("lane", q.Lane))
		if q.ID != "" {
			err = errors.Join(err, checkWord("id", q.ID))
		}
		return err
	}) {
		out, err := c.as(r).Correct(q.Passage, gate.Right{Lane: q.Lane, Person: q.ID}, "")
		c.outcome(w, r, out, err)
	}
}

func (c *console) override(w http.ResponseWriter, r *http.Request) {
	var q struct{ Passage, Reason, Approver, Note string }
	if !read(w, r, &q, func() error {
		err := errors.Join(checkWord("passage", q.Passage), checkWord("reason", q.Reason))
		if q.Approver = strings.TrimSpace(q.Approver); q.Approver != "" {
			err = errors.Join(err, checkText("approver", q.Approver, maxText))
		}
		if q.Note = strings.TrimSpace(q.Note); q.Note != "" {
			err = errors.Join(err, checkText("note", q.Note, maxText))
		}
		return err
	}) {
		return
	}
	out, err := c.as(r).Override(q.Passage, gate.Override{Reason: q.Reason, Approver: q.Approver, Note: q.Note})
	c.outcome(w, r, out, err)
}

// trips lists who is overdue; the gate records that somebody looked.
func (c *console) trips(w http.ResponseWriter, r *http.Request) {
	if !read(w, r, &struct{}{}, func() error { return nil }) {
		return
	}
	list, err := c.as(r).Trips(true, "")
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, list)
}

// notice is what the notice of a level says.
func (c *console) notice(w http.ResponseWriter, r *http.Request) {
	var q struct{ Entry int64 }
	if !read(w, r, &q, func() error { return nil }) {
		return
	}
	text, err := c.gate.NoticeText(q.Entry)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"text": text})
}

// plan lists what a level that was announced, or lies ready, would overturn when it begins; the gate records that somebody looked.
func (c *console) plan(w http.ResponseWriter, r *http.Request) {
	var q struct{ Entry int64 }
	if !read(w, r, &q, func() error { return nil }) {
		return
	}
	v := c.gate.View()
	coming := v.Levels
	i := slices.IndexFunc(coming, func(l gate.LevelView) bool { return l.Entry == q.Entry && l.State != "in-force" })
	if i < 0 {
		fail(w, http.StatusNotFound, "no level with the entry %d was announced or lies ready: it is in force, or has ended", q.Entry)
		return
	}
	at := coming[i].From
	if !at.After(v.Now) {
		at = time.Time{}
	}
	list, err := c.as(r).Plan(coming[i].Level, coming[i].Place, "", at)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, list)
}

func (c *console) clock(w http.ResponseWriter, r *http.Request) {
	if read(w, r, &struct{}{}, func() error { return nil }) {
		c.done204(w, r, c.as(r).ConfirmClock(cmp.Or(actor(r).Name, c.gate.View().Duty)))
	}
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
	conflict := func(reason string) {
		answer(w, http.StatusConflict, map[string]string{"error": err.Error(), "reason": reason})
	}
	switch {
	case errors.Is(err, gate.ErrTooLate):
		conflict("too-late")
	case errors.Is(err, gate.ErrPast):
		conflict("past")
	case errors.Is(err, gate.ErrNoPerson):
		conflict("no-person")
	case errors.Is(err, gate.ErrUnknownLane), errors.Is(err, gate.ErrUnknownPerson), errors.Is(err, gate.ErrNoVisit),
		errors.Is(err, gate.ErrNoHost):
		fail(w, http.StatusNotFound, "%v", err)
	case errors.Is(err, gate.ErrInvalid):
		fail(w, http.StatusBadRequest, "%v", err)
	case errors.Is(err, gate.ErrNoHold), errors.Is(err, gate.ErrChanged), errors.Is(err, gate.ErrNoOpening),
		errors.Is(err, gate.ErrSettled), errors.Is(err, gate.ErrNotAnnulled),
		errors.Is(err, gate.ErrNoRefusal), errors.Is(err, gate.ErrIsOpen), errors.Is(err, gate.ErrNotByHand), errors.Is(err, gate.ErrNone):
		fail(w, http.StatusConflict, "%v", err)
	case errors.Is(err, gate.ErrNotReady):
		answer(w, http.StatusServiceUnavailable, map[string]string{"error": err.Error(), "reason": "not-ready"})
	case errors.Is(err, gate.ErrLedger):
		fail(w, http.StatusServiceUnavailable, "%v", err)
	default:
		c.log.Error("the gate could not do what was asked", "path", r.URL.Path, "err", err)
		fail(w, http.StatusInternalServerError, "%v", err)
	}
}
