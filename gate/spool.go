package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"gated/ledger"
)

// spool is the file for what is owed to the ledger. Its space is taken beforehand, so that a full disk cannot refuse it.
// It has two halves of the same form, written in turn, so that a write cut short by a power cut leaves the other one: a
// line "owed NUMBER LENGTH SHA-256" and so many bytes of JSON. The good half with the higher number is the one that
// counts.
type spool struct {
	log *slog.Logger

	mu         sync.Mutex // guards the rest; held while the kernel takes bytes, never while the disk is waited for
	file       *os.File   // nil: memory only
	number     uint64     // of the half written last
	safe       int        // the half that the disk is known to have; the other one is written
	safeNumber uint64     // of that half
	filled     bool       // the half written last is not empty
	full       bool       // more is owed than it holds, and that was said
}

// spoolHalf is room for some two hundred events.
const spoolHalf = 64 << 10

// open opens the file and returns what the last run owed. Without a file what is owed is kept in memory only.
func (s *spool) open(path string, log *slog.Logger) (list []due) {
	s.log = log
	if path == "" {
		return nil
	}
	f, b, err := readSpool(path)
	if err == nil {
		var damaged bool
		if list, s.number, s.safe, damaged = parseSpool(b); damaged {
			// Whoever can read it by eye shall have it: it is not written over.
			aside := path + ".unreadable-" + time.Now().UTC().Format("20060102T150405Z")
			log.Error("what the last run owed to the ledger cannot be read: the file is kept for the maintainer to look at", "path", aside)
			f.Close()
			f = nil
			if err = os.Rename(path, aside); err == nil {
				f, b, err = readSpool(path)
			}
		}
	}
	if err == nil && len(b) < 2*spoolHalf { // take the space while there is some
		_, err = f.WriteAt(make([]byte, 2*spoolHalf-len(b)), int64(len(b)))
	}
	if f != nil { // what a process wrote that was then killed may not be on the disk yet
		err = errors.Join(err, f.Sync())
	}
	if err != nil {
		log.Error("emergency openings during a fault may not outlast a restart", "err", err)
	}
	s.file, s.safeNumber, s.filled = f, s.number, len(list) > 0
	return list
}

// readSpool opens the file, makes it if it is not there, and reads it.
func readSpool(path string) (*os.File, []byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 2*spoolHalf))
	if err != nil { // to write over it would lose what cannot be read now
		f.Close()
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, b, nil
}

// parseSpool finds the half that counts. The file is damaged if none does and it is not empty.
func parseSpool(b []byte) (list []due, number uint64, half int, damaged bool) {
	if bytes.HasPrefix(b, []byte("[")) { // as it was before it had halves: nothing but the list
		if json.Unmarshal(bytes.TrimRight(b, "\x00"), &list) != nil {
			return nil, 0, 0, true
		}
		return list, 0, 0, false
	}
	found := false
	for i := range 2 {
		if len(b) <= i*spoolHalf {
			break
		}
		events, n, err := parseHalf(b[i*spoolHalf : min(len(b), (i+1)*spoolHalf)])
		if err == nil && (!found || n > number) {
			list, number, half, found = events, n, i, true
		}
	}
	return list, number, half, !found && len(bytes.TrimRight(b, "\x00")) > 0
}

func parseHalf(b []byte) (list []due, number uint64, err error) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	var length int
	var sum string
	if _, err := fmt.Sscanf(string(line), "owed %d %d %s", &number, &length, &sum); err != nil || length < 0 || length > len(rest) {
		return nil, 0, errors.New("no half of a spool")
	}
	if is := sha256.Sum256(rest[:length]); hex.EncodeToString(is[:]) != sum {
		return nil, 0, errors.New("the half is not whole")
	}
	return list, number, json.Unmarshal(rest[:length], &list)
}

// formatHalf leaves out what does not fit: events of the least weight, the newest first.
func formatHalf(number uint64, list []due) (half []byte, left int) {
	kept := list
	for {
		b, err := json.Marshal(kept)
		if err != nil {
			b = []byte("[]") // none of its parts can fail
		}
		half = append(fmt.Appendf(nil, "owed %d %d %x\n", number, len(b), sha256.Sum256(b)), b...)
		if len(half) <= spoolHalf {
			return half, len(list) - len(kept)
		}
		kept = lighten(kept, 1+(len(half)-spoolHalf)/600)
	}
}

// lighten returns the list without n events, at least one.
func lighten(list []due, n int) []due {
	drop := make([]bool, len(list))
	for _, light := range []bool{true, false} {
		for i := len(list) - 1; i >= 0 && n > 0; i-- {
			if !drop[i] && light == list[i].light() {
				drop[i] = true
				n--
			}
		}
	}
	var kept []due
	for i, d := range list {
		if !drop[i] {
			kept = append(kept, d)
		}
	}
	return kept
}

// light tells whether an event can be done without rather than an opening by the emergency key or its end.
func (d due) light() bool {
	return !(d.Kind == ledger.Opening && d.Verdict != "" || d.Kind == ledger.CloseByHand)
}

// write hands the list to the kernel, from where no kill takes it. It does not wait for the disk.
func (s *spool) write(list func() []due) (number uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owed := list()
	if s.file == nil || len(owed) == 0 && !s.filled {
		return s.number, nil
	}
	s.number++
	half, left := formatHalf(s.number, owed)
	if left > 0 && !s.full {
		s.log.Error("more is owed to the ledger than its file holds: the rest is in memory only", "events", len(owed), "left_out", left)
	}
	s.full, s.filled = left > 0, len(owed) > 0
	_, err = s.file.WriteAt(half, int64(1-s.safe)*spoolHalf)
	return s.number, err
}

// save is write, and the disk has it when it returns. An error is logged: the events are in memory all the same.
func (s *spool) save(list func() []due) {
	number, err := s.write(list)
	if s.file == nil {
		return
	}
	if err = errors.Join(err, s.file.Sync()); err != nil {
		s.log.Error("what is owed to the ledger is in memory only", "err", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if number == s.number && number > s.safeNumber { // nobody has written over it since
		s.safe, s.safeNumber = 1-s.safe, number
	}
}

func (s *spool) close() {
	if s.file != nil {
		s.file.Close()
	}
}
