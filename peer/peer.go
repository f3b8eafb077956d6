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

	"golang.org/x/sys/unix"
)

// ErrUnknown is of connections whose other end is not on this box, or gave its end up already.
var ErrUnknown = errors.New("the kernel does not know whose connection this is")

// UID asks the kernel who opened the other end of a connection over loopback or a Unix socket.
func UID(c net.Conn) (int, error) {
	switch c := c.(type) {
	case *net.UnixConn:
		return ofUnix(c)
	case *net.TCPConn:
		here, there := c.LocalAddr().(*net.TCPAddr).AddrPort(), c.RemoteAddr().(*net.TCPAddr).AddrPort()
		for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} { // IPv6 sockets have IPv4 connections, too
			rows, err := os.ReadFile(table)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return 0, err
			}
			if uid, ok := find(string(rows), there, here); ok {
				return uid, nil
			}
		}
	}
	return 0, ErrUnknown
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

// find looks in a table as /proc/net/tcp for the socket with these two ends and returns whose it is.
func find(rows string, local, remote netip.AddrPort) (uid int, ok bool) {
	for row := range strings.Lines(rows) {
		f := strings.Fields(row) // sl local_address rem_address st queues timer retransmits uid …
		if len(f) < 8 || f[3] != established || !same(f[1], local) || !same(f[2], remote) {
			continue
		}
		if uid, err := strconv.ParseUint(f[7], 10, 31); err == nil { // what int holds on every machine
			return int(uid), true
		}
		return 0, false
	}
	return 0, false
}

// same tells whether an address of the table is that one: words of 32 bits as they stand in memory, a colon, the port.
func same(text string, a netip.AddrPort) bool {
	address, port, _ := strings.Cut(text, ":")
	if n, err := strconv.ParseUint(port, 16, 16); err != nil || uint16(n) != a.Port() {
		return false
	}
	b, err := hex.DecodeString(address)
	if err != nil || len(b)%4 != 0 {
		return false
	}
	for word := range slices.Chunk(b, 4) {
		slices.Reverse(word) // all machines that gated is built for are little-endian
	}
	ip, ok := netip.AddrFromSlice(b)
	return ok && ip.Unmap() == a.Addr().Unmap().WithZone("")
}

// Name is the name of a user, or the number of one who has none here.
func Name(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}
