package probe

import (
	"bytes"
	"cmp"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gated/scanner"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	burstGap = 100 * time.Millisecond // a longer silence ends a reading; USB adapters pause for 16 ms at most
	joinGap  = 500 * time.Millisecond // a longer one stands between two readings also where an end byte is still to come

	// Garbage looks like text, too, for some bytes, and the same code makes the same garbage each time. How many it takes
	// to be sure was tried with a model of the line, TestAWrongBaudRate…: 16, of which a control character where one
	// belongs is worth six; and half as many again in GB18030, in which most pairs of bytes mean something.
	leastLen   = 4 // shorter ones are none in any case
	enough     = 16
	controlled = 6

	leastSigned = 60 // bytes of a pass or certificate: what begins like one and is shorter is something else
)

// A chunk is what one read brought, and when.
type chunk struct {
	at   time.Duration
	data []byte
}

// A Finding is what the bytes from a port say about how its scanner is set up. It holds nothing of the codes themselves.
type Finding struct {
	Readings int  `json:"readings"` // that were text
	Garbage  int  `json:"garbage"`  // that were not
	Sure     bool `json:"sure"`     // the same reading twice, or three of them, more text than garbage, and long enough
	Short    bool `json:"short"`    // only the length is missing: garbage looks like this, too

	Length int    `json:"length"` // bytes of the longest reading, without what stands around it
	Kind   string `json:"kind"`   // of its characters

	Start    string        `json:"start"`              // control characters before each reading
	End      string        `json:"end"`                // and after each
	Pause    time.Duration `json:"-"`                  // the longest silence within a reading
	AIM      bool          `json:"aim"`                // an AIM identifier such as ]Q1 in front
	CodeID   int           `json:"code_id"`            // letters in front that tell the kind of code in the maker's own way
	Encoding string        `json:"encoding,omitempty"` // utf-8 or gb18030; empty: nothing but ASCII came
	DataBits int           `json:"data_bits,omitempty"`
	Parity   string        `json:"parity,omitempty"`
	GM65     bool          `json:"gm65"` // it answered as that family does

	OwnBreaks bool   `json:"own_breaks,omitempty"` // codes have line breaks or tabs inside
	Harmless  string `json:"harmless,omitempty"`   // what else stands around them, and the gate takes off
	Changed   string `json:"changed,omitempty"`    // added-characters or keyboard-layout: the gate refuses them for it
}

// gm65Trigger makes modules of the GROW GM65 and GM8xx family read (user manual, serial control). AB CD stands for a
// checksum that the module need not check. Nothing is written to its flash, which wears out.
var gm65Trigger = []byte{0x7e, 0x00, 0x08, 0x01, 0x00, 0x02, 0x01, 0xab, 0xcd}

// What the GM65 family answers to a trigger and to a heartbeat. No text has such bytes.
var gm65Answers = [][]byte{{0x02, 0, 0, 1, 0, 0x33, 0x31}, {0x03, 0, 0, 1, 0, 0x33, 0x31}}

// analyse says what the chunks of one port at one baud rate amount to. A port that takes any rate needs less evidence.
func analyse(chunks []chunk, anyRate bool) Finding {
	var bursts []burst
	for _, c := range chunks {
		if len(c.data) == 0 {
			continue
		}
		if n := len(bursts); n == 0 || c.at-bursts[n-1].last >= burstGap {
			bursts = append(bursts, burst{first: c.at, last: c.at})
		}
		b := &bursts[len(bursts)-1]
		b.pause = max(b.pause, c.at-b.last)
		b.last = c.at
		b.data = append(b.data, c.data...)
	}
	answered := false
	for i := range bursts {
		for _, a := range gm65Answers {
			n := len(bursts[i].data)
			bursts[i].data = bytes.ReplaceAll(bursts[i].data, a, nil)
			answered = answered || len(bursts[i].data) < n
		}
	}
	f := read(bursts, anyRate)
	// Seven bits and a parity bit, taken for eight: every byte has the same parity.
	if f.Readings == 0 {
		if parity := parityOf(bursts); parity != "" {
			for i := range bursts {
				for j := range bursts[i].data {
					bursts[i].data[j] &= 0x7f
				}
			}
			if g := read(bursts, anyRate); g.Readings > 0 {
				f = g
				f.DataBits, f.Parity = 7, parity
			}
		}
	}
	f.GM65 = answered
	return f
}

// A burst is what came without a silence.
type burst struct {
	data        []byte
	first, last time.Duration
	pause       time.Duration // the longest within
}

