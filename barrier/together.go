package barrier

import (
	"log/slog"
	"sync"
	"time"
)

// startPatience is how long a start waits for barriers that are being closed. The command to one whose relay hangs goes on.
const startPatience = time.Second

// CloseAll closes the barriers, in case one stands open from before a power cut, before a guard can give a command. It
// returns what closes them for good, all at the same time; that may be called twice.
func CloseAll(barriers []*Barrier, log *slog.Logger) (stop func()) {
	var starts, stops []func() error
	for _, b := range barriers {
		starts = append(starts, b.Begin(false))
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
