package console

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gated/gate"
)

// host answers with whom to call for a host, in order and without their numbers.
func (c *console) host(w http.ResponseWriter, r *http.Request) {
	var q struct{ Room string }
	if !read(w, r, &q, func() error {
		q.Room = strings.TrimSpace(q.Room)
		return checkText("room", q.Room, maxWord)
	}) || !c.mayFind(w) {
		return
	}
	card, err := c.as(r).Counter().Card(q.Room)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	c.finder.gave(len(card.People))
	answer(w, http.StatusOK, card)
}

// telephone answers with one number; the gate records first who looks at whose.
func (c *console) telephone(w http.ResponseWriter, r *http.Request) {
	var q gate.Whose
	if !read(w, r, &q, func() error {
		if q.Index < 0 {
			return fmt.Errorf("index is %d: write that of the card", q.Index)
		}
		return errors.Join(mayWord("person", q.Person), mayWord("visit", q.Visit), mayWord("body", q.Body))
	}) {
		return
	}
	number, err := c.as(r).Counter().Telephone(q)
	if err != nil {
		c.failGate(w, r, err)
		return
	}
	answer(w, http.StatusOK, map[string]string{"telephone": number})
}

// mayWord is checkWord of what may be left out.
func mayWord(key, s string) error {
	if s == "" {
		return nil
	}
	return checkWord(key, s)
}

// suspend has somebody's passes count no more until the office decides.
func (c *console) suspend(w http.ResponseWriter, r *http.Request) {
	var q struct{ Person, Why string }
	if read(w, r, &q, func() error {
		q.Why = strings.TrimSpace(q.Why)
		return errors.Join(checkWord("person", q.Person), checkText("why", q.Why, maxText))
	}) {
		c.done204(w, r, c.as(r).Counter().Suspend(q.Person, q.Why))
	}
}
