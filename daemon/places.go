package daemon

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"
)

// How many connections a listener has at a time. The sum of it is far below the files that the unit lets the process open
// (LimitNOFILE), which scanners, relays, ledger and spool need.
const (
	maxPage    = 256
	maxControl = 32
	maxTiles   = 64
)

// places are the connections of a listener. When there are too many, who has the most of them loses one: the one that waits the
// longest for its next request or, if none waits, the oldest. So nobody is refused, and nobody can take another's place.
type places struct {
	most      int
	displaced prometheus.Counter

	mu   sync.Mutex
	open map[net.Conn]*place
}

// place is one connection.
type place struct {
	all  *places
	conn net.Conn

	// These belong to the mutex of all.
	who   string // address of the other end; empty on this box, until let is called
	since time.Time
	busy  bool // a request is under way

	asking  sync.Once // guards the two below: see users
	user    string
	refused error
}

// newPlaces counts the connections of a listener. They are fewer where the process may open few files.
func newPlaces(name string, most int, reg prometheus.Registerer) *places {
	var files unix.Rlimit // the soft limit, which the Go runtime has raised to the hard one
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &files) == nil && files.Cur/8 < uint64(most) {
		most = max(1, int(files.Cur/8))
	}
	p := &places{most: most, open: map[net.Conn]*place{}}
	of := prometheus.Labels{"listener": name}
	p.displaced = prometheus.NewCounter(prometheus.CounterOpts{Name: "gated_connections_displaced_total",
		Help: "Connections that were closed to make room for newer ones.", ConstLabels: of})
	reg.MustRegister(p.displaced, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "gated_connections",
		Help: "Connections that are open.", ConstLabels: of}, func() float64 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return float64(len(p.open))
	}))
	return p
}

type placeKey struct{}

// keep has the places of the server's connections kept.
func (p *places) keep(s *http.Server) {
	before := s.ConnContext
	s.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, c)
		}
		return context.WithValue(ctx, placeKey{}, p.take(c))
	}
	s.ConnState = func(c net.Conn, state http.ConnState) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch is := p.open[c]; {
		case state == http.StateClosed || state == http.StateHijacked:
			delete(p.open, c)
		case is != nil && is.who != "": // who is not known yet grows older whatever they do
			is.busy, is.since = state == http.StateActive, time.Now()
		}
	}
}

// take gives a connection its place.
func (p *places) take(c net.Conn) *place {
	is := &place{all: p, conn: c, since: time.Now()}
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		is.who = network(a.AddrPort().Addr().Unmap())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open[c] = is
	if len(p.open) > p.most {
		old := p.oldest(is)
		delete(p.open, old.conn)
		old.conn.Close()
		p.displaced.Inc()
	}
	return is
}

// network is what one and the same may have many addresses of.
func network(a netip.Addr) string {
	bits := 64
	switch {
	case a.IsLoopback():
		return ""
	case a.Is4():
		bits = 32
	}
	net, _ := a.WithZone("").Prefix(bits)
	return net.String()
}

// oldest is the place that is given up for a newer one.
func (p *places) oldest(newer *place) (first *place) {
	count := map[string]int{}
	for _, is := range p.open {
		count[is.who]++
	}
	for _, is := range p.open {
		if is != newer && (first == nil || cmp.Or(
			cmp.Compare(count[first.who], count[is.who]),
			cmp.Compare(busy(is), busy(first)),
			is.since.Compare(first.since)) < 0) {
			first = is
		}
	}
	return first
}

func busy(is *place) int {
	if is.busy {
		return 1
	}
	return 0
}

// let notes whose connection it is: from now on it competes with that user's alone.
func (is *place) let(user string) {
	is.all.mu.Lock()
	defer is.all.mu.Unlock()
	is.who, is.busy, is.since = user, true, time.Now()
}
