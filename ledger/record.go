package ledger

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"gated/ledger/seal"
)

// Kind says what an event tells: any lower-case word. These are the ones that the ledger writes itself or goes by.
type Kind string

const (
	Start  Kind = "start"
	Stop   Kind = "stop"
	Outage Kind = "outage" // a time in which nothing could be recorded

	KeyChange Kind = "key"     // another key signs from here on, or a witness began to
	Epoch     Kind = "epoch"   // the first entry of a restored or cloned box: names the old head and the hole
	Erase     Kind = "erase"   // personal data of older entries was erased
	Carried   Kind = "carried" // has what is left of an older entry's personal data since one field was erased
	Keep      Kind = "keep"    // forbids that, or allows it again
	Backup    Kind = "backup"  // a copy was made
)

// valid tells whether a kind is a lower-case word, which may have hyphens.
func (k Kind) valid() bool {
	for i, c := range []byte(k) {
		if (c < 'a' || c > 'z') && (c != '-' || i == 0 || i == len(k)-1) {
			return false
		}
	}
	return len(k) > 0 && len(k) <= 32
}

// MaxRecord is the largest record in bytes: what a tlog-tiles entry bundle can hold.
const MaxRecord = 65535

// Stamp is the moment of an event as the box knew it.
type Stamp struct {
	Time    time.Time     // wall clock
	Boot    string        // boot ID of the kernel
	Mono    time.Duration // since boot, suspended time included (CLOCK_BOOTTIME)
	Trusted bool          // whether Time was good enough to judge credentials by
}

// Field is one piece of personal data. It stands sealed beside the record, never in it.
type Field = seal.Field

// Event is what a caller hands in. Empty fields are left out of the record.
type Event struct {
	Stamp
	Kind       Kind
	Passage    string // shared by the events of one attempt to pass
	Lane       string
	Direction  string // in or out
	Class      string // of the subject
	Credential string // kind of the code
	Proof      string // signed, sighted or stated
	Verdict    string // a word of the gate, as Class and Reason are
	Reason     string
	Rule       string
	Policy     string            // hash of the policy in force
	Roster     string            // version of the roster in force
	By         string            // who decided and how that is known: machine, pin, unsigned
	Ref        int64             // seq of the older entry that this one is about
	Detail     map[string]string // anything else that tells nobody apart
	Personal   []Field
	carried    []seal.Row // instead of Personal: those of the entry Ref
}

