package qr

import (
	"math/rand/v2"
	"testing"
)

// The likeliest guess is the symbol, with its version, seen at an angle or bent.
func TestTheFirstGuessIsTheSymbol(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 1))
	wrong := 0
	const n = 40
	for i := 0; i < n; i += stride {
		version := 1 + i/2
		s := one(t, r, version, 4, 7*r.Float64(), .7*r.Float64())
		if i%4 == 0 {
			s.stickers[0].bend, s.stickers[0].bulge = .4, .15
		}
		g := s.render(t, r)
		m := broad(g, calm(t))
		fs := m.finders(1, calm(t))
		gs := triples(g, m, candidates{fs, make([]bool, len(fs)), 0}, calm(t))
		if len(gs) == 0 || gs[0].version != version {
			wrong++
			t.Logf("version %d: %d guesses", version, len(gs))
		}
	}
	if wrong > 2/stride {
		t.Errorf("%d of %d first guesses are wrong", wrong, n)
	}
}

func TestUsedFindersMakeNoGuess(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 1))
	g := one(t, r, 3, 4, 1, 0).render(t, r)
	m := broad(g, calm(t))
	fs := m.finders(1, calm(t))
	used := make([]bool, len(fs))
	if len(triples(g, m, candidates{fs, used, 0}, calm(t))) == 0 {
		t.Fatal("no guess")
	}
	for i := range used {
		used[i] = true
	}
	if len(triples(g, m, candidates{fs, used, 0}, calm(t))) > 0 || len(triples(g, m, candidates{fs, make([]bool, len(fs)), len(fs)}, calm(t))) > 0 {
		t.Error("guesses of used finders")
	}
}
