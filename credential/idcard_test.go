package credential

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The vectors were made from the published layouts by a program of its own.
func TestIDCardsAsPublished(t *testing.T) {
	source, err := os.ReadFile("testdata/idcards.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Vectors []struct {
			Name, Text string
			At         time.Time
			Want       json.RawMessage
		}
	}
	if err := json.Unmarshal(source, &doc); err != nil || len(doc.Vectors) < 8 {
		t.Fatal(len(doc.Vectors), err)
	}
	for _, v := range doc.Vectors {
		text, err := hex.DecodeString(v.Text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(ReadIDCard(text, v.At), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Indent(&want, v.Want, "", " "); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.Name, diff)
		}
	}
}

func invented(t testing.TB, c IDCard) []byte {
	t.Helper()
	text, err := c.Text()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

var (
	wang = IDCard{KindIDCard, "王小明", "male", "1985-06-12", checked("99010119850612003"), "2020-01-05", "2040-01-05"}
	chen = IDCard{KindPermit, "陈大文", "female", "1994-08-23", checked("81000019940823002"), "2023-09-01", "2028-09-01"}
	doe  = IDCard{KindForeigner, "DOE, JANE", "female", "1985-06-12", "UTO110085061205", "2018-06-16", "2028-06-15"}
	roe  = IDCard{KindForeigner, "ROE, RICHARD", "male", "1985-01-01", checked("91199919850101001"), "2023-12-01", "2033-11-30"}
)

func TestIDCardInAndOutOfItsTime(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.ParseInLocation(time.DateTime, s, beijing)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	good := wang
	good.To = "" // for good
	for _, tt := range []struct {
		name string
		card IDCard
		at   time.Time
		want string
	}{
		{"the second before its first day", wang, at("2020-01-04 23:59:59"), ReasonNotYetValid},
		{"its first second", wang, at("2020-01-05 00:00:00"), ReasonOK},
		{"its last second", wang, at("2040-01-05 23:59:59"), ReasonOK},
		{"one more", wang, at("2040-01-06 00:00:00"), ReasonExpired},
		{"another zone's midnight", wang, at("2040-01-05 23:59:59").In(time.FixedZone("", -9*3600)), ReasonOK},
		{"one for good", good, at("2199-01-01 00:00:00"), ReasonOK},
		{"one for good before its first day", good, at("2020-01-04 00:00:00"), ReasonNotYetValid},
		{"permit", chen, at("2028-09-02 00:00:00"), ReasonExpired},
		{"foreigner's of 2017", doe, at("2028-06-16 00:00:00"), ReasonExpired},
		{"foreigner's of 2023", roe, at("2033-12-01 00:00:00"), ReasonExpired},
		{"never had the time", wang, time.Time{}, ReasonNotYetValid},
	} {
		got := ReadIDCard(invented(t, tt.card), tt.at)
		if got.Reason != tt.want || got.Valid != (tt.want == ReasonOK) || got.Proof != Sighted || got.Document != tt.card.Document || got.Name != tt.card.Name || got.Kind != tt.card.Kind ||
			got.BirthDate != tt.card.BirthDate || got.Sex != tt.card.Sex {
			t.Errorf("%s: got %v %+v, want %s and what stands on it", tt.name, got.Reason, got, tt.want)
		}
	}
}

func TestIDCardsThatNobodyIssued(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	with := func(c IDCard, change func(*IDCard)) []byte { change(&c); return invented(t, c) }
	mark := func(c IDCard, at int, b ...byte) []byte {
		text := invented(t, c)
		copy(text[at:], b)
		return text
	}
	for _, tt := range []struct {
		name   string
		text   []byte
		kind   string
		reason string
	}{
		{"not read", nil, KindUnknown, ReasonUnreadableCard},
		{"too short", make([]byte, 255), KindUnknown, ReasonMalformed},
		{"too long", make([]byte, 257), KindUnknown, ReasonMalformed},
		{"all zero", make([]byte, 256), KindIDCard, "bad-length"},
		{"all ones", bytes.Repeat([]byte{0xff}, 256), KindUnknown, ReasonUnknownCard},
		{"blank", []byte(strings.Repeat(" \x00", 128)), KindIDCard, "bad-length"},
		{"unknown type", mark(wang, 248, 'K', 0), KindUnknown, ReasonUnknownCard},
		{"type beyond ASCII", mark(wang, 248, 'I', 'I'), KindUnknown, ReasonUnknownCard},
		{"wrong check character", with(wang, func(c *IDCard) { c.Document = c.Document[:17] + "A" }), KindIDCard, "bad-digit"},
		{"small x", with(wang, func(c *IDCard) { c.Document = "11010519491231002x"; c.BirthDate = "1949-12-31" }), KindIDCard, ReasonMalformed},
		{"wrong check digit", with(wang, func(c *IDCard) { c.Document = "110105194912310020" }), KindIDCard, ReasonBadCheckDigit},
		{"number of no day", with(wang, func(c *IDCard) { c.Document = checked("11010519490230001") }), KindIDCard, ReasonBadDate},
		{"born on another day than the number says", with(wang, func(c *IDCard) { c.BirthDate = "1985-06-13" }), KindIDCard, ReasonMalformed},
		{"born on no day", with(wang, func(c *IDCard) { c.BirthDate = "1985-02-30" }), KindIDCard, ReasonMalformed},
		{"born after it was issued", with(wang, func(c *IDCard) { c.From = "1985-06-11" }), KindIDCard, ReasonMalformed},
		{"ends before it begins", with(wang, func(c *IDCard) { c.To = "2020-01-04" }), KindIDCard, ReasonMalformed},
		{"no first day", with(wang, func(c *IDCard) { c.From = "" }), KindIDCard, ReasonMalformed},
		{"a last day that is none", with(wang, func(c *IDCard) { c.To = "2040-13-01" }), KindIDCard, ReasonMalformed},
		{"no name", with(wang, func(c *IDCard) { c.Name = "" }), KindIDCard, ReasonMalformed},
		{"a line feed in the name", with(wang, func(c *IDCard) { c.Name = "王\n明" }), KindIDCard, ReasonMalformed},
		{"a name turned round", with(wang, func(c *IDCard) { c.Name = "王\u202e明" }), KindIDCard, ReasonMalformed},
		{"permit of a region that has none", with(chen, func(c *IDCard) { c.Document = checked("84000019940823002") }), KindPermit, ReasonMalformed},
		{"permit for good", with(chen, func(c *IDCard) { c.To = "" }), KindPermit, ReasonMalformed},
		{"new number without the 9", with(roe, func(c *IDCard) { c.Document = checked("11199919850101001") }), KindForeigner, ReasonMalformed},
		{"new number, wrong check digit", with(roe, func(c *IDCard) { c.Document = c.Document[:17] + "0" }), KindForeigner, ReasonBadCheckDigit},
		{"old number with a letter too many", with(doe, func(c *IDCard) { c.Document = "UTOX10085061205" }), KindForeigner, ReasonMalformed},
		{"old number in small letters", with(doe, func(c *IDCard) { c.Document = "uto110085061205" }), KindForeigner, ReasonMalformed},
		{"old number for good", with(doe, func(c *IDCard) { c.To = "" }), KindForeigner, ReasonMalformed},
		{"a resident's in a foreigner's layout", mark(wang, 248, 'I', 0), KindForeigner, ReasonMalformed},
	} {
		got := ReadIDCard(tt.text, now)
		if got.Kind != tt.kind || got.Reason != tt.reason || got.Valid || got.Proof != Stated || got.Name != "" {
			t.Errorf("%s: got %+v, want %s, %s, nothing relied on", tt.name, got, tt.kind, tt.reason)
		}
	}
}

// A name that is written in Chinese, too, is known to the roster by that.
func TestForeignersNames(t *testing.T) {
	for name, tt := range map[string]struct {
		card  IDCard
		field field
	}{"2017": {doe, foreignChinese}, "2023": {roe, residentName}} {
		text := invented(t, tt.card)
		copy(text[tt.field.at:], []byte{0x1a, 0x59, 0x0a, 0x4f}) // 多伊
		if c := ReadIDCard(text, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)); c.Name != "多伊" || !c.Valid {
			t.Errorf("%s: got %q, %s", name, c.Name, c.Reason)
		}
	}
}

