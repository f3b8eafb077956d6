package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var quiet = slog.New(slog.DiscardHandler)

// running is a daemon in this process.
type running struct {
	page  string // its address
	stop  func()
	ended chan error
}

// start runs a daemon with one lane that codes are typed for.
func start(t *testing.T, stderr, verdicts io.Writer, settings string) running {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	dir := t.TempDir()
	path := filepath.Join(dir, "gated.yaml")
	text := fmt.Sprintf("gate: {name: East Gate}\nlanes: [{id: in, direction: in}]\nscanner: {keyboard: in}\nconsole: {listen: %q}\n%s", l.Addr(), settings)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{Path: path, Dir: filepath.Join(dir, "state"), Version: "test", Stderr: stderr, Verdicts: verdicts}
	ctx, stop := context.WithCancel(context.Background())
	r := running{page: fmt.Sprintf("http://%s/", l.Addr()), stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- d.Run(ctx, nil) }()
	t.Cleanup(func() { stop(); <-r.ended })
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get(r.page + "healthz"); err == nil {
			resp.Body.Close()
			return r
		}
		select {
		case err := <-r.ended:
			t.Fatalf("it ended: %v", err)
		default:
		}
		if time.Now().After(end) {
			t.Fatal("it does not come up")
		}
	}
}

// end stops it and waits for it.
func (r running) end(t *testing.T) {
	t.Helper()
	r.stop()
	select {
	case err := <-r.ended:
		if r.ended <- nil; err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it does not end")
	}
}

// metric is the value of a metric, as it is written.
func (r running) metric(t *testing.T, name string) string {
	t.Helper()
	resp, err := http.Get(r.page + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(b)) {
		if value, is := strings.CutPrefix(line, name+" "); is {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// code hands a code to the lane.
func (r running) code(t *testing.T, code string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"lane": "in", "code": code})
	resp, err := http.Post(r.page+"api/code", "application/json", strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
}

// A log that nobody reads, as that of a journal that hangs, costs lines: codes are answered, and it ends when told to.
func TestALogThatNobodyReadsStopsNothing(t *testing.T) {
	t.Parallel()
	unread, stuck := io.Pipe()
	r := start(t, stuck, stuck, "log: {level: debug}")
	for i := range 20 {
		r.code(t, fmt.Sprintf("69%011d", i))
	}
	if got := r.metric(t, "gated_log_dropped_total"); got != "0" {
		t.Errorf("%s lines were dropped, and the queue had room", got)
	}
	r.end(t)
	unread.Close() // the lines that were on their way
}
