package prompt

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

func TestWithoutATerminalTheFirstLineIsTheSecret(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"271828\n": "271828", "271828": "271828", "two words\r\nmore\n": "two words", "\n": "", "": ""} {
		got, err := Secret(strings.NewReader(text), io.Discard, "PIN")
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.WriteString("271828\n")
	w.Close()
	if got, err := Secret(r, io.Discard, "PIN"); got != "271828" || err != nil {
		t.Errorf("through a pipe: got %q, %v", got, err)
	}
}

// typed answers each question that a terminal asks, and returns all that it showed.
func typed(t *testing.T, near *os.File, answers ...string) func() string {
	t.Helper()
	all := make(chan string, 1)
	go func() {
		var shown []byte
		b := make([]byte, 1000)
		for {
			n, err := near.Read(b)
			shown = append(shown, b[:n]...)
			for len(answers) > 0 && bytes.Count(shown, []byte(": ")) > 2-len(answers) {
				io.WriteString(near, answers[0])
				answers = answers[1:]
			}
			if err != nil { // the other end was closed
				all <- string(shown)
				return
			}
		}
	}()
	return func() string { return <-all }
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return mode.Lflag&unix.ECHO != 0
}

// At a terminal nobody sees the secret, a slip of the finger is noticed, and the terminal is as it was afterwards.
func TestATerminalDoesNotShowTheSecret(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ first, again, want string }{{"271828\n", "271828\n", "271828"}, {"271828\n", "271829\n", ""}} {
		near, far, err := pty.Open()
		if err != nil {
			t.Fatal(err)
		}
		shown := typed(t, near, c.first, c.again)
		got, err := Secret(far, far, "PIN")
		if (err == nil) != (c.want != "") || err == nil && got != c.want {
			t.Errorf("got %q, %v, want %q", got, err, c.want)
		}
		if !echoes(t, far) {
			t.Error("the terminal shows nothing any more")
		}
		far.Close()
		if s := shown(); strings.Contains(s, "27182") || !strings.Contains(s, "once more: ") {
			t.Errorf("the terminal showed %q", s)
		}
		near.Close()
	}
}

// Ctrl-C leaves a terminal on which one sees what one types.
func TestASignalGivesTheTerminalBack(t *testing.T) {
	t.Parallel()
	if os.Getenv("PROMPT_ASKS") != "" {
		Secret(os.Stdin, os.Stdout, "PIN")
		return
	}
	near, far, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer near.Close()
	defer far.Close()
	c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), "PROMPT_ASKS=1")
	c.Stdin, c.Stdout, c.Stderr = far, far, far
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, near)
	for end := time.Now().Add(time.Minute); echoes(t, far); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not ask")
		}
	}
	io.WriteString(near, "27\x03")
	err = c.Wait()
	if status, is := c.ProcessState.Sys().(syscall.WaitStatus); !is || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("it ended by %v", err)
	}
	if !echoes(t, far) {
		t.Error("the terminal shows nothing any more")
	}
}
