// Package systemd_test holds the units, rules and alerts to the tools that will read them on the box.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gated/config"
)

var units = []string{"gated.service", "gated-kiosk.service", "gated-backup.service"}

// run runs a tool in dir; it skips the test where the tool is missing.
func run(t *testing.T, dir, install, tool string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: apt install %s", tool, install)
		}
		t.Skipf("%s is missing: apt install %s", tool, install)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var programs = regexp.MustCompile(`(?m)^(Exec\w+=)/usr/bin/\w+|^(Exec\w+=)/bin/\w+`)

// install writes a unit to a directory, under its own name and with a program that exists: verify looks for each, and
// neither gated nor the browser need be installed where this is tested.
func install(t *testing.T, dir, unit, text string) string {
	t.Helper()
	if !strings.Contains(programs.FindString(text), "Exec") {
		t.Fatalf("%s has no program", unit)
	}
	path := filepath.Join(dir, unit)
	if err := os.WriteFile(path, []byte(programs.ReplaceAllString(text, "${1}${2}/bin/sh")), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// verify gives every word systemd-analyze has against the unit. It exits with 0 on a misspelt directive: any output is
// a fault. Other units of this machine are not our business.
func verify(t *testing.T, text, unit string) string {
	t.Helper()
	out, err := run(t, ".", "systemd", "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", install(t, t.TempDir(), unit, text))
	if err != nil && out == "" {
		return err.Error()
	}
	var own []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, unit) {
			own = append(own, line)
		}
	}
	if err != nil && own == nil {
		return out
	}
	return strings.Join(own, "")
}

func TestUnitsVerifyWithoutAWord(t *testing.T) {
	for _, unit := range units {
		if out := verify(t, read(t, unit), unit); out != "" {
			t.Errorf("%s:\n%s", unit, out)
		}
	}
}

// The check above is worth something only if a fault shows.
func TestVerifySeesAMisspeltDirective(t *testing.T) {
	for _, unit := range units {
		text := strings.Replace(read(t, unit), "\n[Service]\n", "\n[Service]\nRestartSeconds=1\n", 1)
		if out := verify(t, text, unit); !strings.Contains(out, "RestartSeconds") {
			t.Errorf("%s: got %q, want the misspelt RestartSeconds named", unit, out)
		}
	}
}

// The threshold is in tenths: 18 is an exposure of 1.8, of which PrivateUsers= would take 0.2.
func TestDaemonIsHardened(t *testing.T) {
	path := install(t, t.TempDir(), "gated.service", read(t, "gated.service"))
	out, err := run(t, ".", "systemd", "systemd-analyze", "security", "--no-pager", "--offline=yes", "--threshold=18", path)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// What the daemon needs in order to work, and what hardening for its own sake would take away.
func TestDaemonCanStillWork(t *testing.T) {
	lines := strings.Split(read(t, "gated.service"), "\n")
	for _, want := range []string{
		"Type=notify", "Restart=always", "StartLimitIntervalSec=0", "StateDirectory=gated", "StateDirectoryMode=0700",
		"User=gated", "SupplementaryGroups=dialout", "DevicePolicy=closed",
		"SystemCallFilter=adjtimex",                        // is the clock synchronised
		"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6", // control socket, page
		"ExecStart=/usr/bin/gated run --config /etc/gated/gated.yaml",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("gated.service lacks %q", want)
		}
	}
	for _, l := range lines {
		switch l {
		case "ProtectClock=yes", "ProcSubset=pid", "PrivateDevices=yes", "PrivateNetwork=yes", "PrivateUsers=yes":
			t.Errorf("gated.service has %q, with which the daemon cannot work", l)
		}
		if strings.HasPrefix(l, "DeviceAllow=") && !strings.HasPrefix(l, "DeviceAllow=char-tty") {
			t.Errorf("gated.service allows a device that is not serial: %q", l)
		}
	}
}

// The backup is made by night where the gate is, whatever the box counts in.
func TestTheBackupIsMadeByNightAtTheGate(t *testing.T) {
	m := regexp.MustCompile(`(?m)^OnCalendar=(.*)$`).FindStringSubmatch(read(t, "gated-backup.timer"))
	if m == nil || m[1] != "*-*-* 04:10 "+config.DefaultZone {
		t.Fatalf("got %q, want 04:10 in %s, where a gate is that does not say where", m, config.DefaultZone)
	}
	out, err := run(t, ".", "systemd", "env", "TZ=UTC", "systemd-analyze", "calendar", "--iterations=1", m[1])
	if err != nil || !regexp.MustCompile(`20:10:00 UTC`).MatchString(out) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUsersCanBeCreated(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "etc", "sysusers.d")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		t.Fatal(err)
	}
	text := read(t, "gated.sysusers.conf")
	if err := os.WriteFile(filepath.Join(conf, "gated.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := run(t, ".", "systemd", "systemd-sysusers", "--dry-run", "--root="+dir, "gated.conf")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"gated", "gated-kiosk", "dialout"} {
		if !strings.Contains(out, "'"+want+"'") {
			t.Errorf("got %s, want %s created", out, want)
		}
	}
	for _, unit := range units { // whoever a unit runs as is in the file
		user := regexp.MustCompile(`(?m)^User=(.+)$`).FindStringSubmatch(read(t, unit))
		if user == nil || !regexp.MustCompile(`(?m)^u `+user[1]+`\s`).MatchString(text) {
			t.Errorf("%s: its user %q is not in gated.sysusers.conf", unit, user)
		}
	}
}

