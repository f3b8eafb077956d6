package register

import (
	"cmp"
	"crypto/sha256"
	"slices"
	"strconv"
	"time"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register/blind"
	"gated/register/byhand"
	"gated/register/hosts"
	"gated/register/index"
	"gated/register/levels"
	"gated/register/marks"
	"gated/register/paper"
	"gated/register/presence"
	"gated/register/shift"
	"gated/register/slips"
	"gated/register/trips"
	"gated/register/visits"
)

// remembered is how many of the newest passages the state remembers: more than one transaction has, so that what comes
// right behind a passage is known to belong to it.
const remembered = 256

// State is what the entries add up to, as far as they can still be read: an entry whose personal data was erased moves
// nobody. It is never written by anything but entries, so that it can always be made anew.
type State struct {
	plain
	Size         int64              // entries
	Open         map[string]Passage // on hold, by passage ID
	ToAccountFor map[int64]Passage  // emergency openings, by seq, of which nobody said yet who passed
	Undecided    map[string]Passage // by passage ID: of this shift, of whom nobody has said what became of them
	Recent       []*Passage         // by their verdict, newest last; what one of them points to never changes

	hash     blind.Hasher
	last     [sha256.Size]byte // of the record of entry Size
	segments []file.Segment
	people   presence.Book      // by roster ID; who is not among them: unknown
	untimed  map[blind.Key]bool // who of them passed when no clock was trusted, and none has told a time since
	book     trips.Book
	Visits   visits.Book    // who calls View does not change it
	changed  *index.Changes // what the index has not heard of yet; nil: it has none
	taken    int64          // the size when that was handed out last
}

// plain are the parts of a state that are few: they go into the index as they are. Whoever adds one changes the index's version.
type plain struct {
	Newest  ledger.Stamp
	Trusted ledger.Stamp
	Copied  time.Time // when the newest backup was made; zero: never
	Roster  int64     // the newest change of the roster that an entry tells of
	Running bool      // started and not stopped: after a start that finds this set, the box went down hard
	Level   string    // of the settings, which counts where no notice does
	Levels  levels.Board
	Marks   marks.List       `json:",omitempty"` // an empty list and none are the same
	Shift   shift.Book       // who is on duty, and what they have done
	Slips   slips.List       `json:",omitempty"` // as with marks
	Hosts   hosts.List       `json:",omitempty"` // likewise
	Erased  int64            // the newest erase entry; 0: none
	Keeps   map[int64]Span   // days and times whose personal data must not be erased, by the entry that says so
	Latched map[string]Latch // by the emergency key, by lane, until a guard closed it or it is known to be lost
	ByHand  byhand.Lanes     `json:",omitempty"` // as with marks
	Paper   paper.Book
	// Window is over how many days the trips of a household are counted at the level in force, as the newest entry says.
	Window int
}

// Latch is an opening by the emergency key.
type Latch struct {
	Seq     int64
	Passage string
}

// Span is days in the gate's zone, both included; or from one time to another, as RFC 3339.
type Span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Times are the two times; false: it is days.
func (s Span) Times() (from, to time.Time, are bool) {
	from, err1 := time.Parse(time.RFC3339, s.From)
	to, err2 := time.Parse(time.RFC3339, s.To)
	return from, to, err1 == nil && err2 == nil
}

func newState(h blind.Hasher) *State {
	return &State{hash: h, plain: plain{Keeps: map[int64]Span{}, Latched: map[string]Latch{}}, Open: map[string]Passage{},
		ToAccountFor: map[int64]Passage{}, Undecided: map[string]Passage{}, people: presence.Book{},
		untimed: map[blind.Key]bool{}, book: trips.New(), Visits: visits.Book{}}
}

// passage is what the entries so far say of the passage that e belongs to.
func (s *State) passage(e *ledger.Entry) (p Passage, known bool) {
	if p, known = s.Open[e.Passage]; known || e.Passage == "" {
		return p, known
	}
	if i := s.recent(e.Passage); i >= 0 {
		return *s.Recent[i], true
	}
	if p, known = s.Undecided[e.Passage]; known {
		return p, known
	}
	p, known = s.ToAccountFor[e.Ref]
	return p, known && p.ID == e.Passage
}

// recent finds a passage among the newest. The events of one decided at once follow each other, so it is the last.
func (s *State) recent(id string) int {
	i := len(s.Recent) - 1
	for i >= 0 && s.Recent[i].ID != id {
		i--
	}
	return i
}

