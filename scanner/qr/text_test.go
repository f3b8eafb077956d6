package qr

import (
	"slices"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// stream packs values of so many bits, as "bits of value" pairs.
func stream(pairs ...int) []byte {
	var bits []byte
	for i := 0; i < len(pairs); i += 2 {
		for k := pairs[i] - 1; k >= 0; k-- {
			bits = append(bits, byte(pairs[i+1]>>k&1))
		}
	}
	out := make([]byte, (len(bits)+7)/8)
	for i, b := range bits {
		out[i/8] |= b << (7 - i%8)
	}
	return out
}

// inBytes is a byte segment of versions 1 to 9, as pairs.
func inBytes(s string) []int {
	p := []int{4, 4, 8, len(s)}
	for i := range len(s) {
		p = append(p, 8, int(s[i]))
	}
	return p
}

func TestSegments(t *testing.T) {
	eci := func(n int, s string) []byte {
		p := []int{4, 7, 8, n}
		if n > 127 {
			p = []int{4, 7, 16, 0x8000 | n}
		}
		return stream(append(append(p, inBytes(s)...), 4, 0)...)
	}
	gb := func(s string) string { b, _ := simplifiedchinese.GB18030.NewEncoder().String(s); return b }
	sjis := func(s string) string { b, _ := japanese.ShiftJIS.NewEncoder().String(s); return b }
	latin := func(s string) string { b, _ := charmap.ISO8859_1.NewEncoder().String(s); return b }
	for _, c := range []struct {
		name    string
		version int
		data    []byte
		want    string // "-" is no text
	}{
		{"numeric", 1, stream(4, 1, 10, 8, 10, 12, 10, 345, 7, 67, 4, 0), "01234567"},
		{"numeric, one left", 1, stream(4, 1, 10, 4, 10, 999, 4, 8, 4, 0), "9998"},
		{"numeric, version 10", 10, stream(4, 1, 12, 3, 10, 7, 4, 0), "007"},
		{"numeric, version 27", 27, stream(4, 1, 14, 3, 10, 7, 4, 0), "007"},
		{"numeric out of range", 1, stream(4, 1, 10, 3, 10, 1000, 4, 0), "-"},
		{"numeric cut off", 1, stream(4, 1, 10, 900, 10, 1), "-"},
		{"alphanumeric", 1, stream(4, 2, 9, 3, 11, 10*45+44, 6, 36, 4, 0), "A: "},
		{"alphanumeric out of range", 1, stream(4, 2, 9, 2, 11, 2025, 4, 0), "-"},
		{"alphanumeric cut off", 1, stream(4, 2, 9, 400, 11, 1), "-"},
		{"bytes", 1, stream(append(inBytes("GP1:a"), 4, 0)...), "GP1:a"},
		{"bytes without a terminator", 1, stream(inBytes("ab")...), "ab"},
		{"bytes cut off", 1, stream(4, 4, 8, 200, 8, 65), "-"},
		{"bytes in UTF-8", 1, stream(inBytes("编号é")...), "编号é"},
		{"bytes in GB 18030", 1, stream(inBytes(gb("健康码 3号楼"))...), "健康码 3号楼"},
		{"bytes in GB 18030 that could be Shift JIS", 1, stream(inBytes(gb("你好"))...), "你好"},
		{"bytes in GB 18030, four bytes", 1, stream(inBytes(gb("姓名𠮷田，住址"))...), "姓名𠮷田，住址"},
		{"bytes in Shift JIS", 1, stream(inBytes(sjis("ナンバー一覧"))...), "ナンバー一覧"},
		{"bytes in Latin-1", 1, stream(inBytes(latin("Café Müller, straße"))...), "Café Müller, straße"},
		{"mixed", 1, stream(slices.Concat([]int{4, 1, 10, 2, 7, 42, 4, 2, 9, 1, 6, 10}, inBytes("z"), []int{4, 0})...), "42Az"},
		{"a character across segments", 1, stream(append(inBytes("\xe7\xbc"), inBytes("\x96")...)...), "编"},
		{"kanji", 1, stream(4, 8, 8, 2, 13, 0xd9f, 13, 0x1aaa, 4, 0), "点茗"},
		{"hanzi", 1, stream(4, 13, 4, 1, 8, 2, 13, (0xd6-0xa6)*0x60+(0xd0-0xa1), 13, (0xb9-0xa6)*0x60+(0xfa-0xa1), 4, 0), "中国"},
		{"hanzi of another subset", 1, stream(4, 13, 4, 2, 8, 1, 13, 1, 4, 0), "-"},
		{"ECI 3", 1, eci(3, "\xe9"), "é"},
		{"ECI 26", 1, eci(26, "é"), "é"},
		{"ECI 20", 1, eci(20, sjis("東京")), "東京"},
		{"ECI 29", 1, eci(29, gb("门")), "门"},
		{"ECI 8", 1, eci(8, "\xc7"), "ا"},
		{"ECI 10", 1, eci(10, "\xe0"), "א"},
		{"ECI 13", 1, eci(13, "\xa1"), "ก"},
		{"ECI 14, reserved", 1, eci(14, "é"), "é"},
		{"ECI 19, reserved", 1, eci(19, gb("小区大门")), "小区大门"},
		{"ECI 25", 1, eci(25, "\x4e\x2d"), "中"},
		{"ECI 899, binary", 1, eci(899, "abc"), "abc"},
		{"ECI of three bytes", 1, stream(append([]int{4, 7, 24, 0xc0ffff}, inBytes("x")...)...), "x"},
		{"ECI of no length", 1, stream(append([]int{4, 7, 8, 0xff}, inBytes("x")...)...), "-"},
		{"ECI cut off", 1, stream(4, 7, 8, 0x80), "-"},
		{"FNC1", 1, stream(4, 5, 4, 2, 9, 5, 11, 10*45+38, 11, 11*45+38, 6, 38, 4, 0), "A\x1dB%"},
		{"FNC1, second position", 1, stream(4, 9, 8, 37, 4, 2, 9, 1, 6, 10, 4, 0), "A"},
		{"structured append", 1, stream(append([]int{4, 3, 16, 0x0112}, inBytes("part")...)...), "part"},
		{"unknown mode", 1, stream(4, 6, 8, 1), "-"},
		{"nothing", 1, nil, "-"},
		{"only a terminator", 1, stream(4, 0, 8, 0xec), "-"},
		{"an empty segment", 1, stream(4, 4, 8, 0, 4, 0), "-"},
	} {
		got, ok := parse(c.data, c.version)
		if want := c.want != "-"; ok != want || ok && got.text != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got.text, ok, c.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add(1, stream(append([]int{4, 7, 8, 29}, inBytes("\xd6\xd0")...)...))
	f.Add(27, stream(4, 1, 14, 3, 10, 7, 4, 0))
	f.Fuzz(func(t *testing.T, version int, data []byte) {
		p, ok := parse(data, version)
		if ok && (!utf8.ValidString(p.text) || len(p.raw) > 8*len(data)) {
			t.Errorf("text %q of %d bytes", p.text, len(data))
		}
	})
}
