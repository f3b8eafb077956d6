package scanner

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func crcXMODEM(p []byte) (crc uint16) {
	for _, b := range p {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			if crc <<= 1; carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}

func TestGM65Checksums(t *testing.T) {
	if got := crcXMODEM([]byte("123456789")); got != 0x31c3 {
		t.Fatalf("the check value of CRC-16/XMODEM: got %04x, want 31c3", got)
	}
	for name, frame := range map[string][]byte{"heartbeat": gm65Heartbeat[2:], "answer": gm65Reply} {
		n := len(frame) - 2
		if got, want := crcXMODEM(frame[:n]), uint16(frame[n])<<8|uint16(frame[n+1]); got != want {
			t.Errorf("%s: got %04x, want %04x", name, got, want)
		}
	}
	if !bytes.HasSuffix(gm65Trigger, []byte{0xab, 0xcd}) {
		t.Error("the trigger has no checksum that is not checked")
	}
}

func TestGM65AnswersAreTakenOut(t *testing.T) {
	const heart, done = "\x03\x00\x00\x01\x00\x33\x31", "\x02\x00\x00\x01\x00\x33\x31"
	rnd := rand.New(rand.NewPCG(65, 1))
	for _, tt := range []struct {
		name, in, want string
		answers        int
		outstanding    bool
	}{
		{"between codes", "CODE\r" + heart + "NEXT\r", "CODE\rNEXT\r", 1, true},
		{"in the middle of a code", "CO" + heart + "DE\r", "CODE\r", 1, true},
		{"both", heart + "CO" + done + "DE\r", "CODE\r", 2, true},
		{"none due", "CO" + heart + "DE\r", "CO" + heart + "DE\r", 0, false},
		{"only its beginning", "CO\x03\x00\x00\x01DE\r", "CO\x03\x00\x00\x01DE\r", 0, true},
		{"its beginning, then it", "CO\x03\x00\x00" + heart + "DE\r", "CO\x03\x00\x00DE\r", 1, true},
		{"an end byte like its first", "CODE\x03\x03\x03NEXT\x03\r", "CODE\x03\x03\x03NEXT\x03\r", 0, true},
		{"cut off", "CODE\r\x02\x00\x00", "CODE\r\x02\x00\x00", 0, true},
	} {
		for range 50 {
			var r replies
			var got []byte
			answers := 0
			for _, chunk := range cut(rnd, []byte(tt.in), 1+rnd.IntN(20)) {
				rest, n := r.take(chunk, tt.outstanding)
				got, answers = append(got, rest...), answers+n
			}
			rest, _ := r.take(nil, false) // the time for an answer is over
			if got = append(got, rest...); string(got) != tt.want || answers != tt.answers {
				t.Fatalf("%s: got %q with %d answers, want %q with %d", tt.name, got, answers, tt.want, tt.answers)
			}
		}
	}
}
