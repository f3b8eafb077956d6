package ledger

import (
	"cmp"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Reasons of an erase entry: why these fields and no others.
const (
	byAge       = "before"    // all of older days, because somebody said so
	byRetention = "retention" // all of older days, because the settings say so
	bySubject   = "subject"   // all of one person
	byEntry     = "entry"     // one entry
	byCutOff    = "cut-off"   // unknown: in an older epoch, and the entry that said so was never written
)

// erasedAtOnce is how many entries are erased in one transaction: people wait at the gate meanwhile.
const erasedAtOnce = 500

// maxWhy bounds the reason that somebody gives in their own words, in bytes.
const maxWhy = 500

// ErrNothingErased: there was nothing, or nothing left, to erase.
var ErrNothingErased = errors.New("nothing to erase")

// KeptError refuses an erasure that a keep entry forbids.
type KeptError struct {
	Seq int64 // of the keep entry
	Span
}

func (k KeptError) Error() string {
	return fmt.Sprintf("entry %d says to keep the days %s to %s: nothing was erased; lift it first, with \"gated ledger keep --lift %[1]d\"", k.Seq, k.From, k.To)
}

// Erasure says what to erase. Exactly one of Before, Subject and Seq is set.
type Erasure struct {
	Before  string // entries of the days before this one, in the gate's zone
	Class   string // with Before: only the passages of this class
	Subject string // roster ID of a person or vehicle: all entries of their passages
	Seq     int64  // one entry
	Epoch   int    // with Seq: of this older epoch, instead of the current one
	Field   string // with Seq: only this field
}

func (s Erasure) check(today string) error {
	n := 0
	for _, set := range []bool{s.Before != "", s.Subject != "", s.Seq != 0} {
		if set {
			n++
		}
	}
	if n != 1 {
		return errors.New("say what to erase by one of --before DATE, --subject ID and --seq N")
	}
	if s.Before != "" {
		if _, err := time.Parse(time.DateOnly, s.Before); err != nil {
			return fmt.Errorf("--before %q: write a date as 2026-11-23", s.Before)
		}
		if s.Before > today {
			return fmt.Errorf("--before %s: it is %s today; what is recorded today can only be erased by --subject or --seq", s.Before, today)
		}
	}
	if s.Class != "" && s.Before == "" {
		return errors.New("--class goes with --before")
	}
	if s.Field != "" && s.Seq == 0 {
		return errors.New("--field goes with --seq")
	}
	if s.Epoch != 0 && s.Seq == 0 {
		return errors.New("--epoch goes with --seq: the others look in all epochs")
	}
	return nil
}

// CheckWhy checks the reason of an erasure in somebody's own words.
func CheckWhy(why string) error {
	if why == "" || len(why) > maxWhy || !utf8.ValidString(why) {
		return fmt.Errorf("--reason: say why, in 1 to %d bytes of UTF-8", maxWhy)
	}
	return nil
}

// Erased is what an erasure came to in one epoch, and in those before it.
type Erased struct {
	Epoch   int      // 0: the current one
	Entries int      // that lost fields
	Fields  int64    // erased
	First   int64    // the oldest of the entries
	Last    int64    // the newest
	Records []int64  // the erase entries, of the current epoch
	Older   []Erased // in the current one: what each of the older epochs lost
}

// Sum counts what was erased in all epochs.
func (d Erased) Sum() (entries int, fields int64) {
	entries, fields = d.Entries, d.Fields
	for _, o := range d.Older {
		entries, fields = entries+o.Entries, fields+o.Fields
	}
	return entries, fields
}

func (d *Erased) add(o Erased) {
	if o.Epoch != d.Epoch {
		if i := slices.IndexFunc(d.Older, func(e Erased) bool { return e.Epoch == o.Epoch }); i >= 0 {
			d.Older[i].add(o)
		} else if o.Fields > 0 {
			d.Older = append(d.Older, o)
		}
		return
	}
	if d.First == 0 || o.First != 0 && o.First < d.First {
		d.First = o.First
	}
	d.Last = max(d.Last, o.Last)
	d.Entries, d.Fields, d.Records = d.Entries+o.Entries, d.Fields+o.Fields, append(d.Records, o.Records...)
	for _, older := range o.Older {
		d.add(older)
	}
}

// Erase erases personal data, salts and values, and records that it did. The hashes stay, and every proof with them.
// by is the user who asked, why their reason. What is recorded after the call began stays.
//
// Large erasures go in chunks with an erase entry each, so that passages are answered in between; one that fails on the
// way says with its error what was erased until then.
func (l *Ledger) Erase(sel Erasure, by, why string) (done Erased, err error) {
	if err := errors.Join(sel.check(l.opt.Now().Time.In(l.Zone()).Format(time.DateOnly)), CheckWhy(why)); err != nil {
		return done, err
	}
	ev := Event{Kind: Erase, By: "unsigned", Detail: map[string]string{}, Personal: []Field{{"by", by}, {"note", why}}} // people name people
	l.erasing.Lock()
	defer l.erasing.Unlock()
	if done, err = l.erase(sel, ev); err == nil {
		if _, fields := done.Sum(); fields == 0 {
			err = ErrNothingErased
		}
	}
	return done, errors.Join(err, l.swept(done))
}

func (l *Ledger) erase(sel Erasure, ev Event) (done Erased, err error) {
	readers, unread := l.readers()
	if readers == nil {
		return done, unread
	}
	defer closeAll(readers)
	// Nothing is erased in any epoch, if any of it is kept.
	seqs := make([][]int64, len(readers))
	for i, r := range readers {
		switch {
		case sel.Before != "":
			err = l.refuseKept(r, sel.Before)
		case sel.Subject != "":
			if seqs[i], err = r.subjectEntries(sel.Subject); err == nil {
				seqs[i], err = r.still(seqs[i], "")
			}
		case sel.Epoch == r.Meta.Epoch, sel.Epoch == 0 && !l.older(r):
			seqs[i], err = r.still([]int64{sel.Seq}, sel.Field)
		}
		if err == nil {
			err = l.refuseKeptEntries(r, seqs[i])
		}
		if err != nil {
			return done, err
		}
	}
	if sel.Epoch != 0 && !slices.ContainsFunc(readers, func(r *Reader) bool { return r.Meta.Epoch == sel.Epoch }) {
		return done, errors.Join(fmt.Errorf("%w: the ledger of epoch %d is not here", ErrNothingErased, sel.Epoch), unread)
	}
	var match func(string) bool
	switch {
	case sel.Before != "":
		ev.Reason = byAge
		if sel.Class != "" {
			ev.Detail["class"] = sel.Class
			match = func(class string) bool { return class == sel.Class }
		}
	case sel.Subject != "":
		ev.Reason = bySubject
	default:
		ev.Reason = byEntry
		if sel.Field != "" {
			ev.Detail["field"] = sel.Field
		}
	}
	if sel.Seq == 0 || sel.Epoch != 0 { // else it is none of those
		err = unread
	}
	for i, r := range readers {
		var part Erased
		var perr error
		if sel.Before != "" {
			part, _, perr = l.eraseOlder(r, sel.Before, 0, match, ev, nil)
		} else {
			part, perr = l.eraseEntries(r, seqs[i], sel.Field, ev)
		}
		done.add(part)
		err = errors.Join(err, perr)
	}
	return done, err
}

// Retention says how many days the personal data of a class of passages is kept after their day.
type Retention struct {
	Class string // "*": all classes without a rule of their own, and what belongs to no passage
	Days  int
}

// sweep remembers how far the rules were applied, so that a night does not read what was erased years ago.
type sweep struct {
	rules []Retention
	keeps map[int64]Span
	upTo  map[string]int64 // by epoch and class
}

// Retain erases what is older than the rules allow, but for the days that are kept. pause, which may be nil, is called
// between two chunks; its error ends the work. It does nothing while the clock is not trusted: a wrong one would erase everything.
func (l *Ledger) Retain(rules []Retention, pause func() error) (done Erased, err error) {
	now := l.opt.Now()
	if !now.Trusted {
		return done, errors.New("the clock is not trusted")
	}
	l.erasing.Lock()
	defer l.erasing.Unlock()
	done, err = l.retain(now.Time, rules, pause)
	return done, errors.Join(err, l.swept(done))
}

func (l *Ledger) retain(now time.Time, rules []Retention, pause func() error) (done Erased, err error) {
	readers, err := l.readers()
	if readers == nil {
		return done, err
	}
	defer closeAll(readers)
	keeps := l.Keeps()
	if !slices.Equal(l.sweep.rules, rules) || !maps.Equal(l.sweep.keeps, keeps) {
		l.sweep = sweep{slices.Clone(rules), keeps, map[string]int64{}}
	}
	named := map[string]bool{}
	for _, rule := range rules {
		named[rule.Class] = true
	}
	ended := false
	between := func() error {
		if pause == nil {
			return nil
		}
		err := pause()
		ended = err != nil
		return err
	}
	for _, rule := range rules {
		match := func(class string) bool { return class == rule.Class || rule.Class == "*" && !named[class] }
		for _, r := range readers {
			before := now.In(r.Zone).AddDate(0, 0, -rule.Days).Format(time.DateOnly)
			ev := Event{Kind: Erase, Reason: byRetention, By: "machine", Detail: map[string]string{"class": rule.Class}}
			to := fmt.Sprint(r.Meta.Epoch, " ", rule.Class)
			part, upTo, perr := l.eraseOlder(r, before, l.sweep.upTo[to], match, ev, between)
			if done.add(part); perr == nil {
				l.sweep.upTo[to] = upTo
				continue
			}
			if err = errors.Join(err, perr); ended || !l.older(r) { // an older epoch does not hold up the current one
				return done, err
			}
		}
	}
	return done, err
}

// Keeps are the days that must not be erased, by the entry that says so.
func (l *Ledger) Keeps() map[int64]Span {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.state.Keeps)
}

