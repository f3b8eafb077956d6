package barrier

import (
	"path/filepath"
	"testing"

	"gated/demo/lcussim"
	"gated/serialport"
)

// Who has closed a relay's port has waited for the goroutine that reads it: the next one must not share the device with it.
func TestClosingARelaysPortWaitsForItsReader(t *testing.T) {
	sim, err := lcussim.New(filepath.Join(t.TempDir(), "relay"), 1, true)
	if err != nil {
		t.Fatal(err)
	}
	defer sim.Close()
	for n := range 200 {
		p, err := openPort(new(serialport.Opener), sim.Path())
		if err != nil {
			t.Fatal(err)
		}
		p.close()
		select {
		case <-p.ended:
		default:
			t.Fatalf("the reader of port %d goes on after it was closed", n+1)
		}
	}
}
