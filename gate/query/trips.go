package query

import (
	"cmp"
	"time"

	"gated/gate/subject"
	"gated/policy"
	"gated/register"
	"gated/register/blind"
	"gated/register/levels"
	"gated/roster"
)

// TripTime is how long the trip may take on which somebody goes.
type TripTime struct {
	limit  time.Duration  // 0: as long as it takes
	zone   *time.Location // nil: it is none of a household
	exempt bool
}

// TripTime is that of somebody of whom these are the facts. Who goes by an exemption takes as long as it takes, and takes no trip from the
// household.
func (a Asker) TripTime(f policy.Facts, household string, m Moment) (t TripTime) {
	if f.Direction == "out" && f.Class == "resident" && f.Known && household != "" {
		t = TripTime{m.Policy.TripTime(f.Level), a.Zone, m.Policy.Exempts(f)}
	}
	return t
}

// Detail says by when somebody is to be back who goes at a time, or that their trip does not count, as that of an urgent need, if
// they have one; empty: it counts, and they may take their time.
func (t TripTime) Detail(at time.Time, trusted bool, need string) map[string]string {
	switch {
	case t.exempt:
		return map[string]string{register.Uncounted: "exempt"}
	case need != "" && t.zone != nil:
		return map[string]string{register.Uncounted: need}
	case t.limit == 0 || !trusted:
		return nil
	}
	return map[string]string{register.Due: at.In(t.zone).Add(t.limit).Format(time.RFC3339)}
}

// trip is what is known of the trip of somebody who would be judged by a level.
func trip(s *register.State, who subject.Subject, level string, m Moment) string {
	seq, due := s.Trip(who.ID)
	switch f := at(s.Levels, who); {
	case seq == 0:
		return ""
	case level == cmp.Or(f.Level, m.Level) && overdue(s.Levels, who, register.Away{Seq: seq, Due: due}, m):
		return policy.TripOverdue
	}
	return policy.TripOpen
}

// overdue tells whether somebody who is out was to be back by now, at the level that counts where they live. Who went before that
// level began is never overdue by it.
func overdue(b levels.Board, who subject.Subject, t register.Away, m Moment) bool {
	building, unit := first(who)
	return !t.Due.IsZero() && m.At.After(t.Due) && m.Policy.TripTime(cmp.Or(at(b, who).Level, m.Level)) > 0 &&
		t.Seq > b.LastChange(building, unit)
}

// Away is somebody who is out on a trip that has a time to be back.
type Away struct {
	Entry     int64     `json:"entry"` // that admitted them out
	Household string    `json:"household"`
	Name      string    `json:"name"` // of the person, or whom the guard was told that goes with the household's pass
	Out       time.Time `json:"out"`
	Due       time.Time `json:"due"`
	Overdue   bool      `json:"overdue"`
	Minutes   int       `json:"minutes_over"`
}

// Away are all of them, without their names.
func (a Asker) Away(people *roster.Snapshot, m Moment) []Away {
	list := []Away{}
	a.Register.View(func(s *register.State) {
		away := s.Away()
		homes := map[blind.Key]subject.Subject{} // where only the compound has a level it is that of every household
		if len(away) > 0 && s.Levels.Places() {
			for _, h := range people.Households() {
				homes[s.Home(h.ID)] = subject.Subject{Building: h.Building, Unit: h.Building + "-" + h.Unit}
			}
		}
		for _, t := range away {
			o := Away{Entry: t.Seq, Due: t.Due.In(a.Zone), Overdue: overdue(s.Levels, homes[t.Household], t, m)}
			if o.Overdue {
				o.Minutes = int(m.At.Sub(t.Due) / time.Minute)
			}
			list = append(list, o)
		}
	})
	return list
}

// Overdue are those of them who were to be back by now.
func Overdue(list []Away) []Away {
	late := []Away{}
	for _, o := range list {
		if o.Overdue {
			late = append(late, o)
		}
	}
	return late
}

// Name says of each who it is, as far as that can still be read.
func (a Asker) Name(people *roster.Snapshot, list []Away) error {
	var seqs []int64
	for _, o := range list {
		seqs = append(seqs, o.Entry)
	}
	told, err := a.Register.Entries(seqs)
	for i := range list {
		e := told[list[i].Entry]
		if e == nil {
			continue
		}
		p, _ := people.Person(e.Personally("subject"))
		list[i].Household, list[i].Name = e.Personally("household"), cmp.Or(p.Name, e.Personally("answer_traveller"))
		if list[i].Out = e.At; !register.Passed(e).IsZero() {
			list[i].Out = register.Passed(e)
		}
		if e.Kind == register.Trip {
			list[i].Out, _ = time.Parse(time.RFC3339, e.Detail[register.Out])
		}
		list[i].Out = list[i].Out.In(a.Zone)
	}
	return err
}
