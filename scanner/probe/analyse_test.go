package probe

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// Invented ones of the lengths and alphabets that people hold up at a gate.
var (
	passCode  = "GP1:" + strings.Repeat("6BF+70790T9WJWG.FKY*4GO0.O1CV2 E", 6)
	shcCode   = "shc:/" + strings.Repeat("5676290952432060346029243740446031222959532654603460", 8)
	linkCode  = "https://example.org/v?c=3f9a7715"
	idCode    = "99010119850510017X"
	nameCode  = "编号:3-2-501 姓名:王小明 有效期至 2027-05-31"
	plateCode = "粤B10120"
)

func gb(t testing.TB, s string) string {
	t.Helper()
	b, err := simplifiedchinese.GB18030.NewEncoder().String(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scans are readings a second apart, each in slices of n bytes with a pause between them.
func scans(n int, pause time.Duration, readings ...string) (chunks []chunk) {
	var at time.Duration
	for _, r := range readings {
		at += time.Second
		for rest := r; rest != ""; {
			m := min(n, len(rest))
			chunks = append(chunks, chunk{at, []byte(rest[:m])})
			rest = rest[m:]
			at += pause
		}
	}
	return chunks
}

func TestWhatTheBytesSayAboutTheScanner(t *testing.T) {
	link := Finding{Readings: 2, Sure: true, Length: len(linkCode), Kind: "text"}
	with := func(f Finding, change func(*Finding)) Finding { change(&f); return f }
	parity := func(s string, odd bool) string {
		b := []byte(s)
		for i := range b {
			if n := strings.Count(fmt.Sprintf("%b", b[i]), "1"); (n%2 == 1) != odd {
				b[i] |= 0x80
			}
		}
		return string(b)
	}
	twice := func(s string) []string { return []string{s, s} }
	for _, tt := range []struct {
		name  string
		in    []string
		slice int
		pause time.Duration
		want  Finding
	}{
		{name: "CR", in: twice(linkCode + "\r"), want: with(link, func(f *Finding) { f.End = "\r" })},
		{name: "LF", in: twice(linkCode + "\n"), want: with(link, func(f *Finding) { f.End = "\n" })},
		{name: "CR LF", in: twice(linkCode + "\r\n"), want: with(link, func(f *Finding) { f.End = "\r\n" })},
		{name: "TAB", in: twice(linkCode + "\t"), want: with(link, func(f *Finding) { f.End = "\t" })},
		{name: "STX and ETX", in: twice("\x02" + linkCode + "\x03"), want: with(link, func(f *Finding) { f.Start, f.End = "\x02", "\x03" })},
		{name: "no suffix", in: twice(linkCode), slice: 8, pause: 16 * time.Millisecond, want: with(link, func(f *Finding) { f.Pause = 16 * time.Millisecond })},
		{name: "byte by byte at 1200 baud", in: twice(linkCode + "\r"), slice: 1, pause: 9 * time.Millisecond, want: with(link, func(f *Finding) { f.End, f.Pause = "\r", 9*time.Millisecond })},
		{name: "a radio link that pauses", in: twice(linkCode + "\r"), slice: 20, pause: 200 * time.Millisecond, want: with(link, func(f *Finding) { f.End, f.Pause = "\r", 200*time.Millisecond })},
		{name: "glued by continuous reading", in: []string{strings.Repeat("\x02"+linkCode+"\x03", 3)}, want: with(link, func(f *Finding) { f.Start, f.End, f.Readings = "\x02", "\x03", 3 })},
		{name: "line breaks on both sides", in: twice("\r\n" + linkCode + "\r\n"), want: with(link, func(f *Finding) { f.End = "\r\n" })},
		{name: "AIM identifier", in: twice("]Q1" + linkCode + "\r"), want: with(link, func(f *Finding) { f.End, f.AIM, f.Length = "\r", true, len(linkCode)+3 })},
		{name: "AIM identifiers of two symbologies", in: []string{"]Q1" + idCode + "\r", "]C0" + idCode + "\r", "]Q1" + idCode + "\r"}, want: Finding{Readings: 3, Sure: true, Length: 21, Kind: "text", End: "\r", AIM: true}},
		{name: "code ID before a head that is known", in: twice("Q" + passCode + "\r"), want: Finding{Readings: 2, Sure: true, Length: len(passCode) + 1, Kind: "capitals, digits and signs", End: "\r", CodeID: 1}},
		{name: "code ID seen by comparing", in: []string{"Q" + idCode + "\r", "j" + idCode + "\r", "Q" + idCode + "\r"}, want: Finding{Readings: 3, Sure: true, Length: 19, Kind: "capitals, digits and signs", End: "\r", CodeID: 1}},
		{name: "an ECI designator", in: twice(`\000026` + passCode + "\r"), want: Finding{Readings: 2, Sure: true, Length: len(passCode) + 7, Kind: "text", End: "\r", Harmless: "an ECI designator"}},
		{name: "an AIM identifier, an ECI designator and a code ID", in: twice(`]Q2\000026Q` + passCode + "\r"), want: Finding{Readings: 2, Sure: true, Length: len(passCode) + 11, Kind: "text", End: "\r", AIM: true, CodeID: 1, Harmless: "an ECI designator"}},
		{name: "a byte order mark", in: twice("\ufeff" + passCode + "\r"), want: Finding{Readings: 2, Sure: true, Length: len(passCode) + 3, Kind: "text", End: "\r", Harmless: "a byte order mark"}},
		{name: "a space behind", in: twice(passCode + " \r"), want: Finding{Readings: 2, Sure: true, Length: len(passCode) + 1, Kind: "capitals, digits and signs", End: "\r", Harmless: "white space"}},
		{name: "characters in front", in: twice("0042" + passCode + "\r"), want: Finding{Readings: 2, Length: len(passCode) + 4, Kind: "capitals, digits and signs", End: "\r", Changed: "added-characters"}},
		{name: "codes that are no known ones", in: []string{"QED-171819\r", "QED-171819\r"}, want: Finding{Readings: 2, Sure: true, Length: 10, Kind: "capitals, digits and signs", End: "\r"}},
		{name: "UTF-8", in: twice(nameCode + "\r"), want: Finding{Readings: 2, Sure: true, Length: len(nameCode), Kind: "text with Chinese or other characters", End: "\r", Encoding: "utf-8"}},
		{name: "GB18030", in: []string{gb(t, nameCode) + "\r", gb(t, nameCode) + "\r", gb(t, nameCode) + "\r"}, want: Finding{Readings: 3, Sure: true, Length: len(gb(t, nameCode)), Kind: "text with Chinese or other characters", End: "\r", Encoding: "gb18030"}},
		{name: "a few bytes of GB18030", in: []string{gb(t, plateCode) + "\r", gb(t, plateCode) + "\r", gb(t, plateCode) + "\r"}, want: Finding{Readings: 3, Short: true, Length: len(gb(t, plateCode)), Kind: "text with Chinese or other characters", End: "\r", Encoding: "gb18030"}},
		{name: "GB18030 twice only", in: twice(gb(t, plateCode) + "\r"), want: Finding{Readings: 2, Length: len(gb(t, plateCode)), Kind: "text with Chinese or other characters", End: "\r", Encoding: "gb18030"}},
		{name: "7E1 taken for 8N1", in: twice(parity(linkCode+"\r\n", false)), want: with(link, func(f *Finding) { f.End, f.DataBits, f.Parity = "\r\n", 7, "even" })},
		{name: "7O1 taken for 8N1", in: twice(parity(linkCode+"\r\n", true)), want: with(link, func(f *Finding) { f.End, f.DataBits, f.Parity = "\r\n", 7, "odd" })},
		{name: "GM65 answers in between", in: []string{"\x02\x00\x00\x01\x00\x33\x31", linkCode + "\r", "\x02\x00\x00\x01\x00\x33\x31" + linkCode + "\r"}, want: with(link, func(f *Finding) { f.End, f.GM65 = "\r", true })},
		{name: "line breaks within the code", in: twice("BEGIN:VCARD\nEND:VCARD\r"), want: Finding{Readings: 2, Sure: true, Length: 21, Kind: "text", End: "\r", OwnBreaks: true}},
		{name: "without a suffix and short", in: twice("6901234567892"), want: Finding{Readings: 2, Short: true, Length: 13, Kind: "digits"}},
		{name: "once is not sure", in: []string{linkCode + "\r"}, want: with(link, func(f *Finding) { f.End, f.Readings, f.Sure = "\r", 1, false })},
		{name: "three different ones are", in: []string{linkCode + "\r", idCode + "\r", passCode + "\r"}, want: Finding{Readings: 3, Sure: true, Length: len(passCode), Kind: "capitals, digits and signs", End: "\r"}},
		{name: "text among garbage", in: []string{"\xff\xfe\x00\x80\r", linkCode + "\r", "\x99\x00\xf8\xf8\r", linkCode + "\r", linkCode + "\r"}, want: with(link, func(f *Finding) { f.End, f.Readings, f.Garbage = "\r", 3, 2 })},
		{name: "too short to prove anything", in: []string{"ABC\r", "ABC\r", "ABC\r"}, want: Finding{Garbage: 3}},
		{name: "one character again and again", in: []string{"xxxxxx", "xxxxxx"}, want: Finding{Garbage: 2}},
		{name: "nothing", want: Finding{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			slice := tt.slice
			if slice == 0 {
				slice = 1 << 20
			}
			if d := cmp.Diff(tt.want, analyse(scans(slice, tt.pause, tt.in...), false)); d != "" {
				t.Error("-want +got\n" + d)
			}
		})
	}
}

// A line carries bytes as a UART does: start bit, eight bits, stop bit, the lowest bit first; and the receiver samples the
// middle of each bit of its own rate. With IGNPAR the kernel drops bytes whose stop bit is missing, but a break is a NUL.
func overTheLine(s string, sent, heard int) string {
	level := func(bit float64) bool { // of the line, bit being counted at the sender's rate
		i := int(bit)
		if bit < 0 || i/10 >= len(s) {
			return true // idle
		}
		switch n := i % 10; n {
		case 0:
			return false
		case 9:
			return true
		default:
			return s[i/10]>>(n-1)&1 == 1
		}
	}
	ratio := float64(sent) / float64(heard) // bits of the sender in one of the receiver
	var out []byte
	for at := 0.0; at < float64(10*len(s)); {
		// The next falling edge, looked for sixteen times a bit of the faster one.
		step := min(1, ratio) / 16
		for at < float64(10*len(s)) && !(level(at-step) && !level(at)) {
			at += step
		}
		if at >= float64(10*len(s)) {
			break
		}
		if level(at + ratio/2) { // a glitch, no start bit
			at += step
			continue
		}
		var b byte
		for n := range 8 {
			if level(at + ratio*(1.5+float64(n))) {
				b |= 1 << n
			}
		}
		if level(at+ratio*9.5) || b == 0 {
			out = append(out, b)
		}
		at += ratio * 9.5
	}
	return string(out)
}

// At a wrong rate a code becomes garbage, and never a sure reading; at the right one it is sure, or too short to be.
func TestAWrongBaudRateIsNeverTakenForTheRightOne(t *testing.T) {
	t.Parallel()
	codes := []string{passCode, shcCode, linkCode, idCode, nameCode, gb(t, nameCode), gb(t, plateCode), "6901234567892", "A1B2"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 { // those of parcels, of shops, of web pages
		set := []string{"0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", "abcdefghijklmnopqrstuvwxyz0123456789-_=/:."}[r.IntN(3)]
		b := make([]byte, 4+r.IntN(40))
		for i := range b {
			b[i] = set[r.IntN(len(set))]
		}
		codes = append(codes, string(b))
	}
	tried, short := 0, 0
	for i, code := range codes {
		for _, end := range []string{"", "\r", "\n", "\r\n", "\t"} {
			for _, sent := range usualRates[:8] {
				for _, heard := range usualRates[:8] {
					if i > 20 && sent != 19200 && heard != 9600 { // the invented ones at some pairs only
						continue
					}
					got := overTheLine(code+end, sent, heard)
					f := analyse(scans(1<<20, 0, got, got, got), false)
					switch tried++; {
					case sent != heard && f.Sure:
						t.Errorf("%q sent at %d and heard at %d is sure: %q", code+end, sent, heard, got)
					case sent == heard && (f.Sure == f.Short || f.End != end || f.Length != len(code) || f.Short != (len(code)+6*len(end) < 16 || f.Encoding == "gb18030" && len(code)+6*len(end) < 24)):
						t.Errorf("%q sent and heard at %d: %+v", code+end, sent, f)
					}
					if f.Short && sent == heard {
						short++
					}
				}
			}
		}
	}
	t.Logf("%d readings, %d at the right rate that were too short to be sure", tried, short)
}

// However the bytes are cut, and whatever stands around the code, the same comes out.
func FuzzAnalyse(f *testing.F) {
	f.Add(linkCode, uint8(1), uint64(1))
	f.Add(nameCode, uint8(2), uint64(2))
	f.Add("\x00\xff\xfe\r\n", uint8(3), uint64(3))
	f.Add("]Q1\x02\x00\x00\x01\x0031", uint8(4), uint64(4))
	f.Fuzz(func(t *testing.T, code string, suffix uint8, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		end := []string{"", "\r", "\n", "\r\n", "\t", "\x03"}[int(suffix)%6]
		var whole, cut []chunk
		var at time.Duration
		for range 4 {
			at += time.Second
			rest := []byte(code + end)
			whole = append(whole, chunk{at, rest})
			for len(rest) > 0 {
				n := 1 + r.IntN(len(rest))
				cut = append(cut, chunk{at, rest[:n]})
				rest = rest[n:]
			}
		}
		a, b := analyse(whole, true), analyse(cut, true)
		if a != b {
			t.Fatalf("whole %+v, in slices %+v", a, b)
		}
		_, is := text(code)
		if is && strings.IndexFunc(code, isControl) < 0 && (!a.Sure && a.Changed == "" || a.End != end || a.Length != len(code) || a.Readings != 4) {
			t.Fatalf("%q ending with %q: %+v", code, end, a)
		}
		if a.Sure && (a.Readings < 2 || a.Length < leastLen) {
			t.Fatalf("sure of %+v", a)
		}
	})
}
