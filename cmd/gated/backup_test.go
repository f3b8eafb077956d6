package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gated/backup"
	"gated/credential"
	"gated/demo"
	"gated/roster"
)

// told runs a command in this process and returns what it printed.
func told(t *testing.T, stdin string, args ...string) (stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(args, strings.NewReader(stdin), &out, &errs); code != 0 {
		t.Fatalf("gated %s: exit %d:\n%s", strings.Join(args, " "), code, &errs)
	}
	return out.String(), errs.String()
}

// ask shows a code at a lane and returns verdict and reason.
func ask(t *testing.T, page, lane, code string) string {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"lane": lane, "code": code})
	resp, err := http.Post(page+"api/code", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var v struct{ Verdict, Reason string }
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v.Verdict + " " + v.Reason
}

// TestABackupThatIsRestoredAnswersAsTheBoxDid does what docs/maintainer.md says, on a second state directory: each admit, hold and
// revocation is as it was, the office's list keeps everybody's number, and what was erased stays erased.
func TestABackupThatIsRestoredAnswersAsTheBoxDid(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	settings, safe := filepath.Join(dir, "gated.yaml"), filepath.Join(t.TempDir(), "backup")
	// A policy of the compound's own lies outside the state directory, and so do the trusted keys.
	etc := t.TempDir()
	text := strings.Replace(string(mustRead(t, settings)), "gate:\n", "policy: {file: own.yaml}\ntrust: {dir: trust}\ngate:\n  level: controlled\n", 1)
	policy, _ := told(t, "", "policy", "show")
	now := time.Now().In(time.FixedZone("", 8*3600)) // of the demo; they may go out now
	hours := now.Add(-6*time.Hour).Format("15:04") + "-" + now.Add(6*time.Hour).Format("15:04")
	for name, b := range map[string]string{"gated.yaml": text, "own.yaml": strings.ReplaceAll(strings.Replace(policy, "name: ", "name: own-", 1), "06:00-20:00", hours)} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "trust"), filepath.Join(etc, "trust")); err != nil {
		t.Fatal(err)
	}
	settings = filepath.Join(etc, "gated.yaml")
	c := start(t, "run", "--config", settings, "--state", dir)
	page := c.address(t)
	key, err := credential.ReadPrivateKey(filepath.Join(dir, "keys", "office.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := roster.OpenReadOnly(filepath.Join(dir, "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	people, vehicles := store.Snapshot().People(), store.Snapshot().Vehicles()
	serial := byte(0)
	issue := func(kind, subject string, from, until time.Duration) (code, cti string) {
		t.Helper()
		serial++
		p := credential.Pass{Issuer: demo.Issuer, Subject: subject, Kind: kind, Serial: [8]byte{serial}, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(until)}
		if code, err = credential.Issue(key, p); err != nil {
			t.Fatal(err)
		}
		return code, fmt.Sprintf("%x", p.Serial)
	}
	codes := map[string]string{"a shop's bar code": "6901234567892"}
	state := []string{"--state", dir, "--config", settings}
	run := func(args ...string) { t.Helper(); told(t, "", append(args, state...)...) }
	codes["a good one"], _ = issue("resident", people[0].ID, -time.Hour, time.Hour)
	codes["one that is over"], _ = issue("resident", people[9].ID, -2*time.Hour, -time.Hour)
	codes["a vehicle's"], _ = issue("vehicle", vehicles[0].ID, -time.Hour, time.Hour)
	codes["nobody's"], _ = issue("resident", "r-999999", -time.Hour, time.Hour)
	lost, cti := issue("resident", people[20].ID, -time.Hour, time.Hour)
	codes["a lost one"] = lost
	run("pass", "revoke", cti, "--unseen", "--reason", "lost")
	codes["one of a household that was revoked"], _ = issue("resident", people[40].ID, -time.Hour, time.Hour)
	run("pass", "revoke", "--household", people[40].Household)
	codes["one that the household has got since"], _ = issue("resident", people[40].ID, time.Second, time.Hour)
	time.Sleep(1100 * time.Millisecond)
	run("roster", "remove", people[60].ID)
	codes["of somebody who moved out"], _ = issue("resident", people[60].ID, -time.Hour, time.Hour)
	home := 80 // two of one household
	for people[home].Household != people[home+1].Household {
		home++
	}
	first, _ := issue("resident", people[home].ID, -time.Hour, time.Hour)
	second, _ := issue("resident", people[home+1].ID, -2*time.Hour, time.Hour)
	if got := ask(t, page, "out", first); got != "admit valid-pass" {
		t.Errorf("the first trip: %s", got)
	}
	before := map[string]string{"a second trip": ask(t, page, "out", second)}
	for what, code := range codes {
		before[what] = ask(t, page, "in", code)
	}
	for what, want := range map[string]string{"a good one": "admit valid-pass", "a lost one": "hold revoked", "one of a household that was revoked": "hold revoked", "one that the household has got since": "admit valid-pass", "a second trip": "hold household-limit"} {
		if before[what] != want {
			t.Errorf("before, %s: %s, want %s", what, before[what], want)
		}
	}
	list, _ := told(t, "", append([]string{"roster", "export"}, state...)...)
	passes, _ := told(t, "", append([]string{"pass", "list", "--revoked"}, state...)...)
	run("ledger", "erase", "--subject", people[9].ID, "--reason", "moved out")
	master, _ := told(t, "", "key", "show", "--personal", "--state", dir)
	run("backup", safe)
	older := mustRead(t, filepath.Join(safe, backup.Archive))
	run("ledger", "erase", "--subject", people[20].ID, "--reason", "asked for it")
	run("backup", safe)
	if newer := mustRead(t, filepath.Join(safe, backup.Archive)); bytes.Equal(newer, older) {
		t.Error("the archive was not replaced")
	}
	c.stop(t)
	// Somebody kept an archive of the day before: what was erased since opens with it, until it is erased once more.
	if err := os.WriteFile(filepath.Join(safe, backup.Archive), older, 0o600); err != nil {
		t.Fatal(err)
	}

	restored := time.Now()
	other, etc2 := t.TempDir(), t.TempDir()
	state = []string{"--state", other, "--config", filepath.Join(etc2, "gated.yaml")}
	out, said := told(t, master, append([]string{"restore", safe}, state...)...)
	if !strings.HasSuffix(strings.TrimSpace(out), "/2") || strings.Contains(said, "not put back") {
		t.Errorf("restore: %s%s", out, said)
	}
	if diff := string(mustRead(t, filepath.Join(etc2, "own.yaml"))); !strings.Contains(diff, "name: own-") {
		t.Errorf("the policy: %.80s", diff)
	}
	c = start(t, append([]string{"run"}, state...)...)
	page = c.address(t)
	for what, code := range codes {
		if got := ask(t, page, "in", code); got != before[what] {
			t.Errorf("%s: %s, and before %s", what, got, before[what])
		}
	}
	if got := ask(t, page, "out", second); got != before["a second trip"] {
		t.Errorf("a second trip: %s, and before %s", got, before["a second trip"])
	}
	if health := get(t, page+"healthz"); !strings.Contains(health, `"ok"`) {
		t.Errorf("healthz: %s", health)
	}
	if again, _ := told(t, "", append([]string{"roster", "export"}, state...)...); again != list {
		t.Error("the roster has other people or numbers")
	}
	office := filepath.Join(t.TempDir(), "office.csv") // as it came, without numbers
	if err := os.WriteFile(office, []byte(regexp.MustCompile(`(?m)^[rv]-[a-z2-7]+,`).ReplaceAllString(list, ",")), 0o600); err != nil {
		t.Fatal(err)
	}
	if plan, _ := told(t, "", append([]string{"roster", "import", office, "--dry-run"}, state...)...); !strings.Contains(plan, "dry run, nothing changed: 0 added, 0 changed, 0 removed") {
		t.Errorf("the office's list gives new numbers: %.300s", plan)
	}
	if again, _ := told(t, "", append([]string{"pass", "list", "--revoked"}, state...)...); again != passes {
		t.Errorf("revoked passes: got\n%swant\n%s", again, passes)
	}
	// Who was erased after that archive was made is gone, and was admitted or held anew since.
	for _, id := range []string{people[9].ID, people[20].ID} {
		about, _ := told(t, "", append([]string{"ledger", "subject", id, "--reason", "request 17", "--json"}, state...)...)
		for line := range strings.Lines(about) {
			var e struct{ Record struct{ Kind, Time string } }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			if at, _ := time.Parse(time.RFC3339Nano, e.Record.Time); e.Record.Kind == "query" && at.Before(restored) {
				t.Errorf("%s: %s", id, line)
			}
		}
	}
	c.stop(t)
	if out, _ := told(t, "", append([]string{"ledger", "verify"}, state...)...); !strings.Contains(out, "/2 follows") {
		t.Errorf("verify: %s", out)
	}
	// A second restore replaces nothing.
	var errs bytes.Buffer
	if code := execute(append([]string{"restore", safe}, state...), strings.NewReader(master), io.Discard, &errs); code != 2 || !strings.Contains(errs.String(), "is there already") {
		t.Errorf("restored twice: exit %d: %s", code, &errs)
	}
	// However an epoch begins, it gives nobody a second trip.
	run("ledger", "begin", "--reason", "to try it")
	c = start(t, append([]string{"run"}, state...)...)
	if got := ask(t, c.address(t), "out", second); got != before["a second trip"] {
		t.Errorf("a second trip in the third epoch: %s, and before %s", got, before["a second trip"])
	}
	c.stop(t)
}

// TestARestoreByRootLeavesAllToTheOwner restores as root, who alone can read the backup and write to /etc: what is in the state
// directory is its owner's all the same, or else the daemon could not open it.
func TestARestoreByRootLeavesAllToTheOwner(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		skip(t, "only root becomes another user: run the tests as root")
	}
	const nobody = 65534
	dir := demoSite(t)
	master, _ := told(t, "", "key", "show", "--personal", "--state", dir)
	safe := filepath.Join(t.TempDir(), "backup")
	told(t, "", "backup", safe, "--state", dir, "--config", filepath.Join(dir, "gated.yaml"))
	base, err := os.MkdirTemp("", "restored") // where another user gets, too
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	second, etc := filepath.Join(base, "state"), filepath.Join(base, "etc", "gated.yaml")
	if err := errors.Join(os.Chmod(base, 0o755), os.Mkdir(second, 0o700), os.Chown(second, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, "restore", safe, "--state", second, "--config", etc)
	c.Args[0], c.Stdin = "gated", strings.NewReader(master)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	owner := func(path string) (uid, gid int) {
		t.Helper()
		uid, gid, err := backup.Owner(path)
		if err != nil {
			t.Fatal(err)
		}
		return uid, gid
	}
	if uid, gid := owner(etc); uid != 0 || gid != nobody {
		t.Errorf("the settings are of %d:%d", uid, gid)
	}
	n := 0
	if err := filepath.WalkDir(second, func(path string, _ fs.DirEntry, err error) error {
		if uid, _ := owner(path); uid != nobody {
			t.Errorf("%s is of %d", path, uid)
		}
		n++
		return err
	}); err != nil || n < 10 {
		t.Errorf("%d files, %v", n, err)
	}
}

// TestABoxWithoutItsRosterSaysSo starts a daemon whose roster was lost or is damaged: page, health and metric say so, everybody waits
// for the guard, and the emergency key opens. What a command says of it is what has to be done.
func TestABoxWithoutItsRosterSaysSo(t *testing.T) {
	t.Parallel()
	for what, spoil := range map[string]func(path string) error{
		"missing": os.Remove,
		"damaged": func(path string) error { return os.WriteFile(path, bytes.Repeat([]byte("damaged"), 5000), 0o600) },
		"damaged further back": func(path string) error {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err == nil {
				_, err = f.WriteAt(bytes.Repeat([]byte{0xff}, 60000), 4096)
				err = errors.Join(err, f.Close())
			}
			return err
		},
		"cut off":     func(path string) error { return os.Truncate(path, 20000) },
		"a directory": func(path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			boxWithoutItsRoster(t, what == "missing", spoil)
		})
	}
}

