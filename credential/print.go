package credential

import (
	"crypto/ed25519"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gated/clock"
)

// Printed is a pass with what stands beside it on paper.
type Printed struct {
	Pass
	Room, Name string
}

// File is the name of its picture.
func (p Printed) File() string { return p.Subject + ".png" }

// LastDay is the last one on which it is good.
func (p Printed) LastDay() string { return p.NotAfter.Add(-time.Second).Format(time.DateOnly) }

var printPage = template.Must(template.New("").Parse(`<!doctype html><meta charset="utf-8"><title>通行码 passes</title>
<style>@page{margin:12mm} body{font:11pt sans-serif;display:flex;flex-wrap:wrap;gap:6mm}
figure{margin:0;width:56mm;break-inside:avoid;text-align:center} img{width:52mm} figcaption{line-height:1.3}</style>
{{range .}}<figure><img src="{{.File}}" alt=""><figcaption>{{.Room}} {{.Name}}<br>至 until {{.LastDay}}</figcaption></figure>
{{end}}`))

// Print signs the passes and writes a picture of each into dir, and print.html, which shows all of them. done is told how
// many are.
func Print(dir string, key ed25519.PrivateKey, passes []Printed, done func(n int)) error {
	for i, p := range passes {
		text, err := Issue(key, p.Pass)
		if err != nil {
			return fmt.Errorf("pass of %s: %w", p.Subject, err)
		}
		if err := WritePNG(filepath.Join(dir, p.File()), text); err != nil {
			return err
		}
		done(i + 1)
	}
	page, err := os.OpenFile(filepath.Join(dir, "print.html"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer page.Close()
	return printPage.Execute(page, passes)
}

// Moment reads when something begins or ends: "now", a day, a day and a time in the gate's zone, or RFC 3339. Empty: the zero time.
func Moment(flag, s string, zone *time.Location, now time.Time) (time.Time, error) {
	const minute = "2006-01-02 15:04"
	s = strings.TrimSpace(s)
	if s == "" {
		return time.Time{}, nil
	}
	if s == "now" {
		return now, nil
	}
	if t, err := time.ParseInLocation(minute, s, zone); err == nil {
		if t.Format(minute) != s {
			return t, fmt.Errorf("--%s %q: the clock of %s skips that minute", flag, s, zone)
		}
		return t, nil
	}
	t, err := PassTime(flag, s, zone, flag == "until")
	if err != nil {
		return t, fmt.Errorf("--%s %.40q: write now, a day such as 2026-11-29, or a day and a time such as \"2026-11-29 06:00\"",
			flag, s)
	}
	return t.In(zone), nil
}

// PassTime reads when a pass begins or ends, as the flag says: RFC 3339, or a day in the zone, which begins at its first second
// and ends with its last, or at 24:00.
func PassTime(flag, s string, zone *time.Location, end bool) (time.Time, error) {
	if s == "now" {
		return time.Now().Truncate(time.Second), nil
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return t, nil
	}
	if day, offset, is := strings.Cut(s, "T24:00:00"); is {
		t, err := time.Parse(time.RFC3339, day+"T00:00:00"+offset)
		return t.AddDate(0, 0, 1), err
	}
	day, midnight := strings.CutSuffix(s, " 24:00") // as notices write the end of a day
	end = end || midnight
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return t, fmt.Errorf("--%s %q: write a day as 2026-11-23 or a time as 2026-11-23T08:00:00+08:00", flag, s)
	}
	if end {
		t = t.AddDate(0, 0, 1)
	}
	return clock.DayBegins(t.Year(), t.Month(), t.Day(), zone), nil
}
