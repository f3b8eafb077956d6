// Package spool keeps what the ledger could not take yet where no full disk and no restart loses it.
package spool

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
	"slices"
	"sync"
	"time"

	"gated/durable"
	"gated/ledger"
	"gated/register"
)

// Entry is an event that the ledger has not taken yet.
type Entry struct {
	ledger.Event
	After int64  `json:",omitempty"` // its entry can only come after this one
	Of    string `json:",omitempty"` // the name of the ledger that has that
	Maybe bool   `json:"-"`          // it was tried to write, and may have been all the same
}

// File is the file for the pending entries. Its space is taken beforehand, so that a full disk cannot refuse it.
// It has parts of the same form, a line "pending NUMBER LENGTH SHA-256" and so many bytes of JSON; of those that are whole
// the one with the highest number counts. What the disk is known to have, what it is being asked to have and what was
// written last are never written over, so that no power cut and no kill in the middle of a write takes them.
type File struct {
	log *slog.Logger

	saves sync.Mutex // held by the one who waits for the disk

	mu     sync.Mutex // guards the rest; held while the kernel takes bytes, never while the disk is waited for
	file   *os.File   // nil: memory only
	number uint64     // of the part written last
	newest int        // where that stands
	safe   int        // the part that the disk is known to have
	saving int        // the part that it is being asked to have; safe, if none
	used   [spoolParts]int
	filled bool // the part written last is not empty
	full   bool // more is pending than it holds, and that was said
}

const (
	spoolParts = 4
	spoolPart  = 64 << 10 // room for some two hundred events
)

// Open opens the file and returns what was pending when the last run ended. Without a file all is in memory only.
func (s *File) Open(path string, log *slog.Logger) (list []Entry) {
	s.log = log
	if path == "" {
		return nil
	}
	f, b, err := readSpool(path)
	damaged := errors.Is(err, durable.ErrNotRegular)
	if err == nil {
		list, s.number, s.safe, damaged = Parse(b)
	}
	if damaged {
		// Whoever can read it by eye shall have it: it is not written over.
		aside := path + ".unreadable-" + time.Now().UTC().Format("20060102T150405Z")
		log.Error("what the last run could not write to the ledger cannot be read: it is kept for the maintainer to look at",
			"path", aside, "err", err)
		if f != nil {
			f.Close()
			f = nil
		}
		if err = os.Rename(path, aside); err == nil {
			f, b, err = readSpool(path)
		}
	}
	if err == nil && len(b) < spoolParts*spoolPart { // take the space while there is some
		_, err = f.WriteAt(make([]byte, spoolParts*spoolPart-len(b)), int64(len(b)))
	}
	if f != nil { // what a process wrote that was then killed may not be on the disk yet
		err = errors.Join(err, f.Sync())
	}
	if err != nil {
		log.Error("emergency openings during a fault may not outlast a restart", "err", err)
	}
	s.file, s.newest, s.saving, s.filled = f, s.safe, s.safe, len(list) > 0
	for i := range s.used {
		s.used[i] = len(bytes.TrimRight(b[min(len(b), i*spoolPart):min(len(b), (i+1)*spoolPart)], "\x00"))
	}
	if err == nil && !s.filled {
		s.wipe()
	}
	return list
}

// readSpool opens the file, makes it if it is not there, and reads it.
func readSpool(path string) (*os.File, []byte, error) {
	f, err := durable.Open(path, os.O_RDWR)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, spoolParts*spoolPart))
	if err != nil { // to write over it would lose what cannot be read now
		f.Close()
		return nil, nil, fmt.Errorf("read %s: %w", path, err)
	}
	return f, b, nil
}

// Parse finds the part that counts. The file is damaged if none does and it is not empty.
func Parse(b []byte) (list []Entry, number uint64, part int, damaged bool) {
	found := false
	for i := range spoolParts {
		if len(b) <= i*spoolPart {
			break
		}
		events, n, err := parsePart(b[i*spoolPart : min(len(b), (i+1)*spoolPart)])
		if err == nil && (!found || n > number) {
			list, number, part, found = events, n, i, true
		}
	}
	if found {
		return list, number, part, false
	}
	return nil, 0, 0, len(bytes.TrimRight(b, "\x00")) > 0
}

