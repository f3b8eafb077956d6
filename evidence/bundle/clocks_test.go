package bundle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"gated/register/registertest"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/evidence"
	"gated/ledger"
	"gated/ledger/entry"
	"gated/ledger/tlog"
	"gated/register"
)

// wrongClock is a ledger of some days whose clock says anything at times, over boots, faults and commands.
func wrongClock(t testing.TB, seed uint64) (dir string, days []string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 2))
	dir = t.TempDir()
	now, boot, began := registertest.At("2026-11-20 20:00:00"), 0, registertest.At("2026-11-20 19:59:00")
	l := registertest.Open(t, dir, &registertest.Clock{Time: now})
	shifts := []time.Duration{0, 48 * time.Hour, -14 * 24 * time.Hour, -3 * time.Hour, 20 * time.Minute, registertest.At("1970-01-01 08:00:00").Sub(now)}
	shift, trusted := time.Duration(0), true
	seen := map[string]bool{}
	for range 120 {
		now = now.Add(time.Duration(rng.IntN(50)) * time.Minute / time.Duration(1+rng.IntN(40)))
		kind := register.Alive
		switch rng.IntN(16) {
		case 0, 1:
			shift, trusted, kind = shifts[rng.IntN(len(shifts))], rng.IntN(3) == 0, register.Clock
		case 2, 3, 4:
			shift, trusted = 0, true
		case 5:
			kind = ledger.Stop
		case 6, 7, 8:
			now = now.Add(time.Duration(rng.IntN(600)) * time.Minute)
			if kind = ledger.Start; rng.IntN(3) > 0 {
				boot, began, shift, trusted = boot+1, now.Add(-time.Minute), shifts[rng.IntN(len(shifts))], rng.IntN(2) == 0
			}
		case 9:
			kind = register.Roster
		case 10:
			kind = ledger.Outage
		case 11:
			now, kind = now.Add(time.Duration(rng.IntN(200))*time.Minute), register.Check
		}
		ev := ledger.Event{Stamp: ledger.Stamp{Time: now.Add(shift), Boot: fmt.Sprint(boot), Mono: now.Sub(began), Trusted: trusted}, Kind: kind}
		if kind == ledger.Outage {
			ev.Reason = "ledger-fault"
			ev.Detail = map[string]string{"from": ev.Time.Add(-time.Duration(rng.IntN(200)) * time.Minute).Format(entry.TimeFormat), "to": ev.Time.Format(entry.TimeFormat)}
		}
		if kind == register.Check && rng.IntN(3) == 0 {
			ev.Mono, ev.Time, ev.Detail = ev.Mono-time.Minute, ev.Time.Add(-time.Minute), map[string]string{"late": "1m0s"}
		}
		registertest.MustAppend(t, l, ev)
		for _, day := range []time.Time{ev.Time, now} {
			seen[day.In(registertest.Shanghai).Format(time.DateOnly)] = true
		}
	}
	l.Close()
	for day := range seen {
		days = append(days, day)
	}
	slices.Sort(days)
	return dir, days
}

// Bundle, its check, the check in Python and the other exports tell the same of a day whose clock was wrong.
func TestAllAgreeAboutAClockThatWasWrong(t *testing.T) {
	t.Parallel()
	python := pythonHere(t)
	loop := exec.CommandContext(t.Context(), python, "-B", "-c", `
import sys
sys.path.insert(0, "../../docs")
import check_bundle as c
for line in sys.stdin:
    path, key = line.split()
    try:
        c.check(path, [c.Key(key)])
        print("good", flush=True)
    except c.Fault as e:
        print("fault:", str(e).replace("\n", " "), flush=True)
`)
	in, _ := loop.StdinPipe()
	out, _ := loop.StdoutPipe()
	loop.Stderr = os.Stderr
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	path := filepath.Join(t.TempDir(), "day.zip")
	untold := 0
	for seed := range uint64(registertest.Sample(60, 3)) {
		dir, days := wrongClock(t, seed)
		keys, _ := tlog.PublicKeys(dir)
		r, err := evidence.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, day := range days {
			b := bundleOf(t, dir, day, false)
			if report, err := checkBundle(t, b, keys...); err != nil {
				t.Errorf("seed %d, %s: %v\n%s", seed, day, err, report)
			}
			os.WriteFile(path, b, 0o600)
			fmt.Fprintln(in, path, keys[0])
			if !answers.Scan() || answers.Text() != "good" {
				t.Errorf("seed %d, %s: in Python %s", seed, day, answers.Text())
			}
			var s summary
			if err := json.Unmarshal([]byte(membersOf(t, b)["summary.json"]), &s); err != nil {
				t.Fatal(err)
			}
			if s.Gaps == nil {
				untold++
				continue
			}
			stats, err := r.Stats(day, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			var told, want strings.Builder
			for _, g := range s.Gaps {
				fmt.Fprintln(&told, g.From, g.To, g.Cause)
			}
			for _, g := range stats.Gaps {
				fmt.Fprintln(&want, g.From.Format(time.RFC3339), g.To.Format(time.RFC3339), g.Cause)
			}
			if told.String() != want.String() {
				t.Errorf("seed %d, %s: the bundle says\n%sthe other exports\n%s", seed, day, &told, &want)
			}
		}
		r.Close()
	}
	t.Logf("%d days were not told, as their boot was never right", untold)
	in.Close()
	if err := loop.Wait(); err != nil {
		t.Error(err)
	}
}
