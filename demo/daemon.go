package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gated/scanner"
)

// daemon is the gated process.
type daemon struct {
	cmd  *exec.Cmd
	page string // its address
	tree string // where the tree of its ledger is served

	done chan struct{} // closed when it has ended and its output was read; then
	err  error         // is why it ended, unless it was stopped
}

// binary finds gated: in the directory of this program, where make puts both, or on PATH.
func binary() (string, error) {
	if self, err := os.Executable(); err == nil {
		path := filepath.Join(filepath.Dir(self), "gated")
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	path, err := exec.LookPath("gated")
	if err != nil {
		return "", errors.New("gated is neither in the directory of this program nor on PATH: build both with make build")
	}
	return path, nil
}

// startDaemon starts gated and returns when it is ready. line is called with each line that it prints for a verdict.
func startDaemon(ctx context.Context, cmd *exec.Cmd, line func([]byte)) (*daemon, error) {
	// gated reports that it is ready as it does to systemd. The socket is an abstract one: paths are limited to 107 bytes.
	name := fmt.Sprintf("@gated-demo-%d-%d", os.Getpid(), time.Now().UnixNano())
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		return nil, err
	}
	defer notify.Close()
	g := &daemon{cmd: cmd, done: make(chan struct{})}
	g.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+name)
	// Ctrl-C must reach the demo only, which stops the daemon when all is answered. Who kills the demo kills the daemon.
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(g.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			line(lines.Bytes())
		}
		if err := g.cmd.Wait(); err != nil {
			g.err = fmt.Errorf("%s ended: %w", cmd.Path, err)
		}
	}()
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for b := make([]byte, 4096); ; {
			n, err := notify.Read(b)
			if err != nil {
				return
			}
			if said := string(b[:n]); strings.HasPrefix(said, "READY=1\n") {
				ready <- said
				return
			}
		}
	}()
	select {
	case said := <-ready:
		_, status, _ := strings.Cut(said, "\nSTATUS=")
		if _, err := fmt.Sscanf(status, "page %s ledger %s", &g.page, &g.tree); err != nil {
			err = fmt.Errorf("%s is ready and reports %q: is it another version than this program?", cmd.Path, status)
			return nil, errors.Join(err, g.stop())
		}
		return g, nil
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), g.stop())
	case <-g.done:
		if g.err == nil {
			g.err = fmt.Errorf("%s ended before it was ready", cmd.Path)
		}
		return nil, g.err
	}
}

// stop stops the daemon as systemd does.
func (g *daemon) stop() error {
	g.cmd.Process.Signal(syscall.SIGTERM)
	<-g.done
	return g.err
}

// running tells whether the daemon has not ended.
func (g *daemon) running() bool {
	select {
	case <-g.done:
		return false
	default:
		return true
	}
}

// get fetches a path of the page.
func (g *daemon) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.page+path, nil)
	if err != nil {
		return nil, err
	}
	return g.do(req)
}

// post sends what the page sends when the guard presses a key.
func (g *daemon) post(ctx context.Context, path string, body any) ([]byte, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.page+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	return g.do(req)
}

// errConflict: it is so already, or too late.
var errConflict = errors.New("conflict")

func (g *daemon) do(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode == http.StatusConflict:
		return nil, errConflict
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("%s: %s: %.1000s", req.URL.Path, resp.Status, bytes.TrimSpace(b))
	}
	return b, nil
}

// metrics reads the metrics of the daemon. Their keys are name and labels, as the daemon writes them.
func (g *daemon) metrics(ctx context.Context) (map[string]float64, error) {
	b, err := g.get(ctx, "metrics")
	if err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for line := range strings.Lines(string(b)) {
		if i := strings.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			var v float64
			if _, err := fmt.Sscan(line[i:], &v); err == nil {
				all[line[:i]] = v
			}
		}
	}
	return all, nil
}

// frames returns how many frames the scanner of a lane has dropped as no whole code, by cause.
func (g *daemon) frames(ctx context.Context, lane string) (map[string]float64, error) {
	all, err := g.metrics(ctx)
	frames := map[string]float64{}
	for _, cause := range scanner.FrameCauses {
		frames[cause] = all[fmt.Sprintf("gated_framing_errors_total{cause=%q,lane=%q}", cause, lane)]
	}
	return frames, err
}
