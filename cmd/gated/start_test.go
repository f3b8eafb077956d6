package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/demo/lcussim"

	"golang.org/x/sys/unix"
)

// A daemon that was killed can leave a relay on. Whatever keeps the next one from working, it switches that off.
func TestABarrierLeftOpenIsClosedThoughTheGateCannotStart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, old, new, want string }{
		{name: "policy missing", old: "gate:", new: "policy: {file: gone.yaml}\ngate:", want: "policy.file"},
		{name: "settings wrong", old: "gate:", new: "console: {language: fr}\ngate:", want: "console.language"},
		{name: "other lane's relay wrong", old: "/dev/gated-relay-out", new: "relay", want: "lanes[1].barrier.device"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			sim, err := lcussim.New(filepath.Join(dir, "relay"), 2, true)
			if err != nil {
				t.Fatal(err)
			}
			defer sim.Close()
			port, err := os.OpenFile(sim.Path(), os.O_WRONLY|syscall.O_NOCTTY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = port.WriteString("\xa0\x02\x01\xa3")
			if err = errors.Join(err, port.Close()); err != nil {
				t.Fatal(err)
			}
			for end := time.Now().Add(time.Minute); !sim.On(2); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the relay cannot be left on")
				}
			}
			state := filepath.Join(dir, "state")
			if err := errors.Join(os.Mkdir(state, 0o700), os.WriteFile(filepath.Join(state, "lock"), nil, 0o600)); err != nil {
				t.Fatal(err)
			}
			settings := strings.Replace(fmt.Sprintf(`gate: {name: South Gate}
state_dir: state
lanes:
  - {id: in, direction: in, scanner: {device: /dev/gated-none-in}, barrier: {driver: lcus, device: %s, channel: 2}}
  - {id: out, direction: out, scanner: {device: /dev/gated-none-out}, barrier: {driver: lcus, device: /dev/gated-relay-out}}
`, sim.Path()), tt.old, tt.new, 1)
			path := filepath.Join(dir, "gated.yaml")
			if err := os.WriteFile(path, []byte(settings), 0o600); err != nil {
				t.Fatal(err)
			}
			code, said := gatedRun(t, "--config", path)
			if code != 2 || !strings.Contains(said, tt.want) {
				t.Errorf("exit %d, want 2 and %q:\n%s", code, tt.want, said)
			}
			if sim.On(2) {
				t.Errorf("the relay is still on:\n%s", said)
			}
		})
	}
}

// readOnly lets a directory lie on a file system that is mounted read-only, as one is after an error.
func readOnly(t *testing.T, dir string) {
	t.Helper()
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
	t.Cleanup(func() {
		for unix.Unmount(dir, unix.MNT_DETACH) == nil {
		}
	})
}

// Somebody who starts a second daemon by mistake does not close the barrier that the first one holds open.
func TestASecondDaemonLeavesTheBarriersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trace, settings := tracedProgram(t, dir, "")
	c := start(t, "run", "--config", settings)
	page := c.address(t)
	resp, err := http.Post(page+"api/emergency", "application/json", strings.NewReader(`{"lane":"in"}`))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	open := func() string { return strings.Join(strings.Fields(string(mustRead(t, trace))), " ") }
	for end := time.Now().Add(time.Minute); open() != "close open"; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the program was told %q", open())
		}
	}
	wrong := filepath.Join(dir, "wrong.yaml")
	if err := os.WriteFile(wrong, append(mustRead(t, settings), "consle: {}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{settings, wrong} {
		if code, said := gatedRun(t, "--config", path); code != 2 {
			t.Errorf("%s: exit %d:\n%s", path, code, said)
		}
	}
	if got := open(); got != "close open" {
		t.Errorf("the program was told %q", got)
	}
	c.stop(t)
	if got := open(); got != "close open close" {
		t.Errorf("the program was told %q", got)
	}
	if err := os.RemoveAll(filepath.Join(dir, "state", "last-good")); err != nil { // or the next one would work
		t.Fatal(err)
	}
	if code, said := gatedRun(t, "--config", wrong); code != 2 || open() != "close open close close close" { // at the start and at the end
		t.Errorf("when the first one is gone: exit %d, the program was told %q:\n%s", code, open(), said)
	}
}

// tracedProgram makes settings with a barrier program that notes what it is told, and then does what script says.
func tracedProgram(t *testing.T, dir, script string) (trace, settings string) {
	t.Helper()
	trace, program := filepath.Join(dir, "trace"), filepath.Join(dir, "relay")
	settings = filepath.Join(dir, "gated.yaml")
	err := errors.Join(os.WriteFile(program, []byte("#!/bin/sh\necho $1 >>"+trace+"\n"+script+"\n"), 0o700),
		os.WriteFile(settings, []byte(fmt.Sprintf(`gate: {name: South Gate}
state_dir: state
lanes:
  - {id: in, direction: in, scanner: {device: /dev/gated-none}, barrier: {driver: exec, command: [%s], timeout: 4s}}
`, program)), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return trace, settings
}

// gatedRun runs a daemon that is to end by itself.
func gatedRun(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), exe)
	c.Args = append([]string{"gated", "run"}, args...)
	c.Env = append(os.Environ(), "GATED_CONSOLE_LISTEN=127.0.0.1:0")
	out, _ := c.CombinedOutput()
	return c.ProcessState.ExitCode(), string(out)
}
