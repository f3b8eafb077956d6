package scanner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"gated/serialport"
)

var (
	errNoAnswer = errors.New("the reader does not answer as one does: check its power, cable and baud rate")
	errModule   = errors.New("the reader's module cannot work")
	errLate     = errors.New("no answer in time")
	errOdd      = errors.New("an answer that does not belong to the question")
	errUnread   = errors.New("the card was not read")
)

// A link puts questions to the module, one at a time.
type link struct {
	p    *serialport.Port
	boot func() time.Duration
	a    answer
	buf  [2048]byte // photos go through it: cleared after each read
}

// ask puts one question and returns the status of its answer, which l.a then holds. All of it takes no longer than the
// limit and sendLimit.
func (l *link) ask(ctx context.Context, command [2]byte, limit time.Duration) (status byte, err error) {
	l.a.clear()
	if err := l.p.Flush(); err != nil {
		return 0, fmt.Errorf("flush: %w", err)
	}
	if err := l.p.Write(frame(command), time.Now().Add(sendLimit)); errors.Is(err, os.ErrDeadlineExceeded) {
		return 0, fmt.Errorf("%w: it takes no command", errLate)
	} else if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	asked, until := l.boot(), time.Now().Add(limit)
	for {
		switch err := l.p.Wait(ctx, until); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return 0, errLate
		case err != nil:
			return 0, fmt.Errorf("wait for an answer: %w", err)
		}
		n, err := l.p.Read(l.buf[:])
		if err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
		whole, _, err := l.a.take(l.buf[:n])
		clear(l.buf[:n])
		// Also when the bytes were there in time: a process that stood still, or a box that was suspended, would take an old
		// card for one just laid down.
		if l.boot()-asked >= limit {
			return 0, errLate
		}
		if err != nil {
			return 0, err
		}
		if whole {
			return l.a.status(), nil
		}
	}
}

// quiet drops what is still on its way, until nothing has come for so long.
func (l *link) quiet(ctx context.Context, silence time.Duration) error {
	switch line, err := l.p.Settle(ctx, silence, l.boot); {
	case err != nil:
		return fmt.Errorf("wait for a quiet line: %w", err)
	case !line.Quiet:
		return fmt.Errorf("%w: it never stops sending", errNoAnswer)
	}
	return nil
}

func (l *link) clear() {
	l.a.clear()
	clear(l.buf[:])
}

// complaint is what a status means that is none of those wanted; otherwise where it says nothing in particular.
func complaint(status byte, otherwise error) error {
	switch {
	case status == statusSelfTest || status == statusNoRight:
		otherwise = errModule
	case status == statusFound || slices.Contains(spoiled[:], status): // it answers an older question, or did not understand
		otherwise = errOdd
	}
	return fmt.Errorf("%w: status %02X", otherwise, status)
}

// missed tells whether the question may be put again, as against a port that is lost.
func missed(err error) bool {
	for _, e := range []error{errLate, errOdd, errCheck, errLength} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
