package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// house is which of our packages each package may import. Whoever adds an arrow adds it here, and to the map in README.md.
var house = map[string][]string{
	"cmd/gated": {"access", "backup", "box", "box/lock", "box/pages", "config", "credential", "daemon", "daemon/lastgood", "evidence",
		"evidence/callback", "evidence/export", "evidence/person", "evidence/police", "evidence/replay", "evidence/report",
		"evidence/verify", "gate", "gate/query", "gate/view", "ledger", "ledger/file", "ledger/seal", "ledger/tlog", "logqueue",
		"policy", "poster", "progress", "prompt", "register", "register/blind", "register/erasure", "register/hosts",
		"register/levels", "register/marks", "register/paper", "roster", "roster/passlist", "roster/sheet", "scanner/probe", "scanner/qr"},
	"cmd/gated-demo": {"demo"},
	"daemon": {"access", "barrier", "box", "box/lock", "clock", "config", "console", "daemon/lastgood", "durable", "gate",
		"ledger", "ledger/file", "ledger/tlog", "logqueue", "peer", "poster", "register", "scanner"},
	"daemon/lastgood": {"backup", "config", "credential", "credential/keyfile", "durable", "policy", "register/retention"},
	"box": {"access", "backup", "box/again", "box/compound", "box/lock", "box/pages", "clock", "credential", "durable", "gate", "gate/query",
		"gate/spool", "gate/view", "ledger", "ledger/file", "ledger/seal", "ledger/tlog", "peer", "policy", "policy/week",
		"register", "register/amend", "register/erasure", "register/hosts", "register/levels", "register/marks", "register/paper",
		"register/retention", "register/told", "register/visits", "roster", "roster/sheet"},
	"box/compound": {"durable", "roster"},
	"box/pages":    {"gate/visit", "ledger", "ledger/file", "register", "register/paper", "register/visits", "roster", "roster/sheet"},
	"box/lock":     {"durable", "peer"},
	"backup":       {"durable", "ledger/file", "ledger/seal", "ledger/tlog", "sqliteprocess"},
	"console":      {"access", "box", "gate", "gate/duty", "scanner/qr"},
	"gate": {"access", "clock", "credential", "gate/counter", "gate/duty", "gate/find", "gate/host", "gate/lane", "gate/left",
		"gate/metrics", "gate/news", "gate/presentation", "gate/query", "gate/repeat", "gate/ruling", "gate/stamp", "gate/subject",
		"gate/tries", "gate/view", "gate/visit", "gate/visitpass", "gate/writing", "ledger", "policy", "register", "register/amend",
		"register/blind", "register/byhand", "register/hosts", "register/levels", "register/marks", "register/paper", "register/visits", "roster"},
	"gate/device":       {"ledger", "register"},
	"gate/lane":         {"barrier", "gate/device", "gate/metrics", "gate/view", "gate/writing", "ledger", "register", "register/byhand"},
	"gate/left":         {"gate/view", "policy", "register"},
	"gate/metrics":      nil,
	"gate/news":         nil,
	"gate/presentation": {"credential", "gate/subject", "ledger"},
	"gate/spool":        {"durable", "ledger", "register"},
	"gate/query": {"credential", "gate/ruling", "gate/subject", "policy", "register", "register/blind", "register/hosts",
		"register/levels", "register/presence", "register/visits", "roster", "table"},
	"gate/visitpass": {"credential", "gate/ruling", "gate/writing", "ledger", "register", "register/blind", "register/visits"},
	"gate/visit":     {"credential", "ledger", "policy/week", "register/visits", "roster"},
	"gate/repeat":    nil,
	"gate/ruling":    {"policy"},
	"gate/stamp":     {"clock", "ledger"},
	"gate/tries":     {"credential", "policy"},
	"gate/view":      {"gate/spool", "policy", "register", "register/byhand", "register/levels", "register/paper", "register/visits", "table"},
	"gate/writing":   {"gate/spool", "ledger", "register"},
	"gate/subject":   {"credential", "ledger", "roster"},
	"evidence/replay": {"ledger/entry", "ledger/file", "policy", "register", "register/blind", "register/hosts", "register/levels",
		"register/marks", "register/presence", "register/trips", "register/visits", "table"},
	"evidence/export": {"durable", "evidence", "evidence/bundle", "ledger/entry", "ledger/tlog", "register", "table"},
	"evidence/verify": {"evidence", "evidence/bundle", "ledger/entry", "ledger/epoch", "ledger/tlog"},
	"evidence/bundle": {"evidence", "ledger/entry", "ledger/file", "ledger/tlog"},
	"evidence":        {"clock", "evidence/workbook", "ledger/entry", "ledger/file", "ledger/tlog", "register", "register/byhand", "register/paper"},
	"register": {"ledger", "ledger/file", "register/blind", "register/byhand", "register/hosts", "register/index",
		"register/levels", "register/marks", "register/paper", "register/presence", "register/shift", "register/slips", "register/trips",
		"register/visits"},
	"register/amend":    {"ledger", "register", "register/visits"},
	"register/visits":   {"ledger", "policy/week", "register/blind", "register/paper"},
	"register/index":    {"register/blind", "register/presence", "register/trips", "register/visits", "sqliteprocess"},
	"register/blind":    {"ledger"},
	"register/byhand":   {"ledger"},
	"register/levels":   {"ledger"},
	"register/marks":    {"ledger", "policy/week", "register/blind", "table"},
	"register/paper":    {"ledger", "ledger/file"},
	"register/presence": {"ledger", "register/blind"},
	"register/trips":    {"register/blind"},
	"register/erasure":  {"ledger", "ledger/file", "register", "register/retention", "register/visits", "table"},
	"ledger": {"durable", "ledger/entry", "ledger/epoch", "ledger/erasing", "ledger/file", "ledger/medium", "ledger/seal", "ledger/tlog",
		"sqliteprocess"},
	"ledger/epoch":       {"durable", "ledger/entry", "ledger/file", "ledger/seal", "ledger/tlog"},
	"ledger/erasing":     {"ledger/file", "ledger/seal"},
	"ledger/file":        {"durable", "ledger/entry", "ledger/seal", "ledger/tlog", "sqliteprocess"},
	"ledger/entry":       {"ledger/seal", "ledger/tlog"},
	"ledger/seal":        {"durable"},
	"ledger/medium":      nil,
	"ledger/tlog":        {"durable"},
	"policy":             {"policy/week"},
	"policy/week":        nil,
	"roster":             {"durable", "roster/sheet", "sqliteprocess", "table"},
	"roster/passlist":    {"credential", "durable", "roster", "roster/sheet", "table"},
	"roster/sheet":       nil,
	"credential":         {"clock", "credential/base45", "credential/health", "credential/keyfile", "durable"},
	"credential/health":  {"credential/base45", "credential/keyfile"},
	"credential/base45":  nil,
	"credential/keyfile": nil,
	"scanner":            {"serialport"},
	"scanner/probe":      {"scanner", "serialport"},
	"scanner/qr":         nil,
	"barrier":            {"serialport"},
	"serialport":         nil,
	"clock":              nil,
	"config":             {"barrier", "ledger/tlog", "policy", "register/retention", "scanner"},
	"durable":            nil,
	"logqueue":           nil,
	"peer":               nil,
	"progress":           nil,
	"prompt":             nil,
	"access":             {"durable"},
	"sqliteprocess":      {"durable"},
	"table":              nil,
	"evidence/workbook":  nil,
	"evidence/report": {"durable", "evidence", "evidence/workbook", "ledger/entry", "ledger/file", "ledger/tlog", "register",
		"register/byhand", "register/levels", "register/paper", "register/presence", "roster"},
	"register/shift":     {"ledger"},
	"register/slips":     {"ledger", "register/blind"},
	"gate/duty":          {"access", "gate/ruling", "gate/view", "gate/writing", "ledger", "register", "register/shift", "register/slips", "roster"},
	"register/retention": nil,
	"box/again":          {"ledger", "ledger/file", "register", "register/hosts", "register/marks", "register/visits"},
	"gate/find":          {"gate/view", "gate/visit", "register", "register/blind", "register/visits", "roster"},
	"gate/host":          {"gate/visit", "ledger", "register/hosts", "roster"},
	"gate/counter": {"gate/find", "gate/host", "gate/query", "gate/ruling", "gate/stamp", "gate/view", "gate/writing", "ledger",
		"register", "register/blind", "register/hosts", "register/paper", "register/visits", "roster"},
	"register/hosts": {"ledger", "register/blind", "table"},
	"register/told":  {"access", "ledger", "register", "register/erasure"},
	"evidence/callback": {"evidence", "evidence/report", "ledger/entry", "ledger/file", "ledger/tlog", "register", "roster",
		"table"},
	"evidence/person": {"durable", "evidence/report", "ledger/entry", "ledger/file", "register", "roster"},
	"poster":          {"config", "durable", "policy"},
	"evidence/police": {"credential", "durable", "evidence", "evidence/bundle", "evidence/report", "register/told", "roster"},
}

