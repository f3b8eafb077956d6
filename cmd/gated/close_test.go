package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"gated/ledger"
	"gated/ledger/file"
	"gated/register"
	"gated/register/registertest"
)

// What a guard was told is closed has its entry, whatever happens to the process the moment after.
func TestAClosingThatWasAnsweredOutlivesAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, settings := tracedProgram(t, dir, "")
	state := filepath.Join(dir, "state")
	kills := registertest.Sample(20, 6)
	for range kills {
		c := start(t, "run", "--config", settings)
		page := c.address(t)
		for _, path := range []string{"api/emergency", "api/close"} {
			resp, err := http.Post(page+path, "application/json", strings.NewReader(`{"lane":"in"}`))
			if err != nil {
				t.Fatal(err)
			}
			if path == "api/close" {
				c.Process.Kill()
			}
			if resp.Body.Close(); resp.StatusCode/100 != 2 {
				t.Errorf("%s: %s", path, resp.Status)
			}
		}
		c.Wait()
		free(t, state)
	}
	c := start(t, "run", "--config", settings)
	c.address(t)
	c.stop(t)
	r, err := file.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	closed := 0
	r.Scan(1, 1<<62, false, func(e *ledger.Entry) error {
		if e.Kind == register.CloseByHand {
			closed++
		}
		return nil
	})
	if closed != kills {
		t.Errorf("%d of %d closings that were answered have their entries", closed, kills)
	}
}
