package scanner

import (
	"math/rand/v2"
	"testing"
	"time"
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
}

func TestGM65AnswersAreTakenOut(t *testing.T) {
	const heart, done = "\x03\x00\x00\x01\x00\x33\x31", "\x02\x00\x00\x01\x00\x33\x31"
	rnd := rand.New(rand.NewPCG(65, 1))
	for _, tt := range []struct {
		name, in, want string
		answers        int
	}{
		{"between codes", "CODE\r" + heart + "NEXT\r", "CODE\rNEXT\r", 1},
		{"in the middle of a code", "CO" + heart + "DE\r", "CODE\r", 1},
		{"both", heart + "CO" + done + "DE\r", "CODE\r", 2},
		{"only its beginning", "CO\x03\x00\x00\x01DE\r", "CO\x03\x00\x00\x01DE\r", 0},
		{"its beginning, then it", "CO\x03\x00\x00" + heart + "DE\r", "CO\x03\x00\x00DE\r", 1},
		{"an end byte like its first", "CODE\x03\x03\x03NEXT\x03\r", "CODE\x03\x03\x03NEXT\x03\r", 0},
		{"cut off", "CODE\r\x02\x00\x00", "CODE\r\x02\x00\x00", 0},
	} {
		for range 50 {
			var r replies
			var got []byte
			answers := 0
			for _, chunk := range cut(rnd, []byte(tt.in), 1+rnd.IntN(20)) {
				rest, n := r.take(chunk)
				got, answers = append(got, rest...), answers+n
			}
			if got = append(got, r.release()...); string(got) != tt.want || answers != tt.answers {
				t.Fatalf("%s: got %q with %d answers, want %q with %d", tt.name, got, answers, tt.want, tt.answers)
			}
		}
	}
}

// The end of a code may look like the beginning of an answer, and an answer may be cut off.
func TestGM65BytesThatBecomeNoAnswer(t *testing.T) {
	scanner, port := plug(t)
	l := start(t, Options{Config: Config{Device: port, Profile: GM65, EndBytes: "\x03"}}, hasty, func(r *Reader) { r.pace.heartbeat = time.Hour })
	l.expect(online)
	send(t, scanner, "GOOD CODE\x03")
	l.read("GOOD CODE")
	// A late answer, nobody waits for it any more.
	send(t, scanner, "\x03\x00\x00\x01\x00\x33\x31LATE CODE\x03")
	l.read("LATE CODE")
	if got := drain(l.drops); got != nil {
		t.Errorf("got dropped frames %q, want none", got)
	}
}

// An answer that comes in the pause within a half code must not prolong the pause.
func TestGM65AnswerDoesNotProlongAGap(t *testing.T) {
	r := NewReader(Options{Config: Config{Device: "/dev/x", Profile: GM65}})
	s := &session{r: r, f: newFramer(r.o.Config)}
	t0 := time.Now()
	s.took(t.Context(), []byte("HALF"), t0)
	want := s.f.deadline()
	s.took(t.Context(), []byte("\x03\x00\x00\x01\x00\x33\x31"), t0.Add(400*time.Millisecond))
	if got := s.f.deadline(); !got.Equal(want) {
		t.Errorf("the half code ends at %v, want %v", got.Sub(t0), want.Sub(t0))
	}
}
