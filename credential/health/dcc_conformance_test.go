package health

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// dccVector is one file of dgc-testdata.
type dccVector struct {
	Prefix string         `json:"PREFIX"`
	JSON   map[string]any `json:"JSON"`
	Test   struct {
		Certificate string `json:"CERTIFICATE"`
		Clock       string `json:"VALIDATIONCLOCK"`
	} `json:"TESTCTX"`
	Want map[string]bool `json:"EXPECTEDRESULTS"`
}

// dccExceptions are the verdicts that differ, as "file VERDICT", each with its cause in
// docs/conformance.md.
var dccExceptions = []string{}

// dccStages are what the suite asks of a verifier, in the order in which we answer.
var dccStages = []string{"UNPREFIX", "B45DECODE", "COMPRESSION", "DECODE", "VERIFY", "KEYUSAGE", "EXPIRATIONCHECK"}

// dccPassed returns how many of the stages a code with this claim has passed: a
// reason names the first that it has not.
func dccPassed(c Certificate) int {
	switch c.Reason {
	case reasonUnknownCode, ReasonBadPrefix, ReasonTooLong:
		return 0
	case ReasonBadBase45:
		return 1
	case ReasonBadZlib:
		return 2
	case ReasonBadCBOR, ReasonBadCOSE, ReasonMalformed:
		return 3
	case ReasonUnknownSigner, ReasonWrongAlgorithm, ReasonBadSignature, ReasonWrongIssuer:
		if len(c.Health) == 0 { // nothing to be read, whoever signed it
			return 3
		}
		return 4
	case ReasonWrongUsage:
		return 5
	case ReasonNotYetValid, ReasonExpired:
		return 6
	}
	return 7
}

// dccConformance checks every code of the suite as a gate would at the time given,
// its trust directory holding the one certificate given with it.
func dccConformance(t *testing.T, dir string) []conformanceRow {
	paths, _ := filepath.Glob(filepath.Join(dir, "*", "*.json"))
	if len(paths) == 0 {
		t.Logf("no DCC vectors in %s", dir)
		return nil
	}
	rows := make([]conformanceRow, len(dccStages))
	for i, what := range dccStages {
		rows[i] = conformanceRow{suite: "dcc", what: what}
	}
	unused := maps.Collect(func(yield func(string, bool) bool) {
		for _, e := range dccExceptions {
			yield(e, true)
		}
	})
	for _, path := range paths {
		name, _ := filepath.Rel(dir, path)
		v, trust, at := readDCCVector(t, path)
		c := trust.check([]byte(v.Prefix), at)
		passed := dccPassed(c)
		for i, what := range dccStages {
			want, asked := v.Want["EXPECTED"+what]
			if !asked {
				continue
			}
			key := name + " " + what
			switch {
			case want == (passed > i):
				rows[i].right++
				if what == "DECODE" && want {
					checkDCCContent(t, name, c, v.JSON)
				}
			case unused[key]:
				rows[i].excepted++
				delete(unused, key)
			default:
				rows[i].wrong++
				t.Logf("%s: got reason %s, want %v", key, c.Reason, want)
			}
		}
	}
	for key := range unused {
		t.Errorf("exception %s: there is no such difference", key)
	}
	return rows
}

// readDCCVector reads a file, and the trust that its certificate makes.
func readDCCVector(t testing.TB, path string) (dccVector, *Trust, time.Time) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v dccVector
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	der, err := base64.StdEncoding.DecodeString(v.Test.Certificate)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	trust := t.TempDir()
	if err := os.Mkdir(filepath.Join(trust, "dcc"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := pem.EncodeToMemory(&pem.Block{Type: certificateBlock, Bytes: der})
	if err := os.WriteFile(filepath.Join(trust, "dcc", "signer.pem"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := LoadTrust(trust)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	// The suite's clocks have zones with and without a colon, or none.
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05"} {
		if at, err := time.Parse(layout, v.Test.Clock); err == nil {
			return v, loaded, at
		}
	}
	t.Fatalf("%s: clock %q", path, v.Test.Clock)
	return v, nil, time.Time{}
}

// checkDCCContent compares what was read with the suite's own reading, where that
// is said.
func checkDCCContent(t *testing.T, name string, c Certificate, want map[string]any) {
	t.Helper()
	if want == nil {
		return
	}
	text := func(m any, key string) string {
		s, _ := m.(map[string]any)[key].(string)
		return strings.TrimSpace(s)
	}
	n := 0
	for _, kind := range []string{"v", "t", "r"} {
		list, _ := want[kind].([]any)
		for i, s := range list {
			if n == 0 && i == 0 && c.Serial != text(s, "ci") {
				t.Errorf("%s: serial: got %q, want %q", name, c.Serial, text(s, "ci"))
			}
			h := c.Health[n+i]
			if h.Disease != text(s, "tg") || h.Date != text(s, "dt") && h.Date != text(s, "fr") ||
				h.From != text(s, "df") || h.Until != text(s, "du") ||
				h.Product != text(s, "mp") && h.Product != text(s, "tt") ||
				h.Kind == Test && (h.Sampled.IsZero() || h.Result == "unknown") ||
				h.Kind == Vaccination && (h.Dose == 0 || h.Doses == 0) {
				t.Errorf("%s: got %+v, want %v", name, h, s)
			}
		}
		n += len(list)
	}
	if n != len(c.Health) {
		t.Errorf("%s: got %d statements, want %d", name, len(c.Health), n)
	}
	if c.BirthDate != text(want, "dob") {
		t.Errorf("%s: birth date: got %q, want %q", name, c.BirthDate, text(want, "dob"))
	}
	if who := text(want["nam"], "gn") + " " + text(want["nam"], "fn"); c.Name != strings.TrimSpace(who) {
		t.Errorf("%s: name: got %q, want %q", name, c.Name, who)
	}
	if !slices.Contains(c.Gaps, GapHolder) {
		t.Errorf("%s: gaps: got %q", name, c.Gaps)
	}
}
