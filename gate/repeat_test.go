package gate

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
		{"longest window", longestRepeat, []time.Duration{29 * time.Second, 30 * time.Second}, []bool{true, false}},
	} {
		r := repeats{}
		r.remember(passage{key: [32]byte{1}, id: "p"}, tt.window, t0)
		for i, at := range tt.reads {
			if p := r.again([32]byte{1}, t0.Add(at)); (p != nil) != tt.want[i] || p != nil && p.id != "p" {
				t.Errorf("%s: at %v: got %v, want %t", tt.name, at, p, tt.want[i])
			}
		}
	}
	r := repeats{}
	r.remember(passage{key: [32]byte{1}}, window, t0)
	for at := time.Second; ; at += time.Second { // a phone that was left before the scanner
		if r.again([32]byte{1}, t0.Add(at)) == nil {
			if at != longestRepeat {
				t.Errorf("read already for %v, want %v", at, longestRepeat)
			}
			break
		}
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	r, now := repeats{}, time.Now()
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		r.remember(passage{key: [32]byte{byte(i), byte(i >> 8)}}, 3*time.Second, now)
	}
	if len(r) != maxAnswered {
		t.Errorf("keeps %d answers, want %d", len(r), maxAnswered)
	}
	for i := 1000 - maxAnswered; i < 1000; i++ {
		if r.again([32]byte{byte(i), byte(i >> 8)}, now) == nil {
			t.Fatalf("code %d was forgotten, and older ones were not", i)
		}
	}
	r.remember(passage{key: [32]byte{0xff, 0xff}}, 3*time.Second, now.Add(time.Minute))
	if len(r) != 1 {
		t.Errorf("keeps %d answers, want only the newest", len(r))
	}
}
