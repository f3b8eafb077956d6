package evidence

import (
	"errors"
	"slices"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/register"
	"gated/register/byhand"
	"gated/register/paper"
)

// Calendar is where the entries of each day stand in the first size entries of a ledger.
type Calendar []file.Segment

// Calendar reads it.
func (r *Reader) Calendar(size int64) (Calendar, error) {
	c, err := r.Segments()
	if err != nil {
		return nil, err
	}
	c = slices.DeleteFunc(c, func(s file.Segment) bool { return s.First > size })
	if n := len(c); n > 0 {
		c[n-1].Last = size
	}
	return c, nil
}

// Day is where the entries of one day stand: in more than one segment where a clock was set back.
type Day struct {
	Name        string // 2006-01-02
	Own         []file.Segment
	First, Last int64 // without entries First is where the first would stand, and Last the one before
}

// Day looks a day up.
func (c Calendar) Day(name string) Day {
	d := Day{Name: name}
	for _, s := range c {
		switch {
		case s.Day == name:
			if d.Own = append(d.Own, s); len(d.Own) == 1 {
				d.First = s.First
			}
			d.Last = s.Last
		case s.Day < name && len(d.Own) == 0:
			d.First, d.Last = s.Last+1, s.Last
		}
	}
	d.First = max(d.First, 1)
	return d
}

// Strays are the runs of entries that bear another date and stand between the day's own; besides, right before them such of a
// later date, right behind them such of an earlier one. The clock was wrong when they were written, or when the others were.
func (c Calendar) Strays(d Day) (runs []file.Segment) {
	if len(d.Own) == 0 {
		return nil
	}
	for _, s := range c {
		switch {
		case s.First < d.First && s.Day < d.Name:
			runs = nil
		case s.First > d.Last && s.Day > d.Name:
			return runs
		case s.Day != d.Name:
			runs = append(runs, s)
		}
	}
	return runs
}

// Has says whether an entry is of the day.
func (d Day) Has(seq int64) bool {
	return slices.ContainsFunc(d.Own, func(s file.Segment) bool { return s.First <= seq && seq <= s.Last })
}

// tells says whether watching on a day can be told from an entry on, where first is the day's first: it is of the box's own
// running, and of another boot, or of before the day by the clock that nobody sets. A roster that was changed while the box was
// stopped tells nothing, nor does what was written while the clock of the day's first boot was still wrong.
func (w *watch) tells(e, first *entry.Entry) bool {
	switch {
	case e.Seq == 1:
		return true
	case byCommand[e.Kind] || e.Late():
		return false
	}
	return first == nil || first.Clock != "trusted" || first.Boot != e.Boot || first.At.Add(monoOf(e)-monoOf(first)).Before(w.from)
}

// WatchedFrom is the entry from which on it can be told when the box was watching on a day.
func (r *Reader) WatchedFrom(d Day) (from int64, err error) {
	w, err := newWatch(d.Name, r.Zone)
	if err != nil {
		return 0, err
	}
	one := func(seq int64) (e *entry.Entry, err error) {
		err = r.Scan(seq, seq, false, func(x *entry.Entry) error { c := *x; e = &c; return nil })
		return e, err
	}
	var first, e *entry.Entry
	if d.Last >= d.First {
		first, err = one(d.First)
	}
	for from = max(d.First-1, 1); from > 1 && err == nil; from-- {
		if e, err = one(from); err == nil && w.tells(e, first) {
			break
		}
	}
	return from, err
}

