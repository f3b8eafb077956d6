package evidence

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"gated/ledger"

	"github.com/google/go-cmp/cmp"
)

// The rows of an export wait in a file on the disk, where nobody can read them.
func TestRowsThatWaitCannotBeReadOnTheDisk(t *testing.T) {
	t.Parallel()
	s, err := newSpool(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var want []row
	for i := range 2000 {
		want = append(want, row{Cells: []string{fmt.Sprint("passage-", i)}, Personal: []ledger.Field{{Name: "name", Value: "SECRET-NAME"}}})
		if err := s.add(want[i]); err != nil {
			t.Fatal(err)
		}
	}
	var got []row
	if err := s.each(func(r row) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	b, err := io.ReadAll(io.NewSectionReader(s.file, 0, 1<<30))
	if err != nil || len(b) < 20_000 {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	for _, plain := range []string{"SECRET", "passage"} {
		if bytes.Contains(b, []byte(plain)) {
			t.Errorf("the file says %q", plain)
		}
	}
}
