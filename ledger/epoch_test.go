package ledger

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger/file"
	"gated/ledger/tlog"
)

// restore copies what a backup holds: the ledger, not the index, and the key only where one was careless.
func restore(t *testing.T, from string, files ...string) string {
	t.Helper()
	to := t.TempDir()
	for _, f := range append(files, "keys/personal.key") { // the master key comes from the safe
		b, err := os.ReadFile(filepath.Join(from, f))
		if err != nil {
			t.Fatal(err)
		}
		os.MkdirAll(filepath.Dir(filepath.Join(to, f)), 0o700)
		if err := os.WriteFile(filepath.Join(to, f), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestARestoredBoxBeginsANewEpoch(t *testing.T) {
	t.Parallel()
	dir := small(t)
	key, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, _ := file.OpenReader(dir)
	old, err := r.Head()
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		files    []string
		set      func(*Options)
		question string
	}{
		"the ledger alone": {[]string{"ledger.db"}, func(o *Options) { o.Restored = true }, ""},
		"a whole clone":    {[]string{"ledger.db", "personal.keys", "keys/ledger.key", "keys/ledger.pub"}, func(o *Options) { o.Restored = true }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := restore(t, dir, x.files...)
			ck := &clock{}
			ck.set("2026-11-24 08:00:00")
			opt := options(dir, ck)
			x.set(&opt)
			l, err := Open(opt)
			if err != nil {
				t.Fatal(err)
			}
			if f := l.Fault(); f != nil {
				t.Fatal(f.Cause)
			}
			if l.Size() != 1 {
				t.Errorf("size %d", l.Size())
			}
			many(t, l, ck, 300)
			verify(t, l)
			l.Close()
			opt.Restored = false
			l, err = Open(opt) // and goes on with it
			if err != nil || l.Fault() != nil {
				t.Fatal(err, l.Fault())
			}
			many(t, l, ck, 1)
			l.Close()

			path := filepath.Join(dir, "ledger.db")
			reports, err := VerifyChain(path, Given{Keys: key, Since: &old})
			if len(x.files) == 1 && err == nil {
				key := append(key, reports[1].Key)
				reports, err = VerifyChain(path, Given{Keys: key})
			}
			if err != nil || len(reports) != 2 || reports[0].Entries != 258 || reports[1].Entries != 302 || reports[1].Meta.Origin != "east-gate/2" {
				t.Fatalf("%v, %+v", err, reports)
			}
			if text := reports[0].Proved; !strings.Contains(text, "east-gate/2 follows east-gate, which ended with entry 258") {
				t.Error(text)
			}
			if _, err := os.Stat(filepath.Join(dir, "keys", "ledger.key")); err == nil {
				t.Error("the old key is still there: two boxes could sign in one name")
			}
			// Another old epoch in its place is found.
			c, err := connect("file:" + file.OfEpoch(dir, 1))
			if err != nil {
				t.Fatal(err)
			}
			err = c.exec("INSERT INTO entry SELECT seq + 1, ts, replace(replace(record, '\"seq\":258', '\"seq\":259'), '\"personal\":', '\"x\":'), NULL FROM entry WHERE seq = 258")
			c.Close()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := VerifyChain(path, Given{}); err == nil || !strings.Contains(err.Error(), "ended with entry 258") {
				t.Errorf("an entry more in the old epoch: %v", err)
			}
			os.Remove(file.OfEpoch(dir, 1))
			reports, err = VerifyChain(path, Given{}) // as when its data was due
			if err != nil || len(reports) != 1 || !strings.Contains(reports[0].Proved, "the epoch before it is not here, so nothing is said about it. It was east-gate and ended with entry 258") {
				t.Errorf("without the old epoch: %v, %v", err, reports)
			}
		})
	}
}

func TestACloneIsKnownByItsMachine(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-22 08:00:00")
	dir := t.TempDir()
	opt := options(dir, ck)
	opt.Machine = "one"
	for i, x := range []struct {
		machine string
		command bool
		origin  string
	}{{"one", false, "east-gate"}, {"one", false, "east-gate"}, {"", false, "east-gate"}, {"two", true, ""}, {"two", false, "east-gate/2"}, {"two", false, "east-gate/2"}, {"three", false, "east-gate/3"}} {
		opt.Machine, opt.Command = x.machine, x.command
		l, err := Open(opt)
		if x.origin == "" {
			if err == nil || !strings.Contains(err.Error(), "start the daemon first") {
				t.Errorf("step %d: %v", i, err)
			}
			continue
		}
		if err != nil || l.Fault() != nil {
			t.Fatal(i, err, l.Fault())
		}
		many(t, l, ck, 3)
		if l.meta.Origin != x.origin {
			t.Errorf("step %d: %s, want %s", i, l.meta.Origin, x.origin)
		}
		verify(t, l)
		l.Close()
	}
	reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{})
	if err != nil || len(reports) != 3 {
		t.Fatal(err, len(reports))
	}
	if got := fmt.Sprint(reports[0].Entries, reports[1].Entries, reports[2].Entries); got != "9 7 4" {
		t.Errorf("entries %s", got)
	}
}

