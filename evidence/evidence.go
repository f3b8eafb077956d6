// Package evidence writes days of a ledger for auditors, and checks what they bring.
package evidence

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/register"
)

// Reader reads a state directory for its exports.
type Reader struct{ *register.Reader }

// OpenReader opens the ledger of a state directory.
func OpenReader(dir string) (*Reader, error) {
	r, err := register.OpenReader(dir)
	if err != nil {
		return nil, err
	}
	return &Reader{r}, nil
}

// Holds verifies a ledger that is about to end, as VerifyChain will once another epoch follows it.
func Holds(r *file.Reader, g Given) error {
	g.keyless = true
	_, err := Verify(r, g)
	return err
}

// inNoExport is a personal field that exports leave out: why somebody had to pass at once, which may be what they flee from.
const inNoExport = "need"

// ScanDisclosed is that of the ledger, but with nothing but the hash of inNoExport, with which the other fields can be checked all
// the same.
func (r *Reader) ScanDisclosed(from, to int64, f func(*entry.Entry, []file.Disclosure) error) error {
	return r.Reader.ScanDisclosed(from, to, func(e *entry.Entry, fields []file.Disclosure) error {
		for i := range fields {
			if fields[i].Field == inNoExport {
				fields[i].Salt, fields[i].Value = "", nil
			}
		}
		return f(e, fields)
	})
}

// Selection is what an export covers: whole days in the gate's zone.
type Selection struct {
	From, To string    // 2006-01-02, both inclusive
	Events   bool      // one row an event instead of one a passage
	Personal bool      // with the personal fields that are not erased
	Now      time.Time // bounds a day that is not over
	Temp     string    // folder of what is needed on the way: it holds what the export holds; empty: the system's
}

// maxDays bounds an export: ten years.
const maxDays = 3660

// Days lists the days of the selection, or says what is wrong with them.
func (x Selection) Days() (days []string, err error) {
	from, err1 := time.Parse(time.DateOnly, x.From)
	to, err2 := time.Parse(time.DateOnly, x.To)
	switch {
	case err1 != nil || err2 != nil:
		return nil, fmt.Errorf("from %q to %q: write days as 2026-11-23", x.From, x.To)
	case to.Before(from):
		return nil, fmt.Errorf("from %s to %s: the last day is before the first", x.From, x.To)
	case to.Sub(from) >= maxDays*24*time.Hour:
		return nil, fmt.Errorf("from %s to %s: at most %d days at a time", x.From, x.To, maxDays)
	}
	for d := from; !d.After(to); d = d.AddDate(0, 0, 1) {
		days = append(days, d.Format(time.DateOnly))
	}
	return days, nil
}

// name is the day, or the days, for people.
func (x Selection) name() string {
	if x.From == x.To {
		return x.From
	}
	return x.From + " to " + x.To
}

// Since is the day so many days back, such as 7d, or what Date takes.
func Since(flag, day string, now time.Time) (string, error) {
	if n, err := strconv.Atoi(strings.TrimSuffix(day, "d")); err == nil && strings.HasSuffix(day, "d") && n >= 0 && n < 36500 {
		return now.AddDate(0, 0, -n).Format(time.DateOnly), nil
	}
	date, err := Date(flag, day, now)
	if err != nil {
		err = fmt.Errorf("%w, or so many days back as 7d", err)
	}
	return date, err
}

// Date reads the value of a flag that names a day.
func Date(flag, day string, now time.Time) (string, error) {
	if back, ok := map[string]int{"today": 0, "yesterday": 1}[day]; ok {
		return now.AddDate(0, 0, -back).Format(time.DateOnly), nil
	}
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return "", fmt.Errorf("%s %q: write a date as 2026-11-23, or today, or yesterday", flag, day)
	}
	return day, nil
}
