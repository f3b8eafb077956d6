package credential

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestPlate(t *testing.T) {
	for _, c := range []struct{ in, plate, class string }{
		{"京A12345", "京A12345", PlateOrdinary},
		{"粤B8K7Z2", "粤B8K7Z2", PlateOrdinary},
		{"川Z88888", "川Z88888", PlateOrdinary}, // 眉山: Z is Hong Kong's and Macau's in Guangdong only
		{"京O00001", "京O00001", PlateOrdinary},

		{"京AD12345", "京AD12345", PlateNewEnergy}, // small
		{"粤BDF2345", "粤BDF2345", PlateNewEnergy},
		{"沪AK0A234", "", ""}, // letters stand in the first two places only
		{"沪AKA0234", "沪AKA0234", PlateNewEnergy},
		{"沪AJ00234", "沪AJ00234", PlateNewEnergy},
		{"沪A00234D", "沪A00234D", PlateNewEnergy}, // large
		{"沪A00234K", "沪A00234K", PlateNewEnergy},
		{"沪AL00234", "", ""}, // no letter of new energy
		{"沪A00234L", "", ""},
		{"沪A0A234D", "", ""},

		{"京A0001警", "京A0001警", PlatePolice},
		{"川OA001警", "川OA001警", PlatePolice},
		{"粤B1234学", "粤B1234学", PlateTrainer},
		{"鲁B12A4挂", "鲁B12A4挂", PlateTrailer},
		{"粤Z1234港", "粤Z1234港", PlateHongKong},
		{"粤ZF023澳", "粤ZF023澳", PlateMacau},
		{"粤Z12345", "", ""},
		{"粤Z1234警", "", ""},
		{"粤ZD12345", "", ""},
		{"粤B1234港", "", ""},
		{"京Z1234澳", "", ""},

		{"224578使", "224578使", PlateEmbassy},
		{"使224578", "使224578", PlateEmbassy},
		{"22457A使", "", ""},
		{"京224578使", "", ""},
		{"沪22457领", "沪22457领", PlateConsulate},
		{"沪A1234领", "沪A1234领", PlateConsulate},
		{"22457领", "", ""},

		{"京X1234应急", "京X1234应急", PlateEmergency},
		{"川S0119应急", "川S0119应急", PlateEmergency},
		{"沪XA119应急", "沪XA119应急", PlateEmergency},
		{"京12345应急", "京12345应急", PlateEmergency}, // the ministry's own
		{"应急京123X", "应急京123X", PlateEmergency},   // a motorcycle
		{"京X123应急", "", ""},
		{"京X12345应急", "", ""},
		{"X1234应急", "", ""},
		{"京X1234应", "", ""},

		// As people and cameras write them.
		{"京a12345", "京A12345", PlateOrdinary},
		{"京Ａ１２３４５", "京A12345", PlateOrdinary},
		{"京ａｄ１２３４５", "京AD12345", PlateNewEnergy},
		{"京A·12345", "京A12345", PlateOrdinary},
		{"京A•12345", "京A12345", PlateOrdinary},
		{"京A・12345", "京A12345", PlateOrdinary},
		{" 京 A 12345 ", "京A12345", PlateOrdinary},
		{"京\u3000A-12345\u00a0", "京A12345", PlateOrdinary},
		{"京X·1234 应急", "京X1234应急", PlateEmergency},

		// No plates.
		{"", "", ""},
		{"·", "", ""},
		{"京A1234", "", ""},
		{"京A123456", "", ""},
		{"京A1234567", "", ""},
		{"京I12345", "", ""}, // no office I
		{"京A1234I", "", ""}, // neither I nor O in a serial
		{"京A1234O", "", ""},
		{"京AO234警", "", ""},
		{"京ADI2345", "", ""},
		{"京112345", "", ""},
		{"台A12345", "", ""},
		{"港A12345", "", ""},
		{"澳A12345", "", ""},
		{"軍A12345", "", ""},
		{"WJ京1234X", "", ""}, // the armed police
		{"VA12345", "", ""},  // the armed forces
		{"京A1234试", "", ""},
		{"AB12345", "", ""},
		{"京A12345京A12345", "", ""},
		{"京A1234\xff", "", ""},
		{"\ufffdA12345", "", ""},
	} {
		want, isPlate := Claim{}, c.class != ""
		if isPlate {
			want = Claim{
				Kind: KindPlate, Valid: true, Reason: ReasonOK, Proof: Stated,
				Plate: c.plate, PlateClass: c.class, Gaps: []string{GapIdentity},
			}
		}
		got, ok := checkPlate(c.in)
		if diff := cmp.Diff(want, got); ok != isPlate || diff != "" {
			t.Errorf("%q: got %v (-want +got):\n%s", c.in, ok, diff)
		}
		if !isPlate {
			want = Claim{Kind: KindUnknown, Reason: ReasonUnknownCode, Proof: Stated}
		}
		if diff := cmp.Diff(want, new(Trust).Check([]byte(c.in+"\r\n"), noon)); diff != "" {
			t.Errorf("%q as a code (-want +got):\n%s", c.in, diff)
		}
	}
}

func TestAllProvincesHavePlates(t *testing.T) {
	if n := utf8.RuneCountInString(plateProvinces); n != 31 {
		t.Errorf("%d provinces, want 31", n)
	}
	for _, p := range plateProvinces {
		if c, _ := checkPlate(string(p) + "A12345"); c.PlateClass != PlateOrdinary || strings.Count(plateProvinces, string(p)) != 1 {
			t.Errorf("%c: got %q", p, c.PlateClass)
		}
	}
}

func FuzzPlate(f *testing.F) {
	for _, s := range []string{"京A·12345", "京ＡＤ１２３４５", "224578使", "应急京123X", "粤Z1234港", "京A1234\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := checkPlate(s)
		if !ok {
			return
		}
		if again, ok := checkPlate(c.Plate); !ok || again.Plate != c.Plate || again.PlateClass != c.PlateClass {
			t.Fatalf("%q is %q, of class %s; read again it is %q, of class %s", s, c.Plate, c.PlateClass, again.Plate, again.PlateClass)
		}
		if n := utf8.RuneCountInString(c.Plate); n < 7 || n > 8 || !validText(c.Plate) {
			t.Fatalf("%q: got %q", s, c.Plate)
		}
		n := 0
		for _, shape := range plateShapes {
			if shape.fits([]rune(c.Plate)) {
				n++
			}
		}
		if n != 1 {
			t.Fatalf("%q fits %d shapes", c.Plate, n)
		}
	})
}