// Keep forbids to erase personal data of the days from..to, also of days to come, until it is lifted. It returns the
// entry that says so. The reason stands in the record.
func (l *Ledger) Keep(from, to, by, why string) (int64, error) {
	for _, day := range []struct{ flag, value string }{{"--from", from}, {"--to", to}} {
		if _, err := time.Parse(time.DateOnly, day.value); err != nil {
			return 0, fmt.Errorf("%s %q: write a date as 2026-11-23", day.flag, day.value)
		}
	}
	if from > to {
		return 0, fmt.Errorf("--from %s is after --to %s", from, to)
	}
	return l.keep(Event{Reason: "keep", Detail: map[string]string{"from": from, "to": to}}, by, why)
}

// Lift ends what a keep entry forbids.
func (l *Ledger) Lift(seq int64, by, why string) (int64, error) {
	if _, ok := l.Keeps()[seq]; !ok {
		return 0, fmt.Errorf("%w: entry %d keeps no days, or was lifted: \"gated ledger keep --list\" names those in force", ErrNotKept, seq)
	}
	return l.keep(Event{Reason: "lifted", Ref: seq, Detail: map[string]string{}}, by, why)
}

// ErrNotKept: what should be lifted is not in force.
var ErrNotKept = errors.New("nothing to lift")

