package main

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/credential"
	"gated/daemon/lastgood"
	"gated/ledger/tlog"
	"gated/policy"

	"golang.org/x/sys/unix"
)

// setUpSite is a box that has worked, with a policy and two issuers of its own, and was stopped.
func setUpSite(t *testing.T) (dir, settings string) {
	t.Helper()
	setUpOnce.Do(func() {
		dir := demoSite(t)
		settings := filepath.Join(dir, "gated.yaml")
		more := "policy: {file: policy.yaml}\n"
		gone := credential.MarshalPublicKey(credential.NewKey().Public().(ed25519.PublicKey))
		if err := errors.Join(os.WriteFile(settings, append(mustRead(t, settings), more...), 0o600),
			os.WriteFile(filepath.Join(dir, "policy.yaml"), policy.Shipped().Source(), 0o600),
			os.WriteFile(filepath.Join(dir, "trust", "pass", "gone.pub"), gone, 0o600)); err != nil {
			t.Fatal(err)
		}
		c := start(t, "run", "--config", settings)
		c.address(t)
		c.stop(t)
		copySite(t, filepath.Join(shared, "set-up"), dir)
	})
	dir = filepath.Join(t.TempDir(), "d")
	copySite(t, dir, filepath.Join(shared, "set-up"))
	return dir, filepath.Join(dir, "gated.yaml")
}

var setUpOnce sync.Once

// setupFaults is what the page says of the setup.
func setupFaults(t *testing.T, page string) (names []string, text string) {
	t.Helper()
	resp, err := http.Get(page + "events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var view struct {
		SetupFaults []struct {
			What, Why string
			LastGood  bool `json:"last_good"`
		} `json:"setup_faults"`
	}
	b := make([]byte, 1<<20)
	n := 0
	var data []byte
	for whole := false; !whole; { // what is told of the session comes first
		m, err := resp.Body.Read(b[n:])
		if n += m; err != nil {
			t.Fatal(err)
		}
		_, data, _ = bytes.Cut(b[:n], []byte("event: view\ndata: "))
		data, _, whole = bytes.Cut(data, []byte("\n\n"))
	}
	if err := json.Unmarshal(data, &view); err != nil {
		t.Fatalf("%v: %s", err, b[:n])
	}
	for _, f := range view.SetupFaults {
		names = append(names, f.What)
		text += f.Why + "\n"
	}
	return names, text
}

func fifo(name string) func(string) error {
	return func(dir string) error {
		os.Remove(filepath.Join(dir, name))
		return unix.Mkfifo(filepath.Join(dir, name), 0o600)
	}
}

func link(to, name string) func(string) error {
	return func(dir string) error {
		os.Remove(filepath.Join(dir, name))
		return os.Symlink(to, filepath.Join(dir, name))
	}
}

// settingsSay writes something else into the settings.
func settingsSay(was, is string) func(string) error {
	return func(dir string) error {
		path := filepath.Join(dir, "gated.yaml")
		b, err := os.ReadFile(path)
		if !bytes.Contains(b, []byte(was)) {
			return fmt.Errorf("%q is not in the settings:\n%s", was, b)
		}
		return errors.Join(err, os.WriteFile(path, bytes.Replace(b, []byte(was), []byte(is), 1), 0o600))
	}
}

