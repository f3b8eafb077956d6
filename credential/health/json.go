package health

import (
	"bytes"
	"encoding/json"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What a JSON text from outside may have.
const (
	jsonDepth   = 32 // levels of objects and arrays
	jsonMembers = 64 // members of an object that is looked into
	jsonSpace   = " \t\r\n"
)

// value is a JSON value as it was written, without space around it, of a text that encoding/json takes for valid.
//
// What json.Unmarshal would make of it is for the honest: it takes the last of two equal names, takes ISS for iss, mends broken
// UTF-8 and builds slices of whatever length is sent. Here nothing is built but what is looked into.
type value []byte

// parseJSON reads a single value (RFC 8259) in plain UTF-8 without a byte order mark.
func parseJSON(data []byte) (v value, ok bool) {
	if !utf8.Valid(data) || !json.Valid(data) {
		return nil, false
	}
	v = bytes.Trim(data, jsonSpace)
	var s shape
	for range s.parts(v) { // goes through all of it, and sees how deep it is
	}
	return v, !s.bad
}

// shape takes values for what they must be, if they are there at all: nil stands for what is not. A value of another type makes
// bad true: look at it at the end.
type shape struct{ bad bool }

// parts are the elements of an array, or names and values of an object in turn.
func (s *shape) parts(v value) iter.Seq[value] {
	return func(yield func(value) bool) {
		depth, from, quoted := 1, 1, false
		for i := 1; i < len(v); i++ {
			switch c := v[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == '{' || c == '[':
				if depth++; depth > jsonDepth {
					s.bad = true
					return
				}
			case depth > 1 && (c == '}' || c == ']'):
				depth--
			case depth == 1 && strings.IndexByte(",:}]", c) >= 0:
				if part := bytes.Trim(v[from:i], jsonSpace); len(part) > 0 && !yield(part) {
					return
				}
				from = i + 1
			}
		}
	}
}

func (s *shape) list(v value) iter.Seq[value] {
	if v != nil && v[0] != '[' {
		s.bad, v = true, nil
	}
	return s.parts(v)
}

// object is one of which no two members have the same name.
type object []member

type member struct {
	name  string
	value value
}

// get is the member of this name, byte for byte.
func (o object) get(name string) value {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (s *shape) object(v value) (o object) {
	if v != nil && v[0] != '{' {
		s.bad, v = true, nil
	}
	name, named := "", false
	for part := range s.parts(v) {
		if named = !named; named {
			name = s.text(part)
			if s.bad = s.bad || len(o) == jsonMembers || o.get(name) != nil; s.bad {
				return nil
			}
			continue
		}
		o = append(o, member{name, part})
	}
	return o
}

// replaced finds a character that was lost before the text came here.
var replaced = regexp.MustCompile("\ufffd|(?i:\\\\ufffd)")

// text is a string. Half a pair of surrogates is no character, and bad.
func (s *shape) text(v value) (text string) {
	switch {
	case v == nil:
	case v[0] != '"':
		s.bad = true
	case bytes.IndexByte(v, '\\') < 0:
		return string(v[1 : len(v)-1])
	case json.Unmarshal(v, &text) != nil, strings.ContainsRune(text, utf8.RuneError) && !replaced.Match(v):
		s.bad = true
		return ""
	}
	return text
}

// number is bad if it is too large for a float64 or has more digits than a date or a count.
func (s *shape) number(v value) float64 {
	if v == nil {
		return 0
	}
	f, err := strconv.ParseFloat(string(v[:min(len(v), 65)]), 64)
	if err != nil || len(v) > 64 {
		s.bad = true
		return 0
	}
	return f
}
