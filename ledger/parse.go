package ledger

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gated/ledger/tlog"
)

// parse reads a record back and checks that it is what the row says it is.
func parse(seq, ts int64, raw string, zone *time.Location) (e Entry, err error) {
	err = e.parse(seq, ts, raw, zone)
	return e, err
}

func (e *Entry) parse(seq, ts int64, raw string, zone *time.Location) error {
	*e = Entry{Raw: []byte(raw)}
	if !utf8.ValidString(raw) {
		return fmt.Errorf("entry %d is not UTF-8", seq)
	}
	at, ok := canonical(raw, &e.Record)
	if !ok { // escapes, or not written by us: encoding/json says what it is
		e.Record = Record{}
		if err := json.Unmarshal(e.Raw, &e.Record); err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		t, err := time.Parse(time.RFC3339Nano, e.Time)
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		at = t.UnixMicro()
	}
	if e.V != 1 || e.Seq != seq || at != ts {
		return fmt.Errorf("entry %d: the record says v %d, seq %d, time %s: not those of its row", seq, e.V, e.Seq, e.Time)
	}
	e.At = time.UnixMicro(at).In(zone)
	return nil
}

// canonical reads a record in exactly the form that Record.appendRest gives it: the fields in their order, no white space,
// no escapes. It is ten times as fast as encoding/json, and reads nothing that encoding/json would read differently;
// ok is false for everything else, and then *r holds anything. The strings of *r share s's memory; s must be UTF-8.
func canonical(s string, r *Record) (at int64, ok bool) {
	if !plain(s) {
		return 0, false
	}
	c := cursor{s: s, ok: true}
	c.skip(`{"v":1,"seq":`)
	r.V, r.Seq = 1, c.number()
	c.skip(`,"time":"`)
	r.Time = c.text()
	c.skip(`,"boot":"`)
	r.Boot = c.text()
	c.skip(`,"mono":`)
	r.Mono = c.number()
	c.skip(`,"clock":"`)
	r.Clock = c.text()
	c.skip(`,"kind":"`)
	r.Kind = Kind(c.text())
	c.optional(`,"passage":"`, &r.Passage)
	c.optional(`,"lane":"`, &r.Lane)
	c.optional(`,"direction":"`, &r.Direction)
	c.optional(`,"class":"`, &r.Class)
	c.optional(`,"credential":"`, &r.Credential)
	c.optional(`,"proof":"`, &r.Proof)
	c.optional(`,"verdict":"`, &r.Verdict)
	c.optional(`,"reason":"`, &r.Reason)
	c.optional(`,"rule":"`, &r.Rule)
	c.optional(`,"policy":"`, &r.Policy)
	c.optional(`,"roster":"`, &r.Roster)
	c.optional(`,"by":"`, &r.By)
	if c.has(`,"ref":`) {
		r.Ref = c.number()
	}
	if c.has(`,"detail":{"`) {
		r.Detail = map[string]string{}
		for {
			k := c.text()
			c.skip(`:"`)
			r.Detail[k] = c.text()
			if !c.ok || !c.has(`,"`) {
				break
			}
		}
		c.skip(`}`)
	}
	c.optional(`,"personal":"`, &r.Personal)
	c.skip(`}`)
	if !c.ok || c.s != "" {
		return 0, false
	}
	return micros(r.Time)
}