// What a reader can hold in the head at once.
const (
	mostPackage    = 2400
	mostFile       = 500
	mostFunction   = 100
	mostParameters = 5
	mostColumns    = 140
	mostCommand    = 2000  // cmd/gated
	mostAll        = 29500 // all packages, tests apart
)

// over is what was larger than that when the limits were set, and by how much. It may only become smaller: what has shrunk
// below its limit goes from here.
var over = map[string]int{
	"all": 65726,
}

// within tells of a size that is over its limit, unless it is known to be and has not grown.
func within(t *testing.T, seen map[string]bool, name string, size, most int) {
	t.Helper()
	known, is := over[name]
	seen[name] = true
	switch {
	case size <= most && is:
		t.Errorf("%s is %d by now, which is within its limit of %d: take it out of the table of exceptions", name, size, most)
	case size > most && !is:
		t.Errorf("%s is %d: at most %d", name, size, most)
	case size > known && is:
		t.Errorf("%s has grown from %d to %d: it should shrink to %d", name, known, size, most)
	}
}

type goPackage struct {
	Dir, ImportPath string
	Imports         []string
	GoFiles         []string
}

// TestArchitecture prints the arrows between our packages and holds them, and the sizes that keep them readable.
func TestArchitecture(t *testing.T) {
	all, seen := 0, map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "gated/")
		var ours []string
		for _, i := range p.Imports {
			if i, ok := strings.CutPrefix(i, "gated/"); ok {
				ours = append(ours, i)
				if strings.HasSuffix(i, "test") {
					t.Errorf("%s imports %s, which is for tests alone", name, i)
				}
			}
		}
		lines := 0
		for _, f := range p.GoFiles {
			lines += measure(t, seen, filepath.Join(p.Dir, f), name+"/"+f)
		}
		all += lines
		t.Logf("%-18s %5d lines → %s", name, lines, strings.Join(ours, ", "))
		most := mostPackage
		if name == "cmd/gated" {
			most = mostCommand
		}
		within(t, seen, name, lines, most)
		if strings.HasPrefix(name, "demo") { // plays all of it, and is in nothing
			continue
		}
		allowed, known := house[name]
		if !known {
			t.Errorf("%s is not in the house: say in one sentence what it is, and add it to the table", name)
		}
		for _, i := range ours {
			if known && !slices.Contains(allowed, i) {
				t.Errorf("%s imports %s: arrows point down; does that belong lower, or the other way round?", name, i)
			}
		}
	}
	t.Logf("%d lines without tests", all)
	within(t, seen, "all", all, mostAll)
	for name := range over {
		if !seen[name] {
			t.Errorf("%s is in the table of exceptions and nowhere else", name)
		}
	}
}

