package barrier

import (
	"log/slog"
	"sync"
	"time"
)

// startPatience is how long a start waits for barriers that are being closed. One whose relay hangs goes on being told.
const startPatience = time.Second

// CloseAll closes the barriers, in case one stands open from before a power cut, before a guard can say anything. It
// returns what ends them all, for whom the rest does not wait in turn; that may be called twice.
func CloseAll(barriers []*Barrier, log *slog.Logger) (stop func()) {
	var starts, stops []func() error
	for _, b := range barriers {
		for lane := range b.lanes {
			starts = append(starts, b.Begin(lane, false))
		}
		stops = append(stops, b.Close)
	}
	each := func(what string, fs []func() error) {
		var work sync.WaitGroup
		for _, f := range fs {
			work.Go(func() {
				if err := f(); err != nil {
					log.Error("the barrier does not obey: look at it", "when", what, "err", err)
				}
			})
		}
		work.Wait()
	}
	started := make(chan struct{})
	go func() {
		defer close(started)
		each("start", starts)
	}()
	select {
	case <-started:
	case <-time.After(startPatience):
	}
	return sync.OnceFunc(func() {
		each("stop", stops)
		<-started
	})
}