// skim reads of a record what verifying needs: its seq, its time in µs and its commitment to personal fields ("" without).
// It looks at both ends of the record only. What it says holds for records that canonical accepts; of any other bytes,
// ok is false or what it says is what those bytes, hashed as a leaf, claim in the canonical places.
func skim(s string) (seq, ts int64, personal string, ok bool) {
	c := cursor{s: s, ok: true}
	c.skip(`{"v":1,"seq":`)
	seq = c.number()
	c.skip(`,"time":"`)
	if !c.ok {
		return 0, 0, "", false
	}
	n := min(len(c.s), len(timeFormat)+1)
	i := strings.IndexByte(c.s[:n], '"')
	if i < 0 {
		return 0, 0, "", false
	}
	if ts, ok = micros(c.s[:i]); !ok {
		return 0, 0, "", false
	}
	// Inside a string the key's quotes would be escaped: so this is the key, and no other can follow it.
	const key = `,"personal":"`
	switch i := len(s) - len(`"}`) - 64; {
	case i > len(key) && s[i-len(key):i] == key && strings.HasSuffix(s, `"}`) && isHex(s[i:i+64]):
		personal = s[i : i+64]
	case strings.Contains(s, `"personal":`): // elsewhere, or of another length
		return 0, 0, "", false
	}
	return seq, ts, personal, true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// kindOf reads the kind of a record in canonical form, or "".
func kindOf(s string) Kind {
	end := strings.Index(s, `,"kind":"`)
	if end < 0 || !plain(s[:end]) {
		return ""
	}
	c := cursor{s: s, ok: true}
	c.skip(`{"v":1,"seq":`)
	c.number()
	c.skip(`,"time":"`)
	c.text()
	c.skip(`,"boot":"`)
	c.text()
	c.skip(`,"mono":`)
	c.number()
	c.skip(`,"clock":"`)
	c.text()
	c.skip(`,"kind":"`)
	k := c.text()
	if !c.ok || !plain(k) {
		return ""
	}
	return Kind(k)
}

// cursor reads a canonical record from left to right; ok turns false at the first surprise.
type cursor struct {
	s  string
	ok bool
}

func (c *cursor) has(prefix string) bool {
	if len(c.s) < len(prefix) || c.s[:len(prefix)] != prefix {
		return false
	}
	c.s = c.s[len(prefix):]
	return true
}

func (c *cursor) skip(prefix string) { c.ok = c.has(prefix) && c.ok }

func (c *cursor) optional(key string, to *string) {
	if c.has(key) {
		*to = c.text()
	}
}

// text reads to the closing quote; canonical has looked for escapes before.
func (c *cursor) text() string {
	i := strings.IndexByte(c.s, '"')
	if i < 0 {
		c.ok = false
		return ""
	}
	t := c.s[:i]
	c.s = c.s[i+1:]
	return t
}

// plain tells whether s has neither a backslash nor a byte below space, eight bytes at a time
// (Anderson, Bit Twiddling Hacks, hasless and haszero).
func plain(s string) bool {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		b := w ^ each*'\\'
		if ((w-each*' ')&^w|(b-each)&^b)&high != 0 {
			return false
		}
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// number reads a whole number of at most 18 digits: all that we write, and no overflow.
func (c *cursor) number() (n int64) {
	i := 0
	for i < len(c.s) && i < 19 && c.s[i] >= '0' && c.s[i] <= '9' {
		n = n*10 + int64(c.s[i]-'0')
		i++
	}
	if i == 0 || i > 18 || i > 1 && c.s[0] == '0' {
		c.ok = false
		return 0
	}
	c.s = c.s[i:]
	return n
}

// micros reads a time as timeFormat writes it, in µs since 1970; ok is false for any other form.
func micros(s string) (us int64, ok bool) {
	if len(s) < 27 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' || s[19] != '.' {
		return 0, false
	}
	ok = true
	digits := func(from, to int) (n int64) {
		for ; from < to; from++ {
			d := s[from] - '0'
			ok = ok && d <= 9
			n = n*10 + int64(d)
		}
		return n
	}
	year, month, day := digits(0, 4), digits(5, 7), digits(8, 10)
	hour, minute, second, frac := digits(11, 13), digits(14, 16), digits(17, 19), digits(20, 26)
	var offset int64 // seconds east of Greenwich
	switch {
	case len(s) == 27 && s[26] == 'Z':
	case len(s) == 32 && (s[26] == '+' || s[26] == '-') && s[29] == ':':
		h, m := digits(27, 29), digits(30, 32)
		ok = ok && h < 24 && m < 60
		if offset = h*3600 + m*60; s[26] == '-' {
			offset = -offset
		}
	default:
		return 0, false
	}
	if !ok || month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59 {
		return 0, false
	}
	leap := year%4 == 0 && (year%100 != 0 || year%400 == 0)
	if length := int64(monthDays[month-1]); day > length && !(leap && month == 2 && day == 29) {
		return 0, false
	}
	// Days since 1970-01-01, the year beginning in March (Hinnant, days_from_civil; the year is never negative here
	// but for January and February of the year 0).
	y, m := year, month-3
	if m < 0 {
		y, m = y-1, m+12
	}
	y += 400
	era := y / 400
	yoe := y - era*400
	days := era*146097 + yoe*365 + yoe/4 - yoe/100 + (153*m+2)/5 + day - 1 - 719468 - 146097
	return ((days*24+hour)*60+minute)*60*1e6 + (second-offset)*1e6 + frac, true
}

var monthDays = [12]int8{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// piece is how many entries are read at a time, and held while they are written out: two tiles.
const piece = 2 * tlog.TileWidth

// pieces reads the entries from..to piece by piece and hands each piece to f, in order. A long stretch is read ahead on two
// connections, as one core spends 0.8 µs an entry in SQLite; and no query is open while f waits for a slow pipe, which
// would keep the WAL growing. read must use the connection it is given; f may use r.c.
func pieces[T any](r *Reader, from, to int64, read func(c *conn, from, to int64) (T, error), f func(T) error) error {
	const ahead = 2
	if to-from < 4*piece || runtime.GOMAXPROCS(0) < ahead {
		for ; from <= to; from += piece {
			v, err := read(r.c, from, min(to, from+piece-1))
			if err == nil {
				err = f(v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	for len(r.more) < ahead {
		c, err := connect(readerDSN(r.path))
		if err != nil {
			return fmt.Errorf("open %s: %w", r.path, err)
		}
		r.more = append(r.more, c)
	}
	type result struct {
		v   T
		err error
	}
	first := from
	var results [ahead]chan result
	var readers sync.WaitGroup
	stop := make(chan struct{})
	defer readers.Wait()
	defer close(stop)
	for i := range results {
		results[i] = make(chan result, 2)
		readers.Go(func() {
			for at := first + int64(i)*piece; at <= to; at += ahead * piece {
				v, err := read(r.more[i], at, min(to, at+piece-1))
				select {
				case results[i] <- result{v, err}:
				case <-stop:
					return
				}
				if err != nil {
					return
				}
			}
		})
	}
	for i := 0; from <= to; i, from = i+1, from+piece {
		got := <-results[i%ahead]
		if got.err != nil {
			return got.err
		}
		if err := f(got.v); err != nil {
			return err
		}
	}
	return nil
}

// Entries calls f for the entries from..to in order; all of them must be there.
func (r *Reader) Entries(from, to int64, personal bool, f func(*Entry) error) error {
	if !personal {
		return pieces(r, from, to, func(c *conn, from, to int64) ([]Entry, error) {
			list := make([]Entry, to-from+1)
			return list, c.rows(from, to, func(seq, ts int64, record string) error { return list[seq-from].parse(seq, ts, record, r.Zone) })
		}, inTurn(f))
	}
	o := r.personal()
	return pieces(r, from, to, func(c *conn, from, to int64) (list []Entry, err error) {
		err = scan(c, r.Zone, from, to, o, func(e *Entry) error {
			if want := from + int64(len(list)); e.Seq != want {
				return missing(want)
			}
			list = append(list, *e)
			return nil
		})
		if next := from + int64(len(list)); err == nil && next <= to {
			err = missing(next)
		}
		return list, err
	}, inTurn(f))
}

// glances is Entries for who only wants to know when what kind of entry was made: of most kinds, an entry has seq, kind
// and time only.
func (r *Reader) glances(from, to int64, f func(*Entry) error) error {
	return pieces(r, from, to, func(c *conn, from, to int64) ([]Entry, error) {
		list := make([]Entry, to-from+1)
		return list, c.rows(from, to, func(seq, ts int64, record string) error {
			e := &list[seq-from]
			switch kind := kindOf(record); kind {
			case Check, Query, Register, Opening, Alive:
				e.Seq, e.Kind, e.At = seq, kind, time.UnixMicro(ts).In(r.Zone)
				return nil
			}
			return e.parse(seq, ts, record, r.Zone)
		})
	}, inTurn(f))
}

// inTurn hands a list on one by one.
func inTurn(f func(*Entry) error) func([]Entry) error {
	return func(list []Entry) error {
		for i := range list {
			if err := f(&list[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

func missing(seq int64) error { return fmt.Errorf("entry %d is missing", seq) }

// Records hands the exact records from..to to f, several lines at a time; they are valid until f returns. It takes nothing
// but the record from a row, as each column more costs a tenth of the time: that they stand in order is seen from what
// they say of themselves.
func (r *Reader) Records(from, to int64, f func(lines []byte) error) error {
	free := make(chan []byte, 8) // more than are ever under way
	return pieces(r, from, to, func(c *conn, from, to int64) (lines []byte, err error) {
		select {
		case lines = <-free:
		default:
			lines = make([]byte, 0, piece*512)
		}
		next := from
		err = c.repeat(func(v []driver.Value) error {
			record := text(v[0])
			c := cursor{s: record, ok: true}
			if c.skip(recordHead); c.number() != next && c.ok {
				return missing(next)
			}
			if strings.IndexByte(record, '\n') >= 0 {
				return fmt.Errorf("entry %d is not a record of one line", next)
			}
			lines = append(append(lines, record...), '\n')
			next++
			return nil
		}, "SELECT record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
		if err == nil && next <= to {
			err = missing(next)
		}
		return lines, err
	}, func(lines []byte) error {
		err := f(lines)
		select {
		case free <- lines[:0]:
		default:
		}
		return err
	})
}

// rows calls f for each of the entries from..to, in order; all of them must be there.
func (c *conn) rows(from, to int64, f func(seq, ts int64, record string) error) error {
	next := from
	err := c.repeat(func(v []driver.Value) error {
		if v[0] != next {
			return missing(next)
		}
		ts, _ := v[1].(int64)
		next++
		return f(next-1, ts, text(v[2]))
	}, "SELECT seq, ts, record FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq", from, to)
	if err == nil && next <= to {
		err = missing(next)
	}
	return err
}
