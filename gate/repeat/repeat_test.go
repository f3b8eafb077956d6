package repeat

import (
	"testing"
	"time"
)

func TestRepeatsSlideWhileTheCodeIsRead(t *testing.T) {
	const window = 3 * time.Second
	t0 := time.Now()
	for _, tt := range []struct {
		name   string
		window time.Duration
		reads  []time.Duration // after the first
		want   []bool          // read already
	}{
		{"within the window", window, []time.Duration{2900 * time.Millisecond}, []bool{true}},
		{"at its end", window, []time.Duration{window}, []bool{false}},
		{"each reading moves it on", window, []time.Duration{2 * time.Second, 4 * time.Second, 6 * time.Second, 9 * time.Second}, []bool{true, true, true, false}},
		{"turned off", 0, []time.Duration{0}, []bool{false}},
		{"longest window", 30 * time.Second, []time.Duration{29 * time.Second, 59 * time.Second}, []bool{true, false}},
	} {
		r := Memory[string]{}
		r.Remember(Key{1}, "p", tt.window, t0)
		for i, at := range tt.reads {
			if p := r.Again(Key{1}, t0.Add(at)); (p != nil) != tt.want[i] || p != nil && *p != "p" {
				t.Errorf("%s: at %v: got %v, want %t", tt.name, at, p, tt.want[i])
			}
		}
	}
	r := Memory[string]{}
	r.Remember(Key{1}, "p", window, t0)
	for at := time.Second; at < time.Hour; at += time.Second { // a phone that was left before the scanner
		if r.Again(Key{1}, t0.Add(at)) == nil {
			t.Fatalf("a new reading after %v", at)
		}
	}
	if r.Again(Key{1}, t0.Add(time.Hour+window)) != nil {
		t.Error("it was away, and is no new reading")
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	r, now := Memory[string]{}, time.Now()
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		r.Remember(Key{byte(i), byte(i >> 8)}, "p", 3*time.Second, now)
	}
	if len(r) != most {
		t.Errorf("keeps %d answers, want %d", len(r), most)
	}
	for i := 1000 - most; i < 1000; i++ {
		if r.Again(Key{byte(i), byte(i >> 8)}, now) == nil {
			t.Fatalf("code %d was forgotten, and older ones were not", i)
		}
	}
	r.Remember(Key{0xff, 0xff}, "p", 3*time.Second, now.Add(time.Minute))
	if len(r) != 1 {
		t.Errorf("keeps %d answers, want only the newest", len(r))
	}
}