// TestAnEpochThatHadNoTimeToBegin: the power went between putting the old file aside and the first entry.
func TestAnEpochThatHadNoTimeToBegin(t *testing.T) {
	t.Parallel()
	dir := small(t)
	if err := os.Rename(filepath.Join(dir, "ledger.db"), file.OfEpoch(dir, 1)); err != nil {
		t.Fatal(err)
	}
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	l := open(t, dir, ck)
	many(t, l, ck, 2)
	verify(t, l)
	l.Close()
	if reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{}); err != nil || len(reports) != 2 {
		t.Fatal(err, reports)
	}
	// But one that had begun and is gone is a fault.
	os.Remove(filepath.Join(dir, "ledger.db"))
	l, err := Open(options(dir, ck))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "is gone") {
		t.Errorf("fault %+v", f)
	}
}

// begin opens a state directory as "gated run --restored" does.
func begin(t *testing.T, dir string, ck *clock, inject func(op string) error) *Ledger {
	t.Helper()
	opt := options(dir, ck)
	opt.Restored, opt.Inject = true, inject
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// Without the master key from the safe a restored box does not begin, nor make a key of its own.
func TestARestoredBoxAsksForTheMasterKey(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	dir := restore(t, small(t), "ledger.db", "personal.keys")
	path := filepath.Join(dir, "keys", "personal.key")
	right, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	opt := options(dir, ck)
	opt.Restored = true
	for name, x := range map[string]struct{ content, says string }{
		"missing":       {"", "put it back from the safe"},
		"another":       {strings.Repeat("00", 32), "not the one that sealed the personal data of east-gate"},
		"cut short":     {"0123", "64 hexadecimal digits"},
		"not in digits": {"PRIVATE+KEY+", "64 hexadecimal digits"},
	} {
		os.Remove(path)
		if x.content != "" {
			os.WriteFile(path, []byte(x.content), 0o600)
		}
		l, err := Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		if f := l.Fault(); f == nil || !strings.Contains(f.Cause, x.says) || !strings.Contains(f.Cause, path) {
			t.Errorf("%s: fault %+v, want %q", name, f, x.says)
		}
		l.Close()
		if b, _ := os.ReadFile(path); string(b) != x.content {
			t.Errorf("%s: the file was written", name)
		}
		if _, err := os.Stat(file.OfEpoch(dir, 1)); err == nil {
			t.Fatal("the epoch was ended all the same")
		}
	}
	os.WriteFile(path, right, 0o600)
	l, err := Open(opt)
	if err != nil || l.Fault() != nil {
		t.Fatal(err, l.Fault())
	}
	defer l.Close()
	r, err := file.OpenFile(file.OfEpoch(dir, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Scan(255, 255, true, func(e *Entry) error {
		if e.Personally("name") != "王小明" {
			t.Errorf("entry 255 says %v (%v)", e.Personal, r.Hidden())
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// TestABackupOfALaterEpochBeginsTheNext: a backup holds the newest epoch only.
func TestABackupOfALaterEpochBeginsTheNext(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	second := restore(t, small(t), "ledger.db")
	begin(t, second, ck, nil).Close()
	third := restore(t, second, "ledger.db")
	l := begin(t, third, ck, nil)
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	l.Close()
	reports, err := VerifyChain(filepath.Join(third, "ledger.db"), Given{})
	if err != nil || len(reports) != 2 || reports[1].Meta.Origin != "east-gate/3" {
		t.Fatal(err, reports)
	}
	if text := reports[0].Proved; !strings.Contains(text, "east-gate/2: the epoch before it is not here") {
		t.Error(text)
	}
}

// TestAnEpochBeginsOnce: whatever is broken off while an epoch begins, the next try goes on with it.
func TestAnEpochBeginsOnce(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	for name, off := range map[string]func(t *testing.T, dir string){
		"an empty file": func(t *testing.T, dir string) {
			os.Rename(filepath.Join(dir, "ledger.db"), file.OfEpoch(dir, 1))
			os.WriteFile(filepath.Join(dir, "ledger.db"), nil, 0o600)
		},
		"a file without tables": func(t *testing.T, dir string) {
			os.Rename(filepath.Join(dir, "ledger.db"), file.OfEpoch(dir, 1))
			c, err := connect("file:" + filepath.Join(dir, "ledger.db") + "?_pragma=journal_mode(WAL)")
			if err != nil {
				t.Fatal(err)
			}
			if st, err := os.Stat(filepath.Join(dir, "ledger.db")); err != nil || st.Size() == 0 {
				t.Fatal("SQLite writes nothing before the tables: this case is the one above", err)
			}
			c.Close()
		},
		"no first entry": func(t *testing.T, dir string) {
			begin(t, dir, ck, func(op string) error {
				if op == "commit" {
					return errors.New("power lost")
				}
				return nil
			}).Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := restore(t, small(t), "ledger.db")
			off(t, dir)
			l := begin(t, dir, ck, nil)
			if f := l.Fault(); f != nil {
				t.Fatal(f.Cause)
			}
			verify(t, l)
			l.Close()
			reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{})
			if err != nil || len(reports) != 2 || reports[0].Entries != 258 || reports[1].Meta.Origin != "east-gate/2" {
				t.Error(err, len(reports))
			}
		})
	}
}

// TestAnEpochThatBeginsInAFaultNamesTheOneBefore: its first entry must, whatever else there is to say.
func TestAnEpochThatBeginsInAFaultNamesTheOneBefore(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	dir := restore(t, small(t), "ledger.db")
	opt := options(dir, ck)
	healed := healing(&opt)
	full := true
	opt.Restored, opt.Inject = true, func(op string) error {
		if op == "commit" && full {
			full = false
			return errors.New("no space left on device")
		}
		return nil
	}
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	<-healed
	if e, err := readEntry(t, l, 1); err != nil || e.Kind != Epoch {
		t.Errorf("entry 1 is %q (%v)", e.Kind, err)
	}
	verify(t, l)
	if _, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{}); err != nil {
		t.Error(err)
	}
}

// TestABoxThatWasStartedBeforeItWasRestored has a key of its own, which signed nothing in the copy.
func TestABoxThatWasStartedBeforeItWasRestored(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	from := small(t)
	keys, _ := tlog.PublicKeys(from)
	dir := t.TempDir()
	open(t, dir, ck).Close()
	b, err := os.ReadFile(filepath.Join(from, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger.db"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	l := begin(t, dir, ck, nil)
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "the master key is not the one") {
		t.Errorf("with the master key of its first start: %+v", f)
	}
	l.Close()
	if b, err = os.ReadFile(filepath.Join(from, "keys", "personal.key")); err == nil { // from the safe
		err = os.WriteFile(filepath.Join(dir, "keys", "personal.key"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l = begin(t, dir, ck, nil)
	if f := l.Fault(); f != nil {
		t.Fatal(f.Cause)
	}
	l.Close()
	for _, g := range []Given{{}, {Keys: keys}} {
		if reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), g); err != nil || len(reports) != 2 {
			t.Errorf("%+v: %v", g, err)
		}
	}
	// A copy that does not hold is put aside by nobody.
	dir = restore(t, from, "ledger.db", "keys/ledger.pub")
	if err := unlocked(t, dir).exec("UPDATE entry SET record = replace(record, 'admit', 'adm1t') WHERE seq = 258"); err != nil {
		t.Fatal(err)
	}
	l = begin(t, dir, ck, nil)
	if f := l.Fault(); f == nil || !strings.Contains(f.Cause, "the tree head signed") {
		t.Errorf("a changed copy: %+v", f)
	}
}

func TestRestoredWithoutACopyIsRefused(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	opt := options(t.TempDir(), ck)
	opt.Restored = true
	if l, err := Open(opt); err == nil || !strings.Contains(err.Error(), "put the copy in place") {
		t.Error(err)
		l.Close()
	}
}

// TestALogThatIsStillReadIsNotLost: what stands in the write-ahead log alone must be in the file before that is put aside.
func TestALogThatIsStillReadIsNotLost(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-24 08:00:00")
	from := t.TempDir()
	l := open(t, from, ck)
	many(t, l, ck, 100)
	dir := restore(t, from, "ledger.db", "ledger.db-wal") // as a clone of a box that went down hard has it
	c, err := connect("file:" + filepath.Join(dir, "ledger.db") + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	if n, err := c.one("SELECT max(seq) FROM entry"); n != "100" || err != nil {
		t.Fatal(n, err)
	}
	opt := options(dir, ck)
	healed := healing(&opt)
	opt.Restored = true
	box, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer box.Close()
	if f := box.Fault(); f == nil || !strings.Contains(f.Cause, "end what reads") {
		t.Errorf("while it is read: %+v", f)
	}
	c.exec("COMMIT")
	if box.Fault() != nil {
		<-healed
	}
	reports, err := VerifyChain(filepath.Join(dir, "ledger.db"), Given{})
	if err != nil || len(reports) != 2 || reports[0].Entries != 100 {
		t.Error(err, reports)
	}
}

// TestTheTrustedTimeGoesOnFromEpochToEpoch: also where entries of an untrusted clock, or none at all, came after it.
func TestTheTrustedTimeGoesOnFromEpochToEpoch(t *testing.T) {
	t.Parallel()
	ck := &clock{}
	ck.set("2026-11-20 08:00:00")
	dir := t.TempDir()
	l := open(t, dir, ck)
	mustAppend(t, l, Event{Stamp: ck.now(), Kind: Alive})
	want := ""
	if err := reader(t, dir).Scan(1, 1, false, func(e *Entry) error { want = fmt.Sprint(e.Time, e.Boot, e.Mono); return nil }); err != nil {
		t.Fatal(err)
	}
	untrusted := func() Stamp { s := ck.now(); s.Trusted = false; return s }
	for range 2 * file.Tail / 64 {
		var events []Event
		for range 64 {
			events = append(events, Event{Stamp: untrusted(), Kind: Alive, Detail: map[string]string{"clock": "trusted"}})
		}
		mustAppend(t, l, events...)
	}
	l.Close()
	ck.set("2026-11-24 08:00:00")
	for epoch := 2; epoch <= 4; epoch++ {
		opt := options(dir, ck)
		opt.Restored, opt.Now = true, untrusted
		l, err := Open(opt)
		if err != nil || l.Fault() != nil {
			t.Fatal(err, l.Fault())
		}
		l.Close()
		r := reader(t, dir)
		if err := r.Scan(1, 1, false, func(e *Entry) error {
			if got := fmt.Sprint(e.Detail["trusted"], e.Detail["trusted_boot"], e.Detail["trusted_mono"]); r.Meta.Epoch != epoch || got != want {
				t.Errorf("epoch %d, want %d: got %s, want %s", r.Meta.Epoch, epoch, got, want)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	chain(t, dir)
}
