package roster

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Cells come from many hands: full-width digits, spaces in ID numbers, 03栋 for 3, dots in plates. Here each becomes the one form
// that is stored and looked up.

// trim takes off space and invisible marks (byte order marks, zero-width spaces) that spreadsheets carry along.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}

// folded is s in half width (NFKC, UAX #15) and capitals.
func folded(s string) string { return strings.ToUpper(norm.NFKC.String(trim(s))) }

// normalName keeps a name as written, but with single spaces and in NFC.
func normalName(s string) string { return strings.Join(strings.Fields(norm.NFC.String(trim(s))), " ") }

// normalCode is a document number in capitals without spaces.
func normalCode(s string) string { return strings.Join(strings.Fields(folded(s)), "") }

var plateMarks = strings.NewReplacer("·", "", "•", "", "・", "", ".", "", "-", "", " ", "")

func normalPlate(s string) string { return plateMarks.Replace(folded(s)) }

// roomWords are what people write around the numbers of building, unit and room.
var roomWords = strings.NewReplacer("号楼", " ", "单元", " ", "栋", " ", "幢", " ", "座", " ", "楼", " ", "室", " ", "号", " ", "房", " ",
	"BUILDING", " ", "UNIT", " ", "ROOM", " ")

// roomParts splits "3栋2单元0501室" into 3, 2, 501.
func roomParts(s string) []string {
	parts := strings.FieldsFunc(roomWords.Replace(folded(s)), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	for i, p := range parts {
		if strings.Trim(p, "0123456789") == "" {
			if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" {
				parts[i] = "0"
			}
		}
	}
	return parts
}

var phoneMarks = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "‐", "", "–", "")

// normalPhone is digits only. A leading + becomes 00, so that no spreadsheet takes the exported cell for a formula; +86 and 0086 go,
// as they name this country.
func normalPhone(s string) (string, bool) {
	s = phoneMarks.Replace(folded(s))
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		s = "00" + rest
	}
	if len(s) == 15 { // 0086 and a mobile number
		s = strings.TrimPrefix(s, "0086")
	}
	return s, len(s) >= 3 && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// normalDate reads the date forms of spreadsheets: 1985-10-05, 1985/10/5, 1985.10.5, 19851005, 1985年10月5日.
func normalDate(s string) (string, bool) {
	s = folded(s)
	for _, layout := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Format(time.DateOnly), t.Year() >= 1850
		}
	}
	return "", false
}

var (
	documentForm = regexp.MustCompile(`^[0-9A-Z()]{5,20}$`)
	almostID     = regexp.MustCompile(`^[0-9]{13,19}X?$`) // meant as a resident ID number, perhaps with a digit too many or too few
	spoiltNumber = regexp.MustCompile(`^[0-9](\.[0-9]+)?[eE]\+?[0-9]+$`)
	plateForm    = regexp.MustCompile(`^[\p{Han}A-Z0-9]{5,10}$`)
)

// The values of class, service and document type: each word of the roster with the words of the files that mean it.
var (
	classes = valuesOf(map[string]string{
		"resident": "居民 业主 住户 租户", "staff": "工作人员 物业 员工 物业人员", "volunteer": "志愿者", "courier": "快递员 配送员 外卖员"})
	services = valuesOf(map[string]string{
		"epidemic-control": "防疫 疫情防控 防疫车", "ambulance": "救护 救护车 急救", "fire": "消防 消防车", "police": "警用 警车 公安",
		"emergency-repair": "抢修 应急抢修 抢修车"})
	documentTypes = valuesOf(map[string]string{
		"resident-id":        "身份证 居民身份证 二代身份证",
		"residence-permit":   "港澳台居民居住证 港澳居民居住证 台湾居民居住证",
		"passport":           "护照",
		"hk-macau-permit":    "港澳居民来往内地通行证 回乡证",
		"taiwan-permit":      "台湾居民来往大陆通行证 台胞证",
		"permanent-resident": "外国人永久居留身份证 永居证",
		"travel-permit":      "通行证 旅行证",
		"other":              "其他 其他证件",
		"none":               "无"})
)

// values are words by all that is written for them.
type values map[string]string

func valuesOf(words map[string]string) values {
	values := values{}
	for value, aliases := range words {
		values[value] = value
		for _, alias := range strings.Fields(aliases) {
			values[alias] = value
		}
	}
	return values
}

// value looks a cell up; capitals, spaces and underscores do not matter.
func (all values) value(cell string) (string, bool) {
	v, ok := all[strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(folded(cell)))]
	return v, ok
}

// formula tells whether a spreadsheet would take the text for a formula.
func formula(s string) bool {
	return s != "" && strings.ContainsRune("=+-@", rune(norm.NFKC.String(s)[0]))
}
