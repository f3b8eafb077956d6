package scanner

import (
	"strings"
	"testing"
	"time"
)

func TestValidateNamesFieldAndValue(t *testing.T) {
	const dev = "/dev/gated-in"
	for _, tt := range []struct {
		name string
		c    Config
		want []string // one for each fault, in order
	}{
		{"only a device", Config{Device: dev}, nil},
		{"no device", Config{}, []string{"device: is required"}},
		{"relative device", Config{Device: "ttyUSB0"}, []string{`device: "ttyUSB0" is not a full path`}},
		{"device with NUL", Config{Device: "/dev/a\x00b"}, []string{`device: "/dev/a\x00b" has control`}},
		{"rate nobody makes", Config{Device: dev, Baud: 9601}, []string{"baud: 9601 is not known: write one of 1200 1800"}},
		{"rate tarm rejects", Config{Device: dev, Baud: 14400}, []string{"baud: 14400 is"}},
		{"seven bits", Config{Device: dev, DataBits: 7, Parity: "even"}, nil},
		{"more bits than a byte has", Config{Device: dev, DataBits: 9}, []string{"data_bits: 9 is not known: write 7 or 8"}},
		{"too few bits for letters", Config{Device: dev, DataBits: 6}, []string{"data_bits: 6 is not known: write 7 or 8; no letter comes through fewer"}},
		{"bits of a teleprinter", Config{Device: dev, DataBits: 5}, []string{"data_bits: 5 is"}},
		{"parity", Config{Device: dev, Parity: "mark"}, []string{`parity: "mark" is`}},
		{"stop bits", Config{Device: dev, StopBits: 15}, []string{"stop_bits: 15 is"}},
		{"tab ends", Config{Device: dev, EndBytes: "\t"}, nil},
		{"escaped wrongly", Config{Device: dev, EndBytes: `\r\n`}, []string{`end_bytes: "\\r\\n":`}},
		{"not one byte", Config{Device: dev, EndBytes: "。"}, []string{`end_bytes: "。":`}},
		{"negative min", Config{Device: dev, Min: -1}, []string{"min: -1:"}},
		{"huge max", Config{Device: dev, Max: 1 << 30}, []string{"max: 1073741824:"}},
		{"max under min", Config{Device: dev, Min: 20, Max: 10}, []string{"max: 10 is less than min, which is 20"}},
		{"max under the default min", Config{Device: dev, Max: 3}, []string{"max: 3 is less than min, which is 4"}},
		{"gap without a unit", Config{Device: dev, Gap: 500}, []string{"gap: 500ns is"}},
		{"gap too long", Config{Device: dev, Gap: time.Minute}, []string{"gap: 1m0s is"}},
		{"all at once", Config{Baud: 1, DataBits: 1, Parity: "x", StopBits: 3, EndBytes: "x", Min: -1, Max: -2, Gap: -1},
			[]string{"device", "baud", "data_bits", "parity", "stop_bits", "end_bytes", "min: -1", "max: -2", "gap"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.c.filled().Validate()
			if len(tt.want) == 0 {
				if err != nil {
					t.Errorf("got %v, want no fault", err)
				}
				return
			}
			if err == nil {
				t.Fatal("got no fault")
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("got %d faults, want %d:\n%v", len(got), len(tt.want), err)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("got %q, want it to begin with %q", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestRunRefusesSettingsThatCannotWork(t *testing.T) {
	err := NewReader(Options{Lane: "in", Config: Config{Device: "/dev/null", Baud: 7}}).Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "lane in: baud: 7 is") {
		t.Errorf("got %v, want the lane, the field and the value", err)
	}
}
