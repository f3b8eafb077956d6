// Command gated-demo shows a gate at work: the ordinary daemon, at an invented compound, with simulated hardware.
package main

import (
	"os"

	"gated/demo"
)

func main() { os.Exit(demo.Main(os.Args[1:], os.Stdout, os.Stderr)) }
