package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gated/config"
	"gated/gate"
	"gated/gate/ruling"
	"gated/gate/visit"
	"gated/policy"
	"gated/policy/week"
	"gated/register/byhand"
	"gated/register/retention"
	"gated/register/shift"
	"gated/register/visits"
	"gated/roster"
	"gated/roster/sheet"
	"gated/scanner"
)

// TestArchitectureWords ties the words that several packages use to the one place where they stand: the vocabulary of package policy.
// Credentials, roster, settings, page, docs and metrics have those words and no others, and the page has texts for them.
func TestArchitectureWords(t *testing.T) {
	t.Run("credential", credentialWords)
	t.Run("roster", rosterWords)
	t.Run("settings", settingsWords)
	t.Run("page", pageWords)
	t.Run("docs", docsWords)
	t.Run("guard.md", guardWords)
	t.Run("metrics", metricsWords)
}

// facts are the words of a fact of the policy, without none, which stands for nothing there.
func facts(name string) []string {
	return slices.DeleteFunc(policy.Words(name), func(w string) bool { return w == "none" })
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s: %q is missing", what, w)
		}
	}
	for _, w := range got {
		if !slices.Contains(want, w) {
			t.Errorf("%s: %q is no such word", what, w)
		}
	}
}

// constants are the texts of a package's constants whose names begin so.
func constants(t *testing.T, dir, prefix string) (texts []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if !is || strings.HasSuffix(path, "_test.go") || !strings.HasPrefix(spec.Names[0].Name, prefix) {
				return true
			}
			for _, value := range spec.Values {
				if call, is := value.(*ast.CallExpr); is && len(call.Args) == 1 {
					value = call.Args[0]
				}
				if literal, is := value.(*ast.BasicLit); is && literal.Kind == token.STRING {
					text, _ := strconv.Unquote(literal.Value)
					texts = append(texts, text)
				}
			}
			return true
		})
	}
	return texts
}

func credentialWords(t *testing.T) {
	of := func(prefix string) []string {
		return append(constants(t, "credential", prefix), constants(t, "credential/health", prefix)...)
	}
	same(t, "kinds of credential", of("Kind"), facts("credential"))
	same(t, "classes of plate", of("Plate"), facts("plate_class"))
	byGate := "clock-untrusted"
	same(t, "reasons", append(of("Reason"), append(of("Err"), byGate)...), facts("credential_reason"))
}

