package presence

import (
	"maps"
	"testing"
	"time"

	"gated/ledger"
	"gated/register/blind"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// entry is one that says where somebody is.
func entry(at time.Time, class string) *ledger.Entry {
	e := &ledger.Entry{}
	e.Seq, e.At, e.Class = 7, at, class
	return e
}

// passed is when somebody passed, as far as the clock was trusted.
func passed(ago time.Duration, trusted bool) (at time.Time) {
	if trusted {
		at = noon.Add(-ago)
	}
	return at
}

func TestWhereSomebodyIs(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		name    string
		where   string
		trusted bool
		ago     time.Duration
		stay    time.Duration
		want    string
		minutes int // since they passed; -1: nobody knows
	}{
		{"inside", Inside, true, time.Minute, day, Inside, 1},
		{"inside for just so long", Inside, true, day, day, Inside, 24 * 60},
		{"inside too long", Inside, true, day + time.Second, day, Unknown, 24 * 60},
		{"inside for ever", Inside, true, 400 * day, 0, Inside, 400 * 24 * 60},
		{"outside for long", Outside, true, 400 * day, day, Outside, 400 * 24 * 60},
		{"by a clock that was not trusted", Inside, false, 400 * day, day, Inside, -1},
		{"by a clock that was ahead", Inside, true, -2 * time.Hour, day, Inside, -1},
		{"at another lane a moment later", Inside, true, -time.Second, day, Inside, 0},
		{"nobody knows where", Unknown, true, time.Minute, day, Unknown, 1},
	} {
		p := Of(entry(noon.Add(-tt.ago), "resident"), tt.where, passed(tt.ago, tt.trusted))
		if got := p.Where(noon, tt.stay); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		since, known := p.Since(noon)
		if got := int(since / time.Minute); known != (tt.minutes >= 0) || known && got != tt.minutes {
			t.Errorf("%s: %d minutes, known %t, want %d", tt.name, got, known, tt.minutes)
		}
	}
	if p := (Place{}); p.Where(noon, day) != Unknown {
		t.Error("who never passed is somewhere")
	}
	if _, known := Of(entry(noon, "resident"), Outside, time.Time{}).Since(noon); known {
		t.Error("what was taken back was no passage")
	}
	for direction, where := range map[string]string{"in": Inside, "out": Outside} {
		for _, other := range []string{Inside, Outside, Unknown} {
			if Again(direction, other) != (other == where) {
				t.Errorf("%s of one who is %q", direction, other)
			}
		}
	}
}

func TestPeopleAndVehiclesAreCountedApart(t *testing.T) {
	t.Parallel()
	b := Book{}
	for i, p := range []struct{ class, where string }{{"resident", Inside}, {"staff", Inside}, {"visitor", Outside}, {"resident", Unknown},
		{"vehicle", Inside}, {"emergency-vehicle", Inside}, {"vehicle", Outside}, {"emergency-vehicle", Inside}} {
		b[blind.Key(i)] = Of(entry(noon, p.class), p.where, passed(time.Duration(i)*time.Hour, true))
	}
	for stay, want := range map[time.Duration][2]int{0: {2, 3}, 5 * time.Hour: {2, 2}, time.Minute: {1, 0}} {
		if people, vehicles := Sum(b.Inside(noon, stay)); [2]int{people, vehicles} != want {
			t.Errorf("within %v: %d people, %d vehicles, want %v", stay, people, vehicles, want)
		}
	}
	want := map[string]int{"resident": 1, "staff": 1, "vehicle": 1, "emergency-vehicle": 2}
	if classes := b.Inside(noon, 0); !maps.Equal(classes, want) {
		t.Errorf("by class %v, want %v", classes, want)
	}
}
