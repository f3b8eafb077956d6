package serialport

import (
	"context"
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const patience = time.Minute // on a busy machine; nothing takes that long unless it is broken

// plug opens a pseudo-terminal: the device's end, and the path of the port.
func plug(t testing.TB) (device *os.File, path string) {
	t.Helper()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	path = tty.Name()
	tty.Close()
	t.Cleanup(func() { far.Close() })
	return far, path
}

func open(t testing.TB, path string) *Port {
	t.Helper()
	p, err := Open(Config{Device: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func await[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

func TestBytesAreReadAsTheyComeAndAHangUpIsSeen(t *testing.T) {
	device, path := plug(t)
	p := open(t, path)
	if line, err := p.Settle(t.Context(), time.Millisecond, func() time.Duration { return 0 }); err != nil || !line.Quiet {
		t.Fatalf("got %+v, %v", line, err)
	}
	device.WriteString("CODE\r")
	var got []byte
	for len(got) < 5 {
		if err := p.Wait(t.Context(), time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 16)
		n, err := p.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
	}
	if string(got) != "CODE\r" {
		t.Errorf("got %q", got)
	}
	device.Close()
	if err := p.Wait(t.Context(), time.Now().Add(patience)); Cause(err) != HangUp {
		t.Errorf("got %v, want a hang-up", err)
	}
}

// A Read without bytes does not block and is no end: somebody else has taken them.
func TestBytesThatSomebodyElseTook(t *testing.T) {
	_, path := plug(t)
	p := open(t, path)
	if n, err := p.Read(make([]byte, 16)); n != 0 || !errors.Is(err, ErrNoBytes) {
		t.Errorf("got %d, %v, want %v", n, err, ErrNoBytes)
	}
}

func TestAPortIsOpenedByOneOnly(t *testing.T) {
	_, path := plug(t)
	open(t, path)
	if _, err := Open(Config{Device: path}); Cause(err) != Busy {
		t.Errorf("got %v, want busy", err)
	}
	if by := Holders(path); len(by) != 1 || by[0].PID != os.Getpid() {
		t.Errorf("got holders %v, want this process", by)
	}
}

// A process that is just being started has a copy of every descriptor for a moment.
func TestAPortThatIsClosedIsFree(t *testing.T) {
	_, path := plug(t)
	p := open(t, path)
	inherited := -1
	if err := p.control(func(fd int) (err error) { inherited, err = unix.Dup(fd); return err }); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	p.Close()
	open(t, path)
}

// What a device does not take stays in the buffers of the machine: the writer gives up in time, and Close does not wait.
func TestADeviceThatTakesNothing(t *testing.T) {
	_, path := plug(t)
	p, err := Open(Config{Device: path})
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // until the terminal's buffer is full
		err = p.Write(make([]byte, 1024), time.Now().Add(50*time.Millisecond))
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want %v", err, os.ErrDeadlineExceeded)
	}
	p.TryWrite([]byte("?"))
	closed := make(chan struct{})
	go func() { defer close(closed); p.Close() }()
	await(t, "close", closed)
}

// A port that its driver opens after nobody waits any more is closed again, and counted until then.
func TestADriverThatOpensTooLate(t *testing.T) {
	_, path := plug(t)
	late := make(chan struct{})
	o := Opener{OpenLimit: time.Millisecond, CloseLimit: patience, OpenPort: func(c Config) (*Port, error) { <-late; return Open(c) }}
	for range maxWedged {
		if o.Wedged() {
			t.Error("wedged before its time")
		}
		if _, err := o.Open(Config{Device: path}); !errors.Is(err, ErrWedged) || Cause(err) != Wedged {
			t.Fatalf("got %v, want %v", err, ErrWedged)
		}
	}
	if !o.Wedged() {
		t.Errorf("%d ports hang, and it is not wedged", maxWedged)
	}
	close(late)
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if p, err := Open(Config{Device: path}); err == nil && !o.Wedged() {
			p.Close()
			return
		} else if p != nil {
			p.Close()
		}
		if time.Now().After(deadline) {
			t.Fatal("a port that was opened too late is not given back")
		}
	}
}

func TestAPortThatIsLostByAReasonKeepsItWhenItsDriverHangs(t *testing.T) {
	_, path := plug(t)
	p, err := Open(Config{Device: path})
	if err != nil {
		t.Fatal(err)
	}
	o := Opener{CloseLimit: time.Millisecond}
	p.linesRead.Lock() // as long as the driver hangs
	if err := o.Close(p.Close, unix.EIO); !errors.Is(err, ErrWedged) || !errors.Is(err, unix.EIO) {
		t.Errorf("got %v, want both", err)
	}
	p.linesRead.Unlock()
	for deadline := time.Now().Add(patience); o.wedged.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the port is not closed")
		}
	}
}

// The end of ctx must reach a wait that begins just then, and the wait after it must be a whole one.
func TestAWaitEndsWithItsContext(t *testing.T) {
	_, path := plug(t)
	p, err := Open(Config{Device: path})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, after := range []time.Duration{0, 0, time.Millisecond, 20 * time.Millisecond} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Wait(ctx, time.Time{}) }()
		time.AfterFunc(after, cancel)
		if err := await(t, "wait", done); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
	}
	began := time.Now()
	if err := p.Wait(t.Context(), began.Add(20*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) < 20*time.Millisecond {
		t.Errorf("the wait after the next ended after %v: %v", time.Since(began), err)
	}
}

// Whoever uses a descriptor last closes it, and hangs where its driver does: that must be nobody but close.
func TestOnlyCloseCloses(t *testing.T) {
	_, path := plug(t)
	p, err := Open(Config{Device: path})
	if err != nil {
		t.Fatal(err)
	}
	p.linesRead.Lock() // as one does who reads the lines just now
	closed := make(chan struct{})
	go func() { defer close(closed); p.Close() }()
	for range 1000 {
		runtime.Gosched()
		if _, err := p.Queued(); err != nil {
			t.Fatalf("it was closed under who used it: %v", err)
		}
	}
	p.linesRead.Unlock()
	await(t, "close", closed)
	if _, err := p.Lines(); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v of a closed port, want %v", err, ErrClosed)
	}
}
