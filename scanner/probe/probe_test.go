package probe

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gated/serialport"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

const patience = time.Minute // on a busy machine; nothing takes that long unless it is broken

// plug opens a pseudo-terminal: the scanner's end, and the path of the port.
func plug(t testing.TB) (scanner *os.File, port string) {
	t.Helper()
	far, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	port = tty.Name()
	tty.Close()
	// pty.Open's file blocks; one that does not has deadlines, and Close ends a Write.
	fd, err := unix.FcntlInt(far.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	far.Close()
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	scanner = os.NewFile(uintptr(fd), "scanner")
	t.Cleanup(func() { scanner.Close() })
	return scanner, port
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

// unprivileged lets the thread run into the checks that root passes.
func unprivileged() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	return unix.Capset(&head, &make([]unix.CapUserData, 2)[0])
}

// hastyProbe takes machines, not people, before its scanner.
func hastyProbe(device string) Probe {
	return Probe{Device: device, dwell: 300 * time.Millisecond}
}

// holdUp holds a code before a scanner that is set to a rate, as a person does, again and again until stop. What the port
// gets is what its own rate, which can be seen from the scanner's end, makes of it.
func holdUp(t *testing.T, scanner *os.File, baud int, code string) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			case <-time.After(3 * burstGap): // who holds up a code does not wait for anything
			}
			speed := setUp(scanner)
			if speed == 0 {
				continue
			}
			s := code
			if baud != 0 {
				s = overTheLine(code, baud, speed)
			}
			scanner.SetWriteDeadline(time.Now().Add(time.Second))
			scanner.WriteString(s)
		}
	}()
	stop = sync.OnceFunc(func() { close(quit); <-done })
	t.Cleanup(stop)
	return stop
}

// setUp returns the baud rate of the port at whose far end the scanner is; 0: nobody has set it up yet.
func setUp(scanner *os.File) (baud int) {
	raw, err := scanner.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) {
			if tio, err := unix.IoctlGetTermios(int(fd), unix.TCGETS2); err == nil && tio.Lflag&unix.ICANON == 0 {
				baud = int(tio.Ospeed)
			}
		})
	}
	return baud
}

func TestProbeFindsHowAScannerIsSet(t *testing.T) {
	for _, tt := range []struct {
		name    string
		baud    int
		anyRate bool
		code    string
		want    Finding
		rates   []int // that had to be tried
	}{
		{"as from the factory", 9600, false, linkCode + "\r", Finding{End: "\r", Length: len(linkCode), Kind: "text"}, []int{9600}},
		{"115200 with CR LF", 115200, false, passCode + "\r\n", Finding{End: "\r\n", Length: len(passCode), Kind: "capitals, digits and signs"}, []int{9600, 115200}},
		{"19200 without a suffix", 19200, false, linkCode, Finding{Length: len(linkCode), Kind: "text"}, []int{9600, 115200, 57600, 38400, 19200}},
		{"4800 with STX, ETX and AIM identifier", 4800, false, "\x02]Q1" + idCode + "\x03", Finding{Start: "\x02", End: "\x03", AIM: true, Length: 21, Kind: "text"}, []int{9600, 115200, 57600, 38400, 19200, 4800}},
		{"USB", 0, true, "]Q1" + linkCode + "\r", Finding{End: "\r", AIM: true, Length: 3 + len(linkCode), Kind: "text"}, []int{9600}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scanner, port := plug(t)
			leave := holdUp(t, scanner, tt.baud, tt.code)
			// A rate is left for what came at it, never because the person was slow.
			p := Probe{Device: port, AnyRate: tt.anyRate, dwell: patience}
			var left []int
			p.Progress = func(baud int, _ Finding) { left = append(left, baud) }
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			got, err := p.Run(ctx)
			leave()
			if err != nil {
				t.Fatalf("%v; %+v", err, got)
			}
			want := tt.want
			want.Sure, want.Readings, want.Garbage, want.Pause = true, got.Readings, got.Garbage, got.Pause
			if got.Baud != tt.baud || got.Finding != want || got.Readings < 2 {
				t.Errorf("got  %+v\nwant %+v", got, Found{Baud: tt.baud, Finding: want})
			}
			// A code that was held up while the rate changed is garbage at the right one, too: that comes round again.
			tried := append(left, usualRates[len(left)%len(usualRates)])
			if n := len(tt.rates); len(tried) < n || !slices.Equal(tried[:n], tt.rates) || (len(tried)-n)%len(usualRates) != 0 {
				t.Errorf("tried %v, want %v", tried, tt.rates)
			}
		})
	}
}

