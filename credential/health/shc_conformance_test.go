package health

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The issuer of the specification's examples. Its private keys are public.
const exampleIssuer = "https://spec.smarthealth.cards/examples/issuer"

// shcConformance judges SMART Health Cards by the specification's own examples, and
// reads the VCI directory.
func shcConformance(t *testing.T, dir string) []conformanceRow {
	trust := exampleTrust(t, dir)
	whole := conformanceRow{suite: "shc", what: "single-chunk examples"}
	revoked := conformanceRow{suite: "shc", what: "revoked by its issuer's list"}
	parts := conformanceRow{suite: "shc", what: "chunks refused"}
	for _, path := range glob(t, filepath.Join(dir, "example-*-f-qr-code-numeric-value-*.txt")) {
		example, _, _ := strings.Cut(filepath.Base(path), "-f-")
		code := bytes.TrimSpace(read(t, path))
		if bytes.ContainsRune(code[len(shcPrefix):], '/') {
			parts.count(t, path, trust.check(code, noon), Certificate{Kind: KindSHC, Reason: ReasonBadPrefix})
			continue
		}
		payload := read(t, filepath.Join(dir, example+"-c-jws-payload-minified.json"))
		want, nbf := exampleClaim(t, payload)
		whole.count(t, path, trust.check(code, nbf), want)
		if token, ok := fromNumeric(string(code[len(shcPrefix):])); !ok || !bytes.Equal(token, bytes.TrimSpace(read(t, filepath.Join(dir, example+"-d-jws.txt")))) {
			t.Errorf("%s is another JWS than its -d-jws.txt", path)
		}
		if strings.Contains(want.Name, "Revoked") {
			listed := exampleTrust(t, dir, filepath.Join(dir, "issuer", ".well-known", "crl", "*.json"))
			want.Valid, want.Reason = false, ReasonRevoked
			revoked.count(t, path, listed.check(code, nbf), want)
		}
	}

	// The directory: every key and every entry of every list must have been taken.
	keys := conformanceRow{suite: "shc/vci", what: "keys of the directory"}
	lists := conformanceRow{suite: "shc/vci", what: "entries of its revocation lists"}
	snapshot := read(t, filepath.Join(dir, "vci", "vci_snapshot.json"))
	vci := trustingCards(t, map[string]string{"vci_snapshot.json": string(snapshot)}).shc
	var directory struct {
		IssuerInfo []struct {
			Issuer struct{ Iss string }
			Keys   []struct{ Kid string }
			CRLs   []struct {
				Kid  string
				Rids []string
			}
		}
	}
	if err := json.Unmarshal(snapshot, &directory); err != nil {
		t.Fatal(err)
	}
	for _, info := range directory.IssuerInfo {
		for _, k := range info.Keys {
			if vci.keys[shcSigner{info.Issuer.Iss, k.Kid}] != nil {
				keys.right++
			} else {
				keys.wrong++
			}
		}
		for _, list := range info.CRLs {
			for _, entry := range list.Rids {
				rid, stamp, timed := strings.Cut(entry, ".")
				nbf := start // after all of them
				if timed {
					var seconds int64
					fmt.Sscan(stamp, &seconds)
					nbf = time.Unix(seconds-1, 0)
				}
				if vci.isRevoked(shcSigner{info.Issuer.Iss, list.Kid}, rid, nbf) {
					lists.right++
				} else {
					lists.wrong++
				}
			}
		}
	}
	return []conformanceRow{whole, revoked, parts, keys, lists}
}

// count adds the verdict to its row, and tells how it differs.
func (r *conformanceRow) count(t *testing.T, path string, got, want Certificate) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Logf("%s (-want +got):\n%s", path, diff)
		r.wrong++
		return
	}
	r.right++
}

// exampleClaim reads the payload of an example in the plainest way, which holds for
// those examples.
func exampleClaim(t *testing.T, payload []byte) (Certificate, time.Time) {
	var p struct {
		Iss      string
		Nbf, Exp float64
		VC       struct {
			CredentialSubject struct {
				FhirBundle struct {
					Entry []struct {
						Resource struct {
							ResourceType string
							Name         []struct {
								Family string
								Given  []string
							}
							BirthDate          string
							VaccineCode        struct{ Coding []struct{ Code string } }
							OccurrenceDateTime string
						}
					}
				}
			}
		}
	}
	if err := json.Unmarshal(payload, &p); err != nil {
		t.Fatal(err)
	}
	at := func(seconds float64) time.Time { return time.UnixMilli(int64(seconds*1000 + 0.5)).UTC() }
	c := Certificate{
		Kind: KindSHC, Valid: true, Reason: ReasonOK, Signed: true, Issuer: p.Iss, NotBefore: at(p.Nbf),
		Gaps: []string{GapHolder, GapResidence, GapHealth},
	}
	if p.Exp > 0 {
		c.NotAfter = at(p.Exp)
	}
	for _, e := range p.VC.CredentialSubject.FhirBundle.Entry {
		switch r := e.Resource; r.ResourceType {
		case "Patient":
			c.Name, c.BirthDate = strings.Join(append(r.Name[0].Given, r.Name[0].Family), " "), r.BirthDate
		case "Immunization":
			c.Health = append(c.Health, Statement{
				Kind: Vaccination, Disease: COVID19, Product: r.VaccineCode.Coding[0].Code,
				Date: r.OccurrenceDateTime, Dose: len(c.Health) + 1,
			})
		default:
			t.Fatalf("a %s, which this test does not expect", r.ResourceType)
		}
	}
	return c, c.NotBefore
}

// exampleTrust trusts the issuer of the examples, with the lists of revoked cards.
func exampleTrust(t testing.TB, dir string, lists ...string) *Trust {
	files := map[string]string{"examples.json": withIssuer(t, exampleIssuer, read(t, filepath.Join(dir, "issuer", ".well-known", "jwks.json")))}
	for _, pattern := range lists {
		for _, path := range glob(t, pattern) {
			files["crl/"+filepath.Base(path)] = withIssuer(t, exampleIssuer, read(t, path))
		}
	}
	return trustingCards(t, files)
}

// withIssuer adds the member that a file in the trust directory must have.
func withIssuer(t testing.TB, issuer string, data []byte) string {
	t.Helper()
	var file map[string]any
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	file["issuer"] = issuer
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func glob(t testing.TB, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	slices.Sort(paths)
	return paths
}
