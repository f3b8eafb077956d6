package scanner

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	plain := Default()
	aim, id, both, gb := plain, plain, plain, plain
	aim.AIM, id.CodeID, gb.Encoding = true, 1, GB18030
	both.AIM, both.CodeID = true, 2
	for _, tt := range []struct {
		name, in, want, drop string
		c                    Config
	}{
		{"ASCII", "HC1:6BF+70790", "HC1:6BF+70790", "", plain},
		{"UTF-8", "粤B12345", "粤B12345", "", plain},
		{"what is no UTF-8 is GB18030", "\xc1\xa3\xcd\xa8\xc2\xeb", "粒通码", "", plain},
		{"a name of four bytes", "\x82\x35\x8f\x33\xd1\xee", "龦杨", "", plain},
		{"neither", "\xff\xfe\xfd\xfc", "", NotText, plain},
		{"cut within a character", "ABCD\xe7\xb2", "ABCD绮", "", plain}, // as GB18030 it is whole
		{"cut for both", "ABCD\xe7\xb2\xff", "", NotText, plain},
		{"NUL", "CO\x00DE", "", NotText, plain},
		{"other control characters stand in codes", "01\x1d2105", "01\x1d2105", "", plain},
		{"GB18030 first", "\xc1\xa3\xcd\xa8", "粒通", "", gb},
		{"byte order mark", "\ufeffHC1:6BF", "HC1:6BF", "", plain},
		{"byte order mark, not in the lane's encoding", "\ufeffHC1:6BF", "HC1:6BF", "", gb},
		{"byte order mark before an AIM identifier", "\ufeff]Q1HC1:6BF", "HC1:6BF", "", aim},
		{"AIM identifier", "]Q1HC1:6BF", "HC1:6BF", "", aim},
		{"AIM identifier with ECI", "]Q2粤B12345", "粤B12345", "", aim},
		{"none there", "HC1:6BF", "HC1:6BF", "", aim},
		{"not asked for", "]Q1HC1:6BF", "]Q1HC1:6BF", "", plain},
		{"a code that begins like one", "]1234", "]1234", "", aim},
		{"nothing behind it", "]Q1ABC", "", TooShort, aim},
		{"code ID", "sHC1:6BF", "HC1:6BF", "", id},
		{"AIM, then code ID", "]Q1QRHC1:6BF", "HC1:6BF", "", both},
		{"the longest behind one", "]Q1" + strings.Repeat("7", 4096), strings.Repeat("7", 4096), "", aim},
		{"one byte more", strings.Repeat("7", 4097), "", TooLong, aim},
		{"too short without it", "sABC", "", TooShort, id},
		{"shorter than the ID", "s", "", TooShort, both},
	} {
		got, drop := tt.c.text([]byte(tt.in))
		if string(got) != tt.want || drop != tt.drop {
			t.Errorf("%s: %q: got %q %q, want %q %q", tt.name, tt.in, got, drop, tt.want, tt.drop)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add([]byte("]Q1HC1:6BF"), true, 1)
	f.Add([]byte("\xc1\xa3\xcd\xa8\xc2\xeb\x80"), false, 0)
	f.Add([]byte("\x820\xf20"), true, 81) // four bytes as the scanner sends them, which count, and three in UTF-8
	f.Fuzz(func(t *testing.T, in []byte, aim bool, id int) {
		c := Default()
		c.AIM, c.CodeID = aim, max(0, id%9)
		got, drop := c.text(in)
		switch {
		case (got == nil) == (drop == ""):
			t.Errorf("%q: got %q and %q: want a code or a cause", in, got, drop)
		case got != nil && (!utf8.Valid(got) || strings.ContainsRune(string(got), 0) || len(in) < c.Min):
			t.Errorf("%q: got %q", in, got)
		}
	})
}