func rosterWords(t *testing.T) {
	store, err := roster.Open(filepath.Join(t.TempDir(), "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	opt := roster.ImportOptions{Key: roster.NewKey(), CheckResidentID: func(string) (string, error) { return "", nil }}
	rows := "room,name,class,plate,service\n1-1-101,甲,resident,,\n"
	for i, word := range facts("service") {
		rows += fmt.Sprintf(",,,京A1234%d,%s\n", i, word)
	}
	list, err := sheet.Read([]byte(rows))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Import(t.Context(), list.Rows, opt); err != nil {
		t.Error(err)
	}
	var classes []string // that an import takes
	for _, word := range facts("class") {
		list, err := sheet.Read([]byte("room,name,class\n1-1-101,甲,resident\n1-1-102,乙,resident\n1-1-101,丙," + word + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		opt.DryRun = true
		if _, err := store.Import(t.Context(), list.Rows, opt); err == nil {
			classes = append(classes, word)
		}
	}
	same(t, "classes", classes, []string{"resident", "staff", "volunteer", "courier"})
}

func settingsWords(t *testing.T) {
	var bodies []string
	for _, b := range visit.Bodies {
		bodies = append(bodies, b.Word)
	}
	same(t, "hosts that are no household", config.Bodies, bodies)
	path := filepath.Join(t.TempDir(), "gated.yaml")
	if err := os.WriteFile(path, []byte("ledger:\n  retention:\n    - {class: nobody, days: 1}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(path, nil)
	want := "write " + strings.Join(append(facts("class"), retention.Words...), " or ")
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("retention by class: got %v, want %s", err, want)
	}
}

// page is the table of words.js.
func page(t *testing.T) map[string]map[string][2]string {
	t.Helper()
	_, file, _ := bytes.Cut(mustRead(t, "../../console/page/words.js"), []byte("\nconst WORDS = "))
	var words map[string]map[string][2]string
	if err := json.Unmarshal(file[:bytes.LastIndexByte(file, '}')+1], &words); err != nil {
		t.Fatal(err)
	}
	return words
}

// shipped are the reasons that the shipped policy gives besides those of credentials. A rule without a reason of its own gives
// its name, if it does not want a credential that is faulty, whose word it then gives.
func shipped() (reasons []string) {
	for _, r := range policy.Shipped().Rules() {
		faulty := slices.ContainsFunc(r.When, func(c policy.Condition) bool {
			return c.Fact == "credential_reason" && !slices.Contains(c.Is, "ok") && !slices.Contains(c.Is, "none")
		})
		if r.Reason != "" {
			reasons = append(reasons, r.Reason)
		} else if !faulty {
			reasons = append(reasons, r.Name)
		}
	}
	return append(reasons, policy.StatedOnly, policy.UnknownFacts)
}

func guards() []string {
	return slices.Concat(ruling.Reasons[policy.Admit], ruling.Reasons[policy.Refuse])
}

// overrides are the reasons of guards who admit against a refusal.
func overrides() []string {
	return slices.Concat(slices.Collect(maps.Values(ruling.Overrides))...)
}

var quoted = regexp.MustCompile("`([a-z0-9 -]+)`")

// documented are the words in back quotes of a part of docs/formats.md, from one text to another.
func documented(t *testing.T, from, to string) (words []string) {
	t.Helper()
	_, part, found := strings.Cut(string(mustRead(t, "../../docs/formats.md")), from)
	part, _, ended := strings.Cut(part, to)
	if !found || !ended {
		t.Fatalf("docs/formats.md has no part from %q to %q", from, to)
	}
	for _, m := range quoted.FindAllStringSubmatch(part, -1) {
		words = append(words, strings.Fields(m[1])...)
	}
	return words
}

// ofGate are the reasons that are the gate's own, those that stand in package policy among them.
func ofGate(t *testing.T) []string {
	if own := documented(t, "\nOf the gate: ", "\n\n"); !slices.Contains(own, policy.RosterFault) {
		t.Errorf("docs/formats.md does not say what the reason %s means", policy.RosterFault)
	}
	return slices.DeleteFunc(documented(t, "\nOf the gate: ", "\n\n"), func(w string) bool { return w == "open" }) // a kind of entry
}

func pageWords(t *testing.T) {
	words := page(t)
	texts := func(table string) []string { return slices.Collect(maps.Keys(words[table])) }
	same(t, "directions", texts("direction"), facts("direction"))
	same(t, "classes", texts("class"), facts("class"))
	same(t, "kinds of credential", texts("credential"), policy.Words("credential"))
	same(t, "health", texts("health"), facts("health"))
	notDecided := []string{"repeat", "emergency", "ready", "down"} // what the page shows in the place of a verdict
	same(t, "verdicts", texts("verdict"), append([]string{policy.Admit, policy.Refuse, policy.Hold, gate.Fault}, notDecided...))
	same(t, "why a frame was dropped", texts("dropped"), scanner.FrameCauses)
	same(t, "clock", texts("clock"), slices.DeleteFunc(documented(t, "\nOf the clock: ", "\n"), func(w string) bool {
		return slices.Contains([]string{"clock-trusted", "clock-confirmed", "clock-corrected"}, w) // all is well
	}))

	ofPicture := []string{"no-code", "no-picture", "too-large", "busy"}
	ofName := []string{} // of rules: a policy of the compound's own may give them
	for _, r := range policy.Shipped().Rules() {
		if r.Reason == "" {
			ofName = append(ofName, r.Name)
		}
	}
	reasons := slices.Concat(policy.Words("credential_reason"), shipped(), guards(), overrides(), ofGate(t), ofPicture, ofName,
		[]string{"found-by-room"})
	reasons = slices.DeleteFunc(reasons, func(w string) bool { return w == "pulse" }) // of an opening that went well: shown nowhere
	same(t, "reasons", texts("reason"), reasons)

	same(t, "openings by hand", texts("by_hand"), byhand.Reasons)
	hand := string(mustRead(t, "../../console/page/hand.js"))
	for name, list := range map[string][]string{"OPENINGS": byhand.Reasons, "HEADS": byhand.Heads} {
		if want := "const " + name + " = ['" + strings.Join(list, "', '") + "'];\n"; !strings.Contains(hand, want) {
			t.Errorf("hand.js has not %s", want)
		}
	}

	same(t, "how a host agrees", texts("consent"), visits.Consents)
	same(t, "how a visit was made", texts("visit_how"), visits.Made)
	same(t, "what a visit says", texts("visit_state"), visits.States)
	same(t, "weekdays", texts("weekday"), week.Days)
	ofVisits := string(mustRead(t, "../../console/page/visit.js"))
	if want := "const WEEKDAYS = ['" + strings.Join(week.Days, "', '") + "'];\n"; !strings.Contains(ofVisits, want) {
		t.Errorf("visit.js has not %s", want)
	}
	_, consents, _ := strings.Cut(ofVisits, "\nconst CONSENTS = {")
	consents, _, _ = strings.Cut(consents, "};")
	for _, m := range regexp.MustCompile(`'([a-z-]+)'[,\]]`).FindAllStringSubmatch(consents, -1) {
		if !slices.Contains(visits.Consents, m[1]) {
			t.Errorf("visit.js offers the consent %s, which no visit takes", m[1])
		}
	}

	script := string(mustRead(t, "../../console/page/page.js"))
	if want := "const OVERRIDES = ['" + strings.Join(ruling.Overrides[policy.OverrideGuard], "', '") + "'];\n"; !strings.Contains(script, want) {
		t.Errorf("page.js has not %s", want)
	}
	for verdict, list := range ruling.Reasons {
		if want := "\n  " + verdict + ": ['" + strings.Join(list, "', '") + "'],\n"; !strings.Contains(script, want) {
			t.Errorf("page.js has not the guard's reasons %s", want)
		}
	}
}

func docsWords(t *testing.T) {
	formats := string(mustRead(t, "../../docs/formats.md"))
	for _, fact := range []string{"direction", "class", "credential", "credential_reason", "proof", "service", "plate_class", "health", "whereabouts"} {
		if row := "| `" + fact + "` | `" + strings.Join(policy.Words(fact), " ") + "` |"; !strings.Contains(formats, row) {
			t.Errorf("docs/formats.md has not %s", row)
		}
	}
	same(t, "of a credential", documented(t, "\nOf a credential:", "\nOf the shipped policy"), append(facts("credential_reason"), "found-by-room"))
	same(t, "of the shipped policy", slices.DeleteFunc(documented(t, "\nOf the shipped policy", "\nOf guards:"), func(w string) bool {
		return slices.Contains(facts("credential_reason"), w)
	}), shipped())
	same(t, "of overrides", slices.DeleteFunc(documented(t, "\nOf guards who admit against a refusal: ", "\n"), func(w string) bool {
		return slices.Contains(append(policy.Overrides(), "override"), w)
	}), overrides())
	same(t, "of openings by hand", documented(t, "\nOf openings by hand: ", "\n"), byhand.Reasons)
	same(t, "of the log", documented(t, "\nOf the log: ", "\n"), shift.Reasons)
	_, byHand, _ := strings.Cut(formats, "\n| `by-hand` |")
	byHand, _, _ = strings.Cut(byHand, "\n")
	for _, word := range append([]string{byhand.GoesOn, byhand.Shut, byhand.Closed, byhand.Emergency, byhand.Restart, byhand.NeverWas}, strings.Join(byhand.Heads[:9], " "), byhand.Uncounted) {
		if !strings.Contains(byHand, "`"+word+"`") {
			t.Errorf("docs/formats.md does not say that an opening by hand may be %s", word)
		}
	}
	same(t, "of guards", documented(t, "\nOf guards: admit ", "\n"), guards())

	var code []byte
	for _, dir := range []string{"gate", "gate/lane", "gate/ruling", "register", "register/paper", "barrier", "policy"} {
		files, _ := filepath.Glob(filepath.Join("../..", dir, "*.go"))
		for _, path := range files {
			if !strings.HasSuffix(path, "_test.go") {
				code = append(code, mustRead(t, path)...)
			}
		}
	}
	for _, word := range ofGate(t) {
		if !bytes.Contains(code, []byte(`"`+word+`"`)) {
			t.Errorf("docs/formats.md has the gate's reason %s, the gate has not", word)
		}
	}
	every := documented(t, "", "\n## HTTP")
	every = slices.Concat(every, documented(t, "\n## Reasons", "\nOf the clock: "), documented(t, "\nOf the clock: ", "\n"))
	for _, m := range regexp.MustCompile(`\bReason(?::| =) "([a-z-]+)"`).FindAllSubmatch(code, -1) {
		if word := string(m[1]); !slices.Contains(every, word) {
			t.Errorf("docs/formats.md does not say what the reason %s means", word)
		}
	}
}

// guardWords: what the guard's sheet says that the page says, the page says.
func guardWords(t *testing.T) {
	sheet, words := string(mustRead(t, "../../docs/guard.md")), page(t)
	for word, texts := range words["verdict"] {
		for _, text := range texts {
			if !regexp.MustCompile(`(?m)^\|[^|]*\|[^|]*\b?` + regexp.QuoteMeta(text)).MatchString(sheet) {
				t.Errorf("docs/guard.md has no shape for %s, which the page calls %s", word, text)
			}
		}
	}
	atOnce := map[string]string{policy.Admit: "document-sighted", policy.Refuse: "not-known"}
	script := string(mustRead(t, "../../console/page/page.js"))
	if want := fmt.Sprintf("const ATONCE = { admit: '%s', refuse: '%s' };", atOnce[policy.Admit], atOnce[policy.Refuse]); !strings.Contains(script, want) {
		t.Errorf("page.js has not %s", want)
	}
	for language := range 2 {
		var keys, last []string // last are those whose digits come after all others'
		for i, reason := range byhand.Reasons {
			if want := fmt.Sprintf("%d %s", i+1, words["by_hand"][reason][language]); !strings.Contains(sheet, want) {
				t.Errorf("docs/guard.md does not say %s", want)
			}
		}
		for _, verdict := range []string{policy.Admit, policy.Refuse} {
			for _, reason := range ruling.Reasons[verdict] {
				text := words["reason"][reason][language]
				if reason == policy.KnownUnnamed { // has a key of its own
					if !strings.Contains(sheet, text) {
						t.Errorf("docs/guard.md does not say %s", text)
					}
				} else if ruling.IsUrgent(reason) {
					last = append(last, text)
				} else if atOnce[verdict] != reason {
					keys = append(keys, fmt.Sprintf("%d %s", len(keys)+1, text))
				} else if want := [2]string{"“" + text + "”", `"` + text + `"`}[language]; !strings.Contains(sheet, want) {
					t.Errorf("docs/guard.md does not say that one press means %s", want)
				}
			}
		}
		for _, text := range last {
			keys = append(keys, fmt.Sprintf("%d %s", len(keys)+1, text))
		}
		if want := strings.Join(keys, [2]string{",", ", "}[language]); !strings.Contains(sheet, want) {
			t.Errorf("docs/guard.md does not say %s", want)
		}
	}
}

func metricsWords(t *testing.T) {
	c := startDemo(t, "--dir", demoSite(t), "--fast", "--scans", "1000000", "--log-verdicts")
	at := c.address(t)
	for said := bufio.NewReader(c.stdout); ; {
		line, err := said.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"hold"`) {
			go io.Copy(io.Discard, said)
			break
		}
	}
	metrics := get(t, at+"metrics")
	c.stop(t)
	reasons := slices.Concat(facts("credential_reason"), shipped(), guards(), overrides(), ofGate(t))
	values := map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^gated_(?:scans|decisions)_total{(.*)} `).FindAllStringSubmatch(metrics, -1) {
		for _, label := range regexp.MustCompile(`(\w+)="([^"]*)"`).FindAllStringSubmatch(m[1], -1) {
			if !slices.Contains(values[label[1]], label[2]) {
				values[label[1]] = append(values[label[1]], label[2])
			}
		}
	}
	same(t, "kinds of scans", values["kind"], facts("credential"))
	for label, known := range map[string][]string{
		"direction": facts("direction"), "verdict": {policy.Admit, policy.Refuse, policy.Hold, policy.Undecided, gate.Fault}, "reason": reasons,
	} {
		if len(values[label]) == 0 {
			t.Errorf("no %s in the metrics", label)
		}
		for _, word := range values[label] {
			if !slices.Contains(known, word) {
				t.Errorf("the metrics have the %s %q, which is no such word", label, word)
			}
		}
	}
}
