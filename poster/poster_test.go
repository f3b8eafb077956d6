package poster

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/config"
	"gated/policy"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func settings(t *testing.T, more string) *config.Settings {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gated.yaml")
	text := "gate: {name: 南门 <b>South}\n" + "lanes: [{id: in, direction: in, scanner: {device: /dev/null}}]\n" + more
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := config.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const ours = "privacy: {who: 春江物业服务有限公司, contact: 物业服务中心 0755-12345678}\n"

func made(t *testing.T, s *config.Settings) string {
	t.Helper()
	html, err := Make(s, policy.Shipped())
	if err != nil {
		t.Fatal(err)
	}
	return string(html)
}

// TestThePosterReadsAsItDid: Chinese, with English below.
func TestThePosterReadsAsItDid(t *testing.T) {
	for name, more := range map[string]string{
		"kept.html":  "ledger: {retention: [{class: resident, days: 90}, {class: courier, days: 30}, {class: '*', days: 30}]}\n",
		"other.html": "ledger: {retention: []}\n",
	} {
		s := settings(t, ours+more)
		if name == "other.html" {
			s.Privacy.Purpose, s.Privacy.PurposeEN, s.Gate.Level = "仅用于试点 <i>", "For a trial", "controlled"
		}
		got := made(t, s)
		if got != made(t, s) {
			t.Error("made twice it is another one")
		}
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
}

// TestWhatThePosterTellsOfChangesIt, so that its hash does.
func TestWhatThePosterTellsOfChangesIt(t *testing.T) {
	was := made(t, settings(t, ours))
	for what, change := range map[string]func(*config.Settings){
		"who":     func(s *config.Settings) { s.Privacy.Who = "居委会" },
		"contact": func(s *config.Settings) { s.Privacy.Contact = "1" },
		"purpose": func(s *config.Settings) { s.Privacy.Purpose = "另行" },
		"retention": func(s *config.Settings) {
			s.Ledger.Retention = append(s.Ledger.Retention, settings(t, "ledger: {retention: [{class: taxi, days: 7}]}\n").Ledger.Retention...)
		},
		"gate": func(s *config.Settings) { s.Gate.Name = "北门" },
	} {
		s := settings(t, ours)
		change(s)
		if is := made(t, s); is == was || Hash([]byte(is)) == Hash([]byte(was)) {
			t.Errorf("%s is not in the poster", what)
		}
	}
	s := settings(t, ours)
	s.Console.Listen, s.Log.Level = "127.0.0.1:1", "debug"
	if made(t, s) != was {
		t.Error("what it does not tell of changes it")
	}
}

func TestWithoutWhoThereIsNoPoster(t *testing.T) {
	if _, err := Make(settings(t, ""), policy.Shipped()); !errors.Is(err, ErrNotSet) {
		t.Errorf("got %v", err)
	}
}

// TestEachWordHasItsText: those of levels, bases and rules of retention.
func TestEachWordHasItsText(t *testing.T) {
	p := policy.Shipped()
	for _, l := range p.Levels() {
		if levels[l].ZH == "" || bases[p.Basis(l)].EN == "" {
			t.Errorf("no words for level %s, %s", l, p.Basis(l))
		}
	}
	for _, c := range append(policy.Classes(), "*", "visit", "passage") {
		if classes[c].ZH == "" || classes[c].EN == "" {
			t.Errorf("no words for %s", c)
		}
	}
}
