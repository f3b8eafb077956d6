package credential

import "time"

// Standing says in one word what a valid certificate states about COVID-19, and of a negative test how many whole hours ago
// its sample was taken. Of several statements the newest test counts, then a vaccination, then a recovery within its
// interval. Where it is unclear which test is the newest, a positive one is; and how old a negative one is, nobody knows
// whose clock is not trusted.
func (c Claim) Standing(at time.Time, trusted bool) (word string, hours int) {
	if !c.Valid {
		return "", 0
	}
	var newest Health
	rank := 0
	for _, h := range c.Health {
		switch positive := h.Result == "positive"; {
		case h.Disease != COVID19:
		case h.Kind == Test:
			if h.Sampled.IsZero() || h.Sampled.After(at) {
				if positive {
					return "positive-test", 0
				}
				continue
			}
			if d := h.Sampled.Compare(newest.Sampled); d > 0 || d == 0 && (positive || newest.Result == "negative") {
				newest, rank = h, 4
			}
		case h.Kind == Vaccination && h.Dose >= h.Doses && rank < 3:
			word, rank = "vaccination", 3
		case h.Kind == Vaccination && rank < 2:
			word, rank = "partial-vaccination", 2
		case h.Kind == Recovery && rank < 1 && covers(h, at):
			word, rank = "recovery", 1
		}
	}
	switch {
	case rank < 4:
		return word, 0
	case newest.Result == "positive":
		return "positive-test", 0
	case newest.Result == "negative" && trusted:
		return "negative-test", int(at.Sub(newest.Sampled) / time.Hour)
	}
	return "", 0
}

// covers tells whether a recovery counts on the day of at. The days of its interval are the issuer's, of no zone.
func covers(h Health, at time.Time) bool {
	day := at.UTC().Format(time.DateOnly)
	return len(h.From) == len(day) && len(h.Until) == len(day) && h.From <= day && day <= h.Until
}
