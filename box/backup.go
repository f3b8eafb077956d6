package box

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"gated/backup"
	"gated/ledger"
	"gated/ledger/file"
)

// Backup copies the ledger of a state directory and its slots while the gate works, looks whether the copy holds, gives it
// its name, and records it.
func Backup(ctx context.Context, dir, to string) (m backup.Made, err error) {
	if to, err = filepath.Abs(to); err != nil {
		return m, err
	}
	if backup.Inside(to, dir) {
		return m, fmt.Errorf("%s is in the state directory: a copy that burns with the original is none", to)
	}
	if m.Head, err = file.BackUp(dir, to); err != nil {
		return m, err
	}
	if _, err := Perform(ctx, dir, recordBackup, copied{m.Head.Size, m.Head.Root.String()}); err != nil {
		return m, fmt.Errorf("the copy %s is whole, and could not be recorded: %w", to, err)
	}
	st, err := os.Stat(to)
	if err != nil {
		return m, err
	}
	m.Bytes = st.Size()
	c, err := file.OpenFile(to)
	if err != nil {
		return m, err
	}
	m.Entries, err = c.Size()
	return m, errors.Join(err, c.Close())
}

// copied is how far a copy reaches.
type copied struct {
	Size int64
	Root string
}

var recordBackup = Op[copied, bool]{"ledger-backup", func(_ context.Context, b *Box, by string, c copied) (bool, error) {
	return true, b.append(ledger.Event{Kind: ledger.Backup, By: "machine",
		Detail:   map[string]string{"size": strconv.FormatInt(c.Size, 10), "root": c.Root},
		Personal: []ledger.Field{{Name: "by", Value: by}}})
}}

// BackUpAll copies all that a gate needs into a directory, and records it. What the box has lost does not replace what an older
// backup has.
func BackUpAll(ctx context.Context, src backup.Sources, to string) (m backup.Made, err error) {
	if src.Roster, err = Perform(ctx, src.State, beginBackup, struct{}{}); err != nil {
		if _, serr := os.Stat(filepath.Join(to, backup.Archive)); serr == nil {
			err = fmt.Errorf("the older backup stays as it is: %w", err)
		}
		return m, err
	}
	if m, err = backup.Make(src, to); err != nil {
		return m, err
	}
	if _, err := Perform(ctx, src.State, recordBackup, copied{m.Head.Size, m.Head.Root.String()}); err != nil {
		return m, fmt.Errorf("the backup %s is whole, and could not be recorded: %w", to, err)
	}
	return m, nil
}

// beginBackup looks whether a backup may be made, and tells how many changes of the roster the ledger knows of.
var beginBackup = Op[struct{}, int64]{"backup-begin", func(_ context.Context, b *Box, _ string, _ struct{}) (int64, error) {
	if b.Register == nil {
		return 0, b.noLedger()
	}
	if err := b.CompoundFault(); err != nil {
		return 0, fmt.Errorf("the key from which roster IDs follow: %w", err)
	}
	if err := errors.Join(b.rightRoster(), b.Accounts.Fault()); err != nil {
		return 0, err
	}
	return b.knownRoster()
}}

// Rebuild makes the index and all counts anew from the entries.
var Rebuild = Op[struct{}, Rebuilt]{"ledger-rebuild", func(_ context.Context, b *Box, _ string, _ struct{}) (Rebuilt, error) {
	if b.Register == nil {
		return Rebuilt{}, b.noLedger()
	}
	n, equal, err := b.Register.Rebuild()
	return Rebuilt{n, equal}, err
}}

// Rebuilt says whether what was there before was equal.
type Rebuilt struct {
	Entries int64
	Equal   bool
}