// Whatever a state file has become, page and emergency key are there, and a second gate is kept out.
func TestAGateStartsOnWhateverItsStateDirectoryIs(t *testing.T) {
	t.Parallel()
	noLock := func(dir string) error { return os.Remove(filepath.Join(dir, "lock")) }
	for name, tt := range map[string]struct {
		spoil func(dir string) error
		fault bool
		said  string
	}{
		"a file system that can only be read":       {spoil: func(string) error { return nil }, fault: true, said: "read-only"},
		"the same without a lock file":              {spoil: noLock, fault: true, said: "read-only"},
		"the lock is a directory":                   {spoil: func(dir string) error { return errors.Join(noLock(dir), os.Mkdir(filepath.Join(dir, "lock"), 0o700)) }},
		"the lock is nobody's":                      {spoil: func(dir string) error { return os.Chmod(filepath.Join(dir, "lock"), 0) }},
		"the lock is a FIFO":                        {spoil: fifo("lock")},
		"the lock is a link to itself":              {spoil: link("lock", "lock")},
		"the anchor is a FIFO":                      {spoil: fifo("anchor"), fault: true, said: "no regular file"},
		"pending entries are a FIFO":                {spoil: fifo("pending.spool"), said: "no regular file"},
		"pending entries are on a full device":      {spoil: link("/dev/full", "pending.spool"), said: "no regular file"},
		"pending entries have no end":               {spoil: link("/dev/zero", "pending.spool"), said: "no regular file"},
		"the ledger's key is a FIFO":                {spoil: fifo("keys/ledger.key"), fault: true, said: "no regular file"},
		"the ledger's key has no end":               {spoil: link("/dev/zero", "keys/ledger.key"), fault: true, said: "no regular file"},
		"the key of the personal data is a FIFO":    {spoil: fifo("keys/personal.key"), fault: true, said: "no regular file"},
		"the key of the personal data has no end":   {spoil: link("/dev/full", "keys/personal.key"), fault: true, said: "no regular file"},
		"the ledger's key is another gate's":        {spoil: otherKey, fault: true, said: "another-gate"},
		"the public keys of the ledger are a FIFO":  {spoil: fifo("keys/ledger.pub"), fault: true, said: "no regular file"},
		"the ledger is a FIFO":                      {spoil: fifo("ledger.db"), fault: true},
		"the index is a FIFO":                       {spoil: fifo("index.db")},
		"the roster is a FIFO":                      {spoil: fifo("roster.db")},
		"the slots of the personal data are a FIFO": {spoil: fifo("personal.keys"), fault: true},
		"the ledger's log is a FIFO":                {spoil: fifo("ledger.db-wal"), fault: true, said: "no regular file"},
		"the ledger's journal is a FIFO":            {spoil: fifo("ledger.db-journal"), fault: true, said: "no regular file"},
		"the roster's journal is a FIFO":            {spoil: fifo("roster.db-journal"), said: "no regular file"},
		"the roster's shared memory is a FIFO":      {spoil: fifo("roster.db-shm"), said: "no regular file"},
		"the index's journal is a FIFO":             {spoil: fifo("index.db-journal"), said: "no regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, settings := setUpSite(t)
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			if tt.said == "read-only" {
				readOnly(t, dir)
			}
			c := start(t, "run", "--config", settings, "--state", dir)
			page := c.address(t)
			resp, err := http.Post(page+"api/emergency", "application/json", strings.NewReader(`{"lane":"in"}`))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("the emergency key: %s", resp.Status)
			}
			if health := get(t, page+"healthz"); strings.Contains(health, `"ledger-fault"`) != tt.fault {
				t.Errorf("health: %s", health)
			}
			if !strings.Contains(c.stderr.String(), tt.said) {
				t.Errorf("the log does not say %q:\n%s", tt.said, c.stderr)
			}
			if code, said := gatedRun(t, "--config", settings, "--state", dir); code != 2 || !strings.Contains(said, "in use by") {
				t.Errorf("a second one: exit %d: %s", code, said)
			}
			c.stop(t)
		})
	}
}

// otherKey has the ledger signed by a key of another name.
func otherKey(dir string) error {
	key, err := tlog.NewKey("another-gate")
	if err != nil {
		return err
	}
	return tlog.WriteKeys(filepath.Join(dir, "keys", "ledger.key"), key)
}