// read cuts the bursts into readings and judges them.
func read(bursts []burst, anyRate bool) (f Finding) {
	f.End = mostly(bursts, func(b []byte) string { return string(b[len(bytes.TrimRightFunc(b, isControl)):]) })
	if !slices.Contains(suffixes, f.End) {
		f.End = ""
	}
	var readings []burst
	for _, b := range bursts {
		if len(b.data) == 0 {
			continue
		}
		// A slow scanner pauses within a reading, and only what comes last has the end bytes.
		if n := len(readings); n > 0 && f.End != "" && b.first-readings[n-1].last < joinGap &&
			!bytes.HasSuffix(readings[n-1].data, []byte(f.End)) {
			r := &readings[n-1]
			r.pause = max(r.pause, b.pause, b.first-r.last)
			r.data, r.last = append(bytes.Clone(r.data), b.data...), b.last
			continue
		}
		readings = append(readings, b)
	}
	f.Start = mostly(readings, func(b []byte) string { return string(b[:len(b)-len(bytes.TrimLeftFunc(b, isControl))]) })
	if strings.ContainsAny(f.Start, f.End) {
		f.Start = "" // a line break on both sides separates, it does not begin
	}

	var bodies []string
	ascii, chinese := true, false
	for _, r := range readings {
		f.Pause = max(f.Pause, r.pause)
		rest := string(r.data)
		for rest != "" {
			body, after, ended := rest, "", true
			if f.End != "" {
				body, after, ended = strings.Cut(rest, f.End)
			}
			rest = after
			body, started := strings.CutPrefix(body, f.Start)
			if body == "" {
				continue
			}
			enc, ok := text(body)
			if !ok {
				enc, ok = text(harmless.ReplaceAllString(body, ""))
			}
			if !ended || !started || !ok {
				f.Garbage++
				continue
			}
			bodies = append(bodies, body)
			ascii, chinese = ascii && enc == "", chinese || enc == scanner.GB18030
		}
	}
	f.Readings = len(bodies)
	switch {
	case len(bodies) == 0:
		return Finding{Garbage: f.Garbage}
	case chinese:
		f.Encoding = scanner.GB18030
	case !ascii:
		f.Encoding = scanner.UTF8
	}

	seen, most, longest := map[string]int{}, 0, ""
	for _, b := range bodies {
		seen[b]++
		most = max(most, seen[b])
		if len(b) > len(longest) {
			longest = b
		}
		f.OwnBreaks = f.OwnBreaks || strings.ContainsAny(harmless.ReplaceAllString(b, ""), "\r\n\t")
	}
	need := 2
	if chinese {
		need = 3 // garbage passes for GB18030 more easily than for UTF-8
	}
	f.Sure = f.Readings > f.Garbage && (most >= need || f.Readings > need)
	weight := len(longest) + controlled*len(f.Start+f.End)
	if f.Sure && !anyRate && (weight < enough || chinese && weight < enough*3/2) {
		f.Sure, f.Short = false, true
	}
	f.Length, f.Kind = len(longest), kindOf(longest, f.Encoding)
	f.AIM, f.CodeID = identifiers(bodies)
	for _, b := range bodies {
		what, changed := f.around(b)
		f.Harmless, f.Changed = cmp.Or(f.Harmless, what), cmp.Or(f.Changed, changed)
	}
	f.Sure = f.Sure && f.Changed == "" // the settings would be right, and everybody refused
	return f
}

// suffixes are those that scanners can be set to; at a wrong rate a reading may well end with another control character.
var suffixes = []string{"\r\n", "\r", "\n", "\t", "\x03", "\x04", "\n\r", "\r\r", "\x03\r", "\x03\r\n", "\t\r\n"}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// mostly returns what at least half of the bursts have at their edge, if that is no more than four bytes.
func mostly(bursts []burst, edge func([]byte) string) string {
	count, all := map[string]int{}, 0
	for _, b := range bursts {
		if len(b.data) > 0 {
			count[edge(b.data)]++
			all++
		}
	}
	best := ""
	for e, n := range count {
		if c := count[best]; e != "" && (best == "" || n > c || n == c && e < best) {
			best = e
		}
	}
	// A scanner that pauses before its end bytes sends half of its bursts without.
	if len(best) > 4 || 2*count[best] < all {
		return ""
	}
	return best
}

// text tells whether a reading is one, and in which encoding.
func text(s string) (encoding string, ok bool) {
	if len(s) < leastLen || strings.Count(s, s[:1]) == len(s) {
		return "", false
	}
	printable := func(s string) (ascii, ok bool) {
		ascii = true
		for _, r := range s {
			if !unicode.IsPrint(r) && !strings.ContainsRune("\r\n\t", r) {
				return false, false
			}
			ascii = ascii && r < utf8.RuneSelf
		}
		return ascii, true
	}
	if utf8.ValidString(s) {
		ascii, ok := printable(s)
		if ascii {
			return "", ok
		}
		return scanner.UTF8, ok
	}
	// Of GB18030 only what GB 2312 has: the whole of it gives a meaning to nearly every pair of bytes.
	for i := 0; i < len(s); i++ {
		if s[i] < utf8.RuneSelf {
			continue
		}
		if i+1 == len(s) || s[i] < 0xa1 || s[i] > 0xf7 || s[i+1] < 0xa1 || s[i+1] == 0xff {
			return "", false
		}
		i++
	}
	decoded, err := simplifiedchinese.GB18030.NewDecoder().String(s)
	if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
		return "", false
	}
	_, ok = printable(decoded)
	return scanner.GB18030, ok
}

