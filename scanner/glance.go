package scanner

import (
	"bytes"
	"context"
	"time"
)

// A glance is what a scanner reads without a pause: one code, perhaps again and again. Different ones within
// Config.CodesApart were not held up by people: one picture has them all, or two phones lie there. None of them counts.
type glance struct {
	codes   [][]byte // not handed on yet: two at most, as more say nothing new
	handed  []byte   // the newest that was, nil: none
	several bool     // that there are several was handed on: all else is dropped
	since   time.Time
	last    time.Time // when the newest came
}

// collect keeps a code until those that came with it are known.
func (s *session) collect(code []byte, at time.Time) {
	g := &s.glance
	if at.Sub(g.last) >= s.r.o.Config.CodesApart {
		*g = glance{since: at}
	}
	g.last = at
	switch {
	case g.several && at.Sub(g.since) > floodTime:
		s.mute(at) // it never stops
	case g.several || len(g.codes) == 2 || len(g.codes) == 1 && bytes.Equal(g.codes[0], code):
	default:
		g.codes = append(g.codes, bytes.Clone(code))
	}
}

// handCollected hands on what was collected. What waits in the port already came with it, and is read first.
func (s *session) handCollected(ctx context.Context, wait bool) {
	g := &s.glance
	if len(g.codes) == 0 {
		return
	}
	if queued, _ := s.p.Queued(); wait && len(g.codes) == 1 && queued > 0 {
		return
	}
	code := g.codes[0]
	if g.several = len(g.codes) > 1 || g.handed != nil && !bytes.Equal(g.handed, code); g.several {
		codes := g.codes
		if g.handed != nil {
			codes = append([][]byte{g.handed}, codes...)
		}
		code = bytes.Join(codes, []byte("\n"))
	}
	g.codes, g.handed = nil, code
	s.give(ctx, code, g.last)
}
