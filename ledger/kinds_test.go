package ledger

// Kinds that only the entries of these tests are of.
const (
	Check      Kind = "check"
	Query      Kind = "query"
	Register   Kind = "register"
	Opening    Kind = "open"
	Alive      Kind = "alive"
	Correction Kind = "correction"
	SignOn     Kind = "signon"
	Scanner    Kind = "scanner"
	Clock      Kind = "clock"
	Handover   Kind = "handover"
	Level      Kind = "level"
	Policy     Kind = "policy"
	Settings   Kind = "settings"
	Sensor     Kind = "sensor"
)