func parsePart(b []byte) (list []Entry, number uint64, err error) {
	line, rest, _ := bytes.Cut(b, []byte("\n"))
	var length int
	var sum string
	if _, err := fmt.Sscanf(string(line), "pending %d %d %s", &number, &length, &sum); err != nil || length < 0 || length > len(rest) {
		return nil, 0, errors.New("no part of a spool")
	}
	if is := sha256.Sum256(rest[:length]); hex.EncodeToString(is[:]) != sum {
		return nil, 0, errors.New("the part is not whole")
	}
	return list, number, json.Unmarshal(rest[:length], &list)
}

// Known is how many entries the ledger of that name had when something was left pending in the spool; 0 where nothing is.
func Known(path, origin string) (n int64) {
	b, err := durable.ReadFile(path, 1<<20)
	if err != nil {
		return 0
	}
	list, _, _, _ := Parse(b)
	for _, e := range list {
		if e.Of == origin {
			n = max(n, e.After)
		}
	}
	return n
}

// Format leaves out what does not fit: events of the least weight, the newest first.
func Format(number uint64, list []Entry) (part []byte, left int) {
	kept := slices.Clone(list)
	for i := range kept {
		kept[i].Personal = nil // about people nothing lies in the clear
	}
	for {
		b, err := json.Marshal(kept)
		if err != nil {
			b = []byte("[]") // none of its parts can fail
		}
		part = append(fmt.Appendf(nil, "pending %d %d %x\n", number, len(b), sha256.Sum256(b)), b...)
		if len(part) <= spoolPart {
			return part, len(list) - len(kept)
		}
		kept = lighten(kept, 1+(len(part)-spoolPart)/600)
	}
}

// lighten returns the list without n events, at least one.
func lighten(list []Entry, n int) []Entry {
	drop := make([]bool, len(list))
	for _, light := range []bool{true, false} {
		for i := len(list) - 1; i >= 0 && n > 0; i-- {
			if !drop[i] && light == list[i].light() {
				drop[i] = true
				n--
			}
		}
	}
	var kept []Entry
	for i, d := range list {
		if !drop[i] {
			kept = append(kept, d)
		}
	}
	return kept
}

// light tells whether an event can be done without rather than an opening by the emergency key or its end.
func (e Entry) light() bool {
	return !(e.Kind == register.Opening && e.Verdict != "" || e.Kind == register.CloseByHand)
}

// Write hands the list to the kernel, from where no kill takes it. It does not wait for the disk.
func (s *File) Write(list func() []Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(list())
}

func (s *File) put(entries []Entry) error {
	if s.file == nil || len(entries) == 0 && !s.filled {
		return nil
	}
	part := 0
	for part == s.safe || part == s.saving || part == s.newest {
		part++
	}
	s.number++
	b, left := Format(s.number, entries)
	if left > 0 && !s.full {
		s.log.Error("more entries are pending than their file holds: the rest is in memory only", "entries", len(entries), "left_out", left)
	}
	s.full = left > 0
	length := len(b)
	b = append(b, make([]byte, max(0, s.used[part]-length))...) // nothing stays of what stood there
	s.used[part] = len(b)
	if _, err := s.file.WriteAt(b, int64(part)*spoolPart); err != nil {
		return err
	}
	s.newest, s.used[part], s.filled = part, length, len(entries) > 0
	return nil
}

// Save is Write, and the disk has it when it returns. An error is logged: the events are in memory all the same.
func (s *File) Save(list func() []Entry) {
	if s.file == nil {
		return
	}
	s.saves.Lock()
	defer s.saves.Unlock()
	s.mu.Lock()
	err := s.put(list())
	s.saving = s.newest
	known := s.saving == s.safe
	s.mu.Unlock()
	if err == nil && !known {
		err = s.file.Sync()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.safe = s.saving
	}
	s.saving = s.safe
	if err != nil {
		s.log.Error("what the ledger has not taken yet is in memory only", "err", err)
	} else if !s.filled && s.newest == s.safe {
		s.wipe()
	}
}

// wipe leaves nothing in the file of what was pending once: there may be names in it. The disk knows that nothing is.
func (s *File) wipe() {
	for i, n := range s.used {
		if i == s.safe || n == 0 {
			continue
		}
		if _, err := s.file.WriteAt(make([]byte, n), int64(i)*spoolPart); err != nil {
			s.log.Warn("what the ledger has taken stands in the file of pending entries still", "err", err)
			return
		}
		s.used[i] = 0
	}
}

func (s *File) Close() {
	if s.file != nil {
		s.file.Close()
	}
}