// about says which entries of an earlier day the next entry is about, 0 where there are none: those of its passage, the
// one that it names, those of which it erased something.
func (s *State) about(e *ledger.Entry) (first, last int64) {
	if first = paper.About(e, s.segments); first != 0 {
		last = first
	} else if p, known := s.passage(e); known {
		first, last = p.First, p.First
	} else if e.Kind == ledger.Erase && !elsewhere(e) {
		first, _ = strconv.ParseInt(e.Detail["first"], 10, 64)
		last, _ = strconv.ParseInt(e.Detail["last"], 10, 64)
	} else if e.Ref != 0 && e.Ref < e.Seq {
		first, last = e.Ref, e.Ref
	}
	if first == 0 || file.DayOf(s.segments, first) == e.At.Format(time.DateOnly) {
		return 0, 0
	}
	return first, last
}

// apply takes the next entry, with what is readable of its personal fields.
func (s *State) apply(e *ledger.Entry) {
	if day := e.At.Format(time.DateOnly); file.DayOf(s.segments, e.Seq) != day {
		s.segments = append(s.segments, file.Segment{First: e.Seq, Day: day})
	}
	if first, last := s.about(e); first != 0 && s.changed != nil {
		s.changed.Later = append(s.changed.Later, index.Later{Seq: e.Seq, First: first, Last: last})
	}
	s.Size, s.last = e.Seq, sha256.Sum256(e.Raw)
	if s.Shift.Add(e) { // the next guard was not there
		clear(s.Undecided)
	}
	s.box(e)
	if e.Passage != "" {
		s.move(e)
		s.follow(e)
	}
	s.visited(s.Visits.After(e, s.hash, s.book.Day))
}

// visited notes that visits are others now, or are forgotten.
func (s *State) visited(ids ...string) {
	if s.changed == nil {
		return
	}
	for _, id := range ids {
		if v, known := s.Visits[id]; known {
			s.changed.Visits[id] = &v
		} else if id != "" {
			s.changed.Visits[id] = nil
		}
	}
}

// box takes what the entry says of the box.
func (s *State) box(e *ledger.Entry) {
	s.Newest = ledger.Stamp{Time: e.At, Boot: e.Boot, Mono: time.Duration(e.Mono) * time.Microsecond, Trusted: e.Clock == "trusted"}
	// The trusted time only moves forward, or else a clock set back could bring expired passes to life; a correction, which says
	// who did it, may move it back. The day whose trips count goes back to the next one at most: so nobody gets a second trip.
	if e.Kind == Clock && e.Reason == "clock-corrected" {
		s.Trusted = s.Newest
		s.tripped(s.book.Correct(e.At.AddDate(0, 0, 1).Format(time.DateOnly))...)
	} else if s.Newest.Trusted && !e.At.Before(s.Trusted.Time) {
		if s.Trusted.Time.IsZero() { // until now nobody knew the day at all
			s.tripped(s.book.Correct(e.At.Format(time.DateOnly))...)
		}
		s.Trusted = s.Newest
	}
	if s.Newest.Trusted {
		s.tripped(s.book.Told(e.At)...)
		for who := range s.untimed {
			at := s.people[who].Told(e.At)
			s.place(who, &at)
		}
	}
	if n, err := strconv.ParseInt(e.Detail[RosterChange], 10, 64); err == nil {
		s.Roster = max(s.Roster, n)
	}
	if n, err := strconv.Atoi(e.Detail[TripDays]); err == nil {
		s.Window = n
	}
	switch e.Kind {
	case ledger.Start:
		s.Running = true
		s.Levels = s.Levels.Based(e.Seq, s.Level, e.Detail["level"])
		s.Level = e.Detail["level"]
	case ledger.Stop:
		s.Running = false
	case Notice, Level:
		s.level(e)
	case Paper:
		s.Paper = s.Paper.After(e)
	case Mark:
		s.Marks = s.Marks.Marked(e, s.hash)
	case Slip:
		s.Slips = s.Slips.After(e, s.hash)
	case Host:
		s.Hosts = s.Hosts.After(e, s.hash)
	case Opening:
		if e.Verdict != "" {
			s.Latched[e.Lane] = Latch{e.Seq, e.Passage}
		}
	case CloseByHand:
		delete(s.Latched, e.Lane)
	case ByHand:
		s.ByHand = s.ByHand.After(e)
	case Alarm:
		if e.Reason == LatchLost && e.Ref == s.Latched[e.Lane].Seq { // the key may have been pressed again
			delete(s.Latched, e.Lane)
		}
	case Trip: // it counts on, or else restoring a box would give a second one
		if t, ok := s.carried(e); ok {
			s.begin(t.Day)
			s.trip(e.Seq, t)
		}
	case ledger.Backup:
		s.Copied = e.At
	case ledger.Erase:
		s.Erased = e.Seq
	case ledger.Epoch:
		if at, err := time.Parse(time.RFC3339Nano, e.Detail["trusted"]); err == nil && at.After(s.Trusted.Time) {
			mono, _ := strconv.ParseInt(e.Detail["trusted_mono"], 10, 64)
			s.Trusted = ledger.Stamp{Time: at.In(e.At.Location()), Trusted: true, // the epoch before had got so far
				Boot: e.Detail["trusted_boot"], Mono: time.Duration(mono) * time.Microsecond}
		}
	case ledger.Keep:
		if e.Reason == "lifted" {
			delete(s.Keeps, e.Ref)
		} else {
			s.Keeps[e.Seq] = Span{e.Detail["from"], e.Detail["to"]}
		}
	}
}

