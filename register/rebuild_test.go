package register

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"gated/register/presence"
)

func TestRebuiltEqualsRunning(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { // the gate works meanwhile
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			id := fmt.Sprint("p", i)
			mustAppend(t, l, append(passage(ck, id, "in", "admit"), decided(ck, id, "in", "admit", "resident"))...)
		}
	})
	for range 5 {
		if n, equal, err := l.reg.Rebuild(); err != nil || !equal || n > l.Size() {
			t.Errorf("%d entries, equal %v, %v", n, equal, err)
		}
	}
	close(stop)
	wg.Wait()
	// A state that has gone wrong is found and put right.
	l.reg.mu.Lock()
	l.reg.state.people[1] = presence.Place{Seq: 1, Inside: true}
	l.reg.mu.Unlock()
	if _, equal, err := l.reg.Rebuild(); err != nil || equal {
		t.Errorf("equal %v, %v", equal, err)
	}
	verify(t, l)
	l.Close()
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	found, err := Search(dir, Filter{Day: "2026-11-23", Limit: 1})
	if err != nil || len(found) != 1 {
		t.Errorf("search after it: %v, %v", found, err)
	}
	verify(t, open(t, dir, ck))
}

// TestRebuildingWhileSomethingIsErased: what was read before the erasure must not come back by it, and two rebuilds must
// not take each other's file away.
func TestRebuildingWhileSomethingIsErased(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	l := open(t, t.TempDir(), ck)
	const people = 60
	for i := range people {
		id := fmt.Sprint(i)
		mustAppend(t, l, append(passage(ck, id, "in", "admit"), decided(ck, id, "in", "admit", "resident"))...)
	}
	many(t, l, ck, sample(5000, 1500)) // so that reading takes a while
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 8 {
				if _, equal, err := l.reg.Rebuild(); err != nil || !equal {
					t.Errorf("equal %v, %v", equal, err)
				}
			}
		})
	}
	for i := range people {
		erase(t, l, []int64{int64(3*i + 2), int64(3*i + 3)}, "")
	}
	wg.Wait()
	l.View(func(s *State) {
		if len(s.people) > 0 {
			t.Errorf("%d erased people are inside", len(s.people))
		}
	})
	if !l.reg.index.Usable() {
		t.Error("the index is gone")
	}
	verify(t, l)
}

// TestTimesThatAreNotKnownStayUnknown: a clock that nobody ever trusted has no newest trusted time, however often the state is saved.
// An older version saved one of the year 1, of which it made another at each start.
func TestTimesThatAreNotKnownStayUnknown(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-23 08:00:00")
	dir := t.TempDir()
	for run := range 4 {
		lo, ro := options(dir, ck)
		lo.Now = func() Stamp { s := ck.now(); s.Trusted = false; return s }
		b := start(t, lo, ro)
		b.View(func(s *State) {
			if !s.Trusted.Time.IsZero() || !s.Copied.IsZero() {
				t.Errorf("run %d: trusted at %v, copied at %v", run, s.Trusted.Time, s.Copied)
			}
		})
		mustAppend(t, b, Event{Stamp: lo.Now(), Kind: Alive})
		verify(t, b)
		b.Close()
		if run != 2 {
			continue
		}
		db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "index.db"))
		if err != nil {
			t.Fatal(err)
		}
		done, err := db.Exec(`UPDATE meta SET value = replace(value, '"Trusted":{"Time":"0001-01-01T00:00:00Z"', '"Trusted":{"Time":"0001-01-01T08:06:26+08:05"')
			WHERE key = 'state' AND instr(value, '"Trusted":{"Time":"0001-01-01T00:00:00Z"')`)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			t.Errorf("the state that was saved is another: %d rows, %v", n, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
