package box

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/access"
	"gated/box/lock"
	"gated/clock"
	"gated/evidence"
	"gated/gate"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
	"gated/register"
	"gated/register/blind"
	"gated/register/erasure"
	"gated/register/told"
	"gated/roster"
	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// daemon opens a box as the daemon does, with a gate whose lanes have no barriers, and returns what ends it.
func daemon(t testing.TB, dir string) (b *Box, stop func()) {
	t.Helper()
	return daemonAt(t, dir, clock.System())
}

// daemonAt is one whose clock is another.
func daemonAt(t testing.TB, dir string, from clock.Source) (b *Box, stop func()) {
	t.Helper()
	c := clock.New(from)
	b, err := Open(ledger.Options{Hangs: time.Minute, Dir: dir, Gate: "South Gate", Origin: "south-gate", TimeZone: "Asia/Shanghai",
		Now: func() ledger.Stamp { return ledger.Stamp(c.Now()) }, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	b.Gate = gate.New(gate.Options{Name: "South Gate", Lanes: []gate.Lane{{ID: "in", Direction: "in"}, {ID: "out", Direction: "out"}}, Ledger: b.Ledger, Register: b.Register, Roster: b.Roster, Clock: c, Spool: b.Spool(), Free: b.Free,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()}, gate.Rules{Policy: policy.Shipped(), Language: "zh"})
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Gate.Run(ctx) }()
	for !b.Gate.Ready() {
		time.Sleep(time.Millisecond)
	}
	return b, func() {
		end()
		if err := errors.Join(<-done, b.Close()); err != nil {
			t.Error(err)
		}
	}
}

// listening is a daemon with its control socket and the directory's lock.
func listening(t testing.TB, dir string) (stop func()) {
	t.Helper()
	held, err := lock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, end := daemon(t, dir)
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := b.Control(slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	return func() {
		s.Shutdown(context.Background())
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		end()
		held.Release()
	}
}

var rows = []sheet.Row{
	{Number: 2, ID: "r-000001", Building: "1", Unit: "1", Room: "101", Name: "王伟", Class: "resident"},
	{Number: 3, ID: "r-000002", Building: "1", Unit: "1", Room: "102", Name: "李芳", Class: "resident"},
}

// site makes a state directory with two residents and a ledger of some entries.
func site(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	b, stop := daemon(t, dir)
	defer stop()
	ctx := context.Background()
	if _, err := ImportRoster.do(ctx, b, "clerk", Import{Rows: rows}); err != nil {
		t.Fatal(err)
	}
	pass := roster.IssuedPass{Serial: "0011223344556677", Subject: "r-000001", Issuer: "office", NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0)}
	if _, err := RecordPasses.do(ctx, b, "clerk", []roster.IssuedPass{pass}); err != nil {
		t.Fatal(err)
	}
	if _, err := recordSubject.do(ctx, b, "clerk", Subject{ID: "r-000001", Why: "asked for it"}); err != nil {
		t.Fatal(err)
	}
	went := ledger.Event{Stamp: b.stamp(), Kind: register.Check, Passage: "went", Lane: "in", Direction: "in", Reason: "ok"}
	decided := went
	decided.Kind, decided.Class, decided.Verdict = register.Decided, "resident", "admit"
	decided.Personal = []ledger.Field{{Name: "subject", Value: "r-000002"}, {Name: "household", Value: "1-1-102"}}
	if _, err := b.Ledger.Append(went, decided); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wrote is what an entry says but for when.
type wrote struct {
	Kind       ledger.Kind
	Reason, By string
	Detail     map[string]string
	Personal   []ledger.Field
}

// recorded are the entries after the first n, but for what a daemon says of itself.
func recorded(t testing.TB, dir string, n int64) (list []wrote) {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := evidence.Verify(r, evidence.Given{}); err != nil {
		t.Error(err)
	}
	if err := r.Scan(n+1, 1<<62, true, func(e *ledger.Entry) error {
		if e.Kind != ledger.Start && e.Kind != ledger.Stop {
			list = append(list, wrote{e.Kind, e.Reason, e.By, e.Detail, e.Personal})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

func size(t testing.TB, dir string) int64 {
	t.Helper()
	r, err := file.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := r.Size()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// try is one operation with arguments.
type try struct {
	op   string
	call func(dir string) (any, error)
	// except is what may differ of two equal results, such as an entry's number.
	except func(any) any
}

func tried[A, R any](op Op[A, R], args A, except func(R) R) try {
	return try{op.Name(), func(dir string) (any, error) { return Perform(context.Background(), dir, op, args) }, func(r any) any {
		if except != nil {
			return except(r.(R))
		}
		return r
	}}
}

func number(int64) int64 { return 0 }

// window is an hour of a day.
func window(h told.HandOver) told.HandOver {
	h.From = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	h.To = h.From.Add(time.Hour)
	return h
}

var tries = []try{
	tried(ImportRoster, Import{Rows: append(rows[:2:2], sheet.Row{Number: 4, Building: "1", Unit: "1", Room: "103", Name: "张敏", Class: "resident"})}, nil),
	tried(ImportRoster, Import{Rows: rows[:1], DryRun: true}, nil),
	tried(ImportRoster, Import{Rows: []sheet.Row{{Number: 2, Building: "2", Unit: "1", Room: "101", Name: "张敏", Class: "resident"}}}, nil), // a mass removal
	tried(ImportRoster, Import{Rows: []sheet.Row{{Number: 2, Name: "x"}}, Language: "en"}, nil),                                            // a faulty row
	tried(RemoveFromRoster, "r-000001", nil),
	tried(RemoveFromRoster, "r-999999", nil),
	tried(RecordPasses, []roster.IssuedPass{{Serial: "8899aabbccddeeff", Subject: "r-000002", Issuer: "office", NotBefore: time.Unix(1e9, 0), NotAfter: time.Unix(2e9, 0)}}, nil),
	tried(RevokePasses, Revocation{Household: "1-1-101", Reason: "moved"}, nil),
	tried(RevokePasses, Revocation{Household: "9-9-909"}, nil),
	tried(RevokePasses, Revocation{Serial: "0011223344556677", Reason: "lost"}, nil),
	tried(AcceptRoster, "the disk was lost", nil), // it counts already
	tried(Erase, Erasure{erasure.Selection{Subject: "r-000001"}, "moved out"}, func(e erasure.Erased) erasure.Erased { e.Records = nil; return e }),
	tried(Erase, Erasure{erasure.Selection{Subject: "r-999999"}, "moved out"}, nil),
	tried(Keep, Keeping{From: "2026-01-01", To: "2099-12-31", Why: "case 17"}, number),
	tried(Keep, Keeping{Lift: 1, Why: "case 17 is closed"}, number),
	tried(Keeps, struct{}{}, nil),
	tried(AnnulPassage, Amendment{Passage: "went", Why: "turned back, seen on camera 2"}, nil),
	tried(AnnulPassage, Amendment{Passage: "went"}, nil), // nobody says why
	tried(AnnulPassage, Amendment{Passage: "gone", Why: "turned back"}, nil),
	tried(recordSubject, Subject{ID: "r-000002", Why: "asked for it"}, nil),
	tried(findSomebody, Finding{Kind: blind.OfSubject, Value: "r-000001", Why: "request 17", Filter: register.Filter{Limit: 10}}, nil),
	tried(findSomebody, Finding{Kind: blind.OfName, Value: "敏", From: "2026-11-23", To: "2026-11-24", Why: "request 17", Filter: register.Filter{Limit: 10}}, nil),
	tried(findSomebody, Finding{Kind: blind.OfName, Value: "张敏"}, nil), // nobody says why
	tried(recordExport, Export{Format: "csv", From: "2026-11-23", To: "2026-11-24", Reason: "request 17"}, nil),
	tried(DisputePassage, Dispute{Passage: "p1", Entry: 1, Host: "3-2-501", Why: "nobody came"}, nil),
	tried(DisputePassage, Dispute{Passage: "p1", Entry: 1, Host: "3-2-501"}, nil),
	tried(recordExport, Export{Format: "csv"}, nil),
	tried(AnswerCallback, told.Answer{Passage: "p1", Entry: 1, Says: told.Yes, Host: "3-2-501"}, nil),
	tried(AnswerCallback, told.Answer{Passage: "p1", Entry: 1, Says: told.No, Host: "3-2-501", Note: "on holiday"}, nil),
	tried(AnswerCallback, told.Answer{Passage: "p1", Entry: 1, Says: "perhaps"}, nil),
	tried(handOver, window(told.HandOver{Officers: []string{"李警官 012345"}, Paper: "调证通知书 17", Approver: "陈静", Room: "3-2-501"}), number),
	tried(handOver, window(told.HandOver{Officers: []string{"李警官 012345"}, Look: true}), nil),
	tried(handOver, window(told.HandOver{Officers: []string{"李警官"}, Look: true}), nil), // without a number
	tried(entryKeys, entries{1, 1, 3}, nil),
	tried(beginBackup, struct{}{}, nil),
	tried(recordBackup, copied{3, "root"}, nil),
	tried(ChangeAccount, access.Change{What: access.Added, Name: "张伟", Role: access.Guard, Secret: "271828"}, nil),
	tried(ChangeAccount, access.Change{What: access.Added, Name: "张伟", Role: access.Guard, Secret: "1234"}, nil),
	tried(ChangeAccount, access.Change{What: access.Disabled, Name: "nobody"}, nil),
	tried(Accounts, struct{}{}, nil),
	tried(Rebuild, struct{}{}, func(r Rebuilt) Rebuilt { return Rebuilt{Equal: r.Equal} }),
}

// An operation does and answers the same whether a daemon does it or a command without one, and leaves the same entries.
func TestOperationsAreTheSameWithADaemonAndWithout(t *testing.T) {
	missing := map[string]bool{}
	for _, op := range operations() {
		if missing[op.Name()] {
			t.Errorf("two operations are called %s", op.Name())
		}
		missing[op.Name()] = true
	}
	for _, only := range []string{ConfirmClock.Name(), Emergency.Name(), Announce.Name(), Levels.Name(), PlanLevel.Name(), Foretell.Name(), Trips.Name(),
		MarkSomebody.Name(), Marks.Name(), InstructHost.Name(), HostInstructions.Name(), CorrectPassage.Name(), BecamePassage.Name(), PrintPaper.Name(), EnterPaper.Name()} {
		delete(missing, only) // a daemon's only
	}
	made := site(t)
	had := size(t, made)
	for i, try := range tries {
		delete(missing, try.op)
		t.Run(fmt.Sprint(i, "-", try.op), func(t *testing.T) {
			alone, served := t.TempDir(), t.TempDir()
			for _, dir := range []string{alone, served} {
				if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
					t.Fatal(err)
				}
			}
			want, wantErr := try.call(alone)
			stop := listening(t, served)
			got, err := try.call(served)
			stop()
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || errors.As(err, new(No)) != errors.As(wantErr, new(No)) {
				t.Errorf("got error %T %v, want %T %v", err, err, wantErr, wantErr)
			}
			if err == nil {
				if diff := cmp.Diff(try.except(want), try.except(got), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("alone (-) and served (+):\n%s", diff)
				}
			}
			if diff := cmp.Diff(recorded(t, alone, had), recorded(t, served, had), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("entries, alone (-) and served (+):\n%s", diff)
			}
		})
	}
	for name := range missing {
		t.Errorf("%s is not tried", name)
	}
}

func TestTheClockIsConfirmedForADaemonOnly(t *testing.T) {
	dir := site(t)
	had := size(t, dir)
	if _, err := Perform(t.Context(), dir, ConfirmClock, struct{}{}); err == nil || !strings.Contains(err.Error(), "no daemon runs") {
		t.Errorf("got %v", err)
	}
	stop := listening(t, dir)
	said, err := Perform(t.Context(), dir, ConfirmClock, struct{}{})
	stop()
	if at, bad := time.Parse("2006-01-02 15:04:05 -07:00", said); err != nil || bad != nil || time.Since(at).Abs() > time.Minute {
		t.Errorf("got %q, %v", said, err)
	}
	if list := recorded(t, dir, had); len(list) != 1 || list[0].Kind != register.Clock {
		t.Errorf("got %+v, want one entry about the clock", list)
	}
}

// Where no daemon has ever worked there is no ledger: the roster can be made ready, and nothing else.
func TestADirectoryWithoutALedger(t *testing.T) {
	dir := t.TempDir()
	if rep, err := Perform(t.Context(), dir, ImportRoster, Import{Rows: rows}); err != nil || rep.Residents != 2 {
		t.Errorf("got %+v, %v", rep, err)
	}
	for _, try := range tries {
		if !strings.HasPrefix(try.op, "ledger-") {
			continue
		}
		if _, err := try.call(dir); err == nil || !strings.Contains(err.Error(), "no ledger") {
			t.Errorf("%s: got %v", try.op, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "ledger.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the ledger: %v, want none", err)
	}
	if people, err := Roster(dir); err != nil || len(people.People()) != 2 {
		t.Errorf("the roster: %v", err)
	}
}

// A command that is newer than the daemon is told so, and does nothing itself.
func TestAnOperationThatTheDaemonDoesNotKnow(t *testing.T) {
	dir := site(t)
	defer listening(t, dir)()
	newer := Op[int, int]{"newer", func(context.Context, *Box, string, int) (int, error) {
		t.Error("it was done here")
		return 0, nil
	}}
	if _, err := Perform(t.Context(), dir, newer, 1); err == nil || !strings.Contains(err.Error(), "is it older than the command?") {
		t.Errorf("got %v", err)
	}
	if _, err := Perform(t.Context(), dir, Op[string, int]{"pass-record", nil}, "no list"); err == nil {
		t.Error("wrong arguments were taken")
	}
}

func TestOneProcessAtATimeHoldsTheLock(t *testing.T) {
	dir := t.TempDir()
	if _, err := lock.Unwritten(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that no daemon was ever there", err)
	}
	held, err := lock.Take(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Take(dir); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("got %v, want who holds it", err)
	}
	if _, err := lock.Unwritten(dir); err == nil {
		t.Error("it was taken twice")
	}
	if _, err := Perform(t.Context(), dir, ImportRoster, Import{Rows: rows}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("an operation: got %v", err)
	}
	held.Release()
	if held, err = lock.Unwritten(dir); err != nil {
		t.Fatal(err)
	}
	held.Release()
	os.Chmod(dir, 0)
	if held, err = lock.Take(dir); err != nil {
		t.Fatal(err)
	}
	held.Release()
	if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("its owner may not use it: %v, %v", st.Mode(), err)
	}
}

// On a full disk, or one that is mounted read-only after an error, the gate must still know who belongs here.
func TestARosterThatCannotBeWrittenIsRead(t *testing.T) {
	dir := site(t)
	flags := uintptr(unix.MS_BIND)
	for range 2 { // the second changes what the first has made
		if err := unix.Mount(dir, dir, "", flags, ""); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s cannot be mounted read-only: %v: run the tests as root", dir, err)
			}
			t.Skipf("%s cannot be mounted read-only: %v", dir, err)
		}
		flags |= unix.MS_REMOUNT | unix.MS_RDONLY
	}
	defer func() {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	}()
	var said strings.Builder
	s := openRoster(dir, slog.New(slog.NewTextHandler(&said, nil)))
	defer s.Close()
	if n := len(s.Snapshot().People()); n != 2 || !strings.Contains(said.String(), "can only be read") {
		t.Errorf("got %d people, and the log says %q", n, said.String())
	}
}

// Where the master key is a credential of the service, commands ask the daemon for the keys of what they show.
func TestWhoHasNoMasterKeyAsksTheDaemon(t *testing.T) {
	t.Parallel()
	dir := site(t)
	path, safe := filepath.Join(dir, "keys", "personal.key"), filepath.Join(t.TempDir(), "personal.key")
	stop := listening(t, dir)
	if err := os.Rename(path, safe); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	ask := AskKeys(ctx, dir)
	if ask == nil {
		t.Fatal("nobody is asked")
	}
	said := 0
	if n, err := erasure.Subject(dir, "r-000001", ask, func(e *ledger.Entry) error { said += len(e.Personal); return nil }); err != nil || n != 1 || said != 3 {
		t.Errorf("%d entries, %d fields, %v", n, said, err)
	}
	reports, err := evidence.VerifyChain(filepath.Join(dir, "ledger.db"), evidence.Given{Unseal: ask})
	if err != nil || reports[0].Hidden != 0 || reports[0].Personal < 3 {
		t.Errorf("%+v, %v", reports, err)
	}
	for _, x := range []entries{{1, 0, 1}, {1, 2, 1}, {1, 1, 513}, {2, 1, 2}} {
		if keys, err := Perform(ctx, dir, entryKeys, x); err == nil {
			t.Errorf("%+v: %d keys", x, len(keys))
		}
	}
	stop()
	if AskKeys(ctx, dir) != nil {
		t.Error("a daemon is asked that does not run")
	}
	if _, err := erasure.Subject(dir, "r-000001", nil, func(*ledger.Entry) error { return nil }); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("without the master key: %v", err)
	}
	if reports, err = evidence.VerifyChain(filepath.Join(dir, "ledger.db"), evidence.Given{}); err != nil || reports[0].Hidden == 0 || reports[0].Personal != 0 {
		t.Errorf("an auditor without keys: %+v, %v", reports, err)
	}
	if _, err := Perform(ctx, dir, recordSubject, Subject{ID: "r-000001", Why: "x"}); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a command that cannot seal: %v", err)
	}
	if err := os.Rename(safe, path); err != nil {
		t.Fatal(err)
	}
	if AskKeys(ctx, dir) != nil {
		t.Error("asked although the master key is here")
	}
}

// TestALedgerThatIsNotOpened: what does not fit is said in words, by the command and by the daemon.
func TestALedgerThatIsNotOpened(t *testing.T) {
	t.Parallel()
	dir := site(t)
	opt := ledger.Options{Gate: "North Gate", Origin: "north-gate", TimeZone: "Asia/Shanghai"}
	if _, _, err := BeginEpoch(dir, &opt, "the disk was exchanged", nil); err == nil || !strings.Contains(err.Error(), `belongs to the gate "south-gate"`) {
		t.Errorf("another gate's settings: got %v", err)
	}
	c := clock.New(clock.System())
	opt = ledger.Options{Dir: t.TempDir(), Gate: "South Gate", Origin: "south-gate", TimeZone: "Asia/Shanghai", Restored: true,
		Now: func() ledger.Stamp { return ledger.Stamp(c.Now()) }, Log: slog.New(slog.DiscardHandler), Registry: prometheus.NewRegistry()}
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), "there is no ledger that was restored") {
		t.Errorf("restored, and no ledger: got %v", err)
	}
}