// The command is for when there is no page: it says what the barrier said.
func TestTheEmergencyCommandSaysWhatTheBarrierDid(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		script, barrier, want string
		code                  int
	}{
		"it opens":           {want: "lane in: open\n"},
		"it fails":           {script: "test $1 = close", want: "failed", code: 1},
		"it does not answer": {script: "test $1 = close || exec sleep 3", want: "has not answered", code: 1},
		"there is none":      {barrier: "{driver: none}", want: "no barrier: open it by hand", code: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			_, settings := tracedProgram(t, dir, tt.script)
			if tt.barrier != "" {
				at, b := []byte("barrier: "), mustRead(t, settings)
				head, _, _ := bytes.Cut(b, at)
				if err := os.WriteFile(settings, []byte(string(head)+string(at)+tt.barrier+"}\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			c := start(t, "run", "--config", settings)
			c.address(t)
			var out, errs strings.Builder
			code := execute([]string{"emergency", "in", "--state", filepath.Join(dir, "state")}, strings.NewReader(""), &out, &errs)
			if said := out.String() + errs.String(); code != tt.code || !strings.Contains(said, tt.want) {
				t.Errorf("exit %d: %s, want %d and %q", code, said, tt.code, tt.want)
			}
			c.stop(t)
		})
	}
}

// What the next start would not take as it is, the check says, too, and the running gate.
func TestSettingsThatNameAnotherLedgerAreSaidAtOnce(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	page := c.address(t)
	if err := settingsSay("East Gate", "West Gate")(dir); err != nil {
		t.Fatal(err)
	}
	var out, errs strings.Builder
	if code := execute([]string{"config", "check", "--config", settings, "--state", dir}, strings.NewReader(""), &out, &errs); code != 2 ||
		!strings.Contains(errs.String(), `write "origin: east-gate"`) {
		t.Errorf("the check: exit %d: %s%s", code, &out, &errs)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(get(t, page+"metrics"), "\ngated_setup_fault{file=\"gate.origin\"} 1\n"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no metric:\n%s", c.stderr)
		}
	}
	if err := settingsSay("West Gate", "West Gate\n  origin: east-gate")(dir); err != nil {
		t.Fatal(err)
	}
	told(t, "", "config", "check", "--config", settings, "--state", dir)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		names, _ := setupFaults(t, page)
		if len(names) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the page names %q", names)
		}
	}
	c.stop(t)
}

// A reload says what it took.
func TestAReloadSaysWhatItTook(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	c.address(t)
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.Process.Signal(unix.SIGHUP)
	const want = "settings (its last good copy)"
	for end := time.Now().Add(time.Minute); !strings.Contains(c.stderr.String(), want); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %q:\n%s", want, c.stderr)
		}
	}
	if said := c.stderr.String(); strings.Contains(said, `msg="settings reloaded"`) || strings.Contains(said, `"msg":"settings reloaded"`) {
		t.Errorf("it says that all was taken:\n%s", said)
	}
	c.stop(t)
}

