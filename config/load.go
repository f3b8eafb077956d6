package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"gated/policy"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// maxSize of a settings file, in bytes; the example has 4 KiB.
const maxSize = 256 << 10

// commandLine are the variables that the command line reads itself.
var commandLine = []string{"GATED_CONFIG", "GATED_STATE"}

// Load reads the settings file and the GATED_ variables of environ (as from
// os.Environ) and checks everything. The error joins all faults, one a line, each
// with its line number or variable, key, value and what to write instead.
func Load(path string, environ []string) (*Settings, error) {
	source, err := Read(path)
	if err != nil {
		return nil, err
	}
	return Parse(source, path, environ)
}

// Parse is Load for what was read from path.
func Parse(source []byte, path string, environ []string) (*Settings, error) {
	s, l, err := examineSource(source, path, environ)
	if err == nil && len(l.faults) > 0 {
		err = fmt.Errorf("settings %s:\n%w", path, errors.Join(l.faults...))
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Barriers reads from settings that Load refuses what it takes to close the
// barriers: state_dir, log, and the lanes whose barrier is without fault in what
// matters for that. All else is as by default. It is nil if there is no such
// lane, or the state directory is in doubt.
func Barriers(path string, environ []string) *Settings {
	read, l, err := examine(path, environ)
	if err != nil || l.stateInDoubt() {
		return nil
	}
	faulty := l.allFaulty()
	s := Default()
	s.StateDir, s.Log = read.StateDir, read.Log
	for i, lane := range read.Lanes {
		at := fmt.Sprintf("lanes[%d]", i)
		sound := !slices.ContainsFunc(faulty, func(key string) bool {
			rest, is := strings.CutPrefix(key, at+".barrier")
			switch {
			case !is:
				return key == "lanes" || key == at || key == at+".id"
			case strings.HasPrefix(rest, ".sensor"), rest == ".pulse", rest == ".spacing", rest == ".timeout", rest == ".answers":
				return false
			}
			return true // also of a key that nobody knows: it may have been meant for one that matters
		})
		if sound && lane.Barrier.Driver != "none" {
			b := DefaultLane().Barrier
			b.Driver, b.Device, b.Channel, b.Command = lane.Barrier.Driver, lane.Barrier.Device, lane.Barrier.Channel, lane.Barrier.Command
			s.Lanes = append(s.Lanes, Lane{ID: lane.ID, Barrier: b})
		}
	}
	if len(s.Lanes) == 0 {
		return nil
	}
	return s
}

// StateDir is the state directory that settings name, faults or not. It is an error where they leave it in doubt.
func StateDir(path string, environ []string) (string, error) {
	s, l, err := examine(path, environ)
	if err != nil {
		return "", err
	}
	if l.stateInDoubt() {
		return "", fmt.Errorf("settings %s:\n%w", path, errors.Join(l.faults...))
	}
	return s.StateDir, nil
}

func (l *loader) allFaulty() []string {
	return slices.Concat(slices.Collect(maps.Keys(l.faulty)), l.twice)
}

// stateInDoubt tells whether state_dir is faulty, or another key that was meant to be it.
func (l *loader) stateInDoubt() bool {
	return slices.ContainsFunc(l.allFaulty(), func(key string) bool {
		return key == "GATED_STATE_DIR" || policy.Nearest(key, []string{"state_dir", "GATED_STATE_DIR"}) != ""
	})
}

// Files are the other files that settings name, faults or not: that of the policy and the directory of trusted keys, "" where it
// is the default. source is what the settings file says, or is to say.
func Files(path string, source []byte, environ []string) (policy, trust string, err error) {
	s, _, err := examineSource(source, path, environ)
	if err != nil {
		return "", "", err
	}
	return s.Policy.File, s.Trust.Dir, nil
}

// examine reads and checks everything. The faults are in l; in s a faulty value is
// as it was written, or the default.
func examine(path string, environ []string) (s *Settings, l *loader, err error) {
	source, err := Read(path)
	if err != nil {
		return nil, nil, err
	}
	return examineSource(source, path, environ)
}

func examineSource(source []byte, path string, environ []string) (s *Settings, l *loader, err error) {
	l = &loader{from: map[string]string{}, lines: map[string]int{}, faulty: map[string]bool{}}
	if s, err = l.load(source, environ); err != nil {
		return nil, nil, fmt.Errorf("settings %s:\n%w", path, err)
	}
	s.from = l.from
	s.complete()
	l.check(s)
	s.resolve(filepath.Dir(path))
	return s, l, nil
}

// Read reads the bytes of a settings file.
func Read(path string) ([]byte, error) {
	source, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	return source, nil
}

func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not block
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	source, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(source) > maxSize {
		err = fmt.Errorf("%s is larger than %d bytes: settings are a page or two", path, maxSize)
	}
	return source, err
}

type loader struct {
	from   map[string]string // key: "line 3" or the variable
	lines  map[string]int
	faulty map[string]bool
	faults []error
	twice  []string // keys that were written twice, which hides no other fault of theirs
}

// load merges file and environment over the defaults. Viper is the reader, and
// is given only what was checked before: by itself it takes typo keys, 3 for
// 3 ns, true for 1 and 0123 for 83. What is faulty is recorded and left out, so
// that the rest is still checked.
func (l *loader) load(source []byte, environ []string) (*Settings, error) {
	root, err := parse(source)
	if err != nil {
		return nil, err
	}
	settings := reflect.TypeFor[Settings]()
	l.section(root, settings, "")
	clean, err := yaml.Marshal(root)
	if err != nil {
		return nil, err
	}
	v := viper.New()
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(clean)); err != nil {
		return nil, err
	}
	for key, text := range l.environment(settings, environ) {
		v.Set(key, text)
	}
	s := Default()
	s.Console.Users, s.Ledger.Retention = nil, nil // else a shorter list of the file would leave the rest of it: see complete
	err = v.UnmarshalExact(s, viper.DecodeHook(mapstructure.DecodeHookFuncValue(convert)), func(c *mapstructure.DecoderConfig) {
		c.WeaklyTypedInput = false
	})
	return s, err
}

