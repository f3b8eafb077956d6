package police

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gated/register/told"
	"gated/roster"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestTheFormReadsAsItDid in both languages.
func TestTheFormReadsAsItDid(t *testing.T) {
	for _, language := range []string{"zh", "en"} {
		f := form{Language: language, Files: [][2]string{{"police-17.csv", strings.Repeat("0f", 32)}, {"police-17.2026-11-22.zip", strings.Repeat("a1", 32)}}}
		for _, row := range [][2]string{{"gate", "南门"}, {"made", "2026-11-23 12:00"}, {"officers", "李警官 012345; <b>王 6"}, {"paper", "调证通知书 17"},
			{"reason", "盗窃案"}, {"approver", "陈静"}, {"window", "2026-11-22 09:00 – 2026-11-22 11:00"}, {"room", "3-2-501"}, {"plate", "粤B12345"},
			{"of", f.T("everybody")}, {"passages", "2"}, {"entries", "7"}, {"keep", "19"}, {"head", "20: ABCDEFGH"}} {
			f.Rows = append(f.Rows, [2]string{f.T(row[0]), row[1]})
		}
		var b bytes.Buffer
		if err := paper.Execute(&b, f); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", "form."+language+".html")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

// TestEveryTextOfTheFormIsThere in both languages.
func TestEveryTextOfTheFormIsThere(t *testing.T) {
	source, err := os.ReadFile("police.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?:\.T |row\(|f\.T\()"([a-z_-]+)"`).FindAllStringSubmatch(formHTML+string(source), -1) {
		if words[m[1]][0] == "" || words[m[1]][1] == "" {
			t.Errorf("no words for %q", m[1])
		}
	}
}

// TestAWindowIsNeverTheDayByDefault, and what does not go together is said before anything is recorded.
func TestAWindowIsNeverTheDayByDefault(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("", 8*3600))
	dir := t.TempDir()
	good := func() *Request {
		return &Request{HandOver: told.HandOver{Officers: []string{"李警官 012345"}, Paper: "17", Approver: "陈静"},
			Begins: "2026-11-23 09:00", Ends: "2026-11-23 11:00", Out: filepath.Join(dir, "police-17"), Language: "zh"}
	}
	if err := good().Check(&roster.Snapshot{}, now); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Request){
		"--from and --to: say":      func(x *Request) { x.Ends = "" },
		"--from \"soon\"":           func(x *Request) { x.Begins = "soon" },
		"is not over yet":           func(x *Request) { x.Begins, x.Ends = "2026-11-23 11:30", "2026-11-23 12:30" },
		"ends before":               func(x *Request) { x.Begins = x.Ends },
		"more than 2 hours":         func(x *Request) { x.Begins = "2026-11-23 08:59" },
		"at most 31 days":           func(x *Request) { x.Long, x.Begins = true, "2026-10-01" },
		"--officer: name":           func(x *Request) { x.Officers = nil },
		"--paper and --approver":    func(x *Request) { x.Paper = "" },
		"--out: say how":            func(x *Request) { x.Out = "" },
		"is a directory":            func(x *Request) { x.Out = dir },
		"sha256sum cannot":          func(x *Request) { x.Out = "a\nb" },
		"--language":                func(x *Request) { x.Language = "fr" },
		"are shown: more is handed": func(x *Request) { x.Look, x.Begins = true, "2026-11-23 08:59" },
	} {
		x := good()
		change(x)
		if err := x.Check(&roster.Snapshot{}, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	x := good()
	x.Begins, x.Ends, x.Long = "2026-11-22", "2026-11-23", true // a day, said in so many words
	if err := x.Check(&roster.Snapshot{}, now); err != nil || x.To.Sub(x.From) != 24*time.Hour {
		t.Errorf("%v to %v: %v", x.From, x.To, err)
	}
}
