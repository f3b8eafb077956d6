package credential

import (
	"crypto/ed25519"
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

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