// Each file that a gate is set up by, broken in turn between two runs: page and emergency key are there within two seconds, passes
// are checked as before, and page and metric say which file it is and why.
func TestAFaultyFileKeepsNoGateFromStarting(t *testing.T) {
	t.Parallel()
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	remove := func(name string) func(string) error {
		return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
	}
	for _, tt := range []struct {
		name  string
		spoil func(dir string) error
		env   string
		file  string // that is named
		why   string
		want  string // of a resident; empty: admit
	}{
		{name: "unknown setting", file: "settings", why: "consle", spoil: func(dir string) error {
			path := filepath.Join(dir, "gated.yaml")
			return os.WriteFile(path, append(mustRead(t, path), "consle: {}\n"...), 0o600)
		}},
		{name: "settings are no YAML", file: "settings", why: "indentation", spoil: write("gated.yaml", "gate: [\n")},
		{name: "settings are empty, as after a power cut", file: "settings", why: "empty", spoil: write("gated.yaml", "")},
		{name: "settings are gone", file: "settings", why: "no such file", spoil: remove("gated.yaml")},
		{name: "unknown variable", file: "environment", why: "GATED_CONSLE", env: "GATED_CONSLE=1", spoil: func(string) error { return nil }},
		{name: "policy with a fault", file: "policy", why: "line 1", spoil: write("policy.yaml", "rules: 3\n")},
		{name: "policy with a fault, and so has its copy, as another version would find it", file: "policy", why: "line 1", want: "hold policy-fault",
			spoil: func(dir string) error {
				return errors.Join(write("policy.yaml", "rules: 3\n")(dir), write("last-good/policy", "rules: 3\n")(dir))
			}},
		{name: "policy is gone", file: "policy", why: "no such file", spoil: remove("policy.yaml")},
		{name: "trusted key is cut off", file: "trust/pass/demo-office.pub", why: "PEM", spoil: write("trust/pass/demo-office.pub", "-----BEGIN PUB")},
		{name: "trusted certificate that never was good", file: "trust/dcc/new.pem", why: "X.509", spoil: func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "trust", "dcc"), 0o700), write("trust/dcc/new.pem", "-")(dir))
		}},
		{name: "the slots are lost", file: "personal.keys", why: "no slots of the entries 1 to ", spoil: remove("personal.keys")},
		{name: "the slots are another box's", file: "personal.keys", why: "not the slots of this ledger", spoil: write("personal.keys", strings.Repeat("gate", 500))},
		{name: "compound key is cut off", file: "keys/compound.key", why: "31 bytes", spoil: write("keys/compound.key", strings.Repeat("k", 31))},
		{name: "another compound key", file: "keys/compound.key", why: "is not the key from which", spoil: write("keys/compound.key", strings.Repeat("k", 32))},
		{name: "compound key is gone", file: "keys/compound.key", why: "no such file", spoil: remove("keys/compound.key")},
		{name: "compound key is a FIFO", file: "keys/compound.key", why: "no regular file", spoil: fifo("keys/compound.key")},
		{name: "compound key has no end", file: "keys/compound.key", why: "no regular file", spoil: link("/dev/zero", "keys/compound.key")},
		{name: "accounts are cut off", file: "accounts.json", why: "nobody can sign in: it is damaged", spoil: write("accounts.json", "{")},
		{name: "accounts are a FIFO", file: "accounts.json", why: "no regular file", spoil: fifo("accounts.json")},
		{name: "trusted key is faulty, and there are no copies", file: "trust/pass/gone.pub", why: "PEM", spoil: func(dir string) error {
			return errors.Join(remove("last-good")(dir), write("trust/pass/gone.pub", "-")(dir))
		}},
		{name: "the gate's name is corrected", file: "gate.origin", why: `"west-gate" by the settings, and the ledger has "east-gate"`,
			spoil: settingsSay("East Gate", "West Gate")},
		{name: "another origin", file: "gate.origin", why: `write "origin: east-gate"`,
			spoil: settingsSay("East Gate", "East Gate\n  origin: other")},
		{name: "another time zone", file: "gate.time_zone", why: `"Europe/Berlin" by the settings, and the ledger has "`, env: "GATED_GATE_TIME_ZONE=Europe/Berlin",
			spoil: func(string) error { return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir, settings := setUpSite(t)
			pass, key := residentPasses(t, dir)(), filepath.Join(dir, "keys", "compound.key")
			right := mustRead(t, key)
			if err := tt.spoil(dir); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var under []string
			if tt.env != "" {
				under = []string{"env", tt.env}
			}
			c := startUnder(t, under, "gated", "run", "--config", settings, "--state", dir)
			page := c.address(t)
			resp, err := http.Post(page+"api/emergency", "application/json", strings.NewReader(`{"lane":"in"}`))
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("the emergency key: %s", resp.Status)
			}
			t.Logf("page and emergency key after %s", time.Since(began)) // 2 s on a machine of its own
			if names, why := setupFaults(t, page); len(names) != 1 || names[0] != tt.file || !strings.Contains(why, tt.why) {
				t.Errorf("the page names %q: %s", names, why)
			}
			if want := "\ngated_setup_fault{file=\"" + tt.file + "\"} 1\n"; !strings.Contains(get(t, page+"metrics"), want) {
				t.Errorf("no metric %s", want)
			}
			if health := get(t, page+"healthz"); !strings.Contains(health, `"setup-fault"`) {
				t.Errorf("healthz: %s", health)
			}
			if got := ask(t, page, "in", pass); !strings.HasPrefix(got, cmp.Or(tt.want, "admit ")) && !strings.HasPrefix(got, "hold clock") {
				t.Errorf("a resident: %s", got)
			}
			if tt.want != "" {
				c.stop(t)
				return
			}
			restoredWithoutFaults(t, dir, settings, tt.file)
			if strings.HasPrefix(tt.file, "keys/") || tt.file == "accounts.json" {
				if err := errors.Join(os.RemoveAll(filepath.Join(dir, tt.file)), os.WriteFile(key, right, 0o600)); err != nil {
					t.Fatal(err)
				}
				for end := time.Now().Add(time.Minute); strings.Contains(get(t, page+"metrics"), tt.file); time.Sleep(10 * time.Millisecond) {
					if time.Now().After(end) {
						t.Fatal("put back, and still a fault")
					}
				}
			}
			c.stop(t)
		})
	}
}