// parse returns the file as a tree, its root a mapping.
func parse(source []byte) (*yaml.Node, error) {
	if !utf8.Valid(source) {
		return nil, errors.New("not UTF-8 text: save the file with the encoding UTF-8")
	}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(source))
	if err := dec.Decode(&doc); err == io.EOF {
		return nil, errors.New("the file is empty: it needs at least gate.name and one lane")
	} else if err != nil {
		return nil, fmt.Errorf("%s: check indentation, colons and quotes there", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return nil, errors.New("more than one document: remove what follows the line `---`")
	}
	if doc.Content[0].Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: want lines of the form `key: value`", doc.Content[0].Line)
	}
	return doc.Content[0], nil
}

// fault records what is wrong with a key; the first fault of a key, or of the
// section around it, is enough.
func (l *loader) fault(key, format string, args ...any) {
	line := 0
	for k := key; k != ""; k = k[:max(0, strings.LastIndexAny(k, ".["))] {
		if l.faulty[k] {
			return
		}
		if line == 0 { // a missing key: where the section begins that misses it
			line = l.lines[k]
		}
	}
	l.faulty[key] = true
	text := key + ": " + fmt.Sprintf(format, args...)
	switch from := l.from[key]; {
	case strings.HasPrefix(from, "GATED_"):
		text = from + ": " + text
	case line > 0:
		text = fmt.Sprintf("line %d: %s", line, text)
	}
	l.faults = append(l.faults, errors.New(text))
}

// section checks a mapping against a struct and removes from it what is faulty.
func (l *loader) section(n *yaml.Node, t reflect.Type, prefix string) {
	fields := map[string]reflect.Type{}
	var keys []string
	for f := range t.Fields() {
		if name := f.Tag.Get("mapstructure"); name != "" {
			fields[name] = f.Type
			keys = append(keys, name)
		}
	}
	seen := map[string]int{}
	var kept []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		key := prefix + quotable(k.Value)
		t, known := fields[k.Value]
		if before := seen[k.Value]; before > 0 {
			l.faults = append(l.faults, fmt.Errorf("line %d: %s: written twice, first in line %d: keep one", k.Line, key, before))
			l.twice = append(l.twice, key)
			continue
		}
		seen[k.Value] = k.Line
		l.lines[key] = k.Line
		switch {
		case !known || k.Kind != yaml.ScalarNode:
			l.fault(key, "unknown key%s; the keys here are %s", policy.Nearest(k.Value, keys), strings.Join(keys, ", "))
		case l.value(v, t, key):
			kept = append(kept, k, v)
		}
	}
	n.Content = kept
}

// value checks one value and tells whether viper may see it.
func (l *loader) value(n *yaml.Node, t reflect.Type, key string) bool {
	if l.lines[key] == 0 { // an item of a list
		l.lines[key] = n.Line
	}
	l.from[key] = fmt.Sprintf("line %d", l.lines[key])
	null := n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
	switch {
	// Aliases are what lets a small file unfold without bound.
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		l.fault(key, "& and * are not used in settings: write the value out")
	case t.Kind() == reflect.Struct && null: // all its keys are commented out
	case t.Kind() == reflect.Struct && n.Kind != yaml.MappingNode:
		l.fault(key, "is a section: write its keys below it, indented")
	case t.Kind() == reflect.Struct:
		l.section(n, t, key+".")
		return true
	case null:
		l.fault(key, "has no value: give one or remove the line")
	case t.Kind() == reflect.Slice && n.Kind != yaml.SequenceNode:
		l.fault(key, "is a list: write each item after a hyphen, or [one, two]")
	case t.Kind() == reflect.Slice && len(n.Content) > 64:
		l.fault(key, "has %d items: at most 64", len(n.Content))
	case t.Kind() == reflect.Slice:
		for i, item := range n.Content {
			if !l.value(item, t.Elem(), fmt.Sprintf("%s[%d]", key, i)) {
				n.Content[i] = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"} // keeps the place
				if t.Elem().Kind() == reflect.Struct {
					n.Content[i] = &yaml.Node{Kind: yaml.MappingNode}
				}
			}
		}
		return true
	case n.Kind != yaml.ScalarNode:
		l.fault(key, "takes one value, not a list or section")
	default:
		if err := checkScalar(n, t); err != nil {
			l.fault(key, "%v", err)
			return false
		}
		return true
	}
	return false
}

