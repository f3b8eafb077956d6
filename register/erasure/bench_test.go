package erasure

import (
	"fmt"
	"gated/ledger"
	"gated/register/registertest"
	"os"
	"slices"
	"testing"
	"time"
)

// BenchmarkErase erases 10,000 passages, of as many people as the compound has, while others pass one after the other.
func BenchmarkErase(b *testing.B) {
	base := os.Getenv("BENCH_DIR") // on a real disk
	if base == "" {
		base = "/var/tmp"
	}
	dir, err := os.MkdirTemp(base, "gated-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	ck := &registertest.Clock{}
	ck.Set("2026-11-01 08:00:00")
	l := open(b, dir, ck)
	registertest.MustAppend(b, l, ledger.Event{Stamp: ck.Now(), Kind: "start"})
	const passages, people, atOnce = 10_000, 2132, 25
	for i := 0; i < passages; i += atOnce {
		var events []ledger.Event
		for k := range atOnce {
			events = append(events, someone(ck, fmt.Sprint("p", i+k), fmt.Sprint("r-", (i+k)%people), "resident", "in")...)
		}
		registertest.MustAppend(b, l, events...)
	}
	ck.Set("2026-11-20 08:00:00")
	passing := func(until <-chan error, n int) (took []float64, err error) { // ms
		for i := 0; i < n; i++ {
			select {
			case err := <-until:
				return took, err
			default:
			}
			at := time.Now()
			registertest.MustAppend(b, l, someone(ck, fmt.Sprint("q", i), "r-q", "resident", "out")...)
			took = append(took, time.Since(at).Seconds()*1e3)
			time.Sleep(time.Millisecond)
		}
		return took, nil
	}
	before, _ := passing(nil, 2000)
	done, began := make(chan error, 1), time.Now()
	var took time.Duration
	go func() {
		got, err := l.Erase(Selection{Before: "2026-11-20"}, "zhou", "old")
		took = time.Since(began)
		if err == nil && got.Entries != 3*passages {
			err = fmt.Errorf("%d entries were erased", got.Entries)
		}
		done <- err
	}()
	during, err := passing(done, 1<<30)
	if err != nil {
		b.Fatal(err)
	}
	at := func(x []float64, q float64) float64 {
		s := slices.Sorted(slices.Values(x))
		return s[int(q*float64(len(s)-1))]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took.Seconds()*1e3, "took-ms")
	b.ReportMetric(at(during, .99)-at(before, .99), "longer-ms")
	b.ReportMetric(float64(len(during)), "passages")
}
