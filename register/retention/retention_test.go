package retention

import (
	"maps"
	"testing"
)

func TestTheNarrowestRuleCounts(t *testing.T) {
	t.Parallel()
	rules := []Rule{{All, 1}, {Passage, 2}, {Visit, 3}, {"courier", 4}}
	resident, courier := Of{"resident", false, true}, Of{"courier", false, true}
	visitor, delivery := Of{"visitor", true, false}, Of{"courier", true, true}
	for name, c := range map[string]struct {
		rules []Rule
		of    Of
		want  int
	}{
		"a resident":                  {rules, resident, 1},
		"a courier of the list":       {rules, courier, 3},
		"a delivery":                  {rules, delivery, 3},
		"a visitor":                   {rules, visitor, 2},
		"a check of nobody":           {rules, Of{Passage: true}, 1},
		"a trip that is told again":   {rules, Of{Class: "resident"}, 1},
		"a sign-on":                   {rules, Of{}, 0},
		"a sign-on, and no such rule": {rules[1:], Of{}, -1},
		"a visitor, by passages":      {rules[:2], visitor, 1},
		"a visitor, by all":           {rules[:1], visitor, 0},
		"a resident is no visit":      {rules[2:], resident, -1},
		"no rules":                    {nil, resident, -1},
	} {
		if got := For(c.rules, c.of); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestARuleThatErasesWhatIsToBeKept(t *testing.T) {
	t.Parallel()
	shipped := []Rule{{Visit, 30}, {Passage, 90}}
	for name, c := range map[string]struct {
		rules, keep []Rule
		want        map[int]int
	}{
		"nothing is to be kept":         {shipped, nil, nil},
		"visits":                        {shipped, []Rule{{Visit, 180}}, map[int]int{0: 0}},
		"visits, just so long":          {shipped, []Rule{{Visit, 30}}, nil},
		"passages":                      {shipped, []Rule{{Visit, 30}, {Passage, 180}}, map[int]int{1: 1}},
		"passages, visits among them":   {[]Rule{{Visit, 30}, {Passage, 180}}, []Rule{{Passage, 180}}, map[int]int{0: 0}},
		"all":                           {[]Rule{{Visit, 180}, {Passage, 179}}, []Rule{{All, 180}}, map[int]int{1: 0}},
		"what nobody erases is kept":    {[]Rule{{Visit, 30}}, []Rule{{Passage, 180}, {Visit, 30}}, nil},
		"a class":                       {shipped, []Rule{{"resident", 180}}, map[int]int{1: 0}},
		"a class of visitors":           {shipped, []Rule{{"helper", 180}}, map[int]int{0: 0, 1: 0}},
		"a class that has its own rule": {[]Rule{{Visit, 30}, {"helper", 180}}, []Rule{{"helper", 180}}, nil},
		"its own rule is too short":     {[]Rule{{Visit, 180}, {"courier", 7}}, []Rule{{Visit, 180}}, map[int]int{1: 0}},
		"residents come by no visit":    {[]Rule{{Visit, 180}, {"resident", 30}}, []Rule{{Visit, 180}}, nil},
		"sign-ons are no passages":      {[]Rule{{All, 30}, {Passage, 180}}, []Rule{{Passage, 180}}, nil},
		"by a rule for all":             {[]Rule{{All, 30}}, []Rule{{Passage, 180}}, map[int]int{0: 0}},
	} {
		if got := Conflicts(c.rules, c.keep, []string{"resident", "courier", "visitor", "helper", "unknown"}); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