// parityOf tells which parity all bytes have; empty when they differ, or were ASCII anyway.
func parityOf(bursts []burst) string {
	var odd, even, high, longest int
	for _, b := range bursts {
		longest = max(longest, len(b.data))
		for _, c := range b.data {
			if bits.OnesCount8(c)%2 == 0 {
				even++
			} else {
				odd++
			}
			high += int(c >> 7)
		}
	}
	switch {
	case high == 0 || longest < enough: // fewer have the same parity by chance, and again at each reading
		return ""
	case odd == 0:
		return "even"
	case even == 0:
		return "odd"
	}
	return ""
}

var (
	aimIdentifier = regexp.MustCompile(`^\][A-Za-z][0-9A-Za-z]`)
	// Heads of codes that are known, so that what stands before them is the scanner's.
	knownHead = regexp.MustCompile(`^([A-Za-z]{0,3}?)(?i:GP1:|HC1:|shc:/|https?://)`)

	// What the gate takes off, which package credential knows and this one must agree with: white space, a byte order mark, an
	// ECI designator. The test holds both together, also about codes that it knows as changed.
	harmless  = regexp.MustCompile(`^(?:[\pZ\t\x{FEFF}]|\\[0-9]{6})+|(?:[\pZ\t\x{FEFF}]|\\[0-9]{6})+$`)
	signed    = regexp.MustCompile(`(?i)(?:GP1:|HC1:)[0-9A-Z $%*+\-./:]*|shc:/[0-9]*`)
	typedHead = regexp.MustCompile(`(?i)^(?:(?:gp|hc|пз|рс|il|dj|ｇｐ|ｈｃ)[1!&+１]|(?:shc|ырс|odj|ｓｈｃ))[möñçåæøşéжs+>."'：]`)
)

// around tells what stands around a code beside what the settings take off, as far as that can be seen without its key.
func (f Finding) around(b string) (what, changed string) {
	if f.AIM {
		b = b[3:]
	}
	if bare := harmless.ReplaceAllString(b, ""); bare != b {
		switch around := strings.Replace(b, bare, "", 1); {
		case strings.Contains(around, `\`):
			what = "an ECI designator"
		case strings.Contains(around, "\ufeff"):
			what = "a byte order mark"
		default:
			what = "white space"
		}
		b = bare
	}
	b = b[min(f.CodeID, len(b)):]
	switch at := signed.FindStringIndex(b); {
	case len(b) < leastSigned:
	case at == nil && typedHead.MatchString(b):
		changed = scanner.CauseLayout
	case at != nil && (at[0] > 0 || at[1] < len(b)):
		changed = scanner.CauseAdded
	}
	return what, changed
}

func letter(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }

// identifiers tells what the scanner puts before every reading to tell the kind of code.
func identifiers(bodies []string) (aim bool, codeID int) {
	aim = true
	for _, b := range bodies {
		aim = aim && aimIdentifier.MatchString(b)
	}
	ids := map[int]bool{}
	for i, b := range bodies {
		if aim {
			b = b[3:]
		}
		b = harmless.ReplaceAllString(b, "")
		if m := knownHead.FindStringSubmatch(b); m != nil {
			ids[len(m[1])] = true
			continue
		}
		// The same code, printed as a QR code and as a bar code, differs in the letter alone.
		for _, other := range bodies[:i] {
			if aim {
				other = other[3:]
			}
			if len(b) > 1 && len(b) == len(other) && b[1:] == other[1:] && letter(b[0]) && letter(other[0]) && b[0] != other[0] {
				ids[1] = true
			}
		}
	}
	for n := range ids {
		if len(ids) == 1 {
			codeID = n
		}
	}
	return aim, codeID
}

// kindOf says what characters a reading has, and nothing else about it.
func kindOf(s, encoding string) string {
	only := func(set string) bool { return strings.Trim(s, set) == "" }
	const digits, upper, lower = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	switch {
	case encoding != "":
		return "text with Chinese or other characters"
	case only(digits):
		return "digits"
	case only(digits + upper + " $%*+-./:"): // QR's alphanumeric mode
		return "capitals, digits and signs"
	case only(digits + upper + lower):
		return "letters and digits"
	}
	return "text"
}