// packages lists our packages as the go command sees them, without those that are for tests alone, whose names end so.
func packages(t testing.TB) (list []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,Imports,GoFiles", "gated/...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(out))
	for {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 && !strings.HasSuffix(p.ImportPath, "test") {
			list = append(list, p)
		}
	}
}

// measure counts the lines of a file and finds what is too long in it.
func measure(t *testing.T, seen map[string]bool, path, name string) (lines int) {
	t.Helper()
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wide := 0
	for line := range strings.Lines(string(src)) {
		lines++
		if n := utf8.RuneCountInString(strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", "    ")); n > mostColumns {
			wide++
		}
	}
	within(t, seen, name+" (lines over 140 columns)", wide, 0)
	within(t, seen, name, lines, mostFile)
	files := token.NewFileSet()
	parsed, err := parser.ParseFile(files, path, src, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		within(t, seen, name+" "+f.Name.Name, files.Position(f.End()).Line-files.Position(f.Pos()).Line+1, mostFunction)
		within(t, seen, name+" "+f.Name.Name+" (parameters)", f.Type.Params.NumFields(), mostParameters)
	}
	return lines
}

// TestPackageSentence: each package opens with one sentence, in a file of its own name, and README's map has the package.
func TestPackageSentence(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "gated/")
		file := cmp.Or(map[string]string{"cmd/gated": "main", "cmd/gated-demo": "main"}[name], filepath.Base(name)) + ".go"
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: its sentence stands in %s: %v", name, file, err)
			continue
		}
		if doc := parsed.Doc.Text(); !strings.Contains(doc, ".") {
			t.Errorf("%s/%s does not say in a sentence what the package is", name, file)
		}
		if !strings.HasPrefix(name, "demo/") && !bytes.Contains(readme, fmt.Appendf(nil, "`%s`", name)) {
			t.Errorf("README.md does not say what `%s` is", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(house)) {
		if _, err := os.Stat(filepath.Join("../..", name)); err != nil {
			t.Errorf("the table has %s, the house does not", name)
		}
	}
}
