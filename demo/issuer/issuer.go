// Package issuer signs the health certificates that people of the demo, and of tests, hold up at a gate.
//
// A gate issues none, and real ones are issued by those who vaccinate and test. It shares no code with package credential,
// which verifies them: what one of them got wrong would otherwise look right.
package issuer

import "time"

// Statement is what a certificate says about its holder's health. Its fields are those of credential.Health.
type Statement struct {
	Kind    string // vaccination, test or recovery
	Disease string // code of the disease or agent, such as SNOMED CT 840539006
	Product string // vaccine or test, as the certificate codes it
	Dose    int
	Doses   int
	Date    string // YYYY-MM-DD
	Result  string // of a test: negative, positive or unknown
	Sampled time.Time
	From    string // of a recovery: YYYY-MM-DD
	Until   string
}

const (
	vaccination = "vaccination"
	test        = "test"
	recovery    = "recovery"
)

// results are the codes of SNOMED CT for the results of a test.
var results = map[string]string{"negative": "260415000", "positive": "260373001", "unknown": "419984006"}
