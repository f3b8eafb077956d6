package health

import (
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// look reads text and looks into all of it, as encoding/json would have it.
func look(text []byte) (any, bool) {
	v, ok := parseJSON(text)
	if !ok {
		return nil, false
	}
	var s shape
	plain := s.plain(v)
	return plain, !s.bad
}

func (s *shape) plain(v value) any {
	switch v[0] {
	case '{':
		m := map[string]any{}
		for _, member := range s.object(v) {
			m[member.name] = s.plain(member.value)
		}
		return m
	case '[':
		a := []any{}
		for e := range s.list(v) {
			a = append(a, s.plain(e))
		}
		return a
	case '"':
		return s.text(v)
	case 't', 'f':
		return string(v) == "true"
	case 'n':
		return nil
	}
	return s.number(v)
}

func skipped(text []byte) bool {
	_, ok := parseJSON(text)
	return ok
}

func TestJSONIsReadAsOthersReadIt(t *testing.T) {
	for _, text := range []string{
		`0`, `-0`, `12.5e-3`, ` [ ] `, "\t{\n}\r", `{"a":[1,{"b":null}],"c":"","":false}`, `true`, `"x"`,
		`"\"\\\/\b\f\n\r\t\u00e9\u00C9\u4eac\ud83d\ude00 京 😀"`, `"\uFFFD"`, "\"\ufffd\"", `[` + strings.Repeat(`[`, 31) + strings.Repeat(`]`, 32),
		`{"\u0061":1,"A":2}`,
	} {
		var want any
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatal(err)
		}
		if got, ok := look([]byte(text)); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v %v, want %v", text, ok, got, want)
		}
	}
}

func TestJSONIsReadStrictly(t *testing.T) {
	var many strings.Builder
	for i := range jsonMembers + 1 {
		many.WriteString(`,"` + strconv.Itoa(i) + `":0`)
	}
	for _, c := range []struct {
		text string
		skip bool // good enough for what is not looked into
	}{
		{"", false}, {" ", false}, {"\ufeff{}", false}, {"nul", false}, {"truely", false}, {"TRUE", false},
		{"{} {}", false}, {"{}x", false}, {`{"a":1,}`, false}, {`{,"a":1}`, false}, {`{"a" 1}`, false}, {`{"a"}`, false},
		{`{a:1}`, false}, {`[1,]`, false}, {`[1 2]`, false}, {`[`, false}, {`{"a":[}`, false}, {`]`, false},
		{`01`, false}, {`+1`, false}, {`1.`, false}, {`.5`, false}, {`1e`, false}, {`-`, false}, {`NaN`, false}, {`0x10`, false},
		{`"`, false}, {`"\`, false}, {`"\x"`, false}, {`"\u12"`, false}, {`"\u12g4"`, false}, {"\"\n\"", false}, {"\"\xff\"", false},
		{strings.Repeat("[", 33) + strings.Repeat("]", 33), false},
		{strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33), false},
		{strings.Repeat("[", 60000), false},
		{`{"a":1,"a":1}`, true}, {`{"a":1,"\u0061":1}`, true}, {"{" + many.String()[1:] + "}", true},
		{`"\ud800"`, true}, {`"\ud800\u0041"`, true}, {`"\udc00\ud800"`, true},
		{`1e999`, true}, {strings.Repeat("1", 65), true},
	} {
		if _, ok := look([]byte(c.text)); ok {
			t.Errorf("%.40q was read", c.text)
		}
		if got := skipped([]byte(c.text)); got != c.skip {
			t.Errorf("%.40q skipped: %v, want %v", c.text, got, c.skip)
		}
	}
}

// FuzzJSON: what is read here is JSON for encoding/json too, and the same.
func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":"\u00e9\ud83d\ude00","":false}`))
	f.Add([]byte("{\"a\":1,\"\\u0061\":-2.5e-3}\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var want any
		if skipped(data) && !json.Valid(data) {
			t.Fatalf("%q was skipped, but is no JSON", data)
		}
		got, ok := look(data)
		if !ok {
			return
		}
		if err := json.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: got %v, encoding/json says %v, %v", data, got, want, err)
		}
		if n, ok := got.(float64); ok && (math.IsInf(n, 0) || math.IsNaN(n)) {
			t.Fatalf("%q: got %v", data, n)
		}
	})
}
