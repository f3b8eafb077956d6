package policy

import "slices"

// fact indexes the facts that conditions speak about.
type fact int

const (
	direction fact = iota
	class
	known
	credential
	valid
	credentialReason
	proof
	service
	plateClass
	health
	level
	clockTrusted
	whereabouts
	again
	building
	unit
	exemption
	watched
	trip
	holder
	visit
	consent
	host
	householdTripsBelow // from here on they take a number
	householdTripsFrom
	testHoursBelow
	minutesSinceBelow
	factCount

	firstNumber = householdTripsBelow
	timeOfWeek  = factCount // what `weekday` and `time` ask together
)

const (
	none         = "none"
	unknown      = "unknown"
	negativeTest = "negative-test"
)

// What is known of the trip of somebody who was admitted out and is not back.
const (
	TripOpen    = "open"
	TripOverdue = "overdue" // it was due back before now
)

// Whose pass somebody shows.
const (
	HolderPerson    = "person"
	HolderHousehold = "household"
	HolderVehicle   = "vehicle"
)

// NoVisit is why digits, or a pass, of a visit are not good: no visit has them.
const NoVisit = "no-visit"

// vocabulary is every fact's name in a file and the words it can have. The words
// of level and exemption are the file's own, those of building and unit the roster's; the last ones take a number.
var vocabulary = [factCount]struct {
	key   string
	words []string
}{
	direction: {"direction", []string{"in", "out"}},
	class: {"class", []string{"resident", "staff", "volunteer", "courier", "visitor", "helper", "contractor", "taxi",
		"emergency-vehicle", "vehicle", "unknown"}},
	known: {"known", []string{"true", "false"}},
	credential: {"credential", []string{"gated-pass", "eu-dcc", "smart-health-card", "cn-resident-id", "cn-id-card", "cn-prc-card",
		"cn-hmt-permit", "plate", "visit-code", "unknown", none}},
	valid: {"valid", []string{"true", "false"}},
	credentialReason: {"credential_reason", []string{"ok", "expired", "revoked", "suspended", "not-yet-valid", "clock-untrusted",
		"bad-signature", "unknown-signer", "other-issuer", "wrong-issuer", "wrong-algorithm", "wrong-usage", "bad-prefix", "bad-base45",
		"bad-numeric", "bad-zlib", "bad-cose", "bad-cbor", "bad-jws", "malformed", "unknown-code", "several-codes", "added-characters",
		"keyboard-layout", "too-long", "bad-length", "bad-digit", "bad-check-digit", "bad-date", "unknown-card", "unreadable-card", NoVisit,
		none}},
	proof:   {"proof", []string{"signed", "sighted", "stated", none}},
	service: {"service", []string{"epidemic-control", "ambulance", "fire", "police", "emergency-repair", none}},
	plateClass: {"plate_class", []string{"ordinary", "new-energy", "police", "emergency", "embassy", "consulate", "hong-kong", "macau",
		"trainer", "trailer", none}},
	health:              {"health", []string{"vaccination", "partial-vaccination", negativeTest, "positive-test", "recovery", none}},
	level:               {"level", nil},
	clockTrusted:        {"clock_trusted", []string{"true", "false"}},
	whereabouts:         {"whereabouts", []string{"inside", "outside", unknown}},
	again:               {"again", []string{"true", "false"}},
	building:            {"building", nil},
	unit:                {"unit", nil},
	exemption:           {"exemption", nil},
	watched:             {"watched", []string{"true", "false"}},
	trip:                {"trip", []string{TripOpen, TripOverdue, none}},
	holder:              {"holder", []string{HolderPerson, HolderHousehold, HolderVehicle, none}},
	visit:               {"visit", []string{"open", "early", "late", "off-hours", "used-up", "over", none}},
	consent:             {"consent", []string{"in-person", "gate-called", "intercom", "standing", "order-shown", "own-phone", none}},
	host:                {"host", []string{"call-first", "always-admit", "no-visitors", none}},
	householdTripsBelow: {"household_trips_below", nil},
	householdTripsFrom:  {"household_trips_from", nil},
	testHoursBelow:      {"test_hours_below", nil},
	minutesSinceBelow:   {"minutes_since_below", nil},
}

// factNames are all facts' names in a file.
func factNames() []string {
	names := make([]string, factCount)
	for i, v := range vocabulary {
		names[i] = v.key
	}
	return names
}

// Words are those that a fact can have, by its name in a file, such as class. Ledger, page, settings and metrics use the same ones.
func Words(fact string) []string {
	for _, v := range vocabulary {
		if v.key == fact {
			return slices.Clone(v.words)
		}
	}
	return nil
}

// words holds one word for each fact.
type words [factCount]string

func (p *Policy) words(f Facts) words {
	v := words{
		direction: f.Direction, class: f.Class, known: yes(f.Known),
		credential: f.Credential, valid: yes(f.Valid), credentialReason: f.Reason, proof: f.Proof,
		service: f.Service, plateClass: f.PlateClass, health: f.Health, level: f.Level, clockTrusted: yes(f.ClockTrusted),
		whereabouts: f.Whereabouts, again: yes(f.Again), building: f.Building, unit: f.Unit,
		exemption: f.Exemption, watched: yes(f.Watched), trip: f.Trip, holder: f.Holder,
		visit: f.Visit, consent: f.Consent, host: f.Host,
	}
	for _, i := range [...]fact{class, whereabouts} {
		if v[i] == "" {
			v[i] = unknown
		}
	}
	for _, i := range [...]fact{credential, credentialReason, proof, service, plateClass, health, building, unit, exemption, trip, holder,
		visit, consent, host} {
		if v[i] == "" {
			v[i] = none
		}
	}
	if v[level] == "" && len(p.levels) > 0 {
		v[level] = p.levels[0].Name
	}
	return v
}

// HolderOf is whose pass it is that somebody shows, by their roster ID and their household; "": nobody's of the roster.
func HolderOf(f Facts, id, household string) string {
	switch {
	case !f.Known || f.Credential != "gated-pass":
		return ""
	case f.Class == "vehicle" || f.Class == "emergency-vehicle":
		return HolderVehicle
	case id == household:
		return HolderHousehold
	}
	return HolderPerson
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
