package ledger

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/ledger/file"
)

// threeDays fills a ledger with n entries of three days.
func threeDays(t *testing.T, n int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	ck := &clock{}
	ck.set("2026-11-20 00:00:00")
	l := open(t, dir, ck)
	start := ck.now().Time
	var evs []Event
	for i := range n {
		at := ck.now()
		at.Time = start.Add(time.Duration(i) * 72 * time.Hour / time.Duration(n))
		evs = append(evs, Event{Stamp: at, Kind: Alive, Detail: map[string]string{"n": strconv.Itoa(i)}, Personal: []Field{{Name: "by", Value: strconv.Itoa(i)}}})
		if len(evs) == file.MaxBatch || i == n-1 {
			mustAppend(t, l, evs...)
			evs = evs[:0]
		}
	}
	return dir
}

func TestLongStretchesAreReadInOrderAndWhole(t *testing.T) {
	t.Parallel()
	const n = 9*piece + 7
	r, err := file.OpenReader(threeDays(t, n))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, c := range []struct{ from, to int64 }{{1, n}, {1, 1}, {2, 4*piece + 1}, {3, 4*piece + 4}, {piece, n - 1}, {5, 4}} {
		next := c.from
		err := r.Scan(c.from, c.to, true, func(e *Entry) error {
			if want := strconv.FormatInt(next-1, 10); e.Seq != next || e.Detail["n"] != want || e.Personally("by") != want {
				t.Fatalf("%v: got entry %d %v %v, want %d", c, e.Seq, e.Detail, e.Personal, next)
			}
			next++
			return nil
		})
		if err != nil || next != c.to+1 {
			t.Errorf("%v: read up to %d, %v", c, next-1, err)
		}
	}
	// It ends with the newest entry, and can be used again after a caller who had enough.
	last := int64(0)
	if err := r.Scan(n-1, n+2000, false, func(e *Entry) error { last = e.Seq; return nil }); err != nil || last != n {
		t.Errorf("beyond the newest: up to %d, %v", last, err)
	}
	enough := errors.New("enough")
	for range 3 {
		if err := r.Scan(1, n, true, func(*Entry) error { return enough }); err != enough {
			t.Errorf("stopped with %v", err)
		}
	}
}

// TestALedgerIsReadWhileItGrows: what is written after a reading began is not missing from it.
// TestBehindTheEndThereIsNothingToRead: whoever asks for an entry by its number may ask for any.
func TestBehindTheEndThereIsNothingToRead(t *testing.T) {
	t.Parallel()
	r, err := file.OpenReader(threeDays(t, 7))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, x := range [][2]int64{{8, 8}, {8, math.MaxInt64}, {math.MaxInt64 - 1, math.MaxInt64 - 1}, {math.MaxInt64, math.MaxInt64}} {
		done := make(chan error, 1)
		go func() {
			done <- r.Scan(x[0], x[1], true, func(e *Entry) error { return fmt.Errorf("entry %d", e.Seq) })
		}()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("%d to %d: %v", x[0], x[1], err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%d to %d: it is still read", x[0], x[1])
		}
	}
}

func TestALedgerIsReadWhileItGrows(t *testing.T) {
	ck := &clock{}
	ck.set("2026-11-20 00:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	many(t, l, ck, piece-10)
	r := reader(t, dir)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
			}
		}
	})
	for range sample(300, 40) {
		if err := r.Scan(1, 1<<62, false, func(*Entry) error { return nil }); err != nil {
			t.Error(err)
			break
		}
	}
	close(stop)
	writing.Wait()
	// A gap at the end of a piece is one.
	l.Close()
	for _, seq := range []int64{piece - 3, piece, piece + 1} {
		if err := unlocked(t, dir).exec("DELETE FROM entry WHERE seq = ?", seq); err != nil {
			t.Fatal(err)
		}
		if err := r.Scan(seq-1, 1<<62, false, func(*Entry) error { return nil }); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("without entry %d: %v", seq, err)
		}
	}
}
