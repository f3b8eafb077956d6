//go:build race

package health

// The race detector makes what reads byte by byte ten times slower.
func init() { slowdown = 10 }
