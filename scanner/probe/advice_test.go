package probe

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/config"
)

// What probe prints is what the settings file takes.
func TestProbedSettingsLoad(t *testing.T) {
	for _, tt := range []struct {
		name  string
		found Finding
		baud  int
		want  string
	}{
		{"plain", Finding{End: "\r"}, 9600, "      baud: 9600\n      end_bytes: \"\\r\"\n"},
		{"USB", Finding{End: "\r\n"}, 0, "      end_bytes: \"\\r\\n\"\n"},
		{"parity, long codes", Finding{End: "\t", DataBits: 7, Parity: "even", Length: 5000}, 115200, "      baud: 115200\n      data_bits: 7\n      parity: even\n      end_bytes: \"\\t\"\n      max: 10000\n"},
		{"twice the same end byte", Finding{End: "\r\r"}, 1200, "      baud: 1200\n      end_bytes: \"\\r\"\n"},
		{"all else", Finding{Start: "\x02", End: "\x03", AIM: true, CodeID: 1, Encoding: "gb18030", GM65: true}, 9600, "      baud: 9600\n      end_bytes: \"\\x03\"\n      start_bytes: \"\\x02\"\n      aim: true\n      code_id: 1\n      encoding: gb18030\n      profile: gm65\n"},
		{"no suffix", Finding{Pause: 16 * time.Millisecond}, 9600, "      baud: 9600\n      end_gap: 100ms\n"},
		{"no suffix, slow", Finding{Pause: 80 * time.Millisecond}, 9600, "      baud: 9600\n      end_gap: 200ms\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Found{Baud: tt.baud, Finding: tt.found}.settings("/dev/gated-scanner-in")
			if want := "    scanner:\n      device: /dev/gated-scanner-in\n" + tt.want; got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			path := filepath.Join(t.TempDir(), "gated.yaml")
			if err := os.WriteFile(path, []byte("gate:\n  name: South Gate\nlanes:\n  - id: in\n    direction: in\n"+got), 0o600); err != nil {
				t.Fatal(err)
			}
			set, err := config.Load(path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range []byte(tt.found.End) {
				if !bytes.Contains([]byte(set.Lanes[0].Scanner.EndBytes), []byte{b}) {
					t.Errorf("end_bytes %q, want %q", set.Lanes[0].Scanner.EndBytes, tt.found.End)
				}
			}
		})
	}
}

// A path that YAML would take for something else is quoted, and one that counts from here is made whole.
func TestProbedSettingsNameTheDevice(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for device, want := range map[string]string{
		"/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0": "device: /dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0-port0\n",
		"/dev/my port: #1": "device: \"/dev/my port: #1\"\n",
		"ttyUSB0":          "device: " + here + "/ttyUSB0\n",
	} {
		if got := (Found{}).settings(device); !strings.Contains(got, want) {
			t.Errorf("%s: got\n%s", device, got)
		}
	}
}
