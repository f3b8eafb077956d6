package credential

import (
	"errors"
	"fmt"
)

// The alphabet of RFC 9285, table 1: what a QR code's alphanumeric mode holds.
const base45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

// base45Value has, for each byte, its value in the alphabet, or notBase45.
var base45Value = func() (v [256]uint8) {
	for i := range v {
		v[i] = notBase45
	}
	for i := range len(base45) {
		v[base45[i]] = uint8(i)
	}
	return v
}()

const notBase45 = 0xff

// EncodeBase45 writes two bytes as three characters and a last odd byte as two
// (RFC 9285).
func EncodeBase45(b []byte) string {
	text := make([]byte, 0, (len(b)*3+1)/2)
	for ; len(b) >= 2; b = b[2:] {
		n := int(b[0])<<8 | int(b[1])
		text = append(text, base45[n%45], base45[n/45%45], base45[n/2025])
	}
	if len(b) == 1 {
		text = append(text, base45[b[0]%45], base45[b[0]/45])
	}
	return string(text)
}

// DecodeBase45 accepts exactly what [EncodeBase45] writes: there is one text for
// any bytes. Lower case, line ends, a lone last character and groups above their
// range are errors, which name the place and not the text.
func DecodeBase45(text string) ([]byte, error) {
	if len(text)%3 == 1 {
		return nil, errors.New("base45: the last character stands alone")
	}
	b := make([]byte, 0, (len(text)*2+2)/3)
	for i := 0; i < len(text); i += 3 {
		group := text[i:min(i+3, len(text))]
		n, weight := 0, 1
		for j := range len(group) {
			v := base45Value[group[j]]
			if v == notBase45 {
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