// Record is the exact content of an entry. Its JSON, one line without a newline, is what is kept and hashed.
type Record struct {
	V          int               `json:"v"` // 1
	Seq        int64             `json:"seq"`
	Time       string            `json:"time"` // RFC 3339, microseconds, offset of the gate's zone
	Boot       string            `json:"boot"`
	Mono       int64             `json:"mono"`  // µs since boot
	Clock      string            `json:"clock"` // trusted or untrusted
	Kind       Kind              `json:"kind"`
	Passage    string            `json:"passage,omitempty"`
	Lane       string            `json:"lane,omitempty"`
	Direction  string            `json:"direction,omitempty"`
	Class      string            `json:"class,omitempty"`
	Credential string            `json:"credential,omitempty"`
	Proof      string            `json:"proof,omitempty"`
	Verdict    string            `json:"verdict,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	Rule       string            `json:"rule,omitempty"`
	Policy     string            `json:"policy,omitempty"`
	Roster     string            `json:"roster,omitempty"`
	By         string            `json:"by,omitempty"`
	Ref        int64             `json:"ref,omitempty"`
	Detail     map[string]string `json:"detail,omitempty"`
	Personal   string            `json:"personal,omitempty"` // hex SHA-256 over the sorted field hashes
}

// Entry is one row of the ledger.
type Entry struct {
	Record
	At       time.Time // Record.Time, in the gate's zone
	Raw      []byte    // the exact bytes kept
	Personal []Field   // only where the reader asked for them; those that were erased or cannot be opened here are absent
}

// timeFormat is RFC 3339 with all six digits: equal moments have equal bytes.
const timeFormat = "2006-01-02T15:04:05.000000Z07:00"

// check says why the event cannot be recorded.
func (e *Event) check(zone *time.Location) error {
	if !e.Kind.valid() {
		return fmt.Errorf("the kind %q is not a lower-case word", e.Kind)
	}
	if e.Time.IsZero() {
		return errors.New("an event needs its time")
	}
	// Zones of a hundred years ago had odd seconds, which RFC 3339 cannot say: such a row could never be read back.
	if _, offset := e.Time.In(zone).Zone(); offset%60 != 0 || e.Time.Year() < 1 || e.Time.Year() > 9998 {
		return fmt.Errorf("the time %s cannot be written: set the clock", e.Time)
	}
	return seal.Check(e.Personal)
}

// draft is what one call appends, with all that does not depend on its place in the ledger: who appends it makes that,
// beside others who do, and leaves little to the one who writes.
type draft struct {
	entries []Entry // Seq and Raw are missing until it has its place
	rest    []rest  // of each entry
}

type rest struct {
	record []byte // room for the head, then the record after the seq
	day    string // in the gate's zone
	fields []byte // to be sealed beside it; nil without any
	sealed []byte // what that gave, once it was put
}

// recordHead is how every record begins; the seq follows.
const recordHead = `{"v":1,"seq":`

// headRoom is what head and seq take at most.
const headRoom = len(recordHead) + 19

// newDraft makes the events ready to be written, or says which cannot be recorded: so that a fault of the caller never
// looks like one of the disk.
func newDraft(events []Event, zone *time.Location) (draft, error) {
	d := draft{make([]Entry, len(events)), make([]rest, len(events))}
	for i := range events {
		ev, e, r := &events[i], &d.entries[i], &d.rest[i]
		if err := ev.check(zone); err != nil {
			return draft{}, fmt.Errorf("event %s cannot be recorded: %w", ev.Kind, err)
		}
		fields, sum := seal.Commit(ev.Personal)
		if ev.carried != nil {
			fields, sum = ev.carried, seal.Commitment(ev.carried)
		}
		e.At, e.Personal = ev.Time.In(zone).Round(0).Truncate(time.Microsecond), ev.Personal
		ev.record(&e.Record, e.At, sum)
		r.record, r.fields = e.Record.appendRest(make([]byte, headRoom, 512)), seal.Encode(fields)
		r.day = e.Time[:len(time.DateOnly)]
	}
	return d, nil
}

// place makes the record of entry i of the draft, which is the seqth of the ledger.
func (d *draft) place(i int, seq int64) *Entry {
	e, raw := &d.entries[i], d.rest[i].record
	var digits [19]byte
	n := strconv.AppendInt(digits[:0], seq, 10)
	at := headRoom - len(n)
	copy(raw[at:], n)
	at -= len(recordHead)
	copy(raw[at:], recordHead)
	e.Seq, e.Raw = seq, raw[at:len(raw):len(raw)]
	return e
}

// fits says why the draft is too large to follow the first size entries: a record has as many digits as its seq.
func (d *draft) fits(size int64) error {
	for i := range d.rest {
		seq := size + int64(i) + 1
		if n := len(d.rest[i].record) - headRoom + len(recordHead) + len(strconv.FormatInt(seq, 10)); n > MaxRecord {
			return fmt.Errorf("event %s cannot be recorded: record of %d bytes: at most %d can be kept", d.entries[i].Kind, n, MaxRecord)
		}
	}
	return nil
}

// record fills in all but the seq; at is the event's time in the gate's zone.
func (e *Event) record(r *Record, at time.Time, personal string) {
	clock := "untrusted"
	if e.Trusted {
		clock = "trusted"
	}
	*r = Record{V: 1, Time: at.Format(timeFormat), Boot: e.Boot, Mono: e.Mono.Microseconds(), Clock: clock,
		Kind: e.Kind, Passage: e.Passage, Lane: e.Lane, Direction: e.Direction, Class: e.Class, Credential: e.Credential, Proof: e.Proof,
		Verdict: e.Verdict, Reason: e.Reason, Rule: e.Rule, Policy: e.Policy, Roster: e.Roster, By: e.By, Ref: e.Ref, Detail: e.Detail, Personal: personal}
}

// appendRest writes what follows the seq as encoding/json does without escaping HTML: what an auditor reads is what was
// said. It writes field by field, as reflection took more time than SQLite does for the row.
func (r *Record) appendRest(b []byte) []byte {
	b = appendText(append(b, `,"time":`...), r.Time)
	b = appendText(append(b, `,"boot":`...), r.Boot)
	b = strconv.AppendInt(append(b, `,"mono":`...), r.Mono, 10)
	b = appendText(append(b, `,"clock":`...), r.Clock)
	b = appendText(append(b, `,"kind":`...), string(r.Kind))
	for _, f := range [...]struct{ key, value string }{{`,"passage":`, r.Passage}, {`,"lane":`, r.Lane}, {`,"direction":`, r.Direction}, {`,"class":`, r.Class},
		{`,"credential":`, r.Credential}, {`,"proof":`, r.Proof}, {`,"verdict":`, r.Verdict}, {`,"reason":`, r.Reason}, {`,"rule":`, r.Rule},
		{`,"policy":`, r.Policy}, {`,"roster":`, r.Roster}, {`,"by":`, r.By}} {
		if f.value != "" {
			b = appendText(append(b, f.key...), f.value)
		}
	}
	if r.Ref != 0 {
		b = strconv.AppendInt(append(b, `,"ref":`...), r.Ref, 10)
	}
	if len(r.Detail) > 0 {
		sep := `,"detail":{`
		for _, k := range slices.Sorted(maps.Keys(r.Detail)) {
			b = appendText(append(b, sep...), k)
			b = appendText(append(b, ':'), r.Detail[k])
			sep = ","
		}
		b = append(b, '}')
	}
	if r.Personal != "" {
		b = appendText(append(b, `,"personal":`...), r.Personal)
	}
	return append(b, '}')
}

// appendText writes a JSON string; what is not plain ASCII it leaves to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			w := bytes.NewBuffer(b)
			enc := json.NewEncoder(w)
			enc.SetEscapeHTML(false)
			enc.Encode(s) // a string into memory: nothing can fail
			return bytes.TrimSuffix(w.Bytes(), []byte("\n"))
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// Personally returns a personal field, or "".
func (e *Entry) Personally(name string) string {
	for _, f := range e.Personal {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}
