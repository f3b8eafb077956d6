package qr

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// payload is what a symbol says.
type payload struct {
	text string
	raw  []byte
}

// bitReader reads a symbol's data from the most significant bit on.
type bitReader struct {
	data []byte
	pos  int
}

func (r *bitReader) left() int { return 8*len(r.data) - r.pos }

// read takes n bits, at most 24. The caller has asked left.
func (r *bitReader) read(n int) int {
	v := 0
	for range n {
		v = v<<1 | int(r.data[r.pos>>3]>>(7-r.pos&7)&1)
		r.pos++
	}
	return v
}

// A part of the text is bytes in one character set; nil where the symbol does not say which.
type part struct {
	set   encoding.Encoding
	bytes []byte
}

const alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// parse reads the segments of a symbol's data (ISO/IEC 18004, 7.4 and 12). Data that does not follow the standard is
// no symbol's.
func parse(data []byte, version int) (payload, bool) {
	r := &bitReader{data: data}
	size := 0 // which column of table 3 has the length of the character counts
	switch {
	case version >= 27:
		size = 2
	case version >= 10:
		size = 1
	}
	var parts []part
	var set encoding.Encoding
	put := func(set encoding.Encoding, b []byte) {
		if n := len(parts); n > 0 && parts[n-1].set == set {
			parts[n-1].bytes = append(parts[n-1].bytes, b...)
		} else {
			parts = append(parts, part{set, b})
		}
	}
	fnc1 := false
	for r.left() >= 4 {
		switch mode := r.read(4); mode {
		case 0: // terminator
			r.pos = 8 * len(data)
		case 1: // numeric: three digits in ten bits
			b, ok := r.numeric([3]int{10, 12, 14}[size])
			if !ok {
				return payload{}, false
			}
			put(set, b)
		case 2: // alphanumeric: two characters in eleven bits
			b, ok := r.alphanumeric([3]int{9, 11, 13}[size])
			if !ok {
				return payload{}, false
			}
			if fnc1 { // 7.4.8.3: % stands for the separator, %% for itself
				b = bytes.ReplaceAll(b, []byte("%%"), []byte{0})
				b = bytes.ReplaceAll(b, []byte("%"), []byte{0x1d})
				b = bytes.ReplaceAll(b, []byte{0}, []byte("%"))
			}
			put(set, b)
		case 4: // bytes
			n, ok := r.count([3]int{8, 16, 16}[size], 8, 1)
			if !ok {
				return payload{}, false
			}
			b := make([]byte, n)
			for i := range b {
				b[i] = byte(r.read(8))
			}
			put(set, b)
		case 8: // kanji: 13 bits each, Shift JIS
			n, ok := r.count([3]int{8, 10, 12}[size], 13, 1)
			if !ok {
				return payload{}, false
			}
			put(japanese.ShiftJIS, r.double(n, 0xc0, 0x8140, 0x1f00, 0xc140))
		case 13: // hanzi (GB/T 18284): 13 bits each, GB 2312
			if r.left() < 4 || r.read(4) != 1 {
				return payload{}, false
			}
			n, ok := r.count([3]int{8, 10, 12}[size], 13, 1)
			if !ok {
				return payload{}, false
			}
			put(simplifiedchinese.GB18030, r.double(n, 0x60, 0xa1a1, 0x0a00, 0xa6a1))
		case 7: // the character set of what follows (ECI)
			n, ok := r.eci()
			if !ok {
				return payload{}, false
			}
			set = sets[n]
		case 3: // structured append: one of several symbols. Each is read for itself.
			if r.left() < 16 {
				return payload{}, false
			}
			r.read(16)
		case 5, 9: // FNC1
			fnc1 = true
			if mode == 9 {
				if r.left() < 8 {
					return payload{}, false
				}
				r.read(8)
			}
		default:
			return payload{}, false
		}
	}
	var p payload
	var text strings.Builder
	for _, part := range parts {
		p.raw = append(p.raw, part.bytes...)
		text.WriteString(decodeText(part.set, part.bytes))
	}
	p.text = text.String()
	return p, len(p.raw) > 0
}

// numeric reads a segment of digits whose count has n bits.
func (r *bitReader) numeric(n int) (b []byte, ok bool) {
	left, ok := r.count(n, 10, 3)
	for ok && left > 0 {
		k := min(3, left)
		if r.left() < 3*k+1 {
			return nil, false
		}
		v := r.read(3*k + 1)
		if v >= [4]int{1, 10, 100, 1000}[k] {
			return nil, false
		}
		for i := k - 1; i >= 0; i-- {
			b = append(b, byte('0'+v/[3]int{1, 10, 100}[i]%10))
		}
		left -= k
	}
	return b, ok
}

// alphanumeric reads a segment of the alphanumeric mode whose count has n bits.
func (r *bitReader) alphanumeric(n int) (b []byte, ok bool) {
	left, ok := r.count(n, 11, 2)
	for ok && left > 0 {
		k := min(2, left)
		width, values := 11, 45*45
		if k == 1 {
			width, values = 6, 45
		}
		if r.left() < width {
			return nil, false
		}
		v := r.read(width)
		if v >= values {
			return nil, false
		}
		if k == 2 {
			b = append(b, alphanumeric[v/45])
		}
		b = append(b, alphanumeric[v%45])
		left -= k
	}
	return b, ok
}

