//go:build race

package qr

const raceEnabled = true

const stride = 3