// restoredWithoutFaults makes a backup while a last good copy stands in, and puts it back elsewhere: that needs no copy.
func restoredWithoutFaults(t *testing.T, dir, settings, faulty string) {
	t.Helper()
	safe, state, etc := filepath.Join(t.TempDir(), "backup"), t.TempDir(), filepath.Join(t.TempDir(), "gated.yaml")
	if why := map[string]string{"keys/compound.key": "the key from which roster IDs follow: ", "accounts.json": "nobody can sign in"}[faulty]; why != "" { // for which nothing stands in
		var errs strings.Builder
		if code := execute([]string{"backup", safe, "--state", dir, "--config", settings}, strings.NewReader(""), io.Discard, &errs); code != 2 || !strings.Contains(errs.String(), why) {
			t.Errorf("the backup: exit %d: %s", code, &errs)
		}
		return
	}
	_, said := told(t, "", "backup", safe, "--state", dir, "--config", settings)
	noCopy := faulty == "environment" || faulty == "personal.keys" || strings.HasPrefix(faulty, "gate.") // what the ledger says counts
	if !noCopy && !strings.Contains(said, faulty+": ") {
		t.Errorf("the backup does not say what stands in for %s: %s", faulty, said)
	}
	if strings.Contains(said, "does not know it: gated.yaml") || strings.Contains(said, "does not know it: policy.yaml") {
		t.Errorf("the backup says that settings and policy are not in it: %s", said)
	}
	master, _ := told(t, "", "key", "show", "--personal", "--state", dir)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if etc, err = filepath.Rel(here, etc); err != nil { // as somebody types it
		t.Fatal(err)
	}
	_, said = told(t, master, "restore", safe, "--state", state, "--config", etc)
	if !strings.Contains(said, "etc/gated.yaml of secret.tar is "+etc) || strings.Contains(said, "not put back") {
		t.Errorf("the restore does not say where the settings are: %s", said)
	}
	setup, err := lastgood.Check(etc, state, nil)
	if err != nil {
		t.Fatalf("what was put back is faulty: %v", err)
	}
	if strings.HasPrefix(faulty, "trust/pass/") && len(setup.Trust.Issuers()) == 0 {
		t.Error("the good key is not in the backup")
	}
}

// A box that never had good settings says what is wrong with them, and ends.
func TestABoxThatNeverHadGoodSettingsEnds(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(dir, settings string) error{
		"settings": func(_, settings string) error { return os.WriteFile(settings, []byte("gate: 3\n"), 0o600) },
	} {
		dir := demoSite(t)
		settings := filepath.Join(dir, "gated.yaml")
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, "last-good")), spoil(dir, settings)); err != nil {
			t.Fatal(err)
		}
		if code, said := gatedRun(t, "--config", settings, "--state", dir); code != 2 || !strings.Contains(said, "gated: ") {
			t.Errorf("%s: exit %d: %s", name, code, said)
		}
	}
}

