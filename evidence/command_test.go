package evidence

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gated/ledger/entry"
)

// The kinds that a command can record while the box does not watch are the same here, in docs/formats.md and in the checker in Python.
func TestCommandEntriesAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	var want []string
	for _, kind := range slices.Sorted(maps.Keys(byCommand)) {
		want = append(want, string(kind))
	}
	for path, list := range map[string]string{
		"../docs/formats.md":      "\\(a \\*command\\* entry is of kind `([a-z ]+)`\\)",
		"../docs/check_bundle.py": `\nBY_COMMAND = {([a-z ",]+)}\n`,
	} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(list).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s has no list of them", path)
		}
		got := strings.Fields(strings.NewReplacer(`"`, "", ",", "").Replace(string(m[1])))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if !byCommand[entry.Epoch] || byCommand["start"] {
		t.Errorf("got %q", want)
	}
}
