package bundle

import (
	"encoding/json"
	"gated/ledger"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gated/ledger/tlog"
	"gated/register"
	"gated/register/byhand"
	"gated/register/registertest"
)

// A bundle says when lanes were open by hand as its records say it, and both checks see where it does not.
func TestABundleSaysOpenNotRegistered(t *testing.T) {
	t.Parallel()
	python := pythonHere(t)
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-21 07:00:00")
	l := registertest.Open(t, dir, ck)
	say, opening := registertest.Diary(t, l, ck)
	registertest.MustAppend(t, l, registertest.StartOf(l, ck))
	school := opening("2026-11-21 07:40:00", "in", "school-run")
	school("2026-11-21 08:05:12", byhand.Shut, "20")
	failed := opening("2026-11-21 08:10:00", "in", "rush-hour")
	failed("2026-11-21 08:10:01", byhand.NeverWas, byhand.Uncounted)
	night := opening("2026-11-21 23:50:00", "in", "relay-dead")
	night("2026-11-22 00:00:00", byhand.GoesOn, "")
	night("2026-11-22 01:00:00", byhand.GoesOn, "")
	night("2026-11-23 00:00:00", byhand.GoesOn, "")
	night("2026-11-23 00:30:00", byhand.Emergency, byhand.Uncounted)
	night("2026-11-23 00:30:01", byhand.Shut, "5") // too late: the emergency key had ended it
	e := say("2026-11-23 09:00:00", ledger.Event{Kind: register.ByHand, Lane: "out", Direction: "out", Reason: "other-need"})
	back := byhand.Of(&e).Told(ck.Now(), byhand.Shut, "0") // the clock was set back in between
	back.Time, back.Mono = registertest.At("2026-11-23 08:00:00"), back.Mono+90e9
	registertest.MustAppend(t, l, back)
	opening("2026-11-23 09:00:00", "out", "moving-van")
	say("2026-11-23 09:10:30", ledger.Event{Kind: register.Alive})
	l.Close()
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "day.zip")
	check := func(b []byte) (said string, err error) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), python, "-B", "../../docs/check_bundle.py", path, keys[0]).CombinedOutput()
		return string(out), err
	}
	row := func(entry int64, lane, from, to string, seconds int64, reason, heads string) byHand {
		return byHand{entry, lane, lane, "2026-11-" + from + "+08:00", "2026-11-" + to + "+08:00", seconds, reason, heads}
	}
	for day, want := range map[string][]byHand{
		"2026-11-20": nil,
		"2026-11-21": {row(2, "in", "21T07:40:00", "21T08:05:12", 1512, "school-run", "20"), row(6, "in", "21T23:50:00", "22T00:00:00", 599, "relay-dead", "")},
		"2026-11-22": {row(6, "in", "22T00:00:00", "23T00:00:00", 86400, "relay-dead", "")},
		"2026-11-23": {row(6, "in", "23T00:00:00", "23T00:30:00", 1800, "relay-dead", "uncounted"), row(12, "out", "23T09:00:00", "23T08:00:00", 90, "other-need", "0"),
			row(14, "out", "23T09:00:00", "23T09:10:30", 630, "moving-van", "")},
		"2026-11-24": nil,
	} {
		b := bundleOf(t, dir, day, false)
		m := membersOf(t, b)
		var s summary
		if err := json.Unmarshal([]byte(m["summary.json"]), &s); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, s.ByHand); d != "" {
			t.Errorf("%s (-want +got):\n%s", day, d)
		}
		report, err := checkBundle(t, b, keys[0])
		if err != nil || strings.Count(report, "open, not registered") != len(want) {
			t.Errorf("%s: %v\n%s", day, err, report)
		}
		out, err := check(b)
		if err != nil {
			t.Errorf("%s: %v: %s", day, err, out)
		}
		for line := range strings.Lines(report) {
			if strings.HasPrefix(line, "open, not registered") && !strings.Contains(out, line) {
				t.Errorf("%s: the Python check does not say %s", day, line)
			}
		}
		for what, pair := range map[string][2]string{"heads": {`"heads": "20"`, `"heads": "10"`}, "the end": {"08:05:12", "08:05:13"},
			"the reason": {`"reason": "school-run"`, `"reason": "rush-hour"`}, "the seconds": {`"seconds": 1512`, `"seconds": 1511`},
			"all of it": {`"opened_by_hand"`, `"opened_by_hand_not"`}} {
			if day != "2026-11-21" {
				continue
			}
			altered := membersOf(t, b)
			altered["summary.json"] = strings.Replace(altered["summary.json"], pair[0], pair[1], 1)
			bad := packed(t, altered, false)
			if _, err := checkBundle(t, bad, keys[0]); err == nil || !strings.Contains(err.Error(), "summary.json") {
				t.Errorf("%s changed: %v", what, err)
			}
			if out, err := check(bad); err == nil || !strings.Contains(out, "summary.json") {
				t.Errorf("%s changed: the Python check says %v, %s", what, err, out)
			}
		}
	}
}
