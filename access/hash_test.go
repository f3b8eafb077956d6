package access

import (
	"strings"
	"testing"
)

// Hashes of others are read as ours: this one is of Debian's argon2(1), printf 'a password' | argon2 0123456789abcdef -id -t 2 -k 19456 -p 1 -l 32 -e
func TestHashesOfOthers(t *testing.T) {
	t.Parallel()
	const theirs = "$argon2id$v=19$m=19456,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$wrJt+SRJtB/WhtNoWXY6nA1KupZF9NekQ+82R9eg1hw"
	if !fits(theirs, "a password") || fits(theirs, "a passwort") {
		t.Error("the hash of another program is read otherwise")
	}
	if ours := hash("a password"); !strings.HasPrefix(ours, parameters) || !fits(ours, "a password") || fits("", "") {
		t.Errorf("got %s", ours)
	}
}

func BenchmarkHash(b *testing.B) {
	b.ReportAllocs()
	h := hash(pin)
	for b.Loop() {
		fits(h, pin)
	}
}