// level takes what the entry says of levels.
func (s *State) level(e *ledger.Entry) {
	switch {
	case e.Kind == Notice:
		s.Levels = s.Levels.Noticed(e)
		return
	case e.Ref == 0:
		s.Level = e.Reason
	}
	s.Levels = s.Levels.Changed(e)
}

// follow takes what the entry says of its passage.
func (s *State) follow(e *ledger.Entry) {
	p, known := s.passage(e)
	if !known && !Begins(e) {
		if p, known = begun(e); !known { // a pulse told late, of a passage long decided: nothing to add
			s.find(e, e.Seq)
			return
		}
	}
	AddEvent(&p, e)
	if p.Verdict == "hold" {
		s.Open[p.ID] = p
	} else {
		delete(s.Open, p.ID)
	}
	s.askAbout(p, e)
	switch {
	case e.Kind == Opening && e.Verdict != "":
		s.ToAccountFor[e.Seq] = p
	case e.Kind == Decided || e.Kind == Correction:
		delete(s.ToAccountFor, e.Ref)
	}
	for seq, d := range s.ToAccountFor { // hardly ever more than one
		if d.ID == p.ID {
			s.ToAccountFor[seq] = p
		}
	}
	switch i := s.recent(p.ID); {
	case e.Seq == p.First || e.Verdict != "" && e.Kind != Check: // it says the verdict
		if i >= 0 {
			s.Recent = slices.Delete(s.Recent, i, i+1)
		}
		s.Recent = slices.Delete(append(s.Recent, &p), 0, max(0, len(s.Recent)+1-remembered))
	case i >= 0:
		s.Recent[i] = &p // what is told of an older one later, such as its pulse, does not make it newer
	}
	if s.changed != nil {
		s.changed.Passages[p.First] = &p
	}
	s.find(e, p.First)
}

// mostUndecided bounds a shift that never ends, since nobody signs on.
const mostUndecided = 1000

// askAbout keeps on whom nobody decided, until somebody says what became of them.
func (s *State) askAbout(p Passage, e *ledger.Entry) {
	_, asked := s.Undecided[p.ID]
	switch {
	case p.Verdict != "undecided" || p.Reason == Superseded || p.Reason == "unseen":
		delete(s.Undecided, p.ID)
	case asked || e.Verdict != "" && e.Kind != Check: // else it is told of a shift before
		s.Undecided[p.ID] = p
	}
	if len(s.Undecided) > mostUndecided {
		oldest := p
		for _, u := range s.Undecided {
			if u.First < oldest.First {
				oldest = u
			}
		}
		delete(s.Undecided, oldest.ID)
	}
}

// find notes by what an entry of the passage that begins with another is found.
func (s *State) find(e *ledger.Entry, first int64) {
	if s.changed == nil {
		return
	}
	if keys := s.hash.Terms(e); len(keys) > 0 {
		s.changed.Found = append(s.changed.Found, index.Finding{Seq: e.Seq, First: first, Day: e.At.Format(time.DateOnly), Keys: keys})
	}
}

// move counts who is inside and how often a household went out.
func (s *State) move(e *ledger.Entry) {
	at, ok := moves(e)
	if !ok {
		return
	}
	// The day only moves forward, and only by a trusted clock, or else setting the clock would give trips back: it is the newest that
	// any entry has told, as what a trip is judged by is.
	went := e.Kind == Decided || Afterwards(e)
	if day := s.Trusted.Time; went && !day.IsZero() {
		s.begin(day.Format(time.DateOnly))
	} else if went && s.book.Day == "" {
		s.begin(e.At.Format(time.DateOnly))
	}
	if e.Kind == Correction {
		s.untrip(e.Ref)
	}
	who, named := s.hash.Field(e, "subject")
	if !named {
		return
	}
	s.place(who, &at)
	// Their car is no trip more, nor is who goes by an exemption, such as a child to school.
	counts := went && e.Direction == "out" && e.Class == "resident" && e.Detail[Uncounted] == ""
	if household, ok := s.hash.Field(e, "household"); ok && counts {
		s.trip(e.Seq, Went(e, trips.Trip{Household: household, Day: s.book.Day, Who: who, Due: due(e)}))
	}
}

