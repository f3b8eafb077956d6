package main

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gated/ledger"
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
	if h, err := ledger.ParseHead(b); code != 200 || err != nil || h.Size == 0 {
		t.Errorf("checkpoint: %d %s", code, b)
	}
	for _, elsewhere := range []string{page + "tlog/checkpoint", strings.TrimSuffix(m[1], "tlog/") + "metrics", strings.TrimSuffix(m[1], "tlog/")} {
		if code, _ := get(elsewhere); code != 404 {
			t.Errorf("%s: %d", elsewhere, code)
		}
	}
	c.stop(t)

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	t.Setenv("GATED_LEDGER_TLOG_LISTEN", taken.Addr().String())
	c = start(t, "run", "--config", filepath.Join(dir, "gated.yaml"))
	c.Wait()
	if code := c.ProcessState.ExitCode(); code == 0 || !strings.Contains(c.stderr.String(), "ledger.tlog_listen "+taken.Addr().String()) {
		t.Errorf("a taken address: exit status %d\n%s", code, c.stderr)
	}
}
