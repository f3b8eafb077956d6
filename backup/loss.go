package backup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gated/durable"
	"gated/ledger/file"
	"gated/ledger/seal"
)

var slotsName = regexp.MustCompile(`^(?:personal|ledger-\d+?)(?:-(\d+))?\.keys$`)

// held is what is looked at of a file of an archive.
type held struct {
	size int64
	head string // its first 32 bytes: of slots, whose they are; of a key, all
}

// whose is by which slots are told from those of another ledger.
func (h held) whose() string { return h.head[:min(20, len(h.head))] }

// contents reads an archive to its end.
func contents(f *os.File) (map[string]held, error) {
	all := map[string]held{}
	err := (&Backup{secret: f}).each(func(name string, from io.Reader) error {
		head, err := io.ReadAll(io.LimitReader(from, 32))
		n, cerr := io.Copy(io.Discard, from)
		all[name] = held{int64(len(head)) + n, string(head)}
		return errors.Join(err, cerr)
	})
	return all, err
}

// lost says what the archive that is in the directory has, and the new one has not, since the box has lost it: the older archive may
// be the only place where it is. What a box may lose on purpose, such as one of several trusted keys or the content of a slot, does
// not count.
func lost(src Sources, r *file.Reader, to string, secret *os.File) error {
	f, err := durable.Open(filepath.Join(to, Archive), os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	old, err := contents(f)
	if err != nil {
		return fmt.Errorf("the older backup cannot be read, and stays: %w: move it away", err)
	}
	now, err := contents(secret)
	if err != nil {
		return err
	}
	sizes, trusts := map[string]int64{}, false // of the slots here, by whose they are
	for name, is := range now {
		trusts = trusts || strings.HasPrefix(name, trustName+"/")
		if slotsName.MatchString(name) {
			sizes[is.whose()] = is.size
		}
	}
	var all []string
	hint := ""
	for _, name := range slices.Sorted(maps.Keys(old)) {
		was := old[name]
		here := name
		switch m := slotsName.FindStringSubmatch(name); {
		case m != nil:
			if was.size <= sizes[was.whose()] {
				continue
			}
			if here = belongs(src.State, to, was, m[1]); here == "" {
				continue // another ledger's, or none at all: that was no better
			}
		case name == "keys/compound.key":
			if is, there := now[name]; len(was.head) != 32 || was.size != 32 || there && is == was {
				continue
			}
		case name == settingsName && src.Settings == "":
			here = "the settings: name them with --config"
		case strings.HasPrefix(name, trustName+"/"):
			if trusts || slices.Contains(all, trustName+"/") {
				continue
			}
			name, here = trustName+"/", trustName+"/"
			hint = fmt.Sprintf("; mkdir -p %[2]s; tar -xf %[1]s -C %[2]s --strip-components=1 trust", f.Name(), src.trust())
		case name != "roster.db" && name != "accounts.json" || now[name].size > 0:
			continue
		}
		if here != name {
			name += " (here " + here + ")"
		}
		all = append(all, name)
	}
	if all == nil {
		return nil
	}
	return fmt.Errorf("%s has what this box has lost, or has otherwise: %s: that backup stays. With the daemon stopped put it back as "+
		"the owner of %s (tar -xOf %[1]s NAME > FILE%[4]s); where it is lost for good, or was changed on purpose, move that backup "+
		"away and keep it, or choose another directory", f.Name(), strings.Join(all, ", "), src.State, hint)
}

// belongs is the name in the state directory of slots of this ledger, of whichever epoch; "" if they are not this ledger's. first is
// the entry in their name.
func belongs(state, to string, slots held, first string) string {
	n, _ := strconv.ParseInt(first, 10, 64)
	n = max(1, n)
	names, _ := list(state)
	for _, name := range names {
		if FateOf(name) != Kept {
			continue
		}
		r, err := file.OpenFile(filepath.Join(state, name))
		if err != nil { // it was put aside broken, and is in the backup as it was before
			r, err = file.OpenFile(filepath.Join(to, name))
		}
		if err != nil {
			continue
		}
		whose := r.Meta.Whose()
		r.Close()
		if whose.Owns([]byte(slots.head), n) {
			return filepath.Base(seal.Name(seal.Stem(name), n))
		}
	}
	return ""
}