// due is when somebody is to be back whom an entry tells of; 0: whenever it is.
func due(e *ledger.Entry) int64 {
	if t, err := time.Parse(time.RFC3339, e.Detail[Due]); err == nil {
		return t.Unix()
	}
	return 0
}

// carried is the trip of the epoch before of which an entry tells. Who was back by then is not named.
func (s *State) carried(e *ledger.Entry) (t trips.Trip, ok bool) {
	t.Day, t.Unsure = e.Detail["day"], e.Detail[Unsure] != ""
	t.Household, ok = s.hash.Field(e, "household")
	if who, named := s.hash.Field(e, "subject"); named {
		t.Who, t.Due = who, due(e)
	}
	return t, ok
}

// begin goes on to a day, if it is a later one.
func (s *State) begin(day string) {
	if at, err := time.Parse(time.DateOnly, day); err == nil && day > s.book.Day {
		s.visited(s.Visits.Forget(at)...)
	}
	s.tripped(s.book.Begin(day)...)
}

// Day is the newest day that a trusted clock has told, by which what is allowed on a day is counted; "": none has.
func (s *State) Day() string { return s.book.Day }

// trip counts one.
func (s *State) trip(seq int64, t trips.Trip) {
	s.book.Add(seq, t)
	s.tripped(seq)
}

// tripped notes that the book says something else of the trips that these entries tell of.
func (s *State) tripped(seqs ...int64) {
	if s.changed == nil {
		return
	}
	for _, seq := range seqs {
		s.changed.Trips[seq] = nil
		if t, counts := s.book.All()[seq]; counts {
			s.changed.Trips[seq] = &t
		}
	}
}

// place says where a person is; nil: unknown.
func (s *State) place(who blind.Key, at *presence.Place) {
	delete(s.people, who)
	if delete(s.untimed, who); at != nil {
		s.people[who] = *at
		if at.At == 0 {
			s.untimed[who] = true
		}
	}
	if s.changed != nil {
		s.changed.People[who] = at
	}
}

// untrip forgets the trip that an entry was counted as, if any.
func (s *State) untrip(seq int64) {
	if s.book.Remove(seq) {
		s.tripped(seq)
	}
}

// Trips is how often the household was admitted out in so many days, of which that of now, a time that may be trusted, is the last.
func (s *State) Trips(household string, now time.Time, days int) int {
	return s.book.Count(s.Home(household), now.Format(time.DateOnly), days)
}

// Away is somebody who is out on a trip that has a time to be back.
type Away struct {
	Seq       int64 // of the entry that admitted them out
	Household blind.Key
	Due       time.Time
}

// Trip is the entry by which somebody is out on a trip, and when they are to be back: whoever went out last by it and is not inside
// since; 0: they are on none. The time is zero where none was told.
func (s *State) Trip(subject string) (seq int64, until time.Time) {
	who := s.hash.Key(blind.OfSubject, subject)
	seq, t := s.book.Newest(who)
	if s.people[who].Inside {
		return 0, until
	}
	if t.Due != 0 {
		until = time.Unix(t.Due, 0)
	}
	return seq, until
}

// Away are all who are out on a trip that has a time to be back, who is to be back first before the others.
func (s *State) Away() (list []Away) {
	for seq, t := range s.book.Due() {
		if !s.people[t.Who].Inside {
			list = append(list, Away{seq, t.Household, time.Unix(t.Due, 0)})
		}
	}
	slices.SortFunc(list, func(a, b Away) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Seq, b.Seq)) })
	return list
}

// Home is the key by which a household is named in what the state tells.
func (s *State) Home(household string) blind.Key { return s.hash.Key(blind.OfHousehold, household) }

// Key is the key of a value of a kind, as visits are found by it.
func (s *State) Key(kind, value string) blind.Key { return s.hash.Key(kind, value) }

// Wanted is the key by which a search for a value of a kind finds it: four characters of a plate are looked for as its end.
func (s *State) Wanted(kind, value string) blind.Key { return s.hash.Wanted(kind, value) }

// VisitOf is the ID of the newest visit that has these digits, or this pass; "": none has.
func (s *State) VisitOf(kind, value string) string {
	key := s.hash.Key(kind, value)
	found := s.Visits.Find(func(v *visits.Visit) bool {
		return kind == blind.OfDigits && v.Digits == key || kind == blind.OfPass && v.Pass == key
	})
	if len(found) == 0 {
		return ""
	}
	return found[0]
}
