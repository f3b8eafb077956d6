package credential

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestEachLineIsACode(t *testing.T) {
	long := strings.Repeat("A", 1<<20)
	var kinds []string
	err := new(Trust).CheckLines(strings.NewReader("11010519491231002X\r\n\n"+long+"\n粤B12345"), time.Now(), func(c Claim) error {
		kinds = append(kinds, c.Kind)
		return nil
	})
	if got, want := strings.Join(kinds, " "), "cn-resident-id unknown plate"; err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	full, n := errors.New("no space left"), 0
	if err := new(Trust).CheckLines(strings.NewReader("1\n2\n"), time.Now(), func(Claim) error { n++; return full }); err != full || n != 1 {
		t.Errorf("got %v after %d lines, want %v after the first", err, n, full)
	}
	if err := new(Trust).CheckLines(iotest.ErrReader(full), time.Now(), func(Claim) error { return nil }); err != full {
		t.Errorf("what cannot be read: got %v, want %v", err, full)
	}
}
