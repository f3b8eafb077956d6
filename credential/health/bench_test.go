package health

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
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
		valid := trust.check(code, noon).Valid
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

// BenchmarkDCC measures the check of a health certificate and, in turn with it, a
// bare ecdsa.Verify over the same bytes. x-ecdsa is the ratio of the medians; the goal is
// 2.0 at most, with 16 KiB of memory.
func BenchmarkDCC(b *testing.B) {
	key := newECKey(b, elliptic.P256())
	s := newDCCSigner(b, key, "AT")
	trust := trustingSigners(b, s)
	code := []byte(issueDCC(b, s, vaccinated()))
	digest := sha256.Sum256(code)
	r, v, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}

	var check, verify []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		valid := trust.check(code, noon).Valid
		middle := time.Now()
		genuine := ecdsa.Verify(&key.PublicKey, digest[:], r, v)
		end := time.Now()
		if !valid || !genuine {
			b.Fatal("a good certificate was refused")
		}
		check, verify = append(check, middle.Sub(begin)), append(verify, end.Sub(middle))
	}
	c, e := median(check), median(verify)
	b.ReportMetric(float64(c.Nanoseconds()), "ns/check")
	b.ReportMetric(float64(e.Nanoseconds()), "ns/ecdsa")
	b.ReportMetric(float64(c)/float64(e), "x-ecdsa")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
