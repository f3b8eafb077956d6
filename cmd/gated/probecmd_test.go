package main

import (
	"encoding/json"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/scanner/probe"
	"gated/serialport"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const heldUp = "https://example.org/v?c=3f9a7715"

// codesAt returns the path of a port at whose other end text is held up again and again, once somebody has set up the port.
func codesAt(t *testing.T, text string) (port string) {
	t.Helper()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	port = tty.Name()
	tty.Close()
	quit, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(quit); <-done; far.Close() })
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(300 * time.Millisecond): // as a person does, whatever the program does
			}
			if tio, err := unix.IoctlGetTermios(int(far.Fd()), unix.TCGETS); text != "" && err == nil && tio.Lflag&unix.ECHO == 0 {
				io.WriteString(far, text)
			}
		}
	}()
	return port
}

func TestScannerProbe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		text   string
		args   []string
		status int
		stdout []string
		stderr string
	}{
		{"found", heldUp + "\r\n", nil, 0, []string{"PORT", ": 9600 baud; ", " readings of up to 32 bytes (text); suffix CR LF\n", "      baud: 9600\n      end_bytes: \"\\r\\n\"\n", "Note: at 9600 baud", "disable the scanner's setting bar codes"}, "hold a code before the scanner"},
		{"nothing comes", "", []string{"--timeout", "300ms"}, 1, nil, "nothing came in 300ms"},
		// Two that a busy machine reads as one are too short still.
		{"too short to be sure", "6901234", []string{"--timeout", "10s"}, 1, []string{"This is NOT SURE"}, "hold up a longer code"},
		{"no such port", "", []string{"--device", "/dev/ttyNone7"}, 2, nil, "/dev/ttyNone7: there is no such device: plug it in"},
		{"no port", "", []string{"--device", "/dev/null"}, 2, nil, "/dev/null: it is no serial port"},
		{"no time", "", []string{"--timeout", "0s"}, 2, nil, "--timeout 0s: want a time to listen"},
		{"a lane that cannot be", "", []string{"--lane", "a/b"}, 2, nil, `--lane "a/b": want the id of a lane`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			port := codesAt(t, tt.text)
			var stdout, stderr strings.Builder
			status := execute(append([]string{"scanner", "probe", "--device", port}, tt.args...), strings.NewReader(""), &stdout, &stderr)
			if status != tt.status || !strings.Contains(stderr.String(), tt.stderr) {
				t.Errorf("status %d, want %d; stderr %s", status, tt.status, &stderr)
			}
			for _, want := range tt.stdout {
				if !strings.Contains(stdout.String(), want) {
					t.Errorf("no %q in\n%s", want, &stdout)
				}
			}
			if tt.text != "" && strings.Contains(stdout.String()+stderr.String(), tt.text[:6]) {
				t.Errorf("the code is printed:\n%s%s", &stdout, &stderr)
			}
		})
	}
}

func TestScannerProbeJSON(t *testing.T) {
	t.Parallel()
	port := codesAt(t, "\x02"+heldUp+"\x03")
	var stdout, stderr strings.Builder
	if status := execute([]string{"scanner", "probe", "--json", "--device", port}, strings.NewReader(""), &stdout, &stderr); status != 0 {
		t.Fatalf("status %d: %s", status, &stderr)
	}
	var got struct {
		Ports    []serialport.Info
		Found    probe.Found
		Settings string
	}
	if err := json.Unmarshal([]byte(stdout.String()), &got); err != nil {
		t.Fatal(err)
	}
	if f := got.Found; f.Device != port || f.Baud != 9600 || !f.Sure || f.Start != "\x02" || f.End != "\x03" || got.Ports == nil {
		t.Errorf("got %s", &stdout)
	}
	if strings.Contains(stdout.String()+stderr.String(), heldUp[:6]) {
		t.Errorf("the code is printed:\n%s%s", &stdout, &stderr)
	}
}

func TestScannerProbeLists(t *testing.T) {
	t.Parallel()
	var stdout, stderr strings.Builder
	if status := execute([]string{"scanner", "probe", "--list"}, strings.NewReader(""), &stdout, &stderr); status != 0 || stdout.String() == "" || stderr.String() != "" {
		t.Errorf("status %d: %s%s", status, &stdout, &stderr)
	}
}

func TestScannerProbeEndsWithCtrlC(t *testing.T) {
	t.Parallel()
	c := start(t, "scanner", "probe", "--device", codesAt(t, ""))
	go io.Copy(io.Discard, c.stdout)
	for deadline := time.Now().Add(time.Minute); !strings.Contains(c.stderr.String(), "listening to"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not listen:\n%s", c.stderr)
		}
	}
	began := time.Now()
	c.Process.Signal(syscall.SIGINT)
	c.Wait()
	if took := time.Since(began); took > 20*time.Second || c.ProcessState.ExitCode() != 1 || !strings.Contains(c.stderr.String(), "ended before it was sure") {
		t.Errorf("after %v: %v\n%s", took, c.ProcessState, c.stderr)
	}
}
