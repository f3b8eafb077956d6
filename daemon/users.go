package daemon

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"

	"gated/peer"

	"github.com/prometheus/client_golang/prometheus"
)

// users lets the users of this box to the page that may use it. Whoever else can reach it could open the barrier, confirm the clock
// and read who lives where. What Prometheus and a kiosk that waits for the page ask for says nothing about anybody, and is
// everybody's: /metrics, /healthz.
type users struct {
	named   []string // console.users; root and the daemon's own may always
	uid     func(net.Conn) (int, error)
	log     *slog.Logger
	refused prometheus.Counter
	said    sync.Map // of whom the log says already that they were refused
}

func newUsers(named []string, log *slog.Logger, reg prometheus.Registerer) *users {
	u := &users{named: named, uid: new(peer.Kernel).UID, log: log, refused: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "gated_page_refused_total", Help: "Requests to the page that were refused, since their user is not named in console.users."})}
	reg.MustRegister(u.refused)
	return u
}

// only lets through what those users ask. It stands behind places.
func (u *users) only(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" || r.URL.Path == "/healthz" {
			next.ServeHTTP(w, r)
			return
		}
		name, err := u.may(r.Context().Value(placeKey{}).(*place))
		if err == nil {
			next.ServeHTTP(w, r)
			return
		}
		u.refused.Inc()
		if _, said := u.said.LoadOrStore(name, true); !said {
			u.log.Warn("a user of this box was refused the page; it is said once", "user", name, "err", err)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
	})
}

// may asks the kernel once for each connection whose it is.
func (u *users) may(p *place) (name string, err error) {
	p.asking.Do(func() {
		uid, err := u.uid(p.conn)
		if err != nil {
			p.refused = fmt.Errorf("whose connection this is cannot be told (%w): open the page on the box itself, "+
				"or through ssh -L, and keep the connection open until it is answered", err)
			return
		}
		p.user = peer.Name(uid)
		if uid == 0 || uid == os.Geteuid() || slices.Contains(u.named, p.user) || slices.Contains(u.named, strconv.Itoa(uid)) {
			p.let(p.user)
			return
		}
		p.refused = fmt.Errorf("the page is not for the user %s: write the name under console.users in the settings, "+
			"and restart the daemon", p.user)
	})
	return p.user, p.refused
}
