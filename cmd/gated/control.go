package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"gated/gate"
	"gated/ledger"
	"gated/register"
	"gated/roster"

	"golang.org/x/sys/unix"
)

// site is what an operation works on: the daemon's own roster and gate, or, where no daemon runs, the files.
type site struct {
	dir      string
	roster   *roster.Store
	gate     *gate.Gate // nil without a daemon
	register *register.Register
	// record notes a change of the roster in the ledger. The change has happened by then.
	record func(by, reason string, detail map[string]string) error
	// append stamps an event of the box and appends it; it is durable when append returns.
	append func(ledger.Event) error
}

// now is the time by the gate's clock, which knows when not to believe the box's.
func (s *site) now() time.Time {
	if s.gate != nil {
		return s.gate.Now()
	}
	return time.Now()
}

// operation is a command that changes something. The daemon does it when one runs, else the command itself under the
// directory's lock; by is the user who asked.
type operation func(ctx context.Context, s *site, by string, args json.RawMessage) (any, error)

var operations = map[string]operation{}

// maxControl bounds a request: the largest is a roster file.
const maxControl = 48 << 20

type controlAnswer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	No     bool            `json:"no,omitempty"` // the error is an answer
}

func socketPath(dir string) string { return filepath.Join(dir, "control.sock") }

type peerKey struct{}

// listenControl opens the control socket. Only the directory's owner and root can connect.
func listenControl(dir string) (net.Listener, error) {
	path := socketPath(dir)
	os.Remove(path) // left by a crash; the lock says that nobody listens
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	l, err := net.Listen("unix", path)
	if err != nil {
		if len(path) > 107 {
			return nil, fmt.Errorf("control socket %s: the path has %d characters, Linux allows 107: use a shorter state directory", path, len(path))
		}
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

func controlServer(s *site, log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{op}", func(w http.ResponseWriter, r *http.Request) {
		op := operations[r.PathValue("op")]
		if op == nil {
			http.Error(w, "this daemon does not know that operation: is it older than the command?", http.StatusNotFound)
			return
		}
		args, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		if s.gate.Fault() { // what cannot be recorded must not be changed
			http.Error(w, "the ledger is in fault, so nothing can be changed: see the page", http.StatusServiceUnavailable)
			return
		}
		by, _ := r.Context().Value(peerKey{}).(string)
		result, err := op(context.WithoutCancel(r.Context()), s, by, args) // what was begun is ended, whoever hangs up
		log.Info("control", "operation", r.PathValue("op"), "user", by, "failed", err != nil)
		var a controlAnswer
		if err != nil {
			a.Error = err.Error()
			a.No = errors.As(err, new(no))
		} else if a.Result, err = json.Marshal(result); err != nil {
			a.Error = err.Error()
		}
		json.NewEncoder(w).Encode(a)
	})
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ConnContext: func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, peer(c))
	}}
}

// peer names the user at the other end of a control connection, as the kernel knows them.
func peer(c net.Conn) string {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return "unknown"
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return "unknown"
	}
	who := "unknown"
	raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			who = userName(int(cred.Uid))
		}
	})
	return who
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

// perform does an operation in the daemon of the state directory, or here if none runs.
func perform(ctx context.Context, dir, op string, args, result any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socketPath(dir))
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gated/"+op, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return performHere(ctx, dir, op, body, result)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("the daemon of %s listens to its own user and root only: become root", dir)
	default:
		return fmt.Errorf("ask the daemon of %s: %w", dir, err)
	}
	defer resp.Body.Close()
	var a controlAnswer
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return fmt.Errorf("the daemon of %s: %s", dir, bytes.TrimSpace(text))
	}
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return fmt.Errorf("the daemon of %s broke off: %w: look whether it was done before you do it again", dir, err)
	}
	if a.Error != "" {
		if err = errors.New(a.Error); a.No {
			err = no{err}
		}
		return err
	}
	return json.Unmarshal(a.Result, result)
}

// performHere does the operation on the files, as no daemon holds them.
func performHere(ctx context.Context, dir, op string, args json.RawMessage, result any) (err error) {
	if err := owner(dir); err != nil {
		return err
	}
	held, err := lockState(dir)
	if err != nil {
		return err
	}
	defer held.release()
	store, err := roster.Open(filepath.Join(dir, "roster.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	s := &site{dir: dir, roster: store}
	done, err := s.recordHere() // before anything is changed: what cannot be recorded must not be
	if err != nil {
		return err
	}
	defer done()
	out, err := operations[op](ctx, s, userName(os.Getuid()), args)
	if err != nil {
		return err
	}
	b, err := json.Marshal(out)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, result)
}

// recordHere opens the ledger while no daemon does. A state directory that never had one has no ledger yet: its first
// start entry names the roster's version.
func (s *site) recordHere() (done func(), err error) {
	r, err := ledger.OpenReader(s.dir)
	if errors.Is(err, os.ErrNotExist) {
		s.record = func(string, string, map[string]string) error { return nil }
		s.append = func(ledger.Event) error { return err }
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	m := r.Meta
	r.Close()
	clock := gate.NewClock(gate.System())
	log := slog.New(slog.DiscardHandler)
	entries, err := register.New(register.Options{Dir: s.dir, Now: clock.Now, Log: log})
	if err != nil {
		return nil, err
	}
	l, err := ledger.Open(ledger.Options{Dir: s.dir, Gate: m.Gate, Origin: m.Name(), TimeZone: m.TimeZone, KeyFile: ledgerKey(), Unsigned: true, Machine: machine(), Now: clock.Now, Log: log,
		Known: entries.Known(), Follow: entries.Follow, Recovered: entries.Recovered})
	if err != nil {
		entries.Close()
		return nil, err
	}
	entries.Start(l)
	if f := l.Fault(); f != nil {
		l.Close()
		entries.Close()
		return nil, fmt.Errorf("the ledger is in fault, so nothing can be changed: %s", f.Cause)
	}
	s.register = entries
	entries.View(func(s *register.State) { clock.Remember(s.Trusted) })
	s.append = func(ev ledger.Event) error {
		ev.Stamp = clock.Now()
		_, err := l.Append(ev)
		return err
	}
	s.record = func(by, reason string, detail map[string]string) error {
		return s.append(gate.RosterEvent(clock.Now(), s.roster.Snapshot().Version(), by, reason, detail))
	}
	return func() { l.Close(); entries.Close() }, nil
}
