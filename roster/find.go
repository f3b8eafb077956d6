package roster

import (
	"slices"
	"strings"
)

// found is how many people Find shows at most: more do not fit the guard's page.
const found = 50

// Rooms returns the households of the rooms that a guard typed, as a guard would walk them: "3-2-501", "3 2 501" and "3栋2单元501室" are
// one household, "2-501" is that unit and room in every building, "501" or "0501" the room in every unit.
func (s *Snapshot) Rooms(room string) (homes []Household) {
	if len(room) > 100 {
		return nil
	}
	want := roomParts(room)
	if len(want) == 0 || len(want) > 3 {
		return nil
	}
	for _, h := range s.households {
		have := []string{h.Building, h.Unit, h.Room}
		if slices.Equal(have[3-len(want):], want) {
			homes = append(homes, h)
		}
	}
	return homes
}

// Of returns the people of a household, who have it as theirs also where they have several.
func (s *Snapshot) Of(household string) (people []Person) {
	for _, i := range s.byHousehold[household] {
		p := s.people[i]
		p.Household = household
		people = append(people, p)
	}
	return people
}

// Find returns the people of the rooms that a guard typed, in the order of the rooms. At most 50.
func (s *Snapshot) Find(room string) (people []Person) {
	for _, h := range s.Rooms(room) {
		if people = append(people, s.Of(h.ID)...); len(people) >= found {
			return people[:found]
		}
	}
	return people
}

// Place takes apart what a guard typed behind a building or a unit, such as "3 王" or "3栋2单元 139…": the place as its households
// begin, such as 3-2, and the rest. Without a place of the compound, and something behind it, the rest is all of it.
func (s *Snapshot) Place(text string) (place, rest string) {
	words := strings.Fields(text)
	for n := min(2, len(words)-1); n > 0; n-- {
		parts := roomParts(strings.Join(words[:n], " "))
		if len(parts) > 2 || len(parts) == 0 {
			continue
		}
		if at := strings.Join(parts, "-"); s.HasPlace(at) {
			return at, strings.Join(words[n:], " ")
		}
	}
	return "", strings.Join(words, " ")
}
