package barrier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gated/serialport"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// A script is what happens before a sensor: "+" and "-" make the line active and not, "x" unreadable, a duration passes.
func TestWhatASensorTells(t *testing.T) {
	for _, tt := range []struct {
		name, means, script, want string
		inverted                  bool
	}{
		{"opened as it was told", MeansOpen, "1s ask:a 800ms + 5s - 1m", "", false},
		{"opened by somebody", MeansOpen, "1s + 5s -", "opened-unasked", false},
		{"opened long after it was told", MeansOpen, "ask:a 1s + 3s - 20s + 1s", "opened-unasked", false},
		{"twice", MeansOpen, "1s + 1s - 1s + 1s -", "opened-unasked opened-unasked", false},
		{"held open", MeansOpen, "1s hold:e 1m + 5s - 1s + 1s release 3s -", "", false},
		{"on its way up when it was released", MeansOpen, "1s hold:e 100ms release 1s + 1s", "", false},
		{"after it was released", MeansOpen, "1s hold:e + 1s release - 5s + 1s", "opened-unasked", false},
		{"the pulse was dropped", MeansOpen, "1s ask:a forget:a 1s + 1s", "opened-unasked", false},
		{"open from before the start", MeansOpen, "+ 1m", "", false},
		{"unreadable, and open afterwards", MeansOpen, "1s x 5s + 1s", "", false},
		{"inverted", MeansOpen, "+ 1s - 1s", "opened-unasked", true},
		{"bounces", MeansOpen, "1s + 40ms - 40ms + 40ms - 1s", "", false},
		{"bounces and stays", MeansOpen, "1s + 40ms - 40ms + 40ms - 40ms + 1s", "opened-unasked", false},
		{"passed", MeansPassed, "1s ask:a 2s + 500ms - 1m", "passed:a", false},
		{"two passed in turn", MeansPassed, "1s ask:a 1s ask:b 1s + 500ms - 1s + 500ms - 1m", "passed:a passed:b", false},
		{"turned back", MeansPassed, "1s ask:a 20s", "turned-back:a", false},
		{"one passed, one turned back", MeansPassed, "1s ask:a ask:b 1s + 1s - 20s", "passed:a turned-back:b", false},
		{"stands in the beam as the time runs out", MeansPassed, "1s ask:a 14s + 10s - 20s", "passed:a", false},
		{"passed without an opening", MeansPassed, "1s + 1s - 1s", "passed", false},
		{"many passed while held open", MeansPassed, "1s hold:e 1s + 1s - 1s + 1s - 1s release 20s", "passed:e passed:e", false},
		{"a leaf in the beam", MeansPassed, "1s ask:a 1s + 50ms - 20s", "turned-back:a", false},
		{"the pulse was dropped, passed", MeansPassed, "1s ask:a forget:a 1m", "", false},
		{"unreadable: nobody knows", MeansPassed, "1s ask:a x 1m -", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := NewMetrics(prometheus.NewRegistry(), "in")
				s := NewSensor("in", SensorConfig{Line: "dsr", Means: tt.means, Inverted: tt.inverted, Debounce: 60 * time.Millisecond, Within: 15 * time.Second}, slog.New(slog.DiscardHandler), m)
				var told []string
				s.Watch(func(event string, o Opening) { told = append(told, strings.TrimSuffix(event+":"+o.Passage, ":")) })
				var mu sync.Mutex
				lines, broken := unix.TIOCM_CTS, false // another line is active all the time
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					s.Run(ctx, func() (int, error) {
						mu.Lock()
						defer mu.Unlock()
						if broken {
							return 0, errors.New("unplugged")
						}
						return lines, nil
					})
				}()
				for _, step := range strings.Fields(tt.script) {
					word, id, _ := strings.Cut(step, ":")
					mu.Lock()
					switch word {
					case "+":
						lines, broken = lines|unix.TIOCM_DSR, false
					case "-":
						lines, broken = lines&^unix.TIOCM_DSR, false
					case "x":
						broken = true
					}
					mu.Unlock()
					switch d, err := time.ParseDuration(word); {
					case err == nil:
						time.Sleep(d)
					case word == "ask":
						s.Asked(Opening{Passage: id})
					case word == "forget":
						s.Forget(id)
					case word == "hold":
						s.Held(Opening{Passage: id})
					case word == "release":
						s.Released()
					}
				}
				time.Sleep(200 * time.Millisecond)
				cancel()
				<-done
				if d := cmp.Diff(strings.Fields(tt.want), told); strings.Join(told, " ") != tt.want {
					t.Errorf("(-want +got):\n%s", d)
				}
				counted := 0.0
				for _, e := range []string{OpenedUnasked, Passed, TurnedBack} {
					counted += testutil.ToFloat64(m.sensor.WithLabelValues("in", e))
				}
				if int(counted) != len(told) {
					t.Errorf("%v counted, %d told", counted, len(told))
				}
			})
		})
	}
}

