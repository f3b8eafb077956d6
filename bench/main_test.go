package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	r := results{}
	for line := range strings.Lines(`goos: linux
BenchmarkOne/event-2   	       1	       180.5 p50-us	         1.04 p50/floor
BenchmarkOne/event-2   	       1	       182.5 p50-us	         1.20 p50/floor
BenchmarkOne/event-2   	       1	       181.5 p50-us	         1.08 p50/floor
BenchmarkOne/floor-2   	       1	       171 p50-us
BenchmarkProducers/gated-2 	1	  85012 events/s
BenchmarkProducers/lines-2 	1	  91088 events/s	0.93 gated/rate
PASS
`) {
		r.read(line)
	}
	var out strings.Builder
	r.write(&out, []row{
		{"one event", "One/event p50-us", "a sync", "One/floor p50-us", "One/event p50/floor", "≤ 1.10 ×"},
		{"64 producers", "Producers/gated events/s", "lines", "Producers/lines events/s", "Producers/lines gated/rate", "≥ 1.0 ×"},
		{"64 producers", "Producers/gated events/s", "Tessera", "Producers/tessera events/s", "Producers/tessera gated/rate", "≥ 5 ×"},
		{"rate", "Producers/gated events/s", "", "", "", "≥ 80000 events/s"},
		{"size", "Filled/size file-MB", "", "", "", ""},
	}, map[string]bool{"tessera": true})
	want := `
| what         | measured        | against                | ratio  | goal             | met |
|--------------|-----------------|------------------------|--------|------------------|-----|
| one event    | 182 µs          | a sync: 171 µs         | 1.08 × | ≤ 1.10 ×         | yes |
| 64 producers | 85,012 events/s | lines: 91,088 events/s | 0.93 × | ≥ 1.0 ×          | NO  |
| 64 producers | 85,012 events/s | Tessera: not available |        | ≥ 5 ×            |     |
| rate         | 85,012 events/s |                        |        | ≥ 80000 events/s | yes |
| size         | not measured    |                        |        | –                |     |
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}
