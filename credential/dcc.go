package credential

import "time"

// dccPrefix begins an EU Digital COVID Certificate: the context identifier of its version 1.
const dccPrefix = "HC1:"

type dccTrust struct{}

func (t *dccTrust) load(dir string) error { return nil }

func (t *Trust) checkDCC(code string, at time.Time) Claim {
	return Claim{Kind: KindUnknown, Reason: ReasonUnknownCode, Proof: Stated}
}
