package durable

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileThatIsTakenAwayWhileItIsOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do    func(path string) error
		moved bool
	}{
		"nothing": {func(string) error { return nil }, false},
		"written": {func(path string) error { return os.WriteFile(path, []byte("more"), 0o600) }, false},
		"removed": {os.Remove, true},
		"another in its place": {func(path string) error {
			return errors.Join(os.WriteFile(path+".new", nil, 0o600), os.Rename(path+".new", path))
		}, true},
		"away and back": {func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.Rename(path+".old", path))
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			o := Look(path, path+"-none")
			if err := errors.Join(c.do(path)); err != nil {
				t.Fatal(err)
			}
			if err := o.Moved(); errors.Is(err, ErrMoved) != c.moved {
				t.Error(err)
			}
		})
	}
}