// Who looks at the page has to know that nobody watches the barrier.
func TestSensorThatCannotBeReadIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMetrics(prometheus.NewRegistry(), "in")
		var log syncBuffer
		s := NewSensor("in", SensorConfig{Line: "dsr", Means: MeansOpen}, slog.New(slog.NewTextHandler(&log, nil)), m)
		var told []error
		s.WatchState(func(err error) { told = append(told, err) })
		check := func(when string, up float64, want ...error) {
			t.Helper()
			synctest.Wait()
			if got := testutil.ToFloat64(m.sensorUp.WithLabelValues("in")); got != up {
				t.Errorf("%s: the gauge is %v, want %v", when, got, up)
			}
			if fmt.Sprint(told) != fmt.Sprint(want) {
				t.Errorf("%s: told %v, want %v", when, told, want)
			}
			told = nil
		}
		check("before the first reading", 0)
		gone, denied := errors.New("unplugged"), errors.New("no permission")
		next := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			state := gone
			s.Run(ctx, func() (int, error) {
				select {
				case state = <-next:
				default:
				}
				return 0, state
			})
		}()
		for _, step := range []struct {
			when string
			err  error
			up   float64
		}{{"missing from the start", gone, 0}, {"there", nil, 1}, {"lost", gone, 0}, {"something else is wrong", denied, 0}, {"back", nil, 1}} {
			next <- step.err
			time.Sleep(time.Second) // many readings, told of once
			check(step.when, step.up, step.err)
		}
		s.WatchState(func(err error) { told = append(told, err) })
		check("to one who comes later", 1, nil)
		cancel()
		<-done
		if n := strings.Count(log.b.String(), "\n"); n != 5 {
			t.Errorf("%d lines in the log, want one for each change:\n%s", n, &log.b)
		}
	})
}

func TestMissingPortOfASensorIsSaidInTheSameWordsEachTime(t *testing.T) {
	p := Port{Device: filepath.Join(t.TempDir(), "gone")}
	_, first := p.Lines()
	if _, again := p.Lines(); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("got %v, then %v: the log would fill with it", first, again)
	}
}

// The lines may be asked for at any time, also of a port that was given back. (That it is not closed under who asks is
// serialport's test, TestOnlyCloseCloses.)
func TestTheLinesOfARelaysPortThatWasGivenBack(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{})
	relay := b.driver.(*lcus)
	awaitTrue(t, "the relay's port", func() bool { return relay.port.Load() != nil })
	p := relay.port.Load()
	if err := b.Barrier.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Lines(); !errors.Is(err, serialport.ErrClosed) {
		t.Errorf("got %v of a closed port, want %v", err, serialport.ErrClosed)
	}
	if _, err := b.Lines(); !errors.Is(err, errHungUp) {
		t.Errorf("got %v of a relay that was let go, want %v", err, errHungUp)
	}
}

// A driver that hangs when a sensor's port is given back has one port to hang on, and nobody waits for it.
func TestASensorsPortIsNotOpenedAgainBeforeItIsClosed(t *testing.T) {
	t.Parallel()
	p := Port{Device: plugged(t, true, Config{}).config.Device, shut: make(chan struct{}), lost: errHungUp}
	if _, err := p.Lines(); !errors.Is(err, errHungUp) || p.file != nil {
		t.Errorf("got %v, want %v", err, errHungUp)
	}
	close(p.shut)
	p.again = time.Time{}
	if _, err := p.Lines(); errors.Is(err, errHungUp) || !strings.Contains(fmt.Sprint(err), p.Device) {
		t.Errorf("got %v, want that its lines cannot be read", err)
	}
	<-p.shut
}

// Pseudo-terminals have no lines, and say so as clearly as a missing port does.
func TestLinesThatCannotBeReadAreAnError(t *testing.T) {
	t.Parallel()
	b := plugged(t, true, Config{})
	if _, err := b.Lines(); err == nil {
		t.Error("a pseudo-terminal has modem lines")
	}
	for _, device := range []string{b.config.Device, filepath.Join(t.TempDir(), "gone"), "/dev/null", t.TempDir()} {
		p := Port{Device: device}
		if _, err := p.Lines(); err == nil || !strings.Contains(fmt.Sprint(err), device) {
			t.Errorf("%s: got %v, want an error that names it", device, err)
		}
		p.Close()
	}
}
