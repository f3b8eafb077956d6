//go:build !race

package qr

// raceEnabled says that all work takes about ten times as long.
const raceEnabled = false
