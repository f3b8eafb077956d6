//go:build race

package credential

// The race detector makes what reads byte by byte ten times slower.
func init() { slowdown = 10 }
