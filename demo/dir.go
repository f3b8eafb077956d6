package demo

import (
	"bytes"
	"context"
	"crypto/ed25519"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"gated/box"
	"gated/box/compound"
	"gated/config"
	"gated/credential"
	"gated/demo/clinic"
	"gated/durable"
	"gated/roster"

	"golang.org/x/sys/unix"
)

// An empty file of one of these names marks a directory of the demo: while it is being made, and when it is complete.
const (
	makingMarker = ".gated-demo.making"
	madeMarker   = ".gated-demo"
)

// errRuns: the directory is that of a gate which runs.
var errRuns = errors.New("a gated runs there: stop it first, or name another directory")

// prepare makes the directory of the demo, or recognises one that it has made. It stays locked until held is closed.
func prepare(ctx context.Context, dir string) (held *os.File, err error) {
	made, making := filepath.Join(dir, madeMarker), filepath.Join(dir, makingMarker)
	if known(dir) {
		return lock(dir)
	}
	if _, err := os.Stat(making); err != nil {
		if list, _ := os.ReadDir(dir); len(list) > 0 {
			return nil, fmt.Errorf("--dir %s: this directory was not made by gated-demo: name another", dir)
		}
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(making, nil, 0o600)); err != nil {
			return nil, fmt.Errorf("--dir: %w", err)
		}
	}
	if held, err = lock(dir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			held.Close()
			held, err = nil, fmt.Errorf("--dir: %w", err)
		}
	}()
	for _, name := range []string{"keys", "trust", "roster.db", "roster.db-wal", "roster.db-shm"} { // left by a demo that was killed here
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	for _, sub := range []string{"keys", "trust/pass"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	key := credential.NewKey()
	if err := credential.WritePrivateKey(officeKey(dir), key); err != nil {
		return nil, err
	}
	if err := credential.WritePublicKey(filepath.Join(dir, "trust", "pass", Issuer+".pub"), key.Public().(ed25519.PublicKey)); err != nil {
		return nil, err
	}
	store, err := roster.Open(filepath.Join(dir, "roster.db"))
	if err != nil {
		return nil, err
	}
	common, _, err := compound.Key(dir, store.Snapshot(), false)
	if err == nil {
		_, err = store.Import(ctx, Compound(), roster.ImportOptions{Key: common, CheckResidentID: box.ResidentID})
	}
	if err := errors.Join(err, store.Close()); err != nil {
		return nil, err
	}
	return held, os.Rename(making, made)
}

// known tells whether the directory is one that the demo has made.
func known(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, madeMarker))
	return err == nil
}

func officeKey(dir string) string { return filepath.Join(dir, "keys", "office.key") }

// lock locks a state directory, so that no demo replaces the devices of a running gate. It retries, because a daemon whose demo
// was killed just before may take a moment to end.
func lock(dir string) (*os.File, error) {
	f, err := durable.Open(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("--dir: %w", err)
	}
	for late := time.Now().Add(2 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return f, nil
		}
		if time.Now().After(late) {
			f.Close()
			return nil, fmt.Errorf("--dir %s: %w", dir, errRuns)
		}
	}
}

// loadPeople reads the people from the roster and the key of the office, and makes the other signing keys.
func loadPeople(dir string) (p people, err error) {
	if p.office, err = credential.ReadPrivateKey(officeKey(dir)); err != nil {
		return p, err
	}
	p.stranger = credential.NewKey()
	if p.health, err = clinic.New(filepath.Join(dir, "trust")); err != nil {
		return p, err
	}
	store, err := roster.Open(filepath.Join(dir, "roster.db")) // for writing: an interrupted start may have left it incomplete
	if err != nil {
		return p, err
	}
	p.residents, p.cars = store.Snapshot().People(), store.Snapshot().Vehicles()
	if err = store.Close(); err == nil && (len(p.residents) == 0 || len(p.cars) == 0) {
		err = errors.New("roster.db has no people or no vehicles")
	}
	return p, err
}

//go:embed gated.yaml.tmpl
var settingsText string

var settings = template.Must(template.New("").Parse(settingsText))

// writeSettings writes the settings file of this run.
func (d *demo) writeSettings(path string) error {
	listen := config.Default().Console.Listen
	if l, err := net.Listen("tcp", listen); err != nil {
		listen = "127.0.0.1:0" // the usual port is taken
	} else {
		l.Close()
	}
	level := "info"
	if d.Fast {
		level = "warn"
	}
	var text bytes.Buffer
	if err := settings.Execute(&text, map[string]any{"Lanes": Lanes, "Dir": d.Dir, "Listen": listen, "Level": level, "Fast": d.Fast,
		"Scenes": d.Scenes}); err != nil {
		return err
	}
	return durable.Replace(path, text.Bytes())
}
