package counter

import (
	"fmt"
	"strconv"
	"time"

	"gated/gate/query"
	"gated/gate/writing"
	"gated/ledger"
	"gated/register"
	"gated/register/paper"
)

// Paper records that so many lines of a page of the handover book have been written by hand: they are to be entered. What is said last
// of a page counts; 0 takes it back.
func (c *Counter) Paper(page, lines int) error {
	_, err := c.OfPaper(func(b paper.Book, _ time.Time) ([]ledger.Event, error) {
		switch {
		case page < 1 || page > b.Next:
			return nil, invalid("page %d was never printed: pages 1 to %d were, the number stands at the foot of the page", page, b.Next)
		case lines < 0 || lines > paper.LinesOfPage:
			return nil, invalid("%d lines: a page has 1 to %d; 0 takes it back", lines, paper.LinesOfPage)
		}
		return []ledger.Event{{Kind: paper.Kind, Reason: paper.Filled, Personal: c.signed("guard"),
			Detail: map[string]string{paper.Page: strconv.Itoa(page), paper.Lines: strconv.Itoa(lines)}}}, nil
	})
	return err
}

// OfPaper records what draft makes of the pages that there are, as of whoever acts, all of it or nothing. None of it opens anything.
func (c *Counter) OfPaper(draft func(b paper.Book, now time.Time) ([]ledger.Event, error)) ([]ledger.Entry, error) {
	c.Passages.Lock()
	defer c.Passages.Unlock()
	if !c.Remembers() {
		return nil, query.ErrNotReady
	}
	var b paper.Book
	c.Register.View(func(s *register.State) { b = s.Paper })
	at := c.Clock.Now()
	events, err := draft(b, c.Clock.Judge(at).In(c.Zone))
	if err != nil || len(events) == 0 {
		return nil, err
	}
	for i := range events {
		events[i].Stamp, events[i].By = at, c.By
	}
	entries, err := c.Writing.Append(events...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", writing.ErrLedger, err)
	}
	return entries, nil
}
