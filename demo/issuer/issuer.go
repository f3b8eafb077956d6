// Package issuer signs the health certificates that people show in the demo and in tests.
//
// A gate only verifies them; real ones are issued by those who vaccinate and test. The package shares no code with package
// credential, so that an error in one of them is found by the other.
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
