package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gated/ledger/tlog"
)

func TestTheDaemonServesItsLedgerWhereTold(t *testing.T) {
	dir := demoSite(t)
	t.Setenv("GATED_LEDGER_TLOG_LISTEN", "127.0.0.1:0")
	c := start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	page := c.address(t)
	m := regexp.MustCompile(`url=(http://[^ ]+/tlog/)`).FindStringSubmatch(c.stderr.String())
	if m == nil {
		t.Fatalf("no word of where:\n%s", c.stderr)
	}
	get := func(url string) (int, []byte) {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, b
	}
	code, b := get(m[1] + "checkpoint")
	if h, err := tlog.ParseHead(b); code != 200 || err != nil || h.Size == 0 {
		t.Errorf("checkpoint: %d %s", code, b)
	}
	for _, elsewhere := range []string{page + "tlog/checkpoint", strings.TrimSuffix(m[1], "tlog/") + "metrics", strings.TrimSuffix(m[1], "tlog/")} {
		if code, _ := get(elsewhere); code != 404 {
			t.Errorf("%s: %d", elsewhere, code)
		}
	}
	// Strangers that hold connections open use up no more than their share, and stopping waits for none of them.
	u, err := url.Parse(m[1])
	if err != nil {
		t.Fatal(err)
	}
	files := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Process.Pid))
		if err != nil {
			t.Skip("needs /proc:", err)
		}
		return len(list)
	}
	const maxReading = 64 // connections at a time
	before := files()
	for range 4 * maxReading {
		held, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		io.WriteString(held, "GET /tlog/checkpoint HTTP/1.1\r\n") // and no more
	}
	for range 10 { // the page still answers, and the daemon has had the time to accept them
		if code, _ := get(page + "healthz"); code != 200 {
			t.Errorf("the page with many readers of the ledger: %d", code)
		}
	}
	if n := files() - before; n > maxReading+20 {
		t.Errorf("%d connections to the ledger are open, at most %d should", n, maxReading)
	}
	c.stop(t)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	t.Setenv("GATED_LEDGER_TLOG_LISTEN", taken.Addr().String())
	c = start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	if names, _ := setupFaults(t, c.address(t)); len(names) != 1 || names[0] != "ledger.tlog_listen" {
		t.Errorf("a taken address: the page names %q\n%s", names, c.stderr)
	}
	taken.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		resp, err := http.Get("http://" + taken.Addr().String() + "/tlog/checkpoint")
		if err == nil {
			resp.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the address is free, and not served: %v\n%s", err, c.stderr)
		}
	}
	c.stop(t)
}

// TestAWitnessThatIsAwayStopsNothing: it is counted, named in the log, and in nobody's way.
func TestAWitnessThatIsAwayStopsNothing(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	path := filepath.Join(dir, "gated.yaml")
	settings, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	const key = "witness.example/w1+ffcf80a8+BNanzSpzcbGhXVQxlpef90/bAnAj6/GH1dMpvhEFXHf9"
	settings = append(settings, "  witnesses:\n    - {url: 'http://"+nobody.Addr().String()+"', key: "+key+"}\n"...) // ledger stands last
	if err := os.WriteFile(path, settings, 0o600); err != nil {
		t.Fatal(err)
	}
	c := start(t, "run", "--config", path)
	page := c.address(t)
	const failed = `gated_witness_failures_total{witness="witness.example/w1"} `
	metrics := ""
	for deadline := time.Now().Add(time.Minute); !strings.Contains(metrics, failed) || strings.Contains(metrics, failed+"0\n"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no failure is counted:\n%s\n%s", metrics, c.stderr)
		}
		resp, err := http.Get(page + "metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		metrics = string(b)
	}
	if !strings.Contains(metrics, "gated_ledger_fault 0\n") || !strings.Contains(c.stderr.String(), "a witness did not sign") {
		t.Errorf("%s\n%s", c.stderr, metrics)
	}
	c.stop(t)
}
