package scanner

import "time"

// Why a frame was dropped.
const (
	TooShort = "too-short" // fewer bytes than Config.Min before its end byte
	TooLong  = "too-long"  // more bytes than Config.Max; dropped up to the next end byte
	Timeout  = "timeout"   // Config.Gap passed after its last byte and no end byte came
)

// A framer cuts the bytes of one port into codes. One read is never one code:
// USB scanners deliver slices, slow ports single bytes, fast ones several
// codes at once; what comes out is the same however the bytes are cut. It has
// no clock, and never holds more than max bytes.
type framer struct {
	end      [256]bool
	min, max int
	gap      time.Duration

	half []byte    // the frame under way
	skip bool      // drop all bytes up to the next end byte or silence
	last time.Time // when the newest bytes were read
}

func newFramer(c Config) *framer {
	f := &framer{min: c.Min, max: c.Max, gap: c.Gap}
	for _, b := range []byte(c.EndBytes) {
		f.end[b] = true
	}
	return f
}

// next takes bytes from p until a frame ends. It returns the code, or why the
// frame was dropped, or neither when p is used up; and the bytes of p not
// taken. The code is valid until the next call.
func (f *framer) next(p []byte) (code []byte, dropped string, rest []byte) {
	for i, b := range p {
		switch {
		case f.end[b] && f.skip:
			f.skip = false
		case f.end[b] && len(f.half) > 0:
			code, f.half = f.half, f.half[:0]
			if len(code) < f.min {
				return nil, TooShort, p[i+1:]
			}
			return code, "", p[i+1:]
		case f.end[b], f.skip:
		case len(f.half) == f.max:
			f.half, f.skip = f.half[:0], true
			return nil, TooLong, p[i+1:]
		default:
			f.half = append(f.half, b)
		}
	}
	return nil, "", nil
}

// arrived says that the bytes handed to next from now on were read at t.
//
// When a half frame is older than the gap by then, nobody was watching (the
// previous code took long to answer): what was read may be its other half or
// a new code. To guess is to risk a code that no scanner ever read, so both go.
func (f *framer) arrived(t time.Time) (dropped string) {
	if len(f.half) > 0 && t.Sub(f.last) >= f.gap {
		f.half, f.skip = f.half[:0], true
		dropped = Timeout
	}
	f.last = t
	return dropped
}

// deadline is when silence is to be called unless bytes arrive; zero when
// nothing is under way.
func (f *framer) deadline() time.Time {
	if len(f.half) == 0 && !f.skip {
		return time.Time{}
	}
	return f.last.Add(f.gap)
}

// silence ends what is under way: the next byte begins a frame.
func (f *framer) silence() (dropped string) {
	if len(f.half) > 0 {
		dropped = Timeout
	}
	f.half, f.skip = f.half[:0], false
	return dropped
}
