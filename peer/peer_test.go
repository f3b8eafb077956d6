package peer

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// pair is a connection over a network of this box: our end, and the one that called.
func pair(t testing.TB, network, listen, dial string) (here, there net.Conn) {
	t.Helper()
	l, err := net.Listen(network, listen)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if dial == "" {
		dial = l.Addr().String()
	} else {
		_, port, _ := net.SplitHostPort(l.Addr().String())
		dial = net.JoinHostPort(dial, port)
	}
	if there, err = net.Dial(network, dial); err != nil {
		t.Fatal(err)
	}
	if here, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

func TestTheKernelKnowsWhoCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ network, listen, dial string }{
		{"tcp", "127.0.0.1:0", ""},
		{"tcp", "[::1]:0", ""},
		{"tcp", "[::]:0", "127.0.0.1"}, // our end is an IPv6 socket
		{"unix", filepath.Join(t.TempDir(), "s"), ""},
	} {
		if l, err := net.Listen("tcp", "[::1]:0"); err != nil && strings.HasPrefix(c.listen, "[") {
			t.Logf("%s was not tried, as this machine has no IPv6: %v", c.listen, err) // its rows stand in TestFind
			continue
		} else if err == nil {
			l.Close()
		}
		here, there := pair(t, c.network, c.listen, c.dial)
		if uid, err := new(Kernel).UID(here); err != nil || uid != os.Getuid() {
			t.Errorf("%s: got %d, %v, want %d", c.listen, uid, err, os.Getuid())
		}
		if there.Close(); c.network == "tcp" {
			if uid, err := new(Kernel).UID(here); err == nil {
				t.Errorf("%s: of a connection that was closed there: got %d, want that nobody knows", c.listen, uid)
			}
		}
	}
}

const tcpTable = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:2120 00000000:0000 0A 00000000:00000000 00:00000000 00000000   993        0 1208 1 0000000076047368 100 0 0 10 0
   1: 0100007F:AD1F 0100007F:2120 06 00000000:00000000 03:0000176F 00000000     0        0 0 3 00000000022e2d47
   2: 0100007F:AD20 0100007F:2120 01 00000000:00000000 00:00000000 00000000  1000        0 1301 1 0000000022e2d47a 20 4 30 10 -1
   3: 0100007F:2120 0100007F:AD20 01 00000000:00000000 00:00000000 00000000   993        0 1302 1 0000000022e2d47b 20 4 30 10 -1
   4: 0100007F:AD22 0100007F:2120 04 00000000:00000000 00:00000000 00000000     0        0 0 1 0000000022e2d47c 20 4 30 10 -1
   5: 0200007F:AD20 0100007F:2120 01 00000000:00000000 00:00000000 00000000  1002        0 1303 1 0000000022e2d47d 20 4 30 10 -1
   6: 0000000000000000FFFF00000100007F:AD23 0000000000000000FFFF00000100007F:2120 01 00000000:00000000 00:00000000 00000000  1003        0 1 1
   7: 00000000000000000000000001000000:AD24 00000000000000000000000001000000:2120 01 00000000:00000000 00:00000000 00000000  1004        0 1 1
`

// Rows as Linux writes them: those of the other end, of other addresses, and of sockets that have no process any more say nothing.
func TestFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		local, remote string
		uid           int
		ok            bool
	}{
		{"127.0.0.1:44320", "127.0.0.1:8480", 1000, true},
		{"127.0.0.2:44320", "127.0.0.1:8480", 1002, true},
		{"127.0.0.1:44323", "127.0.0.1:8480", 1003, true},
		{"[::ffff:127.0.0.1]:44323", "[::ffff:127.0.0.1]:8480", 1003, true},
		{"[::1]:44324", "[::1]:8480", 1004, true},
		{"127.0.0.1:44319", "127.0.0.1:8480", 0, false}, // TIME_WAIT
		{"127.0.0.1:44322", "127.0.0.1:8480", 0, false}, // FIN_WAIT1 of a socket that was closed
		{"127.0.0.1:44321", "127.0.0.1:8480", 0, false},
		{"127.0.0.1:44320", "127.0.0.1:8481", 0, false},
	} {
		uid, ok := parse(tcpTable)[ends{plain(netip.MustParseAddrPort(c.local)), plain(netip.MustParseAddrPort(c.remote))}]
		if uid != c.uid || ok != c.ok {
			t.Errorf("%s: got %d, %v, want %d, %v", c.local, uid, ok, c.uid, c.ok)
		}
	}
}

func FuzzFind(f *testing.F) {
	f.Add(tcpTable)
	f.Add("   2: 0100007F:AD20 0100007F:2120 01 00000000:00000000 00:00000000 00000000  10000000000000000000\n")
	f.Fuzz(func(t *testing.T, rows string) {
		for e, uid := range parse(rows) {
			if uid < 0 || !e.local.IsValid() || !e.remote.IsValid() {
				t.Errorf("got %v: %d", e, uid)
			}
		}
	})
}

// Six hundred requests at once, each with a look of its own at some thousand rows, held up the emergency key for seconds.
func TestThoseWhoAskAtOnceShareALook(t *testing.T) {
	t.Parallel()
	var shared table
	var looks, asking atomic.Int32
	began, together := make(chan struct{}), make(chan struct{})
	ask := func() int {
		uids, err := shared.look(func() ([]byte, error) {
			if looks.Add(1) == 1 {
				close(began)
				<-together
			}
			return fmt.Appendf(nil, "  1: 0100007F:AD20 0100007F:2120 01 0:0 0:0 0 %d\n", looks.Load()), nil
		})
		if err != nil {
			t.Error(err)
		}
		return uids[ends{netip.MustParseAddrPort("127.0.0.1:44320"), netip.MustParseAddrPort("127.0.0.1:8480")}]
	}
	var all sync.WaitGroup
	all.Go(func() { ask() })
	<-began
	for range 600 {
		all.Go(func() {
			if asking.Add(1) == 600 {
				close(together)
			}
			if n := ask(); n < 2 {
				t.Errorf("got look %d, which had begun before", n)
			}
		})
	}
	all.Wait()
	if n := looks.Load(); n > 60 { // 2, but for those whom the scheduler keeps waiting before they ask
		t.Errorf("600 who asked at once: %d looks", n)
	}
}

func BenchmarkUID(b *testing.B) {
	here, _ := pair(b, "tcp", "127.0.0.1:0", "")
	k := new(Kernel)
	for b.Loop() {
		if _, err := k.UID(here); err != nil {
			b.Fatal(err)
		}
	}
}
