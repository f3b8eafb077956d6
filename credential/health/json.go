package health

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// What a JSON text from outside may have.
const (
	jsonDepth   = 32 // levels of objects and arrays
	jsonMembers = 64 // members of an object that is looked into
)

// jsonReader reads JSON (RFC 8259) that anybody may have written, forward and once.
// encoding/json would do for the honest: it takes the last of two equal names, takes
// ISS for iss, mends broken UTF-8, nests 10,000 levels deep and builds slices of
// whatever length is sent. Here two equal names are a fault wherever an object is
// looked into, names are compared byte for byte, and nothing is kept but what is
// asked for: what is skipped costs no memory.
//
// A fault makes bad true, and then every method returns at once with nothing: look
// at bad at the end. Each callback must read, or skip, exactly one value.
type jsonReader struct {
	data  []byte
	i     int
	depth int
	bad   bool
}

// readJSON reads data, a single value in plain UTF-8 without a byte order mark, and
// reports whether it was well formed and of the types that read expected.
func readJSON(data []byte, read func(r *jsonReader)) bool {
	r := &jsonReader{data: data, bad: !utf8.Valid(data)}
	read(r)
	r.space()
	return !r.bad && r.i == len(data)
}

// object calls member for each member; the reader stands before its value.
func (r *jsonReader) object(member func(name []byte)) {
	if !r.enter('{') {
		return
	}
	var few [8][]byte // as many as most have, so that nothing is allocated for them
	seen := few[:0]
	for r.more('}', len(seen) > 0) {
		name := r.name()
		if len(seen) == jsonMembers || slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, name) }) {
			r.bad = true
		}
		if r.bad {
			return
		}
		seen = append(seen, name)
		member(name)
	}
}

// array calls element for each element; the reader stands before it.
func (r *jsonReader) array(element func()) {
	if !r.enter('[') {
		return
	}
	for n := 0; r.more(']', n > 0); n++ {
		element()
	}
}

// string reads a string.
func (r *jsonReader) string() string { return string(r.text()) }

// number reads a number. What is too large for a float64 is a fault.
func (r *jsonReader) number() float64 {
	digits := r.digits()
	if len(digits) > 64 { // a date or a count
		r.bad = true
	}
	if r.bad {
		return 0
	}
	f, err := strconv.ParseFloat(string(digits), 64)
	if err != nil {
		r.bad = true
		return 0
	}
	return f
}

// skip reads over a value of any type. Inside it names are not compared.
func (r *jsonReader) skip() {
	switch r.next() {
	case '{':
		r.enter('{')
		for n := 0; r.more('}', n > 0); n++ {
			r.quoted()
			r.space()
			r.take(":")
			r.skip()
		}
	case '[':
		r.enter('[')
		for n := 0; r.more(']', n > 0); n++ {
			r.skip()
		}
	case '"':
		r.quoted()
	case 't':
		r.take("true")
	case 'f':
		r.take("false")
	case 'n':
		r.take("null")
	default:
		r.digits()
	}
}

// next returns the first byte of what comes next, or 0 at the end.
func (r *jsonReader) next() byte {
	r.space()
	if r.bad || r.i == len(r.data) {
		return 0
	}
	return r.data[r.i]
}

func (r *jsonReader) space() {
	for r.i < len(r.data) {
		switch r.data[r.i] {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return
		}
	}
}

func (r *jsonReader) take(literal string) {
	if r.bad || !bytes.HasPrefix(r.data[r.i:], []byte(literal)) {
		r.bad = true
		return
	}
	r.i += len(literal)
}

// enter reads the bracket that opens an object or array.
func (r *jsonReader) enter(bracket byte) bool {
	if r.next() != bracket || r.depth == jsonDepth {
		r.bad = true
		return false
	}
	r.i++
	r.depth++
	return true
}

// more reports whether another member or element follows, and reads the comma or
// the closing bracket before it says so.
func (r *jsonReader) more(bracket byte, comma bool) bool {
	if r.next() == bracket {
		r.i++
		r.depth--
		return false
	}
	if comma {
		r.take(",")
	}
	return !r.bad
}

// name reads the name of a member and the colon.
func (r *jsonReader) name() []byte {
	name := r.text()
	r.space()
	r.take(":")
	return name
}

// text reads a string. It shares the data's memory unless there is an escape in it.
func (r *jsonReader) text() []byte {
	raw := r.quoted()
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			out = append(out, raw[i])
			continue
		}
		i++
		switch raw[i] {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			c := hex4(raw[i+1:])
			i += 4
			if utf16.IsSurrogate(c) {
				if !bytes.HasPrefix(raw[i+1:], []byte(`\u`)) {
					r.bad = true
					return nil
				}
				c = utf16.DecodeRune(c, hex4(raw[i+3:]))
				i += 6
				if c == utf8.RuneError { // half a pair: no character
					r.bad = true
					return nil
				}
			}
			out = utf8.AppendRune(out, c)
		default:
			out = append(out, raw[i]) // " \ /
		}
	}
	return out
}

// quoted reads a string and returns what stands between its quotation marks, with
// its escapes, which are well formed.
func (r *jsonReader) quoted() []byte {
	if r.next() != '"' {
		r.bad = true
		return nil
	}
	begin := r.i + 1
	for i := begin; i < len(r.data); i++ {
		switch c := r.data[i]; {
		case c == '"':
			r.i = i + 1
			return r.data[begin:i]
		case c < ' ':
			r.bad = true
			return nil
		case c == '\\':
			i++
			if i == len(r.data) {
				break
			}
			if r.data[i] == 'u' && hex4(r.data[i+1:]) >= 0 {
				i += 4
			} else if bytes.IndexByte([]byte(`"\/bfnrt`), r.data[i]) < 0 {
				r.bad = true
				return nil
			}
		}
	}
	r.bad = true
	return nil
}

// digits reads a number.
func (r *jsonReader) digits() []byte {
	r.space()
	begin, i := r.i, r.i
	at := func(set string) bool { return i < len(r.data) && bytes.IndexByte([]byte(set), r.data[i]) >= 0 }
	run := func() {
		if !at("0123456789") {
			r.bad = true
		}
		for at("0123456789") {
			i++
		}
	}
	if at("-") {
		i++
	}
	if at("0") {
		i++
	} else {
		run()
	}
	if at(".") {
		i++
		run()
	}
	if at("eE") {
		i++
		if at("+-") {
			i++
		}
		run()
	}
	if r.bad {
		return nil
	}
	r.i = i
	return r.data[begin:i]
}

// hex4 returns the value of four hexadecimal digits, or -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var v rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			v = v<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return v
}
