package credential

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"
)

// BenchmarkSHC measures the check of a health card and, in turn with it, a bare
// ecdsa.Verify of P-256. x-ecdsa is the ratio of the medians; the goal is 2.5 at most.
func BenchmarkSHC(b *testing.B) {
	trust := trustingHospital(b)
	card := hospitalCard()
	code := []byte(issueCard(b, hospitalKey, card))
	digest := sha256.Sum256(code)
	r, s, err := ecdsa.Sign(rand.Reader, hospitalKey, digest[:])
	if err != nil {
		b.Fatal(err)
	}

	var check, verify []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		valid := trust.Check(code, noon).Valid
		middle := time.Now()
		genuine := ecdsa.Verify(&hospitalKey.PublicKey, digest[:], r, s)
		end := time.Now()
		if !valid || !genuine {
			b.Fatal("a good card was refused")
		}
		check, verify = append(check, middle.Sub(begin)), append(verify, end.Sub(middle))
	}
	c, v := median(check), median(verify)
	b.ReportMetric(float64(c.Nanoseconds()), "ns/check")
	b.ReportMetric(float64(v.Nanoseconds()), "ns/ecdsa")
	b.ReportMetric(float64(c)/float64(v), "x-ecdsa")
}