func (l *Ledger) keep(ev Event, by, why string) (int64, error) {
	if err := CheckWhy(why); err != nil {
		return 0, err
	}
	ev.Kind, ev.Stamp, ev.By, ev.Personal = Keep, l.opt.Now(), "unsigned", []Field{{"by", by}}
	ev.Detail["why"] = why
	entries, err := l.Append(ev)
	if err != nil {
		return 0, err
	}
	return entries[0].Seq, nil
}

// kept is the keep entry that forbids to erase anything of a day, if there is one.
func (s *State) kept(day string) error {
	for _, seq := range slices.Sorted(maps.Keys(s.Keeps)) {
		if k := s.Keeps[seq]; k.From <= day && day <= k.To {
			return KeptError{seq, k}
		}
	}
	return nil
}

// refuseKept refuses an erasure of all days before one, if anything is left of a day that is kept.
func (l *Ledger) refuseKept(r *Reader, before string) error {
	segments, err := r.segments()
	if err != nil {
		return err
	}
	s := State{Keeps: l.Keeps()}
	for _, seg := range segments {
		kept := s.kept(seg.day)
		if kept == nil || seg.day >= before {
			continue
		}
		n, err := r.c.number("SELECT 1 FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL LIMIT 1", seg.first, seg.last)
		if err != nil {
			return err
		}
		if n != 0 {
			return kept
		}
	}
	return nil
}