// count reads how many characters follow, in a field of n bits; not if they could not all be there, at bits for every per.
func (r *bitReader) count(n, bits, per int) (int, bool) {
	if r.left() < n {
		return 0, false
	}
	c := r.read(n)
	return c, c/per*bits <= r.left()
}

// double reads characters of 13 bits and makes two bytes of each: the first ones from base on, those from split on from
// base2.
func (r *bitReader) double(n, width, base, split, base2 int) []byte {
	b := make([]byte, 0, 2*n)
	for range n {
		v := r.read(13)
		v = v/width<<8 | v%width
		if v < split {
			v += base
		} else {
			v += base2
		}
		b = append(b, byte(v>>8), byte(v))
	}
	return b
}

// eci reads the number of a character set: one, two or three bytes (7.4.2).
func (r *bitReader) eci() (int, bool) {
	if r.left() < 8 {
		return 0, false
	}
	v := r.read(8)
	more := 0
	switch {
	case v&0x80 == 0:
		return v, true
	case v&0xc0 == 0x80:
		v, more = v&0x3f, 8
	case v&0xe0 == 0xc0:
		v, more = v&0x1f, 16
	default:
		return 0, false
	}
	if r.left() < more {
		return 0, false
	}
	return v<<more | r.read(more), true
}

// sets are the character sets of AIM's ECI register. Those that are missing (14, 19 and others are reserved, 899 is
// "binary") say nothing about the bytes, which are then looked at as if the symbol named none.
var sets = map[int]encoding.Encoding{
	0: charmap.CodePage437, 1: charmap.ISO8859_1, 2: charmap.CodePage437, 3: charmap.ISO8859_1, 4: charmap.ISO8859_2,
	5: charmap.ISO8859_3, 6: charmap.ISO8859_4, 7: charmap.ISO8859_5, 8: charmap.ISO8859_6, 9: charmap.ISO8859_7,
	10: charmap.ISO8859_8, 11: charmap.ISO8859_9, 12: charmap.ISO8859_10, 13: charmap.Windows874, 15: charmap.ISO8859_13,
	16: charmap.ISO8859_14, 17: charmap.ISO8859_15, 18: charmap.ISO8859_16, 20: japanese.ShiftJIS, 21: charmap.Windows1250,
	22: charmap.Windows1251, 23: charmap.Windows1252, 24: charmap.Windows1256,
	25: unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM), 28: traditionalchinese.Big5, 29: simplifiedchinese.GB18030,
	30: korean.EUCKR, 31: simplifiedchinese.GBK, 32: simplifiedchinese.GB18030,
	33: unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM), 34: utf32.UTF32(utf32.BigEndian, utf32.IgnoreBOM),
	35: utf32.UTF32(utf32.LittleEndian, utf32.IgnoreBOM),
}

// decodeText makes UTF-8 of bytes. Symbols that name UTF-8 (26) or nothing are taken by their bytes: UTF-8 if they are
// that, else GB 18030 or Shift JIS if they look like it, else Latin-1, which everything is.
func decodeText(set encoding.Encoding, b []byte) string {
	if set == nil {
		if utf8.Valid(b) {
			return string(b)
		}
		set = guessSet(b)
	}
	s, err := set.NewDecoder().Bytes(b)
	if err != nil {
		s = b
	}
	return strings.ToValidUTF8(string(s), "\ufffd")
}

// guessSet tells GB 18030 from Shift JIS and Latin-1. Both double-byte sets pair bytes, and their ranges overlap; but
// Chinese text is for the most part of GB 2312's characters, both of whose bytes are 0xA1 or above, and Japanese text has
// kana and common kanji, whose first byte is below 0xA0. In Latin-1 letters with accents stand among plain ones.
func guessSet(b []byte) encoding.Encoding {
	pairs, gb2312 := 0, 0
	for i := 0; i < len(b); i++ {
		if b[i] < 0x80 {
			continue
		}
		pairs++
		if i+1 < len(b) && b[i] >= 0xa1 && b[i] <= 0xf7 && b[i+1] >= 0xa1 {
			gb2312++
		}
		i++
	}
	if 2*gb2312 >= pairs && valid(simplifiedchinese.GB18030, b) {
		return simplifiedchinese.GB18030
	}
	if valid(japanese.ShiftJIS, b) && !lonely(b) {
		return japanese.ShiftJIS
	}
	if valid(simplifiedchinese.GB18030, b) && !lonely(b) {
		return simplifiedchinese.GB18030
	}
	return charmap.ISO8859_1
}

// lonely says whether every byte above ASCII stands between two of ASCII.
func lonely(b []byte) bool {
	for i := range b {
		if b[i] >= 0x80 && i+1 < len(b) && b[i+1] >= 0x80 {
			return false
		}
	}
	return true
}

func valid(set encoding.Encoding, b []byte) bool {
	s, err := set.NewDecoder().Bytes(b)
	return err == nil && !bytes.ContainsRune(s, utf8.RuneError)
}
