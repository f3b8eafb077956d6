package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gated/durable"
	"gated/ledger/file"
)

// Backup is one that was opened, to be put back. Whoever opened it need not be able to read it again.
type Backup struct {
	dir      string
	secret   *os.File
	ledgers  []*os.File // ledger.db last: where that is, the rest is
	Meta     file.Meta  // of ledger.db
	Settings []byte     // what the settings file said; nil: there was none
}

// Open opens a backup and looks whether it is whole: the archive to its end, and that its ledger can be read.
func Open(dir string) (_ *Backup, err error) {
	b := &Backup{dir: dir}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if b.secret, err = durable.Open(filepath.Join(dir, Archive), os.O_RDONLY); err != nil {
		return nil, fmt.Errorf("%w: is %s what \"gated backup\" made?", err, dir)
	}
	err = b.each(func(name string, from io.Reader) (err error) {
		if name == settingsName {
			b.Settings, err = io.ReadAll(from)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	r, err := file.OpenFile(filepath.Join(dir, "ledger.db"))
	if err != nil {
		return nil, err
	}
	b.Meta = r.Meta
	if err := r.Close(); err != nil {
		return nil, err
	}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if FateOf(n.Name()) != Kept {
			continue
		}
		f, err := durable.Open(filepath.Join(dir, n.Name()), os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		b.ledgers = append(b.ledgers, f)
	}
	slices.SortStableFunc(b.ledgers, func(x, y *os.File) int {
		return len(filepath.Base(y.Name())) - len(filepath.Base(x.Name()))
	})
	return b, nil
}

// Close closes it.
func (b *Backup) Close() (err error) {
	for _, f := range append(b.ledgers, b.secret) {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// each calls f for each file of the archive, and looks whether they are what was put in. A name that leads elsewhere is an error: an
// archive may be anybody's.
func (b *Backup) each(f func(name string, from io.Reader) error) error {
	if _, err := b.secret.Seek(0, io.SeekStart); err != nil {
		return err
	}
	var sums []byte
	for r := tar.NewReader(b.secret); ; {
		h, err := r.Next()
		switch {
		case err == io.EOF:
			err = errors.New("it is cut off")
		case err != nil:
		case h.Name == sumsName:
			var want []byte
			if want, err = io.ReadAll(io.LimitReader(r, 16<<20)); err == nil && !bytes.Equal(want, sums) {
				err = fmt.Errorf("its files are not those of %s", sumsName)
			}
			if err == nil {
				return nil
			}
		case h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) ||
			h.Name != settingsName && h.Name != policyName && FateOf(h.Name) != Archived:
			err = fmt.Errorf("%q does not belong there", h.Name)
		default:
			sum := sha256.New()
			from := io.TeeReader(r, sum)
			if err = f(h.Name, from); err == nil {
				_, err = io.Copy(io.Discard, from)
			}
			sums = fmt.Appendf(sums, "%x  %s\n", sum.Sum(nil), h.Name)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", b.secret.Name(), err)
		}
	}
}

// Fits says why a backup cannot be put into a state directory: nothing that is there is ever replaced. The lock may be there, and
// the master key.
func Fits(state string) error {
	names, err := list(state)
	if err != nil {
		return err
	}
	for _, name := range names {
		if FateOf(name) != Unknown && name != "lock" && name != "keys/personal.key" {
			return fmt.Errorf("%s is there already: restore into a state directory without a ledger, roster and keys; "+
				"move this one away whole", filepath.Join(state, filepath.FromSlash(name)))
		}
	}
	return nil
}

// Put puts the files of the state directory back; the trusted keys are among them unless they belong elsewhere. After an error
// nothing of it is there.
func (b *Backup) Put(state string, elsewhere bool) (err error) {
	var made []string
	defer func() {
		for _, path := range made {
			if err != nil {
				wipe(path)
			}
		}
	}()
	create := func(name string, from io.Reader) error {
		path := filepath.Join(state, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		made = append(made, path)
		_, err = io.Copy(f, from)
		return errors.Join(err, f.Sync(), f.Close(), durable.SyncDir(filepath.Dir(path)))
	}
	if err := b.each(func(name string, from io.Reader) error {
		if name == settingsName || name == policyName || elsewhere && strings.HasPrefix(name, trustName+"/") {
			return nil
		}
		return create(name, from)
	}); err != nil {
		return err
	}
	for _, f := range b.ledgers {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := create(filepath.Base(f.Name()), f); err != nil {
			return err
		}
	}
	return nil
}

// wipe overwrites and removes a file.
func wipe(path string) {
	if f, err := os.OpenFile(path, os.O_RDWR, 0); err == nil {
		durable.Overwrite(f)
		f.Close()
	}
	os.Remove(path)
}

// Outside is a file that lies outside the state directory, and what became of it.
type Outside struct {
	Path string
	Name string // in the archive
	Err  error  // why it was not put back; nil: it is there now, or was there as it is in the backup
}

// PutOutside puts settings, policy and trusted keys where they belong, if that is outside the state directory and nothing else is
// there. What cannot be put back is no failure of the rest: with the archive at hand it is done by hand.
func (b *Backup) PutOutside(to Sources) (all []Outside, err error) {
	err = b.each(func(name string, from io.Reader) error {
		path := map[string]string{settingsName: to.Settings, policyName: to.Policy}[name]
		if within, is := strings.CutPrefix(name, trustName+"/"); is && to.Trust != "" {
			path = filepath.Join(to.Trust, filepath.FromSlash(within))
		}
		if path == "" {
			return nil
		}
		text, err := io.ReadAll(from)
		if err != nil {
			return err
		}
		// The settings that name the path come with the archive, and may be anybody's.
		if home := filepath.Dir(to.Settings); Inside(path, home) {
			err = putOutside(path, text, to.State)
		} else {
			err = fmt.Errorf("it does not lie in %s: if it belongs there, tar -xOf %s %s > %s", home, Archive, name, path)
		}
		all = append(all, Outside{path, name, err})
		return nil
	})
	return all, err
}

// Tell says which files were put where, and which were not.
func Tell(w io.Writer, all []Outside) {
	for _, o := range all {
		if o.Err == nil {
			fmt.Fprintf(w, "%s of %s is %s\n", o.Name, Archive, o.Path)
		} else {
			fmt.Fprintf(w, "not put back: %s of %s to %s: %v\n", o.Name, Archive, o.Path, o.Err)
		}
	}
}

// putOutside writes a file that the gate reads and does not own. Its group is that of the state directory.
func putOutside(path string, text []byte, state string) error {
	switch is, err := os.ReadFile(path); {
	case err == nil && bytes.Equal(is, text):
		return nil
	case err == nil:
		return errors.New("another one is there, and stays")
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := durable.Create(path, text, 0o640); err != nil || os.Geteuid() != 0 {
		return err
	}
	_, gid, err := Owner(state)
	if err == nil {
		err = os.Chown(path, 0, gid)
	}
	return err
}
