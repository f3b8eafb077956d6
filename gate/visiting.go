package gate

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gated/gate/view"
	"gated/register"
	"gated/register/visits"
)

// mostListed is how many visits the page gets at once.
const mostListed = 50

// Visits are those that matter now: of whoever is inside, who is overdue first; then those by which somebody may come today. They are
// named as far as that can still be read, which may wait for the disk.
func (g *Gate) Visits(is func(id string, v *visits.Visit) bool) ([]view.Visit, error) {
	now := g.clock.Judge(g.clock.Now()).In(g.opt.Ledger.Zone())
	today := now.Format(time.DateOnly)
	list := []view.Visit{}
	g.opt.Register.View(func(s *register.State) {
		for id, v := range s.Visits {
			from, _ := v.Good(now.Location())
			state := v.State(now, s.Day(), 1)
			if is == nil && v.Inside == 0 && (state == visits.Over || state == visits.Late || from.Format(time.DateOnly) > today) ||
				is != nil && !is(id, &v) {
				continue
			}
			x := view.VisitOf(id, v, state, now)
			x.Left = v.Left(s.Day())
			list = append(list, x)
		}
	})
	slices.SortFunc(list, func(a, b view.Visit) int {
		return cmp.Or(-compare(a.Overdue, b.Overdue), -compare(a.Inside > 0, b.Inside > 0), a.From.Compare(b.From),
			cmp.Compare(a.Entry, b.Entry))
	})
	list = list[:min(len(list), mostListed)]
	var seqs []int64
	for _, v := range list {
		seqs = append(seqs, v.Entry)
	}
	said, err := g.opt.Register.Entries(seqs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLedger, err)
	}
	for i := range list {
		if e := said[list[i].Entry]; e != nil {
			list[i].Name, list[i].Host, list[i].Plate = e.Personally("name"), e.Personally("host"), e.Personally("plate")
			list[i].Note, list[i].Firm, list[i].Purpose = e.Personally("note"), e.Detail["firm"], e.Detail["purpose"]
		}
	}
	return list, nil
}

func compare(a, b bool) int { return map[bool]int{true: 1}[a] - map[bool]int{true: 1}[b] }
