// Idle opens the ledger of a directory, appends one event and waits for the end of its input: what it holds then is the
// memory of an idle ledger, without the rest of the daemon.
package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"gated/ledger"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: idle DIR")
		os.Exit(2)
	}
	began := time.Now()
	now := func() ledger.Stamp { return ledger.Stamp{Time: time.Now(), Mono: time.Since(began), Trusted: true} }
	l, err := ledger.Open(ledger.Options{Dir: os.Args[1], Gate: "East gate", Origin: "east-gate", TimeZone: "Asia/Shanghai", Now: now, Log: slog.New(slog.DiscardHandler)})
	if err == nil {
		_, err = l.Append(ledger.Event{Stamp: now(), Kind: "alive"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("idle")
	io.Copy(io.Discard, os.Stdin)
	l.Close()
}
