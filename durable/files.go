package durable

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
)

// Files are files that get their names together when all of them are whole: half of them would be worse than none.
type Files struct {
	path string

	mu       sync.Mutex // of the rest, which a signal removes
	files    []*os.File // under names of their own; the names to be are path and a suffix
	suffixes []string
}

// NewFiles begins none yet. Their names will begin with path.
func NewFiles(path string) *Files { return &Files{path: path} }

// Begin begins the file whose name will be the path and a suffix. Its mode is 0600.
func (x *Files) Begin(suffix string) (*os.File, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f, err := Begin(x.path + suffix)
	if err == nil {
		x.files, x.suffixes = append(x.files, f), append(x.suffixes, suffix)
	}
	return f, err
}

// Sums are the SHA-256 of all files begun so far, under the names to be, in the form of sha256sum.
func (x *Files) Sums() ([]byte, error) {
	var sums []byte
	for i, f := range x.files {
		h := sha256.New()
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		if _, err := io.Copy(h, f); err != nil {
			return nil, err
		}
		sums = fmt.Appendf(sums, "%x  %s\n", h.Sum(nil), filepath.Base(x.path)+x.suffixes[i])
	}
	return sums, nil
}

// End gives the files their names, the oldest last: where that one is, all are. If err, or what goes wrong now, is an error, it
// removes them, under whatever name, and returns it.
func (x *Files) End(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.files {
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if len(x.files) == 0 {
		return err
	}
	var named []string
	for i, f := range slices.Backward(x.files) {
		name := x.path + x.suffixes[i]
		if err == nil {
			if err = os.Rename(f.Name(), name); err == nil {
				named = append(named, name)
				continue
			}
		}
		os.Remove(f.Name())
	}
	if err == nil {
		err = SyncDir(filepath.Dir(x.path))
	}
	if err != nil {
		for _, name := range named {
			os.Remove(name)
		}
	}
	return err
}

// RemoveAtSignal has a signal that ends the process remove the files first, as half of them may be full of personal data.
func (x *Files) RemoveAtSignal() (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as nohup has it: such a signal ends nothing
			signal.Notify(signals, s)
		}
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case s := <-signals:
			x.mu.Lock() // and keep it: nothing gets a name any more
			for _, f := range x.files {
				os.Remove(f.Name())
			}
			signal.Reset(s)
			syscall.Kill(os.Getpid(), s.(syscall.Signal))
		case <-done:
		}
	})
	return func() { signal.Stop(signals); close(done); waiting.Wait() }
}