// TestALedgerThatIsGoneIsHelpedByANewEpoch: its first entry says what was found, and what was begun once is gone on with.
func TestALedgerThatIsGoneIsHelpedByANewEpoch(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"gone":  os.Remove,
		"empty": func(path string) error { return os.Truncate(path, 0) },
		"gone, with the index": func(path string) error {
			return errors.Join(os.Remove(path), os.Remove(filepath.Join(filepath.Dir(path), "index.db")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := site(t)
			if err := spoil(filepath.Join(dir, "ledger.db")); err != nil {
				t.Fatal(err)
			}
			opt := ledger.Options{Gate: "South Gate", Origin: "south-gate", TimeZone: "Asia/Shanghai"}
			for epoch := 2; epoch <= 3; epoch++ {
				m, found, err := BeginEpoch(dir, &opt, "somebody took it away", nil)
				if err != nil || m.Epoch != epoch || epoch == 2 && !strings.Contains(found, "is gone, and it had") || epoch == 3 && found != "" {
					t.Fatalf("epoch %d, found %q, %v", m.Epoch, found, err)
				}
			}
			if _, err := Perform(t.Context(), dir, recordSubject, Subject{ID: "r-000001", Why: "asked for it"}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAnEmptyLedgerKeyIsHelpedByANewEpoch(t *testing.T) {
	t.Parallel()
	dir := site(t)
	if err := os.Truncate(filepath.Join(dir, "keys", "ledger.key"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Perform(t.Context(), dir, recordSubject, Subject{ID: "r-000001", Why: "asked for it"}); err == nil || !strings.Contains(err.Error(), "gated ledger begin") {
		t.Errorf("got %v", err)
	}
	if _, _, err := BeginEpoch(dir, nil, "the key was lost", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Perform(t.Context(), dir, recordSubject, Subject{ID: "r-000001", Why: "asked for it"}); err != nil {
		t.Error(err)
	}
}
