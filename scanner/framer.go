package scanner

import "time"

// Why a frame was dropped.
const (
	TooShort = "too-short" // fewer bytes than Config.Min before its end
	TooLong  = "too-long"  // more bytes than Config.Max; dropped up to the next end byte
	Timeout  = "timeout"   // Config.Gap passed after its last byte and no end byte came
	NoStart  = "no-start"  // bytes without the start byte that Config.StartBytes wants
	NotText  = "not-text"  // a NUL byte, or text in neither character set
	Stalled  = "stalled"   // the daemon itself stood still for longer than stallTime: who sent it is gone
)

// FrameCauses are all of them.
var FrameCauses = []string{TooShort, TooLong, Timeout, NoStart, NotText, Stalled}

// A framer cuts the bytes of one port into codes. One read is never one code:
// USB scanners deliver slices, slow ports single bytes, fast ones several
// codes at once; what comes out is the same however the bytes are cut. It has
// no clock, and never holds more than max bytes.
type framer struct {
	class       [256]byte // starts, ends, or 0 for a byte of a code
	min, max    int
	gap         time.Duration // of silence, after which nothing is under way
	begins      bool          // a frame begins with a start byte only
	silenceEnds bool          // a code, as an end byte does

	half         []byte    // the frame under way
	in           bool      // its start byte has come; always so where none is wanted
	noise        bool      // bytes came that belong to no frame
	untilEnd     bool      // drop all bytes up to the next end byte or silence
	untilSilence bool      // drop all bytes up to the next silence
	over         int       // bytes dropped since the frame was found too long
	last         time.Time // when the newest bytes were read
}

const (
	starts = 1 + iota
	ends
)

func newFramer(c Config) *framer {
	f := &framer{min: c.Min, max: c.Max + c.CodeID, gap: c.Gap, begins: c.StartBytes != ""}
	if c.AIM {
		f.max += aimLength
	}
	if c.EndGap > 0 {
		f.gap, f.silenceEnds = c.EndGap, true
	}
	for _, b := range []byte(c.EndBytes) {
		f.class[b] = ends
	}
	for _, b := range []byte(c.StartBytes) {
		f.class[b] = starts
	}
	f.in = !f.begins
	return f
}

// next takes bytes from p until a frame ends. It returns the code, or why the
// frame was dropped, or neither when p is used up; and the bytes of p not
// taken. The code is valid until the next call.
func (f *framer) next(p []byte) (code []byte, dropped string, rest []byte) {
	if f.untilSilence {
		return nil, "", nil
	}
	for i, b := range p {
		switch f.class[b] {
		case ends:
			code, dropped = f.end()
		case starts:
			dropped = f.start()
		default:
			dropped = f.take(b)
		}
		if code != nil || dropped != "" {
			return code, dropped, p[i+1:]
		}
	}
	return nil, "", nil
}

// take adds a byte to the frame under way.
func (f *framer) take(b byte) (dropped string) {
	switch {
	case f.untilEnd:
		// A line that never ends its frames is counted as if it did, so that it is seen to babble.
		if f.over++; f.over > f.max {
			f.over = 0
			return TooLong
		}
	case !f.in:
		f.noise = true
	case len(f.half) == f.max:
		f.half, f.untilEnd, f.over = f.half[:0], true, 0
		return TooLong
	default:
		f.half = append(f.half, b)
	}
	return ""
}

// start is a start byte. What it interrupts was cut short, by a cable or a second trigger.
func (f *framer) start() (dropped string) {
	switch {
	case f.noise:
		dropped = NoStart
	case len(f.half) > 0:
		dropped = TooShort
	}
	f.reset()
	f.in = true
	return dropped
}

// end is an end byte, or the silence that counts as one.
func (f *framer) end() (code []byte, dropped string) {
	code, noise, untilEnd := f.half, f.noise, f.untilEnd
	f.reset()
	switch {
	case untilEnd:
		return nil, ""
	case noise:
		return nil, NoStart
	case len(code) == 0: // nothing lies between the CR and the LF of a CRLF, and nothing is no code
		return nil, ""
	case len(code) < f.min:
		return nil, TooShort
	}
	return code, ""
}

func (f *framer) reset() {
	f.half, f.noise, f.untilEnd, f.over, f.in = f.half[:0], false, false, 0, !f.begins
}

// arrived says that the bytes handed to next from now on were read at t.
//
// When a half frame is older than the gap by then, the reader was not there (the
// previous code took long to answer): what was read may be its other half or
// a new code. To guess is to risk a code that no scanner ever read, so both go.
func (f *framer) arrived(t time.Time) (dropped string) {
	if f.pending() && t.Sub(f.last) >= f.gap {
		if len(f.half) > 0 {
			dropped = Timeout
		}
		f.reset()
		f.untilEnd = true
	}
	f.last = t
	return dropped
}

// dropUntilSilence drops what is under way and all that comes until the line has
// been silent for the gap.
func (f *framer) dropUntilSilence(t time.Time) {
	f.reset()
	f.untilSilence, f.last = true, t
}

func (f *framer) pending() bool { return len(f.half) > 0 || f.noise || f.begins && f.in }

// deadline is when silence is to be called unless bytes arrive; zero when
// nothing is under way.
func (f *framer) deadline() time.Time {
	if !f.pending() && !f.untilEnd && !f.untilSilence {
		return time.Time{}
	}
	return f.last.Add(f.gap)
}

// silence ends what is under way: the next byte begins a frame. Where silence
// ends codes, it returns one.
func (f *framer) silence() (code []byte, dropped string) {
	if f.silenceEnds && !f.untilSilence {
		return f.end()
	}
	switch {
	case f.noise:
		dropped = NoStart
	case len(f.half) > 0:
		dropped = Timeout
	}
	f.reset()
	f.untilSilence = false
	return nil, dropped
}
