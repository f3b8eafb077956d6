package scanner

import (
	"bytes"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

const (
	aimLength     = 3
	byteOrderMark = "\ufeff"
)

// text makes the code of a frame: without what the scanner put before it, in
// UTF-8. ASCII, which all codes that can be verified are, stays as it is in either encoding.
func (c Config) text(frame []byte) (code []byte, dropped string) {
	frame = bytes.TrimPrefix(frame, []byte(byteOrderMark)) // read as GB18030 it would take the code's first letter with it
	// ISO/IEC 15424: a flag character, a letter for the symbology, a modifier.
	if c.AIM && len(frame) >= aimLength && frame[0] == ']' && letter(frame[1]) && (letter(frame[2]) || '0' <= frame[2] && frame[2] <= '9') {
		frame = frame[aimLength:]
	}
	frame = frame[min(c.CodeID, len(frame)):]
	if len(frame) < c.Min {
		return nil, TooShort
	}
	if len(frame) > c.Max {
		return nil, TooLong
	}
	if bytes.IndexByte(frame, 0) >= 0 {
		return nil, NotText
	}
	if c.Encoding != GB18030 && utf8.Valid(frame) {
		return frame, ""
	}
	frame, err := simplifiedchinese.GB18030.NewDecoder().Bytes(frame)
	if err != nil || bytes.ContainsRune(frame, utf8.RuneError) {
		return nil, NotText
	}
	return frame, ""
}

func letter(b byte) bool { return 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z' }