// Whatever the outcome, the port is as it was, free, and has been sent nothing.
func TestProbeGivesThePortBackAsItWas(t *testing.T) {
	for _, tt := range []struct {
		name string
		play func(t *testing.T, scanner *os.File) (limit time.Duration)
	}{
		{"sure", func(t *testing.T, scanner *os.File) time.Duration {
			holdUp(t, scanner, 9600, linkCode+"\r")
			return patience
		}},
		{"nothing came", func(t *testing.T, scanner *os.File) time.Duration { return time.Second }},
		{"one reading only", func(t *testing.T, scanner *os.File) time.Duration {
			leave := make(chan struct{})
			var holding sync.WaitGroup
			holding.Go(func() {
				for setUp(scanner) == 0 {
					select {
					case <-leave:
						return
					case <-time.After(time.Millisecond):
					}
				}
				scanner.WriteString(linkCode + "\r")
			})
			t.Cleanup(func() { close(leave); holding.Wait() })
			return time.Second
		}},
		{"a port that never stops", func(t *testing.T, scanner *os.File) time.Duration {
			quit := make(chan struct{})
			var writing sync.WaitGroup
			writing.Go(func() {
				noise := []byte(strings.Repeat("\xf8\x00q", 1000))
				for {
					select {
					case <-quit:
						return
					default:
						scanner.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
						scanner.Write(noise)
					}
				}
			})
			t.Cleanup(func() { close(quit); writing.Wait() })
			return time.Second
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			scanner, port := plug(t)
			fd, err := unix.Open(port, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			was, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
			if err != nil {
				t.Fatal(err)
			}
			was.Lflag &^= unix.ECHO // what comes when it is as it was must not look as if it had been sent
			was.Cflag = was.Cflag&^unix.CBAUD | unix.B2400
			was.Ispeed, was.Ospeed, was.Cc[unix.VMIN] = 2400, 2400, 7
			if err := unix.IoctlSetTermios(fd, unix.TCSETS2, was); err != nil {
				t.Fatal(err)
			}
			descriptors, goroutines := count(t), runtime.NumGoroutine()
			limit := tt.play(t, scanner)
			goroutines = max(goroutines, runtime.NumGoroutine())
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			got, err := hastyProbe(port).Run(ctx)
			if got.Sure != (err == nil) || err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %+v, %v", got, err)
			}
			is, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
			if err != nil || *is != *was {
				t.Errorf("the port was %+v and is %+v, %v", *was, *is, err)
			}
			if excl, err := unix.IoctlGetInt(fd, unix.TIOCGEXCL); excl != 0 || err != nil {
				t.Errorf("nobody else can open it: %d, %v", excl, err)
			}
			if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
				t.Errorf("it is locked: %v", err)
			}
			if n := count(t); n > descriptors { // fewer when a file of another test has been collected
				t.Errorf("%d descriptors are open, there were %d", n, descriptors)
			}
			for deadline := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatalf("%d goroutines, there were %d", runtime.NumGoroutine(), goroutines)
				}
			}
			raw, err := scanner.SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(master uintptr) {
				if n, err := unix.IoctlGetInt(int(master), unix.TIOCINQ); n != 0 || err != nil {
					t.Errorf("%d bytes were written to the scanner, %v", n, err)
				}
			})
		})
	}
}

// count returns the number of open descriptors.
func count(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// Only when told so, a module of the GM65 family is triggered; what it answers tells it apart.
func TestProbeTriggersOnlyWhenTold(t *testing.T) {
	t.Parallel()
	scanner, port := plug(t)
	tty, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0) // the far end cannot be read while nobody has the near one open
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	module := make(chan string, 1)
	go func() {
		buf := make([]byte, len(gm65Trigger))
		for {
			n, err := scanner.Read(buf)
			if err != nil {
				return
			}
			select {
			case module <- string(buf[:n]):
			default:
			}
			scanner.WriteString("\x02\x00\x00\x01\x00\x33\x31")
			scanner.WriteString(linkCode + "\r")
		}
	}()
	p := hastyProbe(port)
	p.Trigger = true
	p.dwell = patience
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := p.Run(ctx)
	if err != nil || !got.GM65 || !got.Sure || got.Length != len(linkCode) {
		t.Errorf("got %+v, %v", got, err)
	}
	if sent := await(t, "the trigger", module); sent != string(gm65Trigger) {
		t.Errorf("sent % x, want % x", sent, gm65Trigger)
	}
}

func TestProbeSaysWhatIsWrongWithAPort(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, ours := plug(t)
	daemon, err := serialport.Open(serialport.Config{Device: ours})
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	_, theirs := plug(t)
	tty, err := os.OpenFile(theirs, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cat := exec.Command("cat")
	cat.Stdin = tty
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	tty.Close()
	defer func() { cat.Process.Kill(); cat.Wait() }()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(theirs, link); err != nil {
		t.Fatal(err)
	}
	_, forbidden := plug(t)
	if err := os.Chmod(forbidden, 0); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ device, want string }{
		{filepath.Join(dir, "none"), "there is no such device"},
		{dir, "it is no serial port"},
		{file, "it is no serial port"},
		{"/dev/null", "it is no serial port"},
		{ours, "it is in use: end that (`systemctl stop gated` if it is the gate), or probe another port"},
		{theirs, "it is in use by cat (process "},
		{link, "it is in use by cat (process "},
		{forbidden, "you may not open it: try as root"},
	} {
		done := make(chan error)
		go func() {
			if tt.device == forbidden {
				runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
				unprivileged()
			}
			_, err := hastyProbe(tt.device).Run(t.Context())
			done <- err
		}()
		if err := await(t, "an answer about "+tt.device, done); err == nil || !strings.Contains(err.Error(), tt.device+": "+tt.want) {
			t.Errorf("%s: got %v, want %s", tt.device, err, tt.want)
		}
	}
}

func TestProbeOfAPortThatIsUnplugged(t *testing.T) {
	scanner, port := plug(t)
	link := filepath.Join(t.TempDir(), "scanner")
	if err := os.Symlink(port, link); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	listening := make(chan struct{}, 100)
	p := hastyProbe(link)
	p.Progress = func(int, Finding) { listening <- struct{}{} }
	go func() { _, err := p.Run(t.Context()); done <- err }()
	await(t, "the first rate to be left", listening)
	os.Remove(link) // the terminal's number may be another's at once
	scanner.Close()
	if err := await(t, "an end", done); err == nil || !strings.Contains(err.Error(), "it was unplugged") {
		t.Errorf("got %v", err)
	}
}

// The checksum of the trigger is the one that the module need not check.
func TestTheTriggerNeedsNoChecksum(t *testing.T) {
	if !strings.HasSuffix(string(gm65Trigger), "\xab\xcd") {
		t.Errorf("got % x, want ab cd at its end", gm65Trigger)
	}
}
