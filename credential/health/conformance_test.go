package health

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
)

// conformanceRow counts the verdicts of one kind of one suite. Excepted are those
// that differ for a cause in docs/conformance.md.
type conformanceRow struct {
	suite, what            string
	right, wrong, excepted int
}

// TestConformance judges this package by other people's test data, which are not
// part of it: see docs/conformance.md. $VECTORS says where they are.
func TestConformance(t *testing.T) {
	dir := vectors(t)
	rows := dccConformance(t, filepath.Join(dir, "dcc"))
	rows = append(rows, shcConformance(t, filepath.Join(dir, "shc"))...)

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "suite\tverdict\tright\twrong\texcepted\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t\n", r.suite, r.what, r.right, r.wrong, r.excepted)
		if r.wrong > 0 {
			t.Errorf("%s %s: %d verdicts are wrong", r.suite, r.what, r.wrong)
		}
		if sum := r.right + r.wrong + r.excepted; 50*r.excepted > sum {
			t.Errorf("%s %s: %d of %d are exceptions, more than 2 %%", r.suite, r.what, r.excepted, sum)
		}
	}
	w.Flush()
	t.Log("\n" + table.String())
}

// vectors returns the folder of test data made by others, or skips the test.
func vectors(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("VECTORS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "vectors")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no conformance vectors in %s: lay them there or set VECTORS", dir)
	}
	return dir
}
