package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gated/gate"
)

// watchedPage follows what the page of the gate shows, through its event stream.
type watchedPage struct {
	mu      sync.Mutex
	view    gate.View
	changed chan struct{} // closed at each change
	err     error         // why the stream ended
}

func watchPage(ctx context.Context, url string) (*watchedPage, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"events", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s: %s", req.URL, resp.Status)
	}
	p := &watchedPage{changed: make(chan struct{})}
	go p.read(resp.Body)
	return p, nil
}

func (p *watchedPage) read(body io.ReadCloser) {
	defer body.Close()
	s := bufio.NewScanner(body)
	s.Buffer(nil, 1<<20)
	view := false
	for s.Scan() {
		switch line := s.Text(); {
		case line == "event: view":
			view = true
		case view && strings.HasPrefix(line, "data: "):
			var v gate.View
			err := json.Unmarshal([]byte(line[len("data: "):]), &v)
			p.set(func() { p.view, p.err = v, err })
			view = false
		}
	}
	p.set(func() { p.err = errors.Join(io.ErrUnexpectedEOF, s.Err()) })
}

func (p *watchedPage) set(to func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to()
	close(p.changed)
	p.changed = make(chan struct{})
}

// now returns what the page shows.
func (p *watchedPage) now() gate.View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view
}

// lane returns what the page shows of a lane.
func (p *watchedPage) lane(lane string) gate.LaneView { return find(p.now(), lane) }

func find(v gate.View, lane string) (l gate.LaneView) {
	if i := slices.IndexFunc(v.Lanes, func(l gate.LaneView) bool { return l.ID == lane }); i >= 0 {
		l = v.Lanes[i]
	}
	return l
}

// await waits until the page shows something, at most for the given time.
func (p *watchedPage) await(ctx context.Context, atMost time.Duration, is func(gate.View) bool) error {
	late := time.After(atMost)
	for {
		p.mu.Lock()
		v, changed, err := p.view, p.changed, p.err
		p.mu.Unlock()
		if is(v) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the page's events: %w", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("after %s the page shows %+v", atMost, v.Lanes)
		}
	}
}

// awaitLane waits until the page shows something of a lane.
func (p *watchedPage) awaitLane(ctx context.Context, lane string, is func(gate.LaneView) bool) error {
	err := p.await(ctx, time.Minute, func(v gate.View) bool { l := find(v, lane); return l.ID == lane && is(l) })
	if err != nil {
		return fmt.Errorf("lane %s: %w", lane, err)
	}
	return nil
}