// The lines for this box's ports are comments until somebody fills them in; they are held to the same as the others.
func TestUdevRules(t *testing.T) {
	const scanners, ports = "60-gated-scanner.rules", "61-gated-ports.rules"
	dir := t.TempDir()
	for _, name := range []string{scanners, ports} {
		var rules []string
		for line := range strings.Lines(read(t, name)) {
			if line = strings.TrimPrefix(line, "#SUBSYSTEM"); len(line) > 0 && line[0] == '=' {
				line = "SUBSYSTEM" + line
			}
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				rules = append(rules, line)
			}
		}
		text := strings.Join(rules, "\n") + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, rule := range rules {
			for _, part := range strings.Split(rule, ", ") {
				if !regexp.MustCompile(`^[A-Z]+(\{\w+\})?(==|!=|\+=|=)"[^"]*"$`).MatchString(part) {
					t.Errorf("%s: %q is no part of a rule", name, part)
				}
			}
			// A name without access for the daemon, or one that ModemManager may open, is worse than none.
			if strings.Contains(rule, "SYMLINK") {
				for _, want := range []string{`SUBSYSTEM=="tty"`, `SYMLINK+="gated-`, `GROUP="dialout"`, `MODE="0660"`, `TAG+="systemd"`} {
					if !strings.Contains(rule, want) {
						t.Errorf("%s: no %s in %s", name, want, rule)
					}
				}
				if !strings.Contains(rule, "KERNEL==") && !strings.Contains(rule, `ENV{ID_MM_PORT_IGNORE}="1"`) {
					t.Errorf("%s: ModemManager may open %s", name, rule)
				}
			}
		}
		for _, m := range regexp.MustCompile(`GOTO="(\w+)"`).FindAllStringSubmatch(text, -1) {
			if !strings.Contains(text, "\nLABEL=\""+m[1]+"\"") {
				t.Errorf("%s: no label %s", name, m[1])
			}
		}
	}
	if text := read(t, scanners); !strings.Contains(text, `ENV{ID_MM_DEVICE_IGNORE}="1"`) {
		t.Errorf("%s lacks ID_MM_DEVICE_IGNORE", scanners)
	}
	for _, want := range []string{"gated-scanner-in", "gated-scanner-out", "gated-relay-in", "gated-card-in"} {
		if !strings.Contains(read(t, ports), `SYMLINK+="`+want+`"`) {
			t.Errorf("%s has no example of %s", ports, want)
		}
	}
	help, err := run(t, ".", "udev", "udevadm", "--help")
	if err != nil || !regexp.MustCompile(`(?m)^\s+verify\s`).MatchString(help) {
		t.Log("udevadm here is older than 254 and cannot verify rules")
		return
	}
	for _, name := range []string{scanners, ports} {
		if out, err := run(t, dir, "udev", "udevadm", "verify", name); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

func TestAlertRules(t *testing.T) {
	dir := t.TempDir() // laid out as in /etc/prometheus
	if err := os.Mkdir(filepath.Join(dir, "rules"), 0o755); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{"gated.rules.yml": "rules", "gated.rules.test.yml": "rules", "gated.example.yml": "."} {
		if err := os.WriteFile(filepath.Join(dir, to, from), []byte(read(t, filepath.Join("prometheus", from))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"check", "rules", "rules/gated.rules.yml"},
		{"test", "rules", "rules/gated.rules.test.yml"},
		{"check", "config", "gated.example.yml"},
	} {
		if out, err := run(t, dir, "prometheus", "promtool", args...); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// Every alert is tried in the test file, says what to do, and stands in the maintainer's page.
func TestEveryAlertIsTriedAndExplained(t *testing.T) {
	rules, tests, page := read(t, "prometheus/gated.rules.yml"), read(t, "prometheus/gated.rules.test.yml"), read(t, "../docs/maintainer.md")
	alerts := strings.Split(rules, "- alert: ")[1:]
	if len(alerts) < 8 {
		t.Fatalf("found %d alerts", len(alerts))
	}
	for _, a := range alerts {
		name, _, _ := strings.Cut(a, "\n")
		for _, want := range []string{"summary:", "description:", "runbook:", "severity:"} {
			if !strings.Contains(a, want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
		if !strings.Contains(tests, `alertname="`+name+`"`) {
			t.Errorf("%s is not tried in gated.rules.test.yml", name)
		}
		if !strings.Contains(page, name) {
			t.Errorf("%s is not in docs/maintainer.md", name)
		}
	}
}
