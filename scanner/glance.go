package scanner

import (
	"bytes"
	"context"
	"time"
)

// A glance is what a scanner sends without a silence of Config.CodesApart: one code, perhaps again and again. Different ones were not
// held up by people: one picture has them all, or two phones lie there. How long a code is under way says nothing: at 9600 baud it is
// longer than that silence.
type glance struct {
	codes   [][]byte // not handed on yet: two at most, as more say nothing new
	handed  []byte   // the newest that was, nil: none
	several bool     // that there are several was handed on: all else is dropped
	since   time.Time
	last    time.Time // when its newest bytes were read, or its newest code was answered: what came meanwhile belongs to it
}

// glanced begins another glance, if the line was silent for long enough before these bytes.
func (s *session) glanced(at time.Time) {
	if at.Sub(s.glance.last) >= s.r.o.Config.CodesApart {
		s.glance = glance{since: at}
	}
	s.glance.last = at
}

// collect keeps a code until those that came with it are known.
func (s *session) collect(code []byte, at time.Time) {
	g, c := &s.glance, s.r.o.Config
	picture := time.Duration(c.Max) * LeastGap(c.Baud) / 20 // how long the largest one is under way, at least
	switch {
	case g.several && at.Sub(g.since) > floodTime+picture:
		s.mute(at) // it never stops
	case g.several || len(g.codes) == 2 || len(g.codes) == 1 && bytes.Equal(g.codes[0], code):
	default:
		g.codes = append(g.codes, bytes.Clone(code))
	}
}

// wholeAt is when what was collected is handed on: at once if there are several codes, else when the line has been silent for so long
// that no more bytes of the same transmission are on their way. Each passage waits for it.
func (s *session) wholeAt() time.Time {
	c, g := s.r.o.Config, &s.glance
	switch {
	case len(g.codes) == 0:
		return time.Time{}
	case len(g.codes) > 1 || g.different():
		return g.last
	}
	return g.last.Add(min(LeastGap(c.Baud), c.CodesApart))
}

// different tells whether the first code that waits is another than the one handed on.
func (g *glance) different() bool { return g.handed != nil && !bytes.Equal(g.handed, g.codes[0]) }

// handCollected hands on what was collected, if it is time.
func (s *session) handCollected(ctx context.Context, now time.Time) {
	g := &s.glance
	if at := s.wholeAt(); at.IsZero() || now.Before(at) {
		return
	}
	code := g.codes[0]
	if g.several = len(g.codes) > 1 || g.different(); g.several {
		codes := g.codes
		if g.handed != nil {
			codes = append([][]byte{g.handed}, codes...)
		}
		code = bytes.Join(codes, []byte("\n"))
	}
	g.codes, g.handed = nil, code
	s.give(ctx, code, g.last)
	g.last = time.Now()
}
