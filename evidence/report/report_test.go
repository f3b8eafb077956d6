package report

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gated/evidence"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

var root = regexp.MustCompile(`[A-Z2-7]{4} [A-Z2-7]{4} [A-Z2-7]{4} [A-Z2-7]{4}`)

// golden compares a text with what it was when somebody last read it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	got = root.ReplaceAllString(got, "SHORT ROOT")
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// TestReportsReadAsTheyDid in both languages.
func TestReportsReadAsTheyDid(t *testing.T) {
	r := played(t).reader()
	const noon = "2026-11-23 12:45:00"
	for name, x := range map[string]Request{
		"day":        {Report: "day", Day: "2026-11-23"},
		"chat":       {Report: "day", Day: "2026-11-23", Chat: true},
		"shift":      {Report: "shift"},
		"visits":     {Report: "visits", Day: "2026-11-23"},
		"attendance": {Report: "attendance", Month: "2026-11"},
		"overdue":    {Report: "overdue"},
		"unit":       {Report: "unit", Of: "3-2", For: "张敏（单元长）"},
		"rollcall":   {Report: "rollcall"},
		"rollcall-3": {Report: "rollcall", Of: "3"},
		"host":       {Report: "host", Of: "3栋2单元501室"},
		"office":     {Report: "host", Of: "office"},
	} {
		for _, language := range []string{"zh", "en"} {
			x.Language = language
			got, err := ask(t, r, noon, x)
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			golden(t, name+"."+language+".txt", got)
		}
	}
}

// TestEveryTextIsInBothLanguages, and says what the guard's page says for the same word.
func TestEveryTextIsInBothLanguages(t *testing.T) {
	sources, _ := filepath.Glob("*.go")
	for _, path := range sources {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`l\.texts?\(([^()]*)`).FindAllStringSubmatch(string(src), -1) {
			for i, name := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(m[1], -1) {
				if _, known := words["text"][name[1]]; !known && (i == 0 || strings.Contains(m[0], "texts(")) && !strings.HasSuffix(name[1], "-") {
					t.Errorf("%s: the catalogue has no text %q", path, name[1])
				}
			}
		}
	}
	for group, list := range words {
		for word, texts := range list {
			if texts[0] == "" || texts[1] == "" || group == "text" && strings.Count(texts[0], "%") != strings.Count(texts[1], "%") {
				t.Errorf("%s %q: %q", group, word, texts)
			}
		}
	}
	file, err := os.ReadFile("../../console/page/words.js")
	if err != nil {
		t.Fatal(err)
	}
	var page map[string]map[string][2]string
	_, table, _ := strings.Cut(string(file), "\nconst WORDS = ")
	if err := json.Unmarshal([]byte(table[:strings.LastIndex(table, "}")+1]), &page); err != nil {
		t.Fatal(err)
	}
	for _, group := range []string{"class", "reason", "direction"} {
		for word, texts := range words[group] {
			if on, is := page[group][word]; is && on[0] != texts[0] {
				t.Errorf("%s %s: %s here, %s on the page", group, word, texts[0], on[0])
			}
		}
	}
}

func TestWhatDoesNotGoTogether(t *testing.T) {
	for want, x := range map[string]Request{
		`--format "pdf"`:   {Report: "day", Format: "pdf"},
		"name the file":    {Report: "day", Format: "xlsx"},
		"leave out":        {Report: "day", Chat: true, Format: "csv"},
		`--language "fr"`:  {Report: "day", Language: "fr"},
		"--why: say":       {Report: "visits"},
		"--for: say":       {Report: "unit", Why: "daily sheet"},
		"--why: one line":  {Report: "visits", Why: "a\nb"},
		"--for: one line":  {Report: "day", For: strings.Repeat("x", 101)},
		`--day "2026-13-`:  {Report: "day", Day: "2026-13-01"},
		`--month "2026"`:   {Report: "attendance", Why: "pay", Month: "2026"},
		`the last day is`:  {Report: "host", Why: "asked", From: "2026-11-23", To: "2026-11-22"},
		"is a directory":   {Report: "day", Out: t.TempDir()},
		"at most 3660 day": {Report: "host", Why: "asked", From: "1999-11-23"},
	} {
		if x.Language == "" {
			x.Language = "en"
		}
		if err := x.Check(noonOf(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestThereIsNoSuchReport: such an answer is no fault.
func TestThereIsNoSuchReport(t *testing.T) {
	g := played(t)
	refused(t, g.reader())
	if err := os.Remove(filepath.Join(g.dir, "index.db")); err != nil { // the same again without an index
		t.Fatal(err)
	}
	r, err := evidence.OpenReader(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	refused(t, r)
}

func refused(t *testing.T, r *evidence.Reader) {
	t.Helper()
	for want, x := range map[string]Request{
		`the level is "guarded"`:     {Report: "unit", Of: "3", For: "张敏", PublicHealth: func(string) (bool, error) { return false, nil }},
		"nobody lives in":            {Report: "unit", Of: "77", For: "张敏"},
		"no building of the roster":  {Report: "rollcall", Of: "77"},
		"entry 2 begins no shift":    {Report: "shift", Of: "2"},
		"entry 999999 begins no shi": {Report: "shift", Of: "999999"},
	} {
		if got, err := ask(t, r, "2026-11-23 12:45:00", x); !errors.Is(err, ErrNo) || !strings.Contains(err.Error(), want) || got != "" {
			t.Errorf("got %v and %q, want %s", err, got, want)
		}
	}
}