// An issuer whose key was taken away does not return, whatever else is faulty.
func TestATrustedKeyThatWasTakenAwayNeverReturns(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	if err := errors.Join(os.Remove(filepath.Join(dir, "trust", "pass", "demo-office.pub")),
		os.WriteFile(filepath.Join(dir, "trust", "pass", "gone.pub"), nil, 0o600),
		os.WriteFile(settings, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c := start(t, "run", "--config", settings, "--state", dir)
		page := c.address(t)
		if names, _ := setupFaults(t, page); strings.Join(names, " ") != "settings trust/pass/gone.pub" {
			t.Errorf("faulty: %q", names)
		}
		if got := ask(t, page, "in", residentPasses(t, dir)()); got != "refuse other-issuer" {
			t.Errorf("a pass of the office: %s", got)
		}
		c.stop(t)
		for name, there := range map[string]bool{"demo-office.pub": false, "gone.pub": true} {
			if _, err := os.Stat(filepath.Join(dir, "last-good", "trust", "pass", name)); (err == nil) != there {
				t.Errorf("the copy of %s: %v", name, err)
			}
		}
	}
}

// While the page's port is taken, all else works: the emergency key by the control socket. The page comes once the port is free.
func TestAPortThatIsTakenIsTriedAgain(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	trace, settings := tracedProgram(t, dir, "")
	listen := "GATED_CONSOLE_LISTEN=" + taken.Addr().String()
	c := startUnder(t, []string{"env", listen}, "gated", "run", "--config", settings)
	state := filepath.Join(dir, "state")
	for end := time.Now().Add(time.Minute); !strings.Contains(c.stderr.String(), "the gate works"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it does not come up:\n%s", c.stderr)
		}
	}
	if got, _ := told(t, "", "emergency", "in", "--state", state); got != "lane in: open\n" {
		t.Errorf("got %q", got)
	}
	await(t, trace, "close open")
	told(t, "", "emergency", "in", "--close", "--state", state)
	await(t, trace, "close open close")
	var errs strings.Builder
	if code := execute([]string{"emergency", "side", "--state", state}, strings.NewReader(""), &errs, &errs); code != 1 {
		t.Errorf("a lane that is none: exit %d: %s", code, &errs)
	}
	if !strings.Contains(c.stderr.String(), "console.listen") {
		t.Errorf("the log does not name the port:\n%s", c.stderr)
	}
	taken.Close()
	if names, _ := setupFaults(t, c.address(t)); len(names) > 0 {
		t.Errorf("the page comes, and names %q", names)
	}
	c.stop(t)
}

// await waits until the barrier's program was told this.
func await(t *testing.T, trace, want string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		b, _ := os.ReadFile(trace)
		got := strings.Join(strings.Fields(string(b)), " ")
		if got == want {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the program was told %q, want %q", got, want)
		}
	}
}

// "systemctl reload" checks the settings first, and no signal reaches the daemon where they are wrong. It looks by itself.
func TestAFaultyFileIsSaidWithoutAReload(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	page := c.address(t)
	good := mustRead(t, settings)
	says := func(reload, file string, metric byte) {
		t.Helper()
		want := []string{"\ngated_settings_last_reload_successful " + reload + "\n", "\ngated_setup_fault{file=\"" + file + "\"} " + string(metric) + "\n"}
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			m := get(t, page+"metrics")
			if strings.Contains(m, want[0]) && strings.Contains(m, want[1]) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("want %q:\n%s", want, c.stderr)
			}
		}
	}
	says("1", "settings", '0')
	for _, tt := range []struct{ path, file string }{{settings, "settings"}, {filepath.Join(dir, "policy.yaml"), "policy"},
		{filepath.Join(dir, "trust", "pass", "demo-office.pub"), "trust/pass/demo-office.pub"}} {
		was := mustRead(t, tt.path)
		if err := os.WriteFile(tt.path, []byte("faulty: [\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		says("0", tt.file, '1')
		if names, _ := setupFaults(t, page); len(names) != 1 || names[0] != tt.file {
			t.Errorf("the page names %q, want %s", names, tt.file)
		}
		if err := os.WriteFile(tt.path, was, 0o600); err != nil {
			t.Fatal(err)
		}
		says("1", "settings", '0')
	}
	if !bytes.Equal(good, mustRead(t, filepath.Join(dir, "last-good", "settings"))) {
		t.Error("the copy is not the last good one")
	}
	c.stop(t)
}

// What root makes in the state directory of the service would lock it out.
func TestADaemonOfAnotherUserLeavesTheStateDirectoryAlone(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		skip(t, "only root can give a directory away")
	}
	dir := t.TempDir()
	trace, settings := tracedProgram(t, dir, "")
	state := filepath.Join(dir, "state")
	if err := errors.Join(os.Mkdir(state, 0o700), os.Chown(state, 65534, 65534)); err != nil {
		t.Fatal(err)
	}
	if code, said := gatedRun(t, "--config", settings); code != 2 || !strings.Contains(said, "runuser -u ") {
		t.Errorf("exit %d: %s", code, said)
	}
	if list, err := os.ReadDir(state); len(list) > 0 || err != nil {
		t.Errorf("it made %v, %v", list, err)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("it told the barrier something")
	}
}
