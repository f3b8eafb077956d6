package box

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
	"path/filepath"
	"syscall"
	"time"

	"gated/box/lock"
	"gated/peer"
)

// maxControl bounds a request: the largest is a roster file.
const maxControl = 48 << 20

type controlAnswer struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	No     bool            `json:"no,omitempty"` // the error is an answer
}

func socketPath(dir string) string { return filepath.Join(dir, "control.sock") }

// answers tells whether a daemon listens at the socket.
func answers(dir string) bool {
	c, err := net.Dial("unix", socketPath(dir))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

type peerKey struct{}

// Listen opens the control socket. Only the directory's owner and root can connect.
func Listen(dir string) (net.Listener, error) {
	path := socketPath(dir)
	os.Remove(path) // left by a crash; the lock says that nobody listens
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	l, err := net.Listen("unix", path)
	if err != nil {
		if len(path) > 107 {
			return nil, fmt.Errorf("control socket %s: the path has %d characters, Linux allows 107: use a shorter state directory",
				path, len(path))
		}
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// Control answers at the control socket: each operation has its path.
func (b *Box) Control(log *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "this daemon does not know that operation: is it older than the command?", http.StatusNotFound)
	})
	for _, op := range operations() {
		mux.HandleFunc("POST /"+op.Name(), func(w http.ResponseWriter, r *http.Request) { b.answer(w, r, op, log) })
	}
	return &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, IdleTimeout: time.Minute,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, peerKey{}, caller(c))
		}}
}

func (b *Box) answer(w http.ResponseWriter, r *http.Request, op operation, log *slog.Logger) {
	args, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if b.Gate.Fault() && op.Name() != Emergency.Name() { // what cannot be recorded must not be changed
		http.Error(w, "the ledger is in fault, so nothing can be changed: see the page", http.StatusServiceUnavailable)
		return
	}
	by, _ := r.Context().Value(peerKey{}).(string)
	result, err := op.serve(context.WithoutCancel(r.Context()), b, by, args) // what was begun is ended, whoever hangs up
	log.Info("control", "operation", op.Name(), "user", by, "failed", err != nil)
	var a controlAnswer
	if err != nil {
		a.Error = err.Error()
		a.No = errors.As(err, new(No))
	} else if a.Result, err = json.Marshal(result); err != nil {
		a.Error = err.Error()
	}
	json.NewEncoder(w).Encode(a)
}

// caller names the user at the other end of a control connection.
func caller(c net.Conn) string {
	uid, err := new(peer.Kernel).UID(c)
	if err != nil {
		return "unknown"
	}
	return peer.Name(uid)
}

// startsIn is how long a daemon may take from its lock to its control socket: it opens the ledger in between.
const startsIn = 5 * time.Second

// Perform does an operation in the daemon of the state directory, or here if none runs. For one that is starting it waits.
func Perform[A, R any](ctx context.Context, dir string, op Op[A, R], args A) (result R, err error) {
	for end := time.Now().Add(startsIn); ; {
		result, err = perform(ctx, dir, op, args)
		if !errors.As(err, new(lock.InUse)) || time.Now().After(end) || ctx.Err() != nil {
			return result, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func perform[A, R any](ctx context.Context, dir string, op Op[A, R], args A) (result R, err error) {
	body, err := json.Marshal(args)
	if err != nil {
		return result, err
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socketPath(dir))
	}}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gated/"+op.name, bytes.NewReader(body))
	if err != nil {
		return result, err
	}
	resp, err := client.Do(req)
	switch {
	case err == nil:
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ECONNREFUSED):
		return performAlone(ctx, dir, op, args)
	case errors.Is(err, os.ErrPermission):
		return result, fmt.Errorf("the daemon of %s listens to its own user and root only: become root", dir)
	default:
		return result, fmt.Errorf("ask the daemon of %s: %w", dir, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return result, fmt.Errorf("the daemon of %s: %s", dir, bytes.TrimSpace(text))
	}
	var a controlAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		return result, fmt.Errorf("the daemon of %s broke off: %w: look whether it was done before you do it again", dir, err)
	}
	switch {
	case a.No:
		return result, No{errors.New(a.Error)}
	case a.Error != "":
		return result, errors.New(a.Error)
	}
	return result, json.Unmarshal(a.Result, &result)
}

// performAlone does the operation on the files, as no daemon holds them.
func performAlone[A, R any](ctx context.Context, dir string, op Op[A, R], args A) (result R, err error) {
	if err := lock.Owned(dir); err != nil {
		return result, err
	}
	held, err := lock.Take(dir)
	if err != nil {
		return result, err
	}
	defer held.Release()
	b, err := openAlone(dir)
	if err != nil {
		return result, err
	}
	defer b.Close()
	return op.do(ctx, b, peer.Name(os.Getuid()), args)
}