func boxWithoutItsRoster(t *testing.T, canAccept bool, spoil func(path string) error) {
	dir := demoSite(t)
	settings := filepath.Join(dir, "gated.yaml")
	pass := residentPasses(t, dir)()
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Remove(filepath.Join(dir, "roster.db"+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if err := spoil(filepath.Join(dir, "roster.db")); err != nil {
		t.Fatal(err)
	}
	c := start(t, "run", "--config", settings)
	page := c.address(t)
	for _, code := range []string{pass, "6901234567892"} {
		if got := ask(t, page, "in", code); got != "hold roster-fault" {
			t.Errorf("got %s", got)
		}
	}
	if health := get(t, page+"healthz"); !strings.Contains(health, `"roster-fault"`) {
		t.Errorf("healthz: %s", health)
	}
	if metrics := get(t, page+"metrics"); !strings.Contains(metrics, "\ngated_roster_fault 1\n") {
		t.Error("the metric is not 1")
	}
	resp, err := http.Post(page+"api/emergency", "application/json", strings.NewReader(`{"lane":"in"}`))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("the emergency key: %s", resp.Status)
	}
	for _, args := range [][]string{{"backup", filepath.Join(t.TempDir(), "b")}, {"pass", "revoke", "0011223344556677"}} {
		var errs bytes.Buffer
		if code := execute(append(args, "--state", dir, "--config", settings), strings.NewReader(""), io.Discard, &errs); code != 2 || !strings.Contains(errs.String(), "back from the backup") {
			t.Errorf("gated %s: exit %d: %s", args[0], code, &errs)
		}
	}
	if !canAccept {
		var errs bytes.Buffer
		args := []string{"roster", "accept", "--reason", "the disk was lost", "--state", dir}
		if code := execute(args, strings.NewReader(""), io.Discard, &errs); code != 2 || !strings.Contains(errs.String(), "cannot be read") {
			t.Errorf("accept: exit %d: %s", code, &errs)
		}
		c.stop(t)
		return
	}
	told(t, "", "roster", "accept", "--reason", "the disk was lost", "--state", dir)
	if got := ask(t, page, "out", pass); strings.Contains(got, "roster-fault") {
		t.Errorf("accepted, and yet %s", got)
	}
	c.stop(t)
}

// The gate looks each second whether the roster that it has open is still the one of that name.
func TestARosterThatIsMovedUnderTheDaemonIsARosterFault(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	c := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	page, path := c.address(t), filepath.Join(dir, "roster.db")
	copied := mustRead(t, path)
	for _, x := range []struct {
		do     func() error
		health string
		fault  int
	}{
		{func() error { return errors.Join(os.Rename(path, path+".away"), os.WriteFile(path, copied, 0o600)) }, "roster-fault", 1},
		{func() error { return os.Rename(path+".away", path) }, "ok", 0},
	} {
		if err := x.do(); err != nil {
			t.Fatal(err)
		}
		for late := time.Now().Add(time.Minute); !strings.Contains(get(t, page+"healthz"), `"`+x.health+`"`); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("healthz: %s, want %s", get(t, page+"healthz"), x.health)
			}
		}
		metrics := get(t, page+"metrics")
		if !strings.Contains(metrics, fmt.Sprintf("\ngated_roster_fault %d\n", x.fault)) ||
			strings.Contains(metrics, "\ngated_setup_fault{file=\"roster.db\"} 1\n") != (x.fault == 1) {
			t.Errorf("the metrics do not say %s", x.health)
		}
		if got := ask(t, page, "in", "6901234567892"); strings.Contains(got, "roster-fault") != (x.fault == 1) {
			t.Errorf("%s: got %s", x.health, got)
		}
	}
	c.stop(t)
}