// eraseOlder erases the entries after a seq, of the days before one, whose class matches (nil: all), chunk by chunk.
// It returns up to which entry nothing was left to a later time but what is kept.
func (l *Ledger) eraseOlder(r *Reader, before string, after int64, match func(class string) bool, ev Event, pause func() error) (done Erased, upTo int64, err error) {
	segments, err := r.segments()
	if err != nil {
		return done, after, err
	}
	size, err := r.Size()
	if err != nil {
		return done, after, err
	}
	ev.Detail["before"] = before
	s := State{Keeps: l.Keeps()}
	// Who went out today decides who may, so that stays. The day only moves on, to entries after size.
	l.mu.Lock()
	if l.state.Day >= before && !l.older(r) {
		size = min(size, l.state.First-1)
	}
	l.mu.Unlock()
	upTo = size
	var seqs []int64
	for _, seg := range segments {
		if seg.day >= before {
			upTo = min(upTo, seg.first-1)
			continue
		}
		if s.kept(seg.day) != nil {
			continue
		}
		for from, to := max(seg.first, after+1), min(seg.last, size); from <= to; {
			found, next, err := r.due(from, to, match)
			if err != nil {
				return done, after, err
			}
			seqs, from = append(seqs, found...), next
			for len(seqs) >= erasedAtOnce {
				part, err := l.eraseChunk(r, seqs[:erasedAtOnce], "", ev)
				done.add(part)
				if err == nil && pause != nil {
					err = pause()
				}
				if err != nil {
					return done, after, err
				}
				seqs = slices.Delete(seqs, 0, erasedAtOnce)
			}
		}
	}
	if len(seqs) > 0 {
		part, err := l.eraseChunk(r, seqs, "", ev)
		done.add(part)
		if err != nil {
			return done, after, err
		}
	}
	return done, max(upTo, after), nil
}

// errFound ends a search.
var errFound = errors.New("found")

// due lists entries from..to that hold personal data and whose class matches, as many as are erased at once; next is
// where to go on.
func (r *Reader) due(from, to int64, match func(class string) bool) (seqs []int64, next int64, err error) {
	var found []Entry
	err = r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		e, err := parse(seq, ts, text(v[2]), r.Zone)
		found = append(found, e)
		return err
	}, `SELECT e.seq, e.ts, e.record FROM (SELECT DISTINCT seq FROM personal WHERE seq BETWEEN ? AND ? AND value IS NOT NULL ORDER BY seq LIMIT ?) p
		CROSS JOIN entry e ON e.seq = p.seq ORDER BY e.seq`, from, to, int64(erasedAtOnce))
	if err != nil {
		return nil, 0, fmt.Errorf("look for personal data: %w", err)
	}
	if next = to + 1; len(found) == erasedAtOnce {
		next = found[len(found)-1].Seq + 1
	}
	for i := range found {
		e := &found[i]
		ok := match == nil
		if !ok {
			class, err := r.class(e, found[i+1:])
			if err != nil {
				return nil, 0, err
			}
			ok = match(class)
		}
		if ok {
			seqs = append(seqs, e.Seq)
		}
	}
	return seqs, next, nil
}

