// Package prompt asks somebody at the terminal for a line or a secret.
package prompt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Line asks for a line.
func Line(in io.Reader, out io.Writer, what string) (string, error) {
	fmt.Fprint(out, what+": ")
	line, err := bufio.NewReader(io.LimitReader(in, 1000)).ReadString('\n')
	if err == io.EOF {
		err = nil
	}
	return line, err
}

// Secret asks for a secret: at a terminal twice, and nobody sees it; elsewhere the first line is it.
func Secret(in io.Reader, out io.Writer, what string) (string, error) {
	f, _ := in.(*os.File)
	if f == nil {
		return once(in, out, what)
	}
	was, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return once(in, out, what)
	}
	quiet := *was
	quiet.Lflag = quiet.Lflag&^unix.ECHO | unix.ICANON | unix.ISIG
	quiet.Iflag |= unix.ICRNL
	set := func(mode *unix.Termios) error { return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETSF, mode) } // what was typed ahead goes
	if err := set(&quiet); err != nil {
		return "", fmt.Errorf("the terminal goes on showing what is typed: %w", err)
	}
	defer set(was)
	defer atSignal(func() { set(was) })()
	first, err := once(in, out, what)
	if err != nil {
		return "", err
	}
	again, err := once(in, out, "\nonce more")
	fmt.Fprintln(out)
	if err == nil && first != again {
		err = errors.New("the two are not the same: nothing was changed, do it again")
	}
	return first, err
}

// once reads a secret. One that is empty or cut off is none.
func once(in io.Reader, out io.Writer, what string) (string, error) {
	line, err := Line(in, out, what)
	if line = strings.TrimRight(line, "\r\n"); err == nil && line == "" {
		err = errors.New("nothing was given: type it, or write it to standard input")
	}
	return line, err
}

// atSignal has a signal that ends the process do something first, until stop: a terminal that shows nothing any more helps nobody.
func atSignal(do func()) (stop func()) {
	signals, done := make(chan os.Signal, 1), make(chan struct{})
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		select {
		case s := <-signals:
			do()
			signal.Reset(s)
			syscall.Kill(os.Getpid(), s.(syscall.Signal))
		case <-done:
		}
	})
	return func() { signal.Stop(signals); close(done); waiting.Wait() }
}
