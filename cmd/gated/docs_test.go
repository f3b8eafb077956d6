package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gated/scanner"
)

// Whatever a lane can be down for stands in the hardware guide, with the words that the guard reads on the page.
func TestEveryFaultOfAScannerIsExplained(t *testing.T) {
	file := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	guide := file("../../docs/hardware.md")
	_, words, _ := strings.Cut(file("../../console/page/words.js"), `"cause": {`)
	words, _, _ = strings.Cut(words, "}")
	all := slices.Concat(scanner.DownCauses, scanner.FrameCauses)
	for _, s := range scanner.States {
		all = append(all, string(s))
	}
	for _, word := range all {
		if word == string(scanner.Closed) || word == scanner.CauseStopped { // gated itself has ended
			continue
		}
		if !strings.Contains(guide, "`"+word+"`") {
			t.Errorf("%q is not in docs/hardware.md", word)
		}
		if !slices.Contains(scanner.DownCauses, word) {
			continue
		}
		said := regexp.MustCompile(`"` + word + `": \["([^"]+)", "([^"]+)"\]`).FindStringSubmatch(words)
		if said == nil {
			t.Errorf("the page has no words for %s", word)
		} else if !strings.Contains(guide, "| `"+word+"` | "+said[1]+" · "+said[2]+" |") {
			t.Errorf("docs/hardware.md does not say that the page says %q for %s", said[1:], word)
		}
	}
}

// Who erases a trip that still counts gives it back to the household: whoever is about to can read that.
func TestThatWhatIsErasedCountsNoMoreIsSaid(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/maintainer.md")
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range map[string]string{"the help": help("ledger-erase"), "docs/maintainer.md": string(guide)} {
		text = strings.Join(strings.Fields(text), " ")
		if !strings.Contains(text, "What is erased counts no more") || !strings.Contains(text, "the household has that trip back") {
			t.Errorf("%s does not say so", where)
		}
	}
}

// Each text in help is what a command says of itself: the one of its name, but for those that several share.
func TestEachHelpIsOfACommand(t *testing.T) {
	t.Parallel()
	files, err := helpTexts.ReadDir("help")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".txt")
		command, shared := map[string]string{"gated": "", "passage": "passage annul", "user": "user add", "report": "report day"}[name]
		if !shared {
			command = strings.ReplaceAll(name, "-", " ")
		}
		var out strings.Builder
		status := execute(append(strings.Fields(command), "--help"), strings.NewReader(""), &out, &out)
		text, examples, has := strings.Cut(help(name), "\n\nExamples:\n")
		if status != 0 || !strings.Contains(out.String(), text+"\n\nUsage:\n") {
			t.Errorf("gated %s --help does not say what help/%s says: status %d,\n%s", command, f.Name(), status, &out)
		}
		if has && !strings.Contains(out.String(), "\n\nExamples:\n"+examples+"\n\nFlags:\n") {
			t.Errorf("gated %s --help has not the examples of help/%s:\n%s", command, f.Name(), &out)
		}
	}
}
