package scanner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// apart is a session that takes codes within a hundred milliseconds for several.
func apart(t *testing.T, codes *[]string) (*session, func(string)) {
	t.Helper()
	s, scanner := lineOf(t, Options{Config: Config{Gap: maxGap, CodesApart: 100 * time.Millisecond}, OnCode: func(_ context.Context, c Code) bool {
		*codes = append(*codes, string(c.Data))
		return true
	}})
	return s, func(text string) { send(t, scanner, text) }
}

// One picture can hold thirty codes with line breaks between them.
func TestDifferentCodesAtOnceAreOneReading(t *testing.T) {
	var forged []string
	for i := range 30 {
		forged = append(forged, fmt.Sprintf("GP1:%02d%s", i, strings.Repeat("A", 86)))
	}
	for name, c := range map[string]struct{ in, want []string }{
		"at once":               {[]string{strings.Join(forged, "\r") + "\r"}, []string{forged[0] + "\n" + forged[1]}},
		"one after another":     {[]string{forged[0] + "\r", forged[1] + "\r", forged[2] + "\r" + forged[3] + "\r"}, []string{forged[0], forged[0] + "\n" + forged[1]}},
		"the same all along":    {[]string{"CODE1\r\nCODE1\r\n", "CODE1\r\n"}, []string{"CODE1", "CODE1"}},
		"one":                   {[]string{"CODE1\r\n"}, []string{"CODE1"}},
		"the same, and another": {[]string{"CODE1\rCODE1\rCODE2\r", "CODE1\r"}, []string{"CODE1\nCODE2"}},
	} {
		t.Run(name, func(t *testing.T) {
			var codes []string
			s, send := apart(t, &codes)
			s.r.o.Config.CodesApart = time.Hour // no machine is so slow that they are apart
			for _, in := range c.in {
				send(in)
				for turned := 0; turned < 3 || len(codes) == 0; turned++ {
					if err := s.turn(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			}
			if !slices.Equal(codes, c.want) {
				t.Errorf("got %q, want %q", codes, c.want)
			}
		})
	}
}

// Whoever comes next is read, however many codes the one before held up.
func TestAfterSeveralCodesTheNextOneIsRead(t *testing.T) {
	var codes []string
	s, send := apart(t, &codes)
	send("CODE1\rCODE2\rCODE3\r")
	s.turnUntil(t, "the refusal", func() bool { return len(codes) > 0 })
	time.Sleep(150 * time.Millisecond)
	send("GOOD CODE\r")
	s.turnUntil(t, "the next one", func() bool { return slices.Contains(codes, "GOOD CODE") })
	if len(codes) != 2 || !s.muted.IsZero() {
		t.Errorf("got %q, muted %t", codes, !s.muted.IsZero())
	}
}

// A line that sends one thing after the other for ever is muted as before.
func TestCodesWithoutEndAreMuted(t *testing.T) {
	var codes []string
	s, send := apart(t, &codes)
	s.r.o.Config.Baud, s.r.o.Config.CodesApart = 115200, time.Second // the machine may be busy
	n := 0
	s.turnUntil(t, "the mute", func() bool {
		n++
		send(fmt.Sprintf("CODE%d\r", n))
		time.Sleep(time.Millisecond)
		return !s.muted.IsZero()
	})
	if len(codes) > 2 {
		t.Errorf("%d readings of a line that babbles", len(codes))
	}
}

// A scanner that was swapped changes one code after the other: the lane says so, until a good one comes.
func TestAScannerThatChangesCodesIsSaidToBe(t *testing.T) {
	scanner, port := plug(t)
	reasons := make(chan string, 10)
	var r *Reader
	l := start(t, Options{Config: Config{Device: port}, OnCode: func(context.Context, Code) bool { r.Checked(<-reasons); return true }}, hasty,
		func(made *Reader) { r = made })
	l.expect(online)
	for i, c := range []struct{ reason, cause string }{
		{CauseAdded, ""}, {CauseAdded, ""}, {"unknown-code", ""}, {CauseAdded, CauseAdded}, {CauseLayout, CauseLayout}, {"bad-signature", ""}, {"ok", "-"},
	} {
		reasons <- c.reason
		send(t, scanner, fmt.Sprintf("CODE%d\r", i))
		await(t, "the code", l.codes)
		switch c.cause {
		case "":
		case "-":
			l.until(online)
		default:
			l.until(change{true, Online, c.cause})
		}
	}
	if got := drain(l.changes); got != nil {
		t.Errorf("and then %v", got)
	}
}

// At 9600 baud a code is longer under way than the silence that parts codes, and a UART hands it over 16 bytes at a time.
func TestCodesWithoutASilenceAreOneReading(t *testing.T) {
	t.Parallel()
	var codes []string
	s, send := apart(t, &codes)
	s.r.o.Config.Baud, s.r.o.Config.CodesApart = 300, 500*time.Millisecond // so that a busy machine leaves no silence by itself
	one, other := strings.Repeat("A", 600), strings.Repeat("B", 600)
	var sent sync.WaitGroup
	defer sent.Wait()
	sent.Go(func() {
		for piece := range slices.Chunk([]byte(one+"\r"+other+"\r\n"), 10) {
			send(string(piece))
			time.Sleep(10 * time.Millisecond)
		}
	})
	s.turnUntil(t, "the reading", func() bool { return len(codes) > 0 })
	if !slices.Equal(codes, []string{one + "\n" + other}) {
		t.Errorf("got %.400q", codes)
	}
}

// A gate that takes long to answer is no silence of the line.
func TestACodeThatCameDuringTheAnswerCameWithIt(t *testing.T) {
	t.Parallel()
	var codes []string
	s, send := apart(t, &codes)
	s.r.o.OnCode = func(_ context.Context, c Code) bool {
		if codes = append(codes, string(c.Data)); len(codes) == 1 {
			send("CODE2\r")
			time.Sleep(3 * s.r.o.Config.CodesApart)
		}
		return true
	}
	send("CODE1\r")
	s.turnUntil(t, "both", func() bool { return len(codes) > 1 })
	if !slices.Equal(codes, []string{"CODE1", "CODE1\nCODE2"}) {
		t.Errorf("got %q", codes)
	}
}

// What waited while the daemon stood still is as old as what was not read yet.
func TestACodeThatWaitedThroughAStallIsDropped(t *testing.T) {
	t.Parallel()
	var codes, dropped []string
	s, send := apart(t, &codes)
	s.r.o.OnFraming = func(cause string) { dropped = append(dropped, cause) }
	s.r.o.Config.Baud, s.r.o.Config.CodesApart = 300, time.Second
	send("CODE1\r")
	s.turnUntil(t, "the code", func() bool { return len(s.glance.codes) > 0 })
	s.stoodStill(time.Now(), false)
	if len(s.glance.codes) > 0 || !slices.Equal(dropped, []string{Stalled}) {
		t.Errorf("waiting: %q, dropped: %q", s.glance.codes, dropped)
	}
}

// Each passage waits for this silence: no longer than bytes of one transmission may be apart.
func TestHowLongACodeWaitsForAnother(t *testing.T) {
	for _, c := range []struct {
		baud        int
		apart, want time.Duration
	}{{9600, 100 * time.Millisecond, 30 * time.Millisecond}, {115200, 100 * time.Millisecond, 10 * time.Millisecond}, {9600, 20 * time.Millisecond, 20 * time.Millisecond}, {1200, 100 * time.Millisecond, 100 * time.Millisecond}} {
		last := time.Now()
		s := &session{r: &Reader{o: Options{Config: Config{Baud: c.baud, CodesApart: c.apart}}}, glance: glance{codes: [][]byte{[]byte("CODE")}, last: last}}
		if got := s.wholeAt().Sub(last); got != c.want {
			t.Errorf("%d baud, codes_apart %v: %v, want %v", c.baud, c.apart, got, c.want)
		}
	}
}
