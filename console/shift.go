package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"gated/gate/duty"
)

// checkName checks the name of somebody at the gate.
func checkName(key string, name *string) error {
	*name = strings.TrimSpace(*name)
	if n := utf8.RuneCountInString(*name); n > maxName {
		return fmt.Errorf("%s has %d characters; it takes at most %d", key, n, maxName)
	}
	return checkText(key, *name, maxText)
}

// checkNote checks what may be left out.
func checkNote(key string, text *string) error {
	if *text = strings.TrimSpace(*text); *text == "" {
		return nil
	}
	return checkText(key, *text, maxText)
}

// draft is the handover as it would be signed now.
func (c *console) draft(w http.ResponseWriter, r *http.Request) {
	if read(w, r, &struct{}{}, func() error { return nil }) {
		answer(w, http.StatusOK, c.as(r).Shift().Draft())
	}
}

func (c *console) handOver(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Outgoing, Incoming []string
		Blank              int
	}
	if !read(w, r, &q, func() (err error) {
		for key, names := range map[string][]string{"outgoing": q.Outgoing, "incoming": q.Incoming} {
			for i := range names {
				err = errors.Join(err, checkName(key, &names[i]))
			}
		}
		return err
	}) {
		return
	}
	signed, err := c.as(r).Shift().HandOver(duty.Handover{Outgoing: q.Outgoing, Incoming: q.Incoming, Blank: q.Blank})
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, signed)
}

// logs notes something of the shift, or says what a moment was.
func (c *console) logs(w http.ResponseWriter, r *http.Request) {
	var q struct {
		What, Note string
		Moment     int64
	}
	if !read(w, r, &q, func() error {
		if q.Moment != 0 && q.What != "" {
			return errors.New("it takes what, or moment, not both")
		}
		if q.Moment != 0 {
			q.Note = strings.TrimSpace(q.Note)
			return checkText("note", q.Note, maxText)
		}
		return errors.Join(checkWord("what", q.What), checkNote("note", &q.Note))
	}) {
		return
	}
	if q.Moment != 0 {
		c.done204(w, r, c.as(r).Shift().Words(q.Moment, q.Note))
		return
	}
	c.done204(w, r, c.as(r).Shift().Log(q.What, q.Note))
}

func (c *console) moment(w http.ResponseWriter, r *http.Request) {
	if read(w, r, &struct{}{}, func() error { return nil }) {
		c.as(r).Shift().Moment()
		w.WriteHeader(http.StatusNoContent)
	}
}

func (c *console) count(w http.ResponseWriter, r *http.Request) {
	var q struct {
		What string
		N    int
	}
	if read(w, r, &q, func() error { return checkWord("what", q.What) }) {
		c.done204(w, r, c.as(r).Shift().Count(q.What, q.N))
	}
}

func (c *console) slip(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Household, What, Agreed string
		AgreedBy                string `json:"agreed_by"`
		Until                   time.Time
	}
	if !read(w, r, &q, func() error {
		q.What = strings.TrimSpace(q.What)
		err := errors.Join(checkWord("household", q.Household), checkText("what", q.What, maxText), checkWord("agreed", q.Agreed))
		if q.AgreedBy != "" {
			err = errors.Join(err, checkName("agreed_by", &q.AgreedBy))
		}
		if q.Until.IsZero() {
			err = errors.Join(err, errors.New("until is missing"))
		}
		return err
	}) {
		return
	}
	id, err := c.as(r).Shift().Issue(duty.Slip{Household: q.Household, What: q.What, Agreed: q.Agreed, AgreedBy: q.AgreedBy,
		Until: q.Until})
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"slip": id})
}

// slips are the open slips of a household, or all.
func (c *console) slips(w http.ResponseWriter, r *http.Request) {
	var q struct{ Household string }
	if !read(w, r, &q, func() error {
		if q.Household == "" {
			return nil
		}
		return checkWord("household", q.Household)
	}) {
		return
	}
	list, err := c.as(r).Shift().Open(q.Household)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, list)
}

func (c *console) slipUsed(w http.ResponseWriter, r *http.Request) {
	var q struct{ Slip string }
	if read(w, r, &q, func() error { return checkWord("slip", q.Slip) }) {
		c.done204(w, r, c.as(r).Shift().Used(q.Slip))
	}
}