func TestAClaimOfACardKeepsNoneOfItsBytes(t *testing.T) {
	text := invented(t, wang)
	c := ReadIDCard(text, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	clear(text)
	if c.Name != wang.Name || c.Document != wang.Document {
		t.Errorf("after the text was cleared the claim says %+v", c)
	}
}

func TestIDCardTextRefusesWhatDoesNotFit(t *testing.T) {
	long := wang
	long.Name = strings.Repeat("王", 16)
	for name, c := range map[string]IDCard{"long name": long, "no kind": {Name: "x"}} {
		if _, err := c.Text(); err == nil || strings.Contains(err.Error(), "王") {
			t.Errorf("%s: got %v, want an error that names nobody", name, err)
		}
	}
}

func FuzzIDCard(f *testing.F) {
	for _, c := range []IDCard{wang, chen, doe, roe} {
		f.Add(invented(f, c), int64(1700000000))
	}
	f.Add([]byte(nil), int64(0))
	f.Fuzz(func(t *testing.T, text []byte, at int64) {
		c := ReadIDCard(text, time.Unix(at%(1<<40), 0))
		if _, err := json.Marshal(c); err != nil {
			t.Fatal(err)
		}
		if c.Valid != (c.Reason == ReasonOK) || c.Valid && c.Proof != Sighted || (c.Proof == Sighted) != (c.Name != "") || c.Kind == "" {
			t.Fatalf("contradicts itself: %+v", c)
		}
		if c.Proof == Sighted {
			if id, err := ResidentID(c.Document); (err != nil || id.BirthDate != c.BirthDate) && !(c.Kind == KindForeigner && oldForeigner(c.Document)) {
				t.Fatalf("number %q, %v: %+v", c.Document, err, c)
			}
			if c.NotBefore.IsZero() || !c.NotAfter.IsZero() && !c.NotAfter.After(c.NotBefore) {
				t.Fatalf("times: %+v", c)
			}
		}
	})
}
