package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// done does a change that nothing is in the way of.
func done(t testing.TB, x *Accounts, c Change) Account {
	t.Helper()
	a, err := x.Do(c, func(Account) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const (
	pin      = "271828"
	sentence = "the gate is open" // a password
)

// site has a guard, a shift leader and a manager.
func site(t testing.TB) *Accounts {
	t.Helper()
	x := In(t.TempDir(), time.Now)
	if err := write(x.path, three()); err != nil {
		t.Fatal(err)
	}
	return x
}

// three are they. Each argon2id takes its time.
var three = sync.OnceValue(func() []kept {
	return []kept{{Account{Name: "张伟", Role: Guard}, hash(pin)}, {Account{Name: "Li Na", Role: ShiftLeader}, hash(pin)},
		{Account{Name: "Chen", Role: Manager}, hash(sentence)}}
})

func TestWhoSignsIn(t *testing.T) {
	t.Parallel()
	x := site(t)
	done(t, x, Change{What: Disabled, Name: "张伟"})
	for _, c := range []struct {
		name, secret string
		want         error
		role         Role
	}{
		{"Li Na", pin, nil, ShiftLeader},
		{"  li   NA ", pin, nil, ShiftLeader},
		{"Chen", sentence, nil, Manager},
		{"Chen", sentence + " ", ErrWrong, ""},
		{"Chen", "", ErrWrong, ""},
		{"Li Na", "271829", ErrWrong, ""},
		{"张伟", pin, ErrWrong, ""}, // disabled
		{"nobody", pin, ErrWrong, ""},
		{"", "", ErrWrong, ""},
	} {
		a, err := x.Check(c.name, c.secret)
		if !errors.Is(err, c.want) || a.Role != c.role {
			t.Errorf("%q, %q: got %s, %v, want %s, %v", c.name, c.secret, a.Role, err, c.role, c.want)
		}
	}
	done(t, x, Change{What: Reset, Name: "张伟", Secret: "314159"})
	if _, err := x.Check("张伟", "314159"); err != nil {
		t.Errorf("after a reset: %v", err)
	}
	if _, err := x.Check("张伟", pin); !errors.Is(err, ErrWrong) {
		t.Errorf("the old PIN after a reset: %v", err)
	}
}

// Whoever guesses waits ever longer, also over a restart of the daemon, and nobody else does.
func TestWrongTriesLockAnAccountForAGrowingTime(t *testing.T) {
	t.Parallel()
	x := site(t)
	synctest.Test(t, func(t *testing.T) { // from 2000 on: nobody waits
		began := time.Now()
		var waits []string
		for tries := 0; time.Since(began) < 24*time.Hour; {
			_, err := In(filepath.Dir(x.path), time.Now).Check("张伟", "000001") // each time another process
			var locked Locked
			switch {
			case errors.Is(err, ErrWrong):
				tries++
			case errors.As(err, &locked):
				waits = append(waits, fmt.Sprintf("%d %s", tries, time.Until(locked.Until)))
				time.Sleep(time.Until(locked.Until) - time.Nanosecond)
				if _, err := x.Check("张伟", pin); !errors.As(err, new(Locked)) {
					t.Errorf("before its time the right PIN got %v", err)
				}
				time.Sleep(time.Nanosecond)
			default:
				t.Fatalf("try %d: %v", tries+1, err)
			}
		}
		want := []string{"5 1m0s", "6 2m0s", "7 4m0s", "8 8m0s", "9 16m0s", "10 32m0s"}
		for n := 11; n <= 33; n++ {
			want = append(want, fmt.Sprintf("%d 1h0m0s", n))
		}
		if diff := cmp.Diff(want, waits); diff != "" {
			t.Error(diff)
		}
		for range 5 {
			x.Check("张伟", "000001")
		}
		if _, err := x.Check("Li Na", pin); err != nil {
			t.Errorf("somebody else: %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := x.Check("张伟", pin); err != nil {
			t.Errorf("after its time: %v", err)
		}
		for range 4 { // the right one made an end of the count
			if _, err := x.Check("张伟", "000001"); !errors.Is(err, ErrWrong) {
				t.Error(err)
			}
		}
		if _, err := x.Check("张伟", pin); err != nil {
			t.Errorf("a guard who mistyped four times: %v", err)
		}
	})
}

// Who tries ten at once gets five, too.
func TestTriesAtTheSameTime(t *testing.T) {
	t.Parallel()
	x := site(t)
	var all sync.WaitGroup
	var wrong, locked atomic.Int32
	for range 10 {
		all.Go(func() {
			if _, err := x.Check("张伟", "000001"); errors.Is(err, ErrWrong) {
				wrong.Add(1)
			} else if errors.As(err, new(Locked)) {
				locked.Add(1)
			}
		})
	}
	all.Wait()
	if wrong.Load() != 5 || locked.Load() != 5 {
		t.Errorf("%d were looked at, %d not", wrong.Load(), locked.Load())
	}
}

// A lock-out locks no gate: who is signed on as a shift leader lifts it, and a new PIN does.
func TestALockOutIsLifted(t *testing.T) {
	t.Parallel()
	x := site(t)
	for _, c := range []Change{{What: Lifted, Name: "张伟"}, {What: Reset, Name: "张伟", Secret: pin}} {
		for range 5 {
			x.Check("张伟", "000001")
		}
		if _, err := x.Check("张伟", pin); !errors.As(err, new(Locked)) {
			t.Fatalf("not locked: %v", err)
		}
		done(t, x, c)
		if _, err := x.Check("张伟", pin); err != nil {
			t.Errorf("%s: %v", c.What, err)
		}
	}
}

// A clock that is set back makes no lock longer than a lock is.
func TestALockOutEndsWhereTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	x, now := site(t), time.Date(2031, 1, 1, 8, 0, 0, 0, time.UTC)
	x.now = func() time.Time { return now }
	for range 5 {
		x.Check("张伟", "000001")
	}
	now = now.AddDate(-5, 0, 0)
	if _, err := x.Check("张伟", pin); !errors.As(err, new(Locked)) {
		t.Errorf("to set the clock back lifted it: %v", err)
	}
	now = now.Add(time.Minute)
	if _, err := x.Check("张伟", pin); err != nil {
		t.Errorf("five years early: %v", err)
	}
}

func TestAccountsThatCannotBeMadeSo(t *testing.T) {
	t.Parallel()
	x := site(t)
	before := text(t, x)
	for what, c := range map[string]struct {
		Change
		want string
	}{
		"no name":               {Change{What: Added, Name: " \t", Role: Guard, Secret: pin}, "1 to 60"},
		"a long name":           {Change{What: Added, Name: strings.Repeat("长", 61), Role: Guard, Secret: pin}, "1 to 60"},
		"control characters":    {Change{What: Added, Name: "a\x1bb", Role: Guard, Secret: pin}, "printable"},
		"reversed on screens":   {Change{What: Added, Name: "a\u202eb", Role: Guard, Secret: pin}, "printable"},
		"no text":               {Change{What: Added, Name: "a\xffb", Role: Guard, Secret: pin}, "printable"},
		"the same name":         {Change{What: Added, Name: " chen ", Role: Guard, Secret: pin}, "there is an account Chen already"},
		"no role":               {Change{What: Added, Name: "new", Role: "", Secret: pin}, "one of guard shift-leader manager auditor maintainer"},
		"no such role":          {Change{What: Added, Name: "new", Role: "Guard", Secret: pin}, "one of guard"},
		"a PIN of three digits": {Change{What: Added, Name: "new", Role: Guard, Secret: "271"}, "4 to 12 digits"},
		"a PIN of thirteen":     {Change{What: Added, Name: "new", Role: Guard, Secret: "2718281828459"}, "4 to 12 digits"},
		"a PIN of letters":      {Change{What: Added, Name: "new", Role: ShiftLeader, Secret: "27a8"}, "4 to 12 digits"},
		"0000":                  {Change{What: Added, Name: "new", Role: Guard, Secret: "0000"}, "the first that anybody tries"},
		"1234":                  {Change{What: Added, Name: "new", Role: Guard, Secret: "1234"}, "the first that anybody tries"},
		"987654":                {Change{What: Added, Name: "new", Role: Guard, Secret: "987654"}, "the first that anybody tries"},
		"7890":                  {Change{What: Reset, Name: "张伟", Secret: "7890"}, "the first that anybody tries"},
		"a PIN for an office":   {Change{What: Added, Name: "new", Role: Auditor, Secret: pin}, "10 to 200"},
		"a short password":      {Change{What: Reset, Name: "Chen", Secret: "123456789"}, "10 to 200"},
		"a password of lines":   {Change{What: Added, Name: "new", Role: Maintainer, Secret: "many words\nand lines"}, "10 to 200"},
		"nobody":                {Change{What: Disabled, Name: "new"}, "gated user list"},
		"the last manager":      {Change{What: Disabled, Name: "Chen"}, "add another one first"},
		"nothing to do":         {Change{What: "renamed", Name: "Chen"}, "nothing that can be done"},
	} {
		_, err := x.Do(c.Change, func(Account) error { t.Errorf("%s: it was recorded", what); return nil })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
		if got := errors.As(err, new(Refusal)); got != (c.What != "renamed") {
			t.Errorf("%s: an answer: %t", what, got)
		}
	}
	if text(t, x) != before {
		t.Error("the file has changed")
	}
	for name, c := range map[string]Change{
		"陈 静":      {What: Added, Name: "  陈\u3000静 ", Role: Guard, Secret: "1212"},
		"שלום":     {What: Added, Name: "שלום", Role: Auditor, Secret: "a password"},
		"<b>&\"'":  {What: Added, Name: "<b>&\"'", Role: Guard, Secret: "135790"},
		"Zoë":      {What: Added, Name: "Zoe\u0308", Role: Guard, Secret: "2580"},
		"manager2": {What: Added, Name: "manager2", Role: Manager, Secret: strings.Repeat("密", 10)},
	} {
		if a := done(t, x, c); a.Name != name {
			t.Errorf("got %q, want %q", a.Name, name)
		}
	}
	done(t, x, Change{What: Disabled, Name: "Chen"}) // there is another manager now
	if _, err := x.Do(Change{What: Disabled, Name: "Chen"}, nil); !errors.As(err, new(Refusal)) {
		t.Errorf("disabled twice: %v", err)
	}
	if _, err := x.Do(Change{What: Disabled, Name: "manager2"}, nil); !errors.As(err, new(Refusal)) {
		t.Errorf("the last enabled manager: %v", err)
	}
}

// What cannot be recorded is not done, and what cannot be written says that it is on record.
func TestTheEntryComesFirst(t *testing.T) {
	t.Parallel()
	x := site(t)
	before, full := text(t, x), errors.New("the ledger is in fault")
	if _, err := x.Do(Change{What: Disabled, Name: "张伟"}, func(a Account) error {
		if a.Name != "张伟" || a.Role != Guard || a.Disabled {
			t.Errorf("to be recorded: %+v", a)
		}
		return full
	}); !errors.Is(err, full) || text(t, x) != before {
		t.Errorf("got %v, and the file has changed: %t", err, text(t, x) != before)
	}
	if _, err := x.Do(Change{What: Disabled, Name: "张伟"}, func(Account) error { return os.Remove(filepath.Dir(x.path) + "/" + File) }); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Do(Change{What: Reset, Name: "张伟", Secret: pin}, func(a Account) error {
		if !a.Disabled {
			t.Error("the entry cannot say that it was disabled")
		}
		return errors.Join(os.Remove(x.path), os.Mkdir(x.path, 0o700))
	}); err == nil || !strings.Contains(err.Error(), "on record, and may not be done") {
		t.Errorf("got %v", err)
	}
}

// A try that cannot be counted is not looked at: else a full disk would give as many as anybody likes.
func TestATryThatCannotBeCountedIsNone(t *testing.T) {
	t.Parallel()
	x := site(t)
	real := x.path
	x.path = filepath.Join(t.TempDir(), File)
	if err := os.Symlink(real, x.path); err != nil {
		t.Fatal(err)
	}
	x.now = func() time.Time { // between reading and writing
		os.RemoveAll(filepath.Dir(x.path))
		return time.Now()
	}
	if _, err := x.Check("张伟", pin); err == nil || !strings.Contains(err.Error(), "cannot be counted") {
		t.Errorf("got %v", err)
	}
}

// A name that is not there and one that is disabled cost what a wrong PIN costs: one argon2id, by the processor's own count.
func TestAnUnknownNameCostsAsMuch(t *testing.T) {
	x := site(t)
	done(t, x, Change{What: Disabled, Name: "Li Na"})
	used := func() time.Duration {
		var u syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	cost := map[string]time.Duration{}
	for range 3 { // the least of three, as the runtime works now and then
		for _, name := range []string{"张伟", "nobody", "Li Na"} {
			began := used()
			if _, err := x.Check(name, "000001"); !errors.Is(err, ErrWrong) {
				t.Fatal(err)
			}
			if d := used() - began; cost[name] == 0 || d < cost[name] {
				cost[name] = d
			}
		}
	}
	t.Log(cost)
	for _, name := range []string{"nobody", "Li Na"} {
		if cost[name] < cost["张伟"]/2 || cost[name] > cost["张伟"]*2 {
			t.Errorf("%s cost %s, a wrong PIN %s", name, cost[name], cost["张伟"])
		}
	}
}

// A damaged file is said so, with what to do, and nothing is ever written over it.
func TestADamagedFileIsAFault(t *testing.T) {
	t.Parallel()
	x := site(t)
	whole := text(t, x)
	for what, damaged := range map[string]string{
		"empty":             "",
		"zeros":             strings.Repeat("\x00", 4096),
		"cut off":           whole[:len(whole)/2],
		"something behind":  whole + "{}",
		"a newer format":    strings.Replace(whole, `"format": 1`, `"format": 2`, 1),
		"no format":         "{}",
		"an unknown field":  strings.Replace(whole, `"name": "Chen"`, `"name": "Chen", "until": 1`, 1),
		"an unknown role":   strings.Replace(whole, `"manager"`, `"owner"`, 1),
		"the same name":     strings.Replace(whole, `"Chen"`, `"li na"`, 1),
		"a name untidy":     strings.Replace(whole, `"Chen"`, `" Chen"`, 1),
		"a negative count":  strings.Replace(whole, `"name": "Chen"`, `"name": "Chen", "wrong": -9`, 1),
		"a weaker hash":     strings.Replace(whole, "m=19456", "m=8", 1),
		"all of the memory": strings.Replace(whole, "m=19456", "m=4294967295", 1),
		"more threads":      strings.Replace(whole, "p=1$", "p=4$", 1),
		"half a hash":       strings.Replace(whole, three()[1].Hash, parameters+"AAAA$AAAA", 1),
		"no salt":           strings.Replace(whole, "p=1$", "p=1$$", 1),
	} {
		if err := os.WriteFile(x.path, []byte(damaged), 0o600); err != nil {
			t.Fatal(err)
		}
		_, lerr := x.List()
		_, cerr := x.Check("Chen", sentence)
		_, derr := x.Do(Change{What: Added, Name: "new", Role: Guard, Secret: pin}, func(Account) error { t.Error("recorded"); return nil })
		for _, err := range []error{x.Fault(), lerr, cerr, derr} {
			if err == nil || !strings.Contains(err.Error(), "put it back") || !strings.Contains(err.Error(), "the emergency key works") ||
				strings.Contains(err.Error(), "argon2id") {
				t.Errorf("%s: got %v", what, err)
			}
		}
		if text(t, x) != damaged {
			t.Errorf("%s: it was written over", what)
		}
	}
	if err := os.WriteFile(x.path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Check("Chen", sentence); err != nil {
		t.Errorf("put back: %v", err)
	}
}

// Where there are no accounts nobody signs in, nothing is at fault, and no file is made by who tries.
func TestNoAccounts(t *testing.T) {
	t.Parallel()
	x := In(t.TempDir(), time.Now)
	if _, err := x.Check("Chen", sentence); !errors.Is(err, ErrWrong) || x.Fault() != nil {
		t.Errorf("got %v, fault %v", err, x.Fault())
	}
	if _, err := os.Stat(x.path); err == nil {
		t.Error("a try made a file")
	}
}

// Of the secrets only the hashes are in the file, each with its own salt, and only its owner reads it.
func TestTheFileHasNoSecret(t *testing.T) {
	t.Parallel()
	x := site(t)
	b := text(t, x)
	if strings.Contains(b, pin) || strings.Contains(b, sentence) || strings.Count(b, parameters) != 3 {
		t.Errorf("got %s", b)
	}
	all, err := read(x.path)
	if err != nil || all[0].Hash == all[1].Hash {
		t.Errorf("the same PIN has the same hash: %v", err)
	}
	if st, err := os.Stat(x.path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	list, err := x.List()
	if err != nil || fmt.Sprint(list) != "[{张伟 guard false 0 0001-01-01 00:00:00 +0000 UTC false} {Li Na shift-leader false 0 0001-01-01 00:00:00 +0000 UTC false} "+
		"{Chen manager false 0 0001-01-01 00:00:00 +0000 UTC false}]" {
		t.Errorf("got %v, %v", list, err)
	}
}

// As many accounts as there may be, with the longest names, fit into the file and are found in no time.
func TestMostAccounts(t *testing.T) {
	t.Parallel()
	x := site(t)
	all, err := read(x.path)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(all); n < most; n++ {
		k := all[0]
		k.Name, k.Wrong, k.Tried = fmt.Sprintf("%s%04d", strings.Repeat("\U0002f800", 56), n), 1, time.Now()
		k.Name = tidy(k.Name)
		all = append(all, k)
	}
	if err := write(x.path, all); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Check(all[most-1].Name, pin); err != nil {
		t.Error(err)
	}
	if _, err := x.Do(Change{What: Added, Name: "one more", Role: Guard, Secret: pin}, nil); err == nil || !strings.Contains(err.Error(), "no more fit") {
		t.Errorf("got %v", err)
	}
}

func text(t testing.TB, x *Accounts) string {
	t.Helper()
	b, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
