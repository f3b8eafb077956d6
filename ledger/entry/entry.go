// Package entry says what one entry of the ledger is, to the byte.
package entry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gated/ledger/seal"
	"gated/ledger/tlog"
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
	Carried    []seal.Row // instead of Personal: those of the entry Ref
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

// TimeFormat is RFC 3339 with all six digits: equal moments have equal bytes.
const TimeFormat = "2006-01-02T15:04:05.000000Z07:00"

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

// New makes the entry of an event, but for its place: Seq and Raw are missing. The fields are to be sealed beside it. It says
// which events cannot be recorded, so that a fault of the caller never looks like one of the disk.
func New(ev *Event, zone *time.Location) (e Entry, fields []seal.Row, err error) {
	if err := ev.check(zone); err != nil {
		return e, nil, fmt.Errorf("event %s cannot be recorded: %w", ev.Kind, err)
	}
	fields, sum := seal.Commit(ev.Personal)
	if ev.Carried != nil {
		fields, sum = ev.Carried, seal.Commitment(ev.Carried)
	}
	clock := "untrusted"
	if ev.Trusted {
		clock = "trusted"
	}
	e.At, e.Personal = ev.Time.In(zone).Round(0).Truncate(time.Microsecond), ev.Personal
	e.Record = Record{V: 1, Time: e.At.Format(TimeFormat), Boot: ev.Boot, Mono: ev.Mono.Microseconds(), Clock: clock, Kind: ev.Kind,
		Passage: ev.Passage, Lane: ev.Lane, Direction: ev.Direction, Class: ev.Class, Credential: ev.Credential, Proof: ev.Proof,
		Verdict: ev.Verdict, Reason: ev.Reason, Rule: ev.Rule, Policy: ev.Policy, Roster: ev.Roster, By: ev.By, Ref: ev.Ref,
		Detail: ev.Detail, Personal: sum}
	return e, fields, nil
}

// JSON is the record as it is kept, without escaping HTML: what an auditor reads is what was said.
func (r *Record) JSON() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(r) // texts and numbers into memory: nothing can fail
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Personally returns a personal field, or "".
func (e *Entry) Personally(name string) string { return personally(e.Personal, name) }

// Personally returns a personal field, or "".
func (e *Event) Personally(name string) string { return personally(e.Personal, name) }

func personally(fields []Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Late says whether the entry was written later than what it tells of happened, as the ledger could not take it then.
func (e *Entry) Late() bool { return e.Detail["late"] != "" }

// SameBox compares the name of the gate, its time zone and what tells its master key, which stand outside the records, with what
// a start or the first entry of an epoch says of them. Those of older versions say nothing. Nor is compared what is "".
func (e *Entry) SameBox(gate, zone, master string) error {
	if e.Kind != Start && e.Kind != Epoch {
		return nil
	}
	for _, x := range []struct{ key, what, has string }{{"gate", "gate", gate}, {"time_zone", "time zone", zone},
		{"master", "check value of the master key", master}} {
		if said, ok := e.Detail[x.key]; ok && said != x.has && x.has != "" {
			return fmt.Errorf("entry %d says that the %s is %q, and here it is %q: that was changed", e.Seq, x.what, said, x.has)
		}
	}
	return nil
}

// NamedKeys are the keys that an entry says sign from there on, or have signed up to there.
func NamedKeys(record []byte) (keys []string) {
	if !bytes.Contains(record, []byte(`"kind":"`+KeyChange+`"`)) {
		return nil
	}
	var r Record
	if json.Unmarshal(record, &r) != nil || r.Kind != KeyChange {
		return nil
	}
	for _, k := range []string{r.Detail["verifier"], r.Detail["was"]} {
		if _, err := tlog.NewVerifier(k); err == nil {
			keys = append(keys, k)
		}
	}
	return keys
}