// class is that of the entry's passage. A check does not know it yet: the query that follows in the same transaction does.
func (r *Reader) class(e *Entry, following []Entry) (class string, err error) {
	if e.Class != "" || e.Kind != Check {
		return e.Class, nil
	}
	for i := range following {
		if f := &following[i]; f.Passage == e.Passage && f.Class != "" {
			return f.Class, nil
		}
	}
	err = r.Scan(e.Seq+1, e.Seq+maxBatch, false, func(f *Entry) error {
		if f.Passage == e.Passage && f.Class != "" {
			class = f.Class
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return class, err
}

// subjectEntries lists the entries of all passages of a person or vehicle, and those of no passage
// that name them.
func (r *Reader) subjectEntries(id string) (seqs []int64, err error) {
	passages := map[string]bool{}
	found := map[int64]bool{}
	from := int64(1 << 62)
	err = r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		ts, _ := v[1].(int64)
		e, err := parse(seq, ts, text(v[2]), r.Zone)
		if err != nil {
			return err
		}
		found[seq] = true
		if e.Passage != "" {
			passages[e.Passage] = true
			from = min(from, max(seq-maxBatch, 1), cmp.Or(e.Ref, seq)) // its check is in the same transaction
		}
		return nil
	}, "SELECT e.seq, e.ts, e.record FROM personal p CROSS JOIN entry e ON e.seq = p.seq WHERE p.field IN ('subject', 'stated_subject') AND p.value = ?", id)
	if err != nil {
		return nil, fmt.Errorf("look for the person: %w", err)
	}
	if len(passages) > 0 {
		err = r.Scan(from, 1<<62, false, func(e *Entry) error {
			if passages[e.Passage] {
				found[e.Seq] = true
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}

// Subject calls f for the entries of all passages of a person or vehicle, by their roster ID, and for those of no passage
// that name them, with what personal data is left; those of older epochs first. It returns how many there are.
func Subject(dir, id string, f func(*Entry) error) (n int, err error) {
	current, err := OpenReader(dir)
	if err != nil {
		return 0, err
	}
	defer current.Close()
	for epoch := 1; epoch <= current.Meta.Epoch; epoch++ {
		r := current
		if epoch < current.Meta.Epoch {
			if r, err = OpenFile(EpochFile(dir, epoch)); errors.Is(err, fs.ErrNotExist) {
				continue // the auditor took it away
			} else if err != nil {
				return n, err
			}
			defer r.Close()
		}
		seqs, err := r.subjectEntries(id)
		if err != nil {
			return n, err
		}
		for _, seq := range seqs {
			n++
			if err := r.Scan(seq, seq, true, f); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// still lists those of the entries that have the field (any, if empty) not erased.
func (r *Reader) still(seqs []int64, field string) (left []int64, err error) {
	if len(seqs) == 1 {
		n, err := r.c.number("SELECT count(*) FROM entry WHERE seq = ?", seqs[0])
		if err == nil && n == 0 {
			err = fmt.Errorf("%w: there is no entry %d", ErrNothingErased, seqs[0])
		}
		if err != nil {
			return nil, err
		}
	}
	err = r.c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		left = append(left, seq)
		return nil
	}, "SELECT DISTINCT seq FROM personal WHERE "+among+" ORDER BY seq", list(seqs), field)
	return left, err
}

// among selects the fields of some entries that are not erased.
const among = "seq IN (SELECT value FROM json_each(?1)) AND value IS NOT NULL AND ?2 IN ('', field)"

func list(seqs []int64) string { b, _ := json.Marshal(seqs); return string(b) }

// refuseKeptEntries refuses an erasure of entries if one of them is kept.
func (l *Ledger) refuseKeptEntries(r *Reader, seqs []int64) error {
	segments, err := r.segments()
	if err != nil {
		return err
	}
	s := State{Keeps: l.Keeps()}
	for _, seq := range seqs {
		if err := s.kept(dayOf(segments, seq)); err != nil {
			return err
		}
	}
	return nil
}

// eraseEntries erases fields of the entries, which are in order, chunk by chunk.
func (l *Ledger) eraseEntries(r *Reader, seqs []int64, field string, ev Event) (done Erased, err error) {
	for chunk := range slices.Chunk(seqs, erasedAtOnce) {
		part, err := l.eraseChunk(r, chunk, field, ev)
		if done.add(part); err != nil {
			return done, err
		}
	}
	return done, nil
}

// whereabouts is what the newest entry that is left says of a person.
type whereabouts struct {
	seq    int64
	inside bool
}

// eraseChunk erases fields of the entries and records it, in one transaction.
func (l *Ledger) eraseChunk(r *Reader, seqs []int64, field string, ev Event) (done Erased, err error) {
	if l.older(r) {
		if err := l.refuseKeptEntries(r, seqs); err != nil { // since the first look
			return done, err
		}
		return l.eraseAside(r, seqs, field, ev)
	}
	age := ev.Reason == byAge || ev.Reason == byRetention
	var left map[string]whereabouts
	var known int64
	if !age && (field == "" || field == "subject") { // long reading is done here, where nobody waits for it
		if left, known, err = l.left(r, seqs); err != nil {
			return done, err
		}
	}
	err = l.do(func() error {
		l.mu.Lock()
		for _, seq := range seqs {
			if kept := l.state.kept(dayOf(l.segments, seq)); kept != nil {
				l.mu.Unlock()
				return refused{kept} // since the first look
			}
		}
		l.mu.Unlock()
		for id := range left { // who came or went since the long reading
			if at, ok, err := l.c.lastMove(id, known+1, l.size, seqs); err != nil {
				return err
			} else if ok {
				left[id] = at
			}
		}
		n, err := l.c.number("SELECT count(*) FROM personal WHERE "+among, list(seqs), field)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		done = Erased{Entries: len(seqs), Fields: n, First: seqs[0], Last: seqs[len(seqs)-1]}
		e := ev
		e.Stamp, e.Detail = l.opt.Now(), maps.Clone(ev.Detail)
		for k, v := range map[string]int64{"first": done.First, "last": done.Last, "entries": int64(done.Entries), "fields": n} {
			e.Detail[k] = strconv.FormatInt(v, 10)
		}
		entries, err := l.enter(func() error {
			return cmp.Or(l.c.exec("PRAGMA user_version = 1"), l.c.exec("UPDATE personal SET salt = NULL, value = NULL WHERE "+among, list(seqs), field))
		}, e)
		if err != nil {
			done = Erased{}
			return err
		}
		done.Records = []int64{entries[0].Seq}
		if !age {
			l.forget(seqs, field, left)
		}
		l.remains = append(l.remains, spans(seqs)...)
		l.traces.Store(true)
		return l.checkpoint("PASSIVE")
	})
	return done, err
}

// left tells what will be left about the people that the entries name, and up to which entry it looked.
func (l *Ledger) left(r *Reader, seqs []int64) (map[string]whereabouts, int64, error) {
	size, err := r.Size()
	if err != nil {
		return nil, 0, err
	}
	left := map[string]whereabouts{}
	err = r.c.query(func(v []driver.Value) error { left[text(v[0])] = whereabouts{}; return nil },
		"SELECT DISTINCT value FROM personal WHERE "+among, list(seqs), "subject")
	if err != nil {
		return nil, 0, err
	}
	l.mu.Lock()
	floor := l.state.Erased + 1
	l.mu.Unlock()
	for id := range left {
		if left[id], _, err = r.c.lastMove(id, floor, size, seqs); err != nil {
			return nil, 0, err
		}
	}
	return left, size, nil
}

// lastMove is where the newest of the entries from..to, but for some, says that a person is.
func (c *conn) lastMove(subject string, from, to int64, but []int64) (at whereabouts, found bool, err error) {
	err = c.query(func(v []driver.Value) error {
		seq, _ := v[0].(int64)
		if _, out := slices.BinarySearch(but, seq); out {
			return nil
		}
		ts, _ := v[1].(int64)
		e, err := parse(seq, ts, text(v[2]), time.UTC)
		if err != nil {
			return err
		}
		if at.inside, found = e.moves(); found {
			at.seq = seq
			return errFound
		}
		return nil
	}, "SELECT e.seq, e.ts, e.record FROM personal p CROSS JOIN entry e ON e.seq = p.seq WHERE p.field = 'subject' AND p.value = ? AND p.seq BETWEEN ? AND ? ORDER BY p.seq DESC", subject, from, to)
	if errors.Is(err, errFound) {
		err = nil
	}
	return at, found, err
}

// forget brings the state to what it would be, had the entries never held the fields. Unlike all else that changes the
// state this cannot be told from the entries alone: who reads them later reads them all, see catchUp.
func (l *Ledger) forget(seqs []int64, field string, left map[string]whereabouts) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, at := range left {
		if at.inside {
			l.state.Inside[id] = at.seq
		} else {
			delete(l.state.Inside, id)
		}
	}
	if field == "" || field == "subject" || field == "household" {
		for _, seq := range seqs {
			l.state.untrip(seq)
		}
	}
	l.index.dirty = true
}

// forgets tells whether the entry changed the state in a way that only the running one knows.
func (e *Entry) forgets() bool {
	return e.Kind == Erase && e.Reason != byAge && e.Reason != byRetention && !e.elsewhere()
}

// elsewhere tells whether an erasure was one in an older epoch: first and last are entries of that.
func (e *Entry) elsewhere() bool { return e.Detail["epoch"] != "" }

// swept removes what is left of erased fields in the files.
func (l *Ledger) swept(done Erased) error {
	if len(done.Older) > 0 {
		clean, err := l.sweepAside()
		if err != nil {
			return err
		}
		if !clean {
			l.opt.Log.Info("what was erased still stands in the write-ahead log of an older epoch, as somebody is reading: it is overwritten once they have ended")
		}
	}
	if done.Fields == 0 {
		return nil
	}
	for clean, held := false, false; !clean && !held; {
		if err := l.do(func() (err error) { clean, err = l.clean(); held = l.held; return err }); err != nil {
			return err
		}
	}
	return nil // where somebody is reading the writer goes on by itself
}
