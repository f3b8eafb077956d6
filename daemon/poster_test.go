package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/register"
)

// TestThePosterIsRecordedWhenItChanges: at a start and at a reload, once each.
func TestThePosterIsRecordedWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	path, state := filepath.Join(dir, "gated.yaml"), filepath.Join(dir, "state")
	settings := func(who string) {
		text := fmt.Sprintf("gate: {name: East Gate}\nlanes: [{id: in, direction: in}]\nscanner: {keyboard: in}\nconsole: {listen: '127.0.0.1:0'}\n"+
			"privacy: {who: %s, contact: '1'}\n", who)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	noted := func() string {
		b, _ := os.ReadFile(filepath.Join(state, posterNoted))
		return string(b)
	}
	run := func(then func(hup chan<- os.Signal)) {
		t.Helper()
		d := &Daemon{Path: path, Dir: state, Version: "test", Stderr: io.Discard}
		ctx, stop := context.WithCancel(t.Context())
		hup, ended := make(chan os.Signal, 1), make(chan error, 1)
		go func() { ended <- d.Run(ctx, hup) }()
		then(hup)
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
	await := func(what string, is func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !is(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what, "did not come")
			}
		}
	}
	var first string
	settings("A")
	run(func(hup chan<- os.Signal) {
		await("a first poster", func() bool { return noted() != "" })
		first = noted()
		settings("B")
		hup <- syscall.SIGHUP
		await("another poster", func() bool { return noted() != first })
	})
	second := noted()
	run(func(chan<- os.Signal) { time.Sleep(lookEvery + lookEvery/2) }) // nothing comes of it, which cannot be awaited
	if noted() != second {
		t.Errorf("got %q, want %q", noted(), second)
	}
	r, err := file.OpenReader(state)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var got []string
	if err := r.OfKind(1, 1<<62, func(e *entry.Entry) error {
		got = append(got, r.Meta.Origin+" "+e.Detail["sha256"]+"\n")
		return nil
	}, register.Poster); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0] != first || got[1] != second {
		t.Errorf("got %q, want %q", got, []string{first, second})
	}
}
