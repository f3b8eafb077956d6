//go:build !race

package qr

// raceEnabled says that all work takes about ten times as long, and finds no more: nothing here has goroutines. Under it long
// tests try a part of what they try without it.
const raceEnabled = false

// stride is how many of a long row go by for one that is tried.
const stride = 1
