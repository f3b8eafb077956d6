package scanner

import "errors"

// The protocol of a SAM-V module (居民身份证验证安全控制模块, GA/T 467, its terminal interface): the host asks, the module
// answers, one frame each.
//
//	host    AA AA AA 96 69  length  command parameter  data  check
//	module  AA AA AA 96 69  length  SW1 SW2 SW3        data  check
//
// length has two bytes, the high one first, and counts what follows it; check is the XOR of all bytes from length to
// data. SW3 is the module's own status; of SW1 and SW2, which it passes on from the card, nothing here depends.
var preamble = [5]byte{0xaa, 0xaa, 0xaa, 0x96, 0x69}

// The commands.
var (
	findCard   = [2]byte{0x20, 0x01} // 寻找证卡
	selectCard = [2]byte{0x20, 0x02} // 选取证卡
	readCard   = [2]byte{0x30, 0x01} // 读固定信息: text and photo
)

// The statuses that are told apart. Others say that the module has not read the card, and its maker's manual why:
// 31 to 33 and 47 that card and module did not prove themselves to each other, 40 and 41 that the card cannot be read.
const (
	statusOK       = 0x90
	statusFound    = 0x9f
	statusNone     = 0x80 // to findCard
	statusSelfTest = 0x60 // the module failed its self-test and takes no commands
	statusNoRight  = 0x66 // the module is not authorised
)

// spoiled are the statuses by which the module complains about our frame: check, length, command, unknown.
var spoiled = [...]byte{0x10, 0x11, 0x21, 0x23, 0x24}

const (
	textLen  = 256  // bytes of text on a card, in every layout
	photoLen = 1024 // bytes of its compressed photo
	sizesLen = 4    // in front of them: the length of the text and that of the photo
	kept     = 3 + sizesLen + textLen

	// maxAnswer bounds the length that an answer may name: two fingerprints of 512 bytes more than we ask for.
	maxAnswer = kept + photoLen + 1024 + 2 + 1
)

// frame is a command as it is sent.
func frame(command [2]byte) []byte {
	return append(preamble[:], 0, 3, command[0], command[1], 0^3^command[0]^command[1])
}

var (
	errCheck  = errors.New("an answer came damaged: its checksum is wrong")
	errLength = errors.New("an answer came damaged: no answer has that length")
)

// An answer takes the module's bytes, however they are cut, until the frame is whole. It keeps the status and the text;
// the photo only goes through its checksum.
type answer struct {
	at   int // bytes of preamble and length that are there
	need int // the length named
	n    int // bytes after the length
	sum  byte
	keep [kept]byte
}

// take returns true once the frame is whole, and the bytes of p behind it. After an error the line must fall quiet
// before a new answer is begun: where the next frame starts is not known.
func (a *answer) take(p []byte) (whole bool, rest []byte, err error) {
	for i, b := range p {
		switch {
		case a.at < len(preamble):
			switch {
			case b == preamble[a.at]:
				a.at++
			case a.at == 3 && b == 0xaa: // one AA more than it takes: the last three count
			case b == 0xaa:
				a.at = 1
			default:
				a.at = 0
			}
		case a.at < len(preamble)+2:
			a.at++
			a.need, a.sum = a.need<<8|int(b), a.sum^b
			if a.at == len(preamble)+2 && (a.need < 4 || a.need > maxAnswer) {
				return false, nil, errLength
			}
		case a.n < a.need-1:
			if a.n < len(a.keep) {
				a.keep[a.n] = b
			}
			a.n++
			a.sum ^= b
		case b != a.sum:
			return false, nil, errCheck
		default:
			a.n++
			return true, p[i+1:], nil
		}
	}
	return false, nil, nil
}

func (a *answer) status() byte { return a.keep[2] }

// text is what a whole answer to readCard says, nil if it is not one. It is valid until clear.
func (a *answer) text() []byte {
	size := func(i int) int { return int(a.keep[3+i])<<8 | int(a.keep[4+i]) }
	if a.need < kept+1 || size(0) != textLen || a.need != kept+size(2)+1 {
		return nil
	}
	return a.keep[3+sizesLen:]
}

// clear leaves nothing of the card in memory.
func (a *answer) clear() { *a = answer{} }
