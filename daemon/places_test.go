package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/peer"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// call opens a connection and sends what is given, if anything.
func call(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	io.WriteString(c, text)
	return c
}

// closed waits until the other end has closed a connection.
func closed(t *testing.T, c net.Conn) bool {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// Idle connections and streams without end, as many as somebody likes: everybody else who comes is answered, the kiosk's page
// stays open, and the files that the process has open are bounded.
func TestNobodyTakesThePlaceOfAnother(t *testing.T) {
	t.Parallel()
	const most = 16
	reg := prometheus.NewRegistry()
	p := newPlaces("page", most, reg)
	release := make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			r.Context().Value(placeKey{}).(*place).let(r.Header.Get("User"))
		}
		io.WriteString(w, "answer\n")
		if r.URL.Path != "/" {
			http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}
	}))
	p.keep(s.Config)
	s.Start()
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	address := s.Listener.Addr().String()
	open := func(path, user string) net.Conn {
		t.Helper()
		c := call(t, address, fmt.Sprintf("GET %s HTTP/1.1\r\nHost: localhost\r\nUser: %s\r\n\r\n", path, user))
		c.SetReadDeadline(time.Now().Add(time.Minute))
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%s of %s is not answered: %v", path, user, err)
			}
			if strings.TrimSpace(line) == "answer" {
				return c
			}
		}
	}
	kiosk := open("/events", "kiosk")
	for range 3 * most {
		call(t, address, "")
	}
	for range 3 * most { // who is nobody's user, and has the metrics sent without taking them
		open("/metrics", "")
	}
	first := open("/events", "manager")
	for range 3 * most {
		open("/events", "manager")
	}
	if !closed(t, first) {
		t.Error("of one with too many streams the oldest is kept")
	}
	open("/", "kiosk")
	kiosk.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := io.Copy(io.Discard, kiosk); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the kiosk's stream ended: %v", err)
	}
	p.mu.Lock()
	if len(p.open) > most {
		t.Errorf("%d connections are open, want at most %d", len(p.open), most)
	}
	p.mu.Unlock()
	if n := testutil.ToFloat64(p.displaced); n < 8*most-most {
		t.Errorf("%v connections were displaced", n)
	}
	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Error(problems, err)
	}
}

func TestWhoIsDisplaced(t *testing.T) {
	t.Parallel()
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	waits, works := false, true
	for name, open := range map[string][]*place{ // the first is
		"the one that waits the longest":    {{since: ago(3), busy: waits}, {since: ago(2), busy: waits}, {since: ago(9), busy: works}},
		"the oldest, if none waits":         {{since: ago(3), busy: works}, {since: ago(2), busy: works}},
		"one of who has the most":           {{who: "b", since: ago(1), busy: works}, {who: "b", since: ago(0), busy: works}, {who: "a", since: ago(9), busy: waits}},
		"of as many, the one that waits":    {{who: "b", since: ago(1)}, {who: "a", since: ago(9), busy: works}},
		"of strangers on this box, if more": {{since: ago(2)}, {since: ago(1)}, {who: "kiosk", since: ago(9)}},
	} {
		p := &places{open: map[net.Conn]*place{}}
		for _, is := range open {
			is.conn, _ = net.Pipe()
			p.open[is.conn] = is
		}
		for range 20 { // the order of a map differs
			newer := &place{since: ago(100)}
			newer.conn, _ = net.Pipe()
			p.open[newer.conn] = newer
			if first := p.oldest(newer); first != open[0] {
				t.Errorf("%s: is not displaced", name)
				break
			}
			delete(p.open, newer.conn)
		}
	}
}

func TestOneNetworkCountsAsOne(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{"127.0.0.1": "", "127.9.9.9": "", "::1": "", "192.0.2.7": "192.0.2.7/32",
		"2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64"} {
		if got := network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

// asked asks the page for something as the user that the kernel is said to know.
func asked(t *testing.T, path string, uid int, err error) (status int, body string) {
	t.Helper()
	u := newUsers([]string{"nobody", "4711"}, quiet, prometheus.NewRegistry())
	u.uid = func(net.Conn) (int, error) { return uid, err }
	p := newPlaces("page", 9, prometheus.NewRegistry())
	c, _ := net.Pipe()
	r := httptest.NewRequest("POST", path, nil)
	r = r.WithContext(context.WithValue(r.Context(), placeKey{}, p.take(c)))
	w := httptest.NewRecorder()
	h := u.only(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	h.ServeHTTP(w, r)
	if refused := testutil.ToFloat64(u.refused); (refused == 1) != (w.Code == 403) {
		t.Errorf("%s by %d: status %d, %v counted as refused", path, uid, w.Code, refused)
	}
	return w.Code, w.Body.String()
}

func TestOnlyUsersThatAreNamedMayUseThePage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path string
		uid  int
		err  error
		want int
	}{
		{"/api/decide", 0, nil, 204},
		{"/api/decide", os.Geteuid(), nil, 204},
		{"/api/decide", 65534, nil, 204}, // nobody
		{"/api/decide", 4711, nil, 204},
		{"/api/decide", 4712, nil, 403},
		{"/", 4712, nil, 403},
		{"/api/find", 4712, nil, 403},
		{"/events", 4712, nil, 403},
		{"/metrics/", 4712, nil, 403},
		{"/metrics", 4712, nil, 204},
		{"/healthz", 4712, nil, 204},
		{"/healthz", 0, peer.ErrUnknown, 204},
		{"/api/decide", 0, peer.ErrUnknown, 403},
	} {
		status, body := asked(t, c.path, c.uid, c.err)
		if status != c.want || c.want == 403 && c.err == nil && !strings.Contains(body, "uid 4712: write the name under console.users") {
			t.Errorf("%s by %d: got %d %s, want %d", c.path, c.uid, status, body, c.want)
		}
	}
}

// Another user of the box, for real: the kernel says who it is.
func TestAnotherUserOfTheBoxOpensNothing(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can be somebody else: run the tests as root")
		}
		t.Skip("only root can be somebody else: run the tests as root")
	}
	r := start(t, io.Discard, nil, "")
	address := strings.Trim(strings.TrimPrefix(r.page, "http:"), "/")
	host, port, _ := net.SplitHostPort(address)
	ask := func(uid uint32, method, path string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "bash", "-c", fmt.Sprintf(`exec 3<>/dev/tcp/%s/%s
printf '%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{"lane":"in"}' >&3
head -n 1 <&3`, host, port, method, path))
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		out, err := c.CombinedOutput()
		status, _, answered := strings.Cut(string(out), "\r\n")
		if !answered {
			t.Fatalf("as %d: %v\n%s", uid, err, out)
		}
		return status
	}
	for _, path := range []string{"POST /api/emergency", "POST /api/decide", "POST /api/clock", "GET /api/find?room=501", "GET /events", "GET /"} {
		method, path, _ := strings.Cut(path, " ")
		if got := ask(65534, method, path); got != "HTTP/1.1 403 Forbidden" {
			t.Errorf("%s as nobody: got %s", path, got)
		}
	}
	if got := ask(65534, "GET", "/metrics"); got != "HTTP/1.1 200 OK" {
		t.Errorf("the metrics as nobody: got %s", got)
	}
	if got := ask(0, "POST", "/api/emergency"); got != "HTTP/1.1 200 OK" {
		t.Errorf("the emergency key as root: got %s", got)
	}
	if got := r.metric(t, "gated_page_refused_total"); got != "6" {
		t.Errorf("%s requests are counted as refused, want 6", got)
	}
}
