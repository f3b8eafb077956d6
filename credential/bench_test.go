package credential

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"
)

// BenchmarkCheckPass measures the check of a pass and, in turn with it, a bare
// ed25519.Verify over the same bytes. x-ed25519 is the ratio of the medians; the
// goal is 2.5 at most.
func BenchmarkCheckPass(b *testing.B) {
	trust := trustingLongshan(b)
	text := issue(b, longshanKey, longshanPass())
	code := []byte(text)
	m, _, _ := parseSign1(message(b, text))
	signed, signature, key := m.toBeSigned(), []byte(m.Signature), public(longshanKey)

	var check, verify []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begin := time.Now()
		valid := trust.Check(code, noon).Valid
		middle := time.Now()
		genuine := ed25519.Verify(key, signed, signature)
		end := time.Now()
		if !valid || !genuine {
			b.Fatal("a good pass was refused")
		}
		check, verify = append(check, middle.Sub(begin)), append(verify, end.Sub(middle))
	}
	c, v := median(check), median(verify)
	b.ReportMetric(float64(c.Nanoseconds()), "ns/check")
	b.ReportMetric(float64(v.Nanoseconds()), "ns/ed25519")
	b.ReportMetric(float64(c)/float64(v), "x-ed25519")
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
		valid := trust.Check(code, noon).Valid
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
