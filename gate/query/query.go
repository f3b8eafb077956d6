// Package query says what is known about somebody who wants through.
package query

import (
	"cmp"
	"strings"
	"time"

	"gated/credential"
	"gated/gate/subject"
	"gated/policy"
	"gated/register"
	"gated/register/levels"
	"gated/register/presence"
)

// Asker asks the register of a gate, in its zone.
type Asker struct {
	Register *register.Register
	Zone     *time.Location
	Both     bool // the gate has lanes in both directions
}

// Moment is by what somebody is judged.
type Moment struct {
	At      time.Time // as far as the clock is believed
	Trusted bool      // it is
	Policy  *policy.Policy
	Level   string   // of the settings
	Open    []string // bodies that whoever comes may see
	Ready   bool     // the register has read enough to decide by

	Came      time.Time     // when they came, also who is judged again; zero: by a clock that is not believed
	InsideFor time.Duration // who has been inside longer may have left unseen; 0: nobody
}

// stillGood: a pass with this much left at the last trusted time is judged as before.
const stillGood = 7 * 24 * time.Hour

// Doubt takes back what a claim says about its time where the clock is not to be trusted.
func Doubt(c credential.Claim, m Moment) credential.Claim {
	if m.Trusted || c.NotAfter.IsZero() && c.Reason != credential.ReasonNotYetValid {
		return c
	}
	// The clock may be wrong by any amount. What had expired at the last trusted time has expired now, and a pass that
	// was good for a week more is taken to be good still; nobody knows about the others.
	sure := c.Valid && c.NotAfter.Sub(m.At) >= stillGood
	if !sure && (c.Valid || c.Reason == "not-yet-valid") || m.At.IsZero() && c.Proof == credential.Signed {
		c.Valid, c.Reason = false, "clock-untrusted"
	}
	return c
}

// Level is the level at which somebody is judged, and the entry of the notice that it rests on; 0: the settings.
func (a Asker) Level(who subject.Subject, m Moment) (level string, notice int64) {
	f := at(a.board(), who)
	return cmp.Or(f.Level, m.Level), f.Notice
}

// NoticeText is what the notice of a level says, as far as that can still be read, by its entry: of an oral order what came in writing.
func (a Asker) NoticeText(entry int64) (text string, err error) {
	seqs := []int64{entry}
	a.Register.View(func(s *register.State) {
		if n, _ := s.Levels.Notice(entry); n.Told != 0 {
			seqs = append(seqs, n.Told)
		}
	})
	said, err := a.Register.Entries(seqs)
	for _, seq := range seqs { // the newest last
		if e := said[seq]; e != nil {
			text = cmp.Or(e.Personally("notice"), text)
		}
	}
	return text, err
}

// board has the notices of levels.
func (a Asker) board() (b levels.Board) {
	a.Register.View(func(s *register.State) { b = s.Levels })
	return b
}

// at is what a board has in force for somebody; of several flats the first counts.
func at(b levels.Board, who subject.Subject) levels.InForce {
	f, _ := b.At(first(who))
	return f
}

// first is where the first of somebody's flats is.
func first(who subject.Subject) (building, unit string) {
	building, _, _ = strings.Cut(who.Building, " ")
	unit, _, _ = strings.Cut(who.Unit, " ")
	return building, unit
}

// Facts are what is known about somebody at a level and a moment, by what they show.
func (a Asker) Facts(who subject.Subject, claim credential.Claim, direction, level string, m Moment) policy.Facts {
	now := m.At.In(a.Zone)
	f := policy.Facts{Direction: direction, Class: who.Class, Known: who.Known, Service: who.Service, Credential: claim.Kind,
		Valid: claim.Valid, Reason: claim.Reason, Proof: string(claim.Proof), PlateClass: claim.PlateClass, Level: level,
		ClockTrusted: m.Trusted, Building: who.Building, Unit: who.Unit,
		Minute: policy.MinuteOfWeek(now)}
	f.Holder = policy.HolderOf(f, who.ID, who.Household)
	if m.Policy.AsksHealth(level) { // else there is no ground in law on which to look
		f.Health, f.TestHours = claim.Standing(m.At, m.Trusted)
	}
	a.Register.View(func(s *register.State) {
		if who.Household != "" && who.Visit == "" {
			f.HouseholdTrips = s.Trips(who.Household, now, m.Policy.TripDays(level))
		}
		if who.Known {
			f.Exemption, f.Watched = s.Marked(who.ID, who.Homes, now)
			place := s.Place(who.ID)
			f.Whereabouts = place.Where(now, m.InsideFor)
			f.Again = a.Both && presence.Again(direction, f.Whereabouts)
			if since, known := place.Since(m.Came); known {
				f.MinutesSince = int(since / time.Minute)
			}
			f.Passed = place.Seq != 0 // where nobody knows when, it may have been just now
			f.Trip = trip(s, who, level, m)
		}
		if who.Visit != "" {
			a.visit(&f, s, who, m)
		}
	})
	return f
}

// withTheirPass are the facts of somebody of the roster on another day, who has come home and shows a pass that is good.
func withTheirPass(f policy.Facts) policy.Facts {
	f.Credential, f.Valid, f.Reason, f.Proof = credential.KindPass, true, credential.ReasonOK, string(credential.Signed)
	f.Holder, f.Again, f.Trip = cmp.Or(f.Holder, policy.HolderPerson), false, ""
	return f
}

// NextAllowed is the day from which the same person would be admitted; "" where more than the trips of the household is in the way. Who
// shows no valid pass is told when they may go with theirs.
func (a Asker) NextAllowed(f policy.Facts, household string, m Moment) (day string) {
	if f.HouseholdTrips == 0 || household == "" || m.Policy.Decide(f).Verdict == policy.Admit {
		return ""
	}
	if !m.Policy.MayAdmit(f) {
		first := f
		first.HouseholdTrips = 0
		if m.Policy.Decide(first).Rule == m.Policy.Decide(f).Rule { // for nobody's trips
			return ""
		}
		f = withTheirPass(f)
		if m.Policy.Decide(f).Verdict == policy.Admit || !m.Policy.MayAdmit(f) {
			return ""
		}
	}
	days, now, trips := m.Policy.TripDays(f.Level), m.At.In(a.Zone), f.HouseholdTrips
	goes := func() bool { // by the machine, or once they have answered what is asked of whoever has a trip left
		d, has := m.Policy.Decide(f), f.HouseholdTrips
		if d.Verdict == policy.Admit || d.Ask == nil {
			return d.Verdict == policy.Admit
		}
		f.HouseholdTrips = trips
		was := m.Policy.Decide(f)
		f.HouseholdTrips = has
		return was.Rule != d.Rule
	}
	a.Register.View(func(s *register.State) {
		for range days + 8 { // a corrected clock may have left trips on tomorrow, and rules may ask for a weekday
			now = now.AddDate(0, 0, 1)
			f.HouseholdTrips = s.Trips(household, now, days)
			for slot := range 24 * 6 { // whatever time it is now
				f.Minute = policy.MinuteOfWeek(time.Date(now.Year(), now.Month(), now.Day(), 0, 10*slot, 0, 0, time.UTC))
				if goes() {
					day = now.Format(time.DateOnly)
					return
				}
			}
		}
	})
	return day
}
