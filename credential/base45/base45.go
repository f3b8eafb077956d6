// Package base45 writes bytes in the 45 characters of a QR code's alphanumeric mode (RFC 9285).
package base45

import (
	"errors"
	"fmt"
)

// The alphabet of RFC 9285, table 1.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// value has, for each byte, its value in the alphabet, or notInAlphabet.
var value = func() (v [256]uint8) {
	for i := range v {
		v[i] = notInAlphabet
	}
	for i := range len(alphabet) {
		v[alphabet[i]] = uint8(i)
	}
	return v
}()

const notInAlphabet = 0xff

// Encode writes two bytes as three characters and a last odd byte as two
// (RFC 9285).
func Encode(b []byte) string {
	text := make([]byte, 0, (len(b)*3+1)/2)
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		text = append(text, alphabet[n%45], alphabet[n/45%45], alphabet[n/2025])
	}
	if len(b) == 1 {
		text = append(text, alphabet[b[0]%45], alphabet[b[0]/45])
	}
	return string(text)
}

// Decode accepts exactly what [Encode] writes: there is one text for
// any bytes. Lower case, line ends, a lone last character and groups above their
// range are errors, which name the place and not the text.
func Decode(text string) ([]byte, error) {
	if len(text)%3 == 1 {
		return nil, errors.New("base45: the last character stands alone")
	}
	b := make([]byte, 0, (len(text)*2+2)/3)
	for i := 0; i < len(text); i += 3 {
		group := text[i:min(i+3, len(text))]
		n, weight := 0, 1
		for j := range len(group) {
			v := value[group[j]]
			if v == notInAlphabet {
				return nil, fmt.Errorf("base45: character %d is not in the alphabet", i+j+1)
			}
			n += int(v) * weight
			weight *= 45
		}
		switch {
		case len(group) == 3 && n <= 0xffff:
			b = append(b, byte(n>>8), byte(n))
		case len(group) == 2 && n <= 0xff:
			b = append(b, byte(n))
		default:
			return nil, fmt.Errorf("base45: the group at character %d is too large", i+1)
		}
	}
	return b, nil
}
