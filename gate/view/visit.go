package view

import (
	"time"

	"gated/register/visits"
)

// Visit is one outsider's, or one group's, permission, as a guard sees it: who may come in, and who is inside; never a history.
type Visit struct {
	ID       string    `json:"id"`
	Entry    int64     `json:"-"`
	How      string    `json:"how"`
	Class    string    `json:"class"`
	State    string    `json:"state"` // a word of visits.States
	Name     string    `json:"name,omitempty"`
	Host     string    `json:"host,omitempty"`
	Plate    string    `json:"plate,omitempty"`
	Note     string    `json:"note,omitempty"`
	Firm     string    `json:"firm,omitempty"`
	Purpose  string    `json:"purpose,omitempty"`
	Consent  string    `json:"consent"`
	From     time.Time `json:"from"`
	Until    time.Time `json:"until"`
	Days     string    `json:"days,omitempty"`
	Times    string    `json:"times,omitempty"`
	Inside   int       `json:"inside"`
	In       time.Time `json:"in,omitzero"`   // when the newest of them came in
	Due      time.Time `json:"due"`           // when they are to have left
	Overdue  bool      `json:"overdue"`       // they are to have left by now
	Presumed bool      `json:"presumed_left"` // so long ago that they count as gone
	Entries  int       `json:"entries"`       // 0: any number
	Left     int       `json:"left"`          // of them, today
	// Private: whose it is, and of whom, only its host's callers are to see.
	Private   bool `json:"private,omitempty"`
	Telephone bool `json:"telephone,omitempty"` // one is known, and is shown on a touch
}

// VisitOf is what is no secret of a visit at a time.
func VisitOf(id string, v visits.Visit, state string, now time.Time) Visit {
	from, until := v.Good(now.Location())
	x := Visit{ID: id, Entry: v.Entry, How: v.How, Class: v.Class, State: state, Consent: v.Consent, From: from, Until: until, Days: v.Days,
		Times: v.Times, Inside: v.Inside, Due: v.DueOut().In(now.Location()), Entries: v.Entries}
	if v.In != 0 {
		x.In = time.Unix(v.In, 0).In(now.Location())
	}
	x.Presumed = v.Inside > 0 && v.Where(now) == ""
	x.Overdue = v.Inside > 0 && !x.Presumed && v.How != visits.Delivery && now.After(x.Due)
	return x
}
