package barrier

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// reapTime is how long a killed program may take to be gone. More means that it waits in the kernel for a device.
	reapTime = 200 * time.Millisecond
	// pipeTime is how long to wait for output once the program is gone. Only a child that could not be found and killed
	// still has the pipe then.
	pipeTime = 100 * time.Millisecond
	maxTail  = 1024 // bytes of output kept
	maxLine  = 200  // bytes of output in an error's text
)

var (
	// errFailed is in every error after which the relay may have been left on.
	errFailed    = errors.New("the barrier program failed")
	errLingering = errors.New("an earlier barrier program was killed and is still not gone: it waits for its device; " +
		"unplug the relay and plug it in again")
)

// program is the driver exec.
type program struct {
	b *Barrier

	mu        sync.Mutex
	lingering int // programs that outlived being killed, waiting on a dead device
}

func (p *program) stop() {}

// perform starts the program and waits until it and all that it started are gone.
func (p *program) perform(ctx context.Context, c command) error {
	p.mu.Lock()
	lingering := p.lingering
	p.mu.Unlock()
	if lingering > 0 && c.action == "pulse" {
		return errLingering
	}
	b := p.b
	ctx, cancel := context.WithDeadlineCause(ctx, c.deadline, fmt.Errorf("%w: not done within the time limit, killed", errFailed))
	defer cancel()

	var out tail
	ms := strconv.FormatInt(c.length.Milliseconds(), 10)
	cmd := exec.Command(b.config.Command[0], append(slices.Clone(b.config.Command[1:]), c.action, p.b.lane, ms)...)
	mark := "GATED_BARRIER_COMMAND=" + rand.Text()
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", mark}
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = &out, &out // one pipe, one goroutine: exec sees that they are the same
	cmd.WaitDelay = pipeTime
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	began := time.Now()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the barrier program: %w", err)
	}
	pid := cmd.Process.Pid

	// The group is killed before the program is reaped: until then nobody else can get its number.
	ended := make(chan struct{})
	go func() {
		for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
		}
		close(ended)
	}()
	var cause error
	select {
	case <-ended:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	b.kill(pid, mark)

	gone := make(chan error, 1)
	p.mu.Lock()
	p.lingering++
	p.mu.Unlock()
	go func() {
		<-ended
		err := cmd.Wait()
		p.mu.Lock()
		p.lingering--
		p.mu.Unlock()
		gone <- err
	}()
	late := time.NewTimer(b.reapTime + pipeTime)
	defer late.Stop()
	var err error
	select {
	case err = <-gone:
	case <-late.C:
		if cause == errOvertaken {
			return cause
		}
		return fmt.Errorf("%w and cannot be killed: it waits for its device", errFailed)
	}

	b.log.Debug("barrier program ended", "lane", b.lane, "action", c.action, "took", time.Since(began),
		"status", cmd.ProcessState.String(), "output", out.String())
	switch {
	case cause != nil:
		err = cause
	case errors.Is(err, exec.ErrWaitDelay):
		return nil // it ended well; a child that was not found holds its output
	case err != nil:
		err = fmt.Errorf("%w: %w", errFailed, err)
	}
	if line := out.lastLine(); err != nil && !errors.Is(err, errOvertaken) && line != "" {
		err = fmt.Errorf("%w, saying %q", err, line)
	}
	return err
}

// kill ends every process of the group, and those that left it, as setsid does: whatever a program starts inherits its environment,
// and the mark in it. (Jenkins finds what a build left behind in the same way.) One that cleared its environment or became another
// user's is not found: to hold those takes a control group or a PID namespace, and rights that the daemon has not.
func kill(pgid int, mark string) {
	syscall.Kill(-pgid, syscall.SIGKILL)
	const passes = 10 // of processes that beget others meanwhile
	marked := func(pid string) bool {
		env, err := os.ReadFile("/proc/" + pid + "/environ") // empty of a zombie
		return err == nil && bytes.Contains(env, []byte(mark))
	}
	for found, n := true, 0; found && n < passes; n++ {
		found = false
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, path := range all {
			name := filepath.Base(path)
			pid, err := strconv.Atoi(name)
			if err != nil || !marked(name) {
				continue
			}
			if p, err := os.FindProcess(pid); err == nil { // by its pidfd: the number may be another's by now
				if marked(name) && p.Kill() == nil {
					found = true
				}
				p.Release()
			}
		}
	}
}

// tail keeps the last bytes written to it. It never fails, so that a talkative program does not die of a full pipe.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(0, n-maxTail):]
	drop := max(0, len(t.b)+len(p)-maxTail)
	t.b = append(t.b[:copy(t.b, t.b[drop:])], p...)
	return n, nil
}

func (t *tail) String() string { return strings.ToValidUTF8(string(t.b), "\uFFFD") }

// lastLine is the end of the last line that is not blank.
func (t *tail) lastLine() string {
	b := bytes.TrimSpace(t.b)
	b = b[bytes.LastIndexByte(b, '\n')+1:]
	b = b[max(0, len(b)-maxLine):]
	return strings.TrimSpace(strings.ToValidUTF8(string(b), ""))
}
