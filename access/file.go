package access

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"gated/durable"
)

// kept is an account in the file. Its hash is the only thing in there that must not be read by others.
type kept struct {
	Account
	Hash string `json:"hash"`
}

// content is the file.
type content struct {
	Format   int    `json:"format"`
	Accounts []kept `json:"accounts"`
}

// maxFile holds most accounts whose names need six bytes for each of theirs.
const maxFile = 2 << 20

// read reads the file. Where there is none nobody has an account.
func read(path string) ([]kept, error) {
	b, err := durable.ReadFile(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []kept
	if err == nil {
		all, err = parse(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be used, so nobody can sign in: %w: put it back from the backup (tar -xOf secret.tar "+
			"%s), or move it away and make the accounts anew (gated user add); the emergency key works, and guards without PINs do",
			path, err, File)
	}
	return all, nil
}

// read reads the file, and what is known in memory is as it says.
func (x *Accounts) read() ([]kept, error) {
	x.known.Lock()
	writes := x.writes
	x.known.Unlock()
	all, err := read(x.path)
	x.known.Lock()
	defer x.known.Unlock()
	if writes != x.writes { // it may be older than what was written meanwhile
		return all, err
	}
	if x.fault = err; err == nil { // else who was known stays so
		x.all = slices.Clone(all)
	}
	return all, err
}

// write replaces the file, and what is known in memory.
func (x *Accounts) write(all []kept) error {
	err := write(x.path, all)
	x.known.Lock()
	defer x.known.Unlock()
	if x.writes++; err == nil {
		x.all, x.fault = slices.Clone(all), nil
	}
	return err
}

// parse reads the content of a file. All of it is right, or none counts: half the accounts would hide that the others are lost. What is
// said of it goes to page and log, so nothing of it is quoted.
func parse(b []byte) ([]kept, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var f content
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("it is damaged near byte %d", d.InputOffset())
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("it is damaged: something follows its end")
	}
	if f.Format != 1 {
		return nil, fmt.Errorf("it is of format %d, this program knows format 1: use the newer program", f.Format)
	}
	for i, k := range f.Accounts {
		_, _, hashed := split(k.Hash)
		if k.Token {
			hashed = len(k.Hash) == len(tokenHash("")) && strings.HasPrefix(k.Hash, tokenHashed)
		}
		if errors.Join(checkName(k.Name), k.Role.Check()) != nil || tidy(k.Name) != k.Name || find(f.Accounts, k.Name) != i ||
			k.Wrong < 0 || !hashed {
			return nil, fmt.Errorf("it is damaged: name, role, count or hash of account %d is none, or another has that name", i+1)
		}
	}
	return f.Accounts, nil
}

// write replaces the file: after a power cut it is the old or the new one. None is made as long as there are no accounts.
func write(path string, all []kept) error {
	if len(all) == 0 {
		return nil
	}
	b, err := json.MarshalIndent(content{1, all}, "", "\t")
	if err == nil {
		err = durable.Replace(path, append(b, '\n'))
	}
	if err != nil && !errors.As(err, new(*os.PathError)) {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}
