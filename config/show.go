package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// hidden is what Show writes for a field tagged `secret:"true"`.
const hidden = "(hidden)"

// Show writes the effective settings as YAML, each with a comment that says
// whether it came from the file, the environment or is the default. Secrets are
// hidden. What it writes can be loaded.
func (s *Settings) Show(w io.Writer) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(tree(reflect.ValueOf(*s), "", s.from)); err != nil {
		return fmt.Errorf("show settings: %w", err)
	}
	return enc.Close()
}

// tree is a settings struct as YAML.
func tree(v reflect.Value, key string, from map[string]string) *yaml.Node {
	switch v.Kind() {
	case reflect.Struct:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for f, field := range v.Fields() {
			name := f.Tag.Get("mapstructure")
			if name == "" {
				continue
			}
			child := tree(field, strings.TrimPrefix(key+"."+name, "."), from)
			if f.Tag.Get("secret") == "true" && !field.IsZero() {
				child = &yaml.Node{Kind: yaml.ScalarNode, Value: hidden, LineComment: child.LineComment}
			}
			k := &yaml.Node{Kind: yaml.ScalarNode, Value: name}
			n.Content = append(n.Content, k, child)
		}
		return n
	case reflect.Slice:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range v.Len() {
			n.Content = append(n.Content, tree(v.Index(i), fmt.Sprintf("%s[%d]", key, i), from))
		}
		if len(n.Content) == 0 {
			n.Style, n.LineComment = yaml.FlowStyle, origin(key, from)
		}
		return n
	}
	n := &yaml.Node{Kind: yaml.ScalarNode, Value: text(v), LineComment: origin(key, from)}
	if v.Type() == reflect.TypeFor[string]() {
		n.SetString(v.String())
		if strings.ContainsAny(v.String(), "\r\n\t") {
			n.Style = yaml.DoubleQuotedStyle // escapes, as the manual says
		}
		n.Tag = "!!str" // quoted where YAML would read something else
	}
	return n
}

func text(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return formatDuration(x)
	case Size:
		return x.String()
	case int:
		return strconv.Itoa(x)
	case bool:
		return strconv.FormatBool(x)
	}
	return v.String()
}

func origin(key string, from map[string]string) string {
	if o := from[key]; o != "" {
		return o
	}
	return "default"
}

// NextStart returns the keys whose values differ and take effect at the next start only, in the order of the settings.
// When the number of lanes or items differs it names the list.
func NextStart(old, new *Settings) []string {
	atOnce := func(f reflect.StructField) bool { return f.Tag.Get("reload") == "true" }
	return changed(reflect.ValueOf(*old), reflect.ValueOf(*new), "", atOnce)
}

// changed returns the keys whose values differ, but for the fields to pass over.
func changed(a, b reflect.Value, key string, pass func(reflect.StructField) bool) []string {
	var keys []string
	switch {
	case a.Kind() == reflect.Struct:
		for f, field := range a.Fields() {
			if name := f.Tag.Get("mapstructure"); name != "" && !pass(f) {
				keys = append(keys, changed(field, b.FieldByIndex(f.Index), strings.TrimPrefix(key+"."+name, "."), pass)...)
			}
		}
	case a.Kind() == reflect.Slice && a.Len() == b.Len():
		for i := range a.Len() {
			keys = append(keys, changed(a.Index(i), b.Index(i), fmt.Sprintf("%s[%d]", key, i), pass)...)
		}
	case a.Kind() == reflect.Slice || !a.Equal(b):
		keys = []string{key}
	}
	return keys
}
