package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
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
	guide, code := file("../../docs/hardware.md"), file("../../scanner/reader.go")+file("../../scanner/framer.go")
	_, words, _ := strings.Cut(file("../../console/page/words.js"), `"cause": {`)
	words, _, _ = strings.Cut(words, "}")
	n := 0
	for _, m := range regexp.MustCompile(`(?m)^\t(\w+)( +State)? += "([a-z-]+)"`).FindAllStringSubmatch(code, -1) {
		if m[3] == "closed" || m[3] == "stopped" { // gated itself has ended
			continue
		}
		n++
		if !strings.Contains(guide, "`"+m[3]+"`") {
			t.Errorf("%s %q is not in docs/hardware.md", m[1], m[3])
		}
		if !strings.HasPrefix(m[1], "Cause") {
			continue
		}
		said := regexp.MustCompile(`"` + m[3] + `": \["([^"]+)", "([^"]+)"\]`).FindStringSubmatch(words)
		if said == nil {
			t.Errorf("the page has no words for %s", m[3])
		} else if !strings.Contains(guide, "| `"+m[3]+"` | "+said[1]+" · "+said[2]+" |") {
			t.Errorf("docs/hardware.md does not say that the page says %q for %s", said[1:], m[3])
		}
	}
	if n < 20 {
		t.Errorf("found only %d states and causes", n)
	}
}
