package judge

import (
	"slices"
	"time"

	"gated/ledger"
	"gated/register/byhand"
)

// standing is an opening by hand, for as long as it holds the lane open. Who is admitted meanwhile needs no pulse.
type standing struct {
	Span
	seq int64
}

// stand takes an entry about an opening by hand.
func (l *lane) stand(e *ledger.Entry) {
	i := slices.IndexFunc(l.standing, func(s standing) bool { return s.seq == e.Ref })
	switch {
	case e.Ref == 0:
		l.standing = append(l.standing, standing{Span{From: e.At}, e.Seq})
	case i < 0 || e.Reason == byhand.GoesOn || !l.standing[i].Until.IsZero():
	case e.Reason == byhand.NeverWas:
		l.standing = slices.Delete(l.standing, i, i+1)
	default:
		l.standing[i].Until = e.At
	}
}

// stands tells whether the lane stood open by hand at a time, as far as the time stamps are exact.
func (l *lane) stands(at time.Time) bool {
	return slices.ContainsFunc(l.standing, func(s standing) bool { return s.overlaps(at.Add(-stamps), at.Add(stamps)) })
}

// byHand returns the switchings that the openings by hand explain: the relay is switched on once, not before the entry can be on the
// disk, and again each time that it is plugged in meanwhile.
func (o *Openings) byHand(name string, relay *Relay, runs []*Run) (claims []claim) {
	l := o.lanes[name]
	for i := range l.standing {
		s := &l.standing[i]
		r := run(runs, s.From)
		if r == nil {
			o.mismatch("entry %d: no gate ran then", s.seq)
			continue
		}
		if !r.Until.IsZero() && before(r.Until, s.Until) { // with the process, whatever the next one says of it
			s.Until = r.Until
		}
		claims = append(claims, claim{from: r.durable(s.From), until: s.Until, seq: s.seq})
		for _, at := range relay.Plugged {
			if at.After(s.From) && before(at, plus(s.Until, time.Second)) {
				claims = append(claims, claim{from: at, until: s.Until, seq: s.seq})
			}
		}
	}
	return claims
}
