package credential

import (
	"crypto/ed25519"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// VisitPass is the kind of a pass that a gate itself makes out to a visit.
const VisitPass = "visit"

// VisitIssuer is the issuer of such passes.
const VisitIssuer = "this-gate"

// WithVisits is the same trust, which takes passes of visits that the gate's own key has signed, too. That key is good for nothing
// else, and no other one is good for such passes.
func (t *Trust) WithVisits(key ed25519.PublicKey) *Trust {
	with := *t
	id := KeyID(key)
	with.pass.keys = maps.Clone(t.pass.keys)
	if with.pass.keys == nil {
		with.pass.keys = map[string][]trustedKey{}
	}
	with.pass.keys[string(id[:])] = append(slices.Clone(with.pass.keys[string(id[:])]), trustedKey{VisitIssuer, key, true})
	with.pass.issuers = append(slices.Clone(t.pass.issuers), VisitIssuer)
	return &with
}

// digitsForm: people write them as they are printed, with a space in the middle.
var digitsForm = regexp.MustCompile(`^[0-9]{3} ?[0-9]{3}$`)

// checkDigits reports false for what cannot be the digits of a visit. Which visit has them, if one has, the gate knows.
func checkDigits(s string) (Claim, bool) {
	if !digitsForm.MatchString(s) {
		return Claim{}, false
	}
	return Claim{Kind: KindVisitCode, Valid: true, Reason: ReasonOK, Proof: Stated, Digits: strings.ReplaceAll(s, " ", "")}, true
}
