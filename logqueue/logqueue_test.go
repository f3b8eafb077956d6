package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func lost(w io.Writer, n int64) { fmt.Fprintf(w, "%d lost\n", n) }

func TestLinesArriveInOrderAndCloseWaitsForThem(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	q, want := New(&got, lost), ""
	for i := range 1000 {
		line := fmt.Sprintln("line", i)
		q.Write([]byte(line))
		want += line
	}
	if err := q.Close(); err != nil || got.String() != want || q.Dropped() != 0 {
		t.Errorf("got %v, %d bytes of %d, %d dropped", err, got.Len(), len(want), q.Dropped())
	}
}

// A pipe that nobody reads takes nothing: whoever writes goes on, and what is kept is bounded.
func TestAReaderThatDoesNotReadCostsLinesOnly(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	q := New(w, lost)
	line := []byte("line\n")
	for range maxLines + 101 { // one may be on its way
		q.Write(line)
	}
	n := q.Dropped()
	if n < 100 || n > 101 {
		t.Errorf("%d lines were dropped, want 100 or 101", n)
	}
	read := make(chan string)
	go func() {
		b, _ := io.ReadAll(r)
		read <- string(b)
	}()
	q.Close()
	w.Close()
	got := <-read
	if c := int64(strings.Count(got, "line\n")); c+n != maxLines+101 {
		t.Errorf("%d lines arrived and %d were dropped, want %d in all", c, n, maxLines+101)
	}
	if want := fmt.Sprintf("%d lost\n", n); strings.Count(got, "lost") != 1 || !strings.Contains(got, want) {
		t.Errorf("the reader who is back is not told once of %q", want)
	}
}

func TestCloseDoesNotWaitForAReaderForEver(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	defer r.Close() // ends the writer
	q := New(w, nil)
	q.Write([]byte("line\n"))
	began := time.Now()
	if q.Close(); time.Since(began) > time.Minute {
		t.Errorf("it took %s", time.Since(began))
	}
	q.Write([]byte("late\n")) // by who is still at work: lost, and no panic
	Say(w, "last words")      // returns, too
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestALineThatCannotBeWrittenIsCounted(t *testing.T) {
	t.Parallel()
	q := New(broken{}, lost)
	q.Write([]byte("line\n"))
	if q.Close(); q.Dropped() != 1 {
		t.Errorf("%d lines were dropped, want 1", q.Dropped())
	}
}
