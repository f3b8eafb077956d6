// Package peer knows which of this box's users is at the other end of a connection.
package peer

import (
	"encoding/hex"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrUnknown is of connections whose other end is not on this box, or gave its end up already.
var ErrUnknown = errors.New("the kernel does not know whose connection this is")

// Kernel is asked who opened a connection. Those who ask at the same time share one look at its table: it has a row for each
// connection of the box, also of those that ended a minute ago, so that with a look for each of them any user could keep the box busy.
type Kernel struct{ v4, v6 table }

// UID asks the kernel who opened the other end of a connection over loopback or a Unix socket.
func (k *Kernel) UID(c net.Conn) (int, error) {
	switch c := c.(type) {
	case *net.UnixConn:
		return ofUnix(c)
	case *net.TCPConn:
		here, there := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		for _, t := range []struct {
			*table
			path string
		}{{&k.v4, "/proc/self/net/tcp"}, {&k.v6, "/proc/self/net/tcp6"}} { // IPv6 sockets have IPv4 connections, too
			uids, err := t.look(func() ([]byte, error) { return os.ReadFile(t.path) })
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return 0, err
			}
			if uid, ok := uids[ends{plain(there), plain(here)}]; ok {
				return uid, nil
			}
		}
	}
	return 0, ErrUnknown
}

// table is one that the kernel keeps.
type table struct {
	reading sync.Mutex // one look at a time

	mu   sync.Mutex
	next *look // the one that has not begun
}

type look struct {
	done bool // this and the others belong to reading
	uids map[ends]int
	err  error
}

// ends are those of a socket: its own, and the other.
type ends struct{ local, remote netip.AddrPort }

// look returns what was read after it was called.
func (t *table) look(read func() ([]byte, error)) (map[ends]int, error) {
	t.mu.Lock()
	if t.next == nil {
		t.next = new(look)
	}
	mine := t.next
	t.mu.Unlock()
	t.reading.Lock()
	defer t.reading.Unlock()
	if mine.done {
		return mine.uids, mine.err
	}
	t.mu.Lock()
	t.next = nil // whoever comes from now on may be too new for this one
	t.mu.Unlock()
	rows, err := read()
	mine.done, mine.uids, mine.err = true, parse(string(rows)), err
	return mine.uids, mine.err
}

func ofUnix(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	ctlErr := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(cred.Uid)
		}
	})
	return uid, errors.Join(ctlErr, err)
}

// established is the only state of a socket (proc_net_tcp.rst; net/tcp_states.h) in which it surely has a process: one that was
// closed is shown as root's.
const established = "01"

// parse returns whose the open sockets of a table as /proc/net/tcp are.
func parse(rows string) map[ends]int {
	uids := map[ends]int{}
	for row := range strings.Lines(rows) {
		f := strings.Fields(row) // sl local_address rem_address st queues timer retransmits uid …
		if len(f) < 8 || f[3] != established {
			continue
		}
		local, ok := address(f[1])
		remote, too := address(f[2])
		if uid, err := strconv.ParseUint(f[7], 10, 31); err == nil && ok && too { // what int holds on every machine
			uids[ends{local, remote}] = int(uid)
		}
	}
	return uids
}

// address reads one of the table: words of 32 bits as they stand in memory, a colon, the port.
func address(text string) (a netip.AddrPort, ok bool) {
	words, port, _ := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return a, false
	}
	b, err := hex.DecodeString(words)
	if err != nil || len(b)%4 != 0 {
		return a, false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word) // all machines that gated is built for are little-endian
	}
	ip, ok := netip.AddrFromSlice(b)
	return plain(netip.AddrPortFrom(ip, uint16(n))), ok
}

// plain is an address as it is compared: that of IPv4 in IPv6 is of IPv4.
func plain(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// Name is the name of a user, or the number of one who has none here.
func Name(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