// checkScalar checks a scalar as it was written, before YAML makes 83 of 0123
// and 1 of true.
func checkScalar(n *yaml.Node, t reflect.Type) error {
	if tag := n.ShortTag(); t.Kind() == reflect.String && tag != "!!str" {
		return fmt.Errorf("%s is read as %s: put it in quotes", n.Value, map[string]string{
			"!!int": "a number", "!!float": "a number", "!!bool": "true or false", "!!timestamp": "a date"}[tag])
	} else if t.Kind() == reflect.Bool && tag == "!!str" && (n.Value == "true" || n.Value == "false") {
		return fmt.Errorf("%q is text: write %s without quotes", n.Value, n.Value)
	} else if t.Kind() == reflect.Int && tag == "!!str" {
		if _, err := parseScalar(n.Value, t); err == nil {
			return fmt.Errorf("%q is text: write %s without quotes", n.Value, n.Value)
		}
	}
	_, err := parseScalar(n.Value, t)
	return err
}

// parseScalar reads a value of the settings' five scalar types.
func parseScalar(text string, t reflect.Type) (any, error) {
	switch t {
	case reflect.TypeFor[string]():
		return text, nil
	case reflect.TypeFor[int]():
		n, err := strconv.Atoi(text)
		if err != nil || strconv.Itoa(n) != text {
			return nil, fmt.Errorf("%q is not a whole number: write digits only", text)
		}
		return n, nil
	case reflect.TypeFor[bool]():
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false: write one of them, without quotes", text)
		}
		return text == "true", nil
	case reflect.TypeFor[time.Duration]():
		return parseDuration(text)
	case reflect.TypeFor[Size]():
		return parseSize(text)
	}
	return nil, fmt.Errorf("a setting of type %v is not known to this program", t)
}

// convert is the decode hook: text to the field's type; lanes begin with their
// defaults.
func convert(from, to reflect.Value) (any, error) {
	if to.Type() == reflect.TypeFor[Lane]() {
		to.Set(reflect.ValueOf(DefaultLane()))
	}
	if from.Kind() == reflect.String && to.Kind() != reflect.String {
		return parseScalar(from.String(), to.Type())
	}
	return from.Interface(), nil
}

// leaves calls f for every key of a settings struct that is no section, with the field that holds it.
func leaves(t reflect.Type, prefix string, f func(key string, field reflect.StructField)) {
	for field := range t.Fields() {
		name := field.Tag.Get("mapstructure")
		switch {
		case name == "":
		case field.Type.Kind() == reflect.Struct:
			leaves(field.Type, prefix+name+".", f)
		default:
			f(prefix+name, field)
		}
	}
}

func variable(key string) string {
	return "GATED_" + strings.ToUpper(strings.NewReplacer(".", "_", "[", "_", "]", "").Replace(key))
}

// environment returns the overrides by key.
func (l *loader) environment(t reflect.Type, environ []string) map[string]string {
	type leaf struct {
		key string
		t   reflect.Type
	}
	variables := map[string]leaf{}
	names := slices.Clone(commandLine)
	var lists []string
	leaves(t, "", func(key string, f reflect.StructField) {
		if f.Type.Kind() == reflect.Slice {
			lists = append(lists, variable(key))
			return
		}
		variables[variable(key)] = leaf{key, f.Type}
		names = append(names, variable(key))
	})
	overrides := map[string]string{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "GATED_") || slices.Contains(commandLine, name) {
			continue
		}
		to, known := variables[name]
		ofList := slices.ContainsFunc(lists, func(list string) bool { return name == list || strings.HasPrefix(name, list+"_") })
		part := slices.IndexFunc(names, func(n string) bool { return strings.HasPrefix(n, name+"_") })
		_, err := parseScalar(text, to.t)
		switch {
		case !known && part >= 0:
			l.fault(name, "names a section: set one of its keys, such as %s", names[part])
		case !known && ofList:
			l.fault(name, "lists are set in the file only: unset it")
		case !known:
			l.fault(name, "unknown variable%s: unset it", policy.Nearest(name, names))
		case text == "":
			l.fault(name, "is empty: unset it, or give a value for %s", to.key)
		case !utf8.ValidString(text):
			l.fault(name, "is not UTF-8 text")
		case err != nil:
			l.fault(name, "%v", err)
		default:
			delete(l.faulty, to.key)
			l.from[to.key] = name
			overrides[to.key] = text
		}
	}
	return overrides
}

// quotable keeps a key that somebody mistyped readable in one line.
func quotable(s string) string {
	if len(s) > 60 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return strconv.QuoteToGraphic(string([]rune(s)[:min(60, utf8.RuneCountInString(s))]))
	}
	return s
}
