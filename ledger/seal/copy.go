package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gated/durable"
)

// Copy copies the files, each over the copy before, whose bytes are overwritten: they hold what was erased since.
func (files Files) Copy(stem string) error {
	for _, s := range files {
		if err := s.copy(Name(stem, s.first)); err != nil {
			return err
		}
	}
	return nil
}

func (s *slotFile) copy(to string) error {
	f, err := durable.Begin(to)
	if err != nil {
		return err
	}
	defer f.Close()
	// From its beginning to its end: what the mark there says was erased is erased in what is read after it.
	if _, err = io.Copy(f, io.NewSectionReader(s.f, 0, 1<<62)); err != nil {
		return errors.Join(err, durable.Overwrite(f), os.Remove(f.Name()))
	}
	return durable.Swap(f, to)
}

// Adopt renames slot files of a ledger whose stem has changed.
func Adopt(from, to string, m Whose) error {
	names, _ := filepath.Glob(from + "*.keys")
	for _, name := range names {
		first := int64(1)
		if rest := strings.TrimPrefix(name, from); rest != ".keys" {
			if _, err := fmt.Sscanf(rest, "-%d.keys", &first); err != nil {
				continue // none of ours
			}
		}
		s, err := openSlotFile(name, m, first, os.O_RDONLY)
		if errors.Is(err, errForeignSlots) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		s.f.Close()
		if _, err := os.Lstat(Name(to, first)); err == nil {
			return fmt.Errorf("%s is there already, and so is %s: move one of them away", Name(to, first), name)
		}
		if err := os.Rename(name, Name(to, first)); err != nil {
			return err
		}
	}
	return nil
}
