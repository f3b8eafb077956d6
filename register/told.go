package register

import (
	"strings"
	"time"

	"gated/register/blind"
	"gated/register/presence"
	"gated/register/slips"
)

// Marked are the words of somebody's exemptions at a time, and whether they are watched, by roster ID and the IDs of their households.
func (s *State) Marked(subject, households string, at time.Time) (exempt string, watched bool) {
	if len(s.Marks) == 0 {
		return "", false
	}
	who := []blind.Key{s.hash.Key(blind.OfSubject, subject)}
	for h := range strings.FieldsSeq(households) {
		who = append(who, s.Home(h))
	}
	return s.Marks.Of(at, who)
}

// Inside counts the people, and the vehicles, admitted in and not yet out; those that have been inside longer than stay, and outsiders
// who count as gone, do not count.
func (s *State) Inside(now time.Time, stay time.Duration) (people, vehicles int) {
	people, vehicles = presence.Sum(s.InsideBy(now, stay))
	return people + s.Visits.Count(now), vehicles
}

// InsideBy is that by class, without those who are inside by a visit.
func (s *State) InsideBy(now time.Time, stay time.Duration) map[string]int {
	return s.people.Inside(now, stay)
}

// SlipsOf are the open slips of some households at a time; without one, all.
func (s *State) SlipsOf(at time.Time, households ...string) slips.List {
	var of []blind.Key
	for _, h := range households {
		of = append(of, s.Home(h))
	}
	return s.Slips.Open(at, of)
}

// Place is where a person or vehicle of the roster is.
func (s *State) Place(subject string) presence.Place {
	return s.people[s.hash.Key(blind.OfSubject, subject)]
}