// WatchedUntil is the entry up to which that can be told: the one after the day, or what tells the time of the boot that it began,
// where its clock said that the day was not over.
func (r *Reader) WatchedUntil(d Day, size int64) (until int64, err error) {
	until = d.Last + 1
	boot, found := "", errors.New("found")
	err = r.Scan(until, size, false, func(e *entry.Entry) error {
		if until = e.Seq; e.Seq == d.Last+1 {
			boot = strings.Clone(e.Boot)
		}
		if !e.Late() && (e.Clock == "trusted" || e.Boot != boot || e.At.Format(time.DateOnly) >= d.Name) {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		err = nil
	}
	return until, err
}

// Account adds up what every export tells of a day from the entries around it, in the order of seq: its entries, its
// passages by their latest verdict, when the box was not watching, and when lanes were open by hand.
type Account struct {
	Day
	size     int64 // of the ledger
	Entries  int64
	verdicts map[string]string // latest, of the passages begun that day
	watch    watch
	byHand   byhand.Day
	newest   time.Time      // of the ledger's newest entry, where that was among them
	ahead    []*entry.Entry // what came right before the day
	next     int64          // the entry that watching needs next
	torn     bool           // it did not get one
	begun    bool
}

// NewAccount begins one in a ledger of size entries.
func NewAccount(d Day, size int64, zone *time.Location) (*Account, error) {
	w, err := newWatch(d.Name, zone)
	return &Account{Day: d, size: size, verdicts: map[string]string{}, watch: w, byHand: byhand.Day{Begins: w.from}, next: 1}, err
}

// Add takes the next entry; own says whether it is of the day.
func (a *Account) Add(e *entry.Entry, own bool) error {
	if own {
		a.Entries++
		a.byHand.Add(e)
	}
	if e.Seq == a.size {
		a.newest = e.At
	}
	if e.Passage != "" {
		verdict, known := a.verdicts[e.Passage]
		if e.Verdict != "" && e.Kind != register.Check {
			verdict = strings.Clone(e.Verdict) // not with the record that it is a part of
			if e.Kind == register.Correction && e.Reason == register.DidNotGoThrough {
				verdict = annulled
			}
		}
		if known {
			a.verdicts[e.Passage] = verdict
		} else if own && register.Begins(e) {
			a.verdicts[strings.Clone(e.Passage)] = verdict
		}
	}
	switch {
	case e.Seq < a.First:
		if e.Seq != a.next {
			a.ahead = nil
		}
		own := *e
		a.ahead, a.next = append(a.ahead, &own), e.Seq+1
		return nil
	case e.Seq > a.Last && !a.Needs():
		return nil
	case e.Seq != a.next:
		a.torn = true
	}
	if err := a.begin(e); err != nil {
		return err
	}
	a.next = e.Seq + 1
	return a.watch.add(e)
}

// begin takes in, once, what came before the day, from where it tells when the box was watching.
func (a *Account) begin(first *entry.Entry) error {
	if a.begun {
		return nil
	}
	a.begun = true
	if a.Last < a.First {
		first = nil // it is not of the day
	}
	i := len(a.ahead) - 1
	for i >= 0 && !a.watch.tells(a.ahead[i], first) {
		i--
	}
	if a.torn = a.torn || i < 0 && a.First > 1; a.torn {
		return nil
	}
	for _, e := range a.ahead[max(i, 0):] {
		if err := a.watch.add(e); err != nil {
			return err
		}
	}
	a.ahead = nil
	return nil
}

// Needs tells whether later entries are needed to tell when the box was watching: the one after the day, and what tells when a
// boot began whose clock was wrong.
func (a *Account) Needs() bool { return a.next <= a.size && (a.next <= a.Last+1 || a.watch.waits()) }

// verdicts that a passage can have last.
var verdicts = []string{"admit", "refuse", "hold", "undecided", annulled}

// annulled is what an admission counts as that was taken back: they did not go through, and nobody refused them.
const annulled = "annulled"

// Passages counts them by their latest verdict; undecided and annulled stand among them where there is one.
func (a *Account) Passages() map[string]int {
	counts := map[string]int{"admit": 0, "refuse": 0, "hold": 0}
	for _, v := range a.verdicts {
		counts[v]++
	}
	return counts
}

// Gaps tells when the box was not watching; now bounds a day that is not over, in its stead the newest entry where it is zero.
// ok is false where entries are missing that would tell.
func (a *Account) Gaps(now time.Time) (list []Gap, ok bool) {
	if err := a.begin(nil); err != nil || a.torn || a.Needs() {
		return nil, false
	}
	return a.watch.close(a.size, now), true
}

// ByHand tells when lanes were open by hand, so that passages were not registered. What goes on ends with the day; now bounds one that
// is not over, in its stead the newest entry where it is zero.
func (a *Account) ByHand(now time.Time) []byhand.Time {
	ends := a.watch.to
	if now.IsZero() {
		now = a.newest
	}
	if !now.IsZero() && now.Before(ends) {
		ends = now
	}
	return a.byHand.Times(ends.In(a.watch.from.Location()))
}

// OpenByHand is what exports call the times in which a lane stood open by hand.
const OpenByHand = "open, not registered"

// OnPaper is what exports call the lines of a day that were written by hand, and are not entered.
const OnPaper = "on paper"

// Heads says to people how many passed meanwhile.
func Heads(counted string) string {
	switch counted {
	case "":
		return "went on"
	case byhand.Uncounted:
		return counted
	}
	return counted + " counted"
}

// seen is an entry as an export meets it.
type seen struct {
	*entry.Entry
	own      bool // of the day
	later    bool // of after the day, and about it
	personal []file.Disclosure
}

// read hands the entries around a day to see, each once and in order: those that tell when the box was watching, the day's
// own, and later ones about it. Personal fields are read, of the last two, only where asked for.
func (r *Reader) read(d Day, size int64, personal bool, see func(seen) error) (*Account, error) {
	a, err := NewAccount(d, size, r.Zone)
	if err != nil {
		return nil, err
	}
	later, err := r.LaterThan(d.Own)
	if err != nil {
		return nil, err
	}
	later = slices.DeleteFunc(later, func(seq int64) bool { return seq > size })
	from, err := r.WatchedFrom(d)
	if err != nil {
		return nil, err
	}
	stretch := func(from, to int64, personal bool) {
		if err != nil || from > to {
			return
		}
		take := func(e *entry.Entry, fields []file.Disclosure) error {
			own := d.Has(e.Seq)
			_, later := slices.BinarySearch(later, e.Seq)
			if err := a.Add(e, own); err != nil {
				return err
			}
			return see(seen{e, own, later, fields})
		}
		if personal {
			err = r.ScanDisclosed(from, to, take)
		} else {
			err = r.Scan(from, to, false, func(e *entry.Entry) error { return take(e, nil) })
		}
	}
	stretch(from, d.First-1, false)
	stretch(d.First, d.Last, personal)
	for err == nil && a.Needs() { // it ends what is told of watching
		stretch(a.next, a.next, personal)
	}
	for _, seq := range later {
		if seq >= a.next { // else it was among them
			stretch(seq, seq, personal)
		}
	}
	return a, err
}

// Stats are the counts of one day, when the box was not watching, and when lanes were open by hand.
type Stats struct {
	Day      string         `json:"day"`
	Entries  int64          `json:"entries"`
	Passages map[string]int `json:"passages"` // by their latest verdict; hold: still open; undecided, annulled: where there is one
	Gaps     []Gap          `json:"-"`
	ByHand   []byhand.Time  `json:"-"`

	Paper []paper.Waiting `json:"-"` // what stands on paper alone
}

// Stats counts a day; now bounds one that is not over. A passage counts on the day of its first event, once.
func (r *Reader) Stats(day string, now time.Time) (Stats, error) {
	size, err := r.Size()
	if err != nil {
		return Stats{}, err
	}
	c, err := r.Calendar(size)
	if err != nil {
		return Stats{}, err
	}
	a, err := r.read(c.Day(day), size, false, func(seen) error { return nil })
	if err != nil {
		return Stats{}, err
	}
	return r.stats(a, now)
}

func (r *Reader) stats(a *Account, now time.Time) (Stats, error) {
	gaps, _ := a.Gaps(now) // read has left nothing out
	is, err := r.Newest()
	if err != nil {
		return Stats{}, err
	}
	return Stats{a.Name, a.Entries, a.Passages(), gaps, a.ByHand(now), is.Paper.Waiting(a.Name)}, nil
}
