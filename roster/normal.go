package roster

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"gated/roster/sheet"

	"golang.org/x/text/unicode/norm"
)

// Cells are written by many people: full-width digits, spaces in ID numbers, 03栋 for 3, dots in plates. Here each becomes the one form
// that is stored and looked up.

// normalName keeps a name as written, but with single spaces and in NFC.
func normalName(s string) string {
	return strings.Join(strings.Fields(norm.NFC.String(sheet.Trim(s))), " ")
}

// normalCode is a document number in capitals without spaces.
func normalCode(s string) string { return strings.Join(strings.Fields(sheet.Folded(s)), "") }

var plateMarks = strings.NewReplacer("·", "", "•", "", "・", "", ".", "", "-", "", " ", "")

func normalPlate(s string) string { return plateMarks.Replace(sheet.Folded(s)) }

// roomWords are what people write around the numbers of building, unit and room.
var roomWords = strings.NewReplacer("号楼", " ", "单元", " ", "栋", " ", "幢", " ", "座", " ", "楼", " ", "室", " ", "号", " ", "房", " ",
	"BUILDING", " ", "UNIT", " ", "ROOM", " ")

// roomParts splits "3栋2单元0501室", or "三栋二单元五〇一室", into 3, 2, 501.
func roomParts(s string) []string {
	parts := strings.FieldsFunc(roomWords.Replace(sheet.Folded(s)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '〇'
	})
	for i, p := range parts {
		if p = arabic(p); strings.Trim(p, "0123456789") == "" {
			if parts[i] = strings.TrimLeft(p, "0"); parts[i] == "" {
				parts[i] = "0"
			}
		}
	}
	return parts
}

const hanDigits = "〇一二三四五六七八九"

// arabic writes a number of at most four Chinese numerals, such as 十二, 二十 or 五〇一, in digits; all else stays as it is.
func arabic(s string) string {
	runes := []rune(strings.ReplaceAll(s, "零", "〇"))
	if len(runes) == 0 || len(runes) > 4 || strings.Count(s, "十") > 1 {
		return s
	}
	var digits []byte
	for i, r := range runes {
		switch at := strings.IndexRune(hanDigits, r); {
		case at >= 0:
			digits = append(digits, byte('0'+at/len("〇")))
		case r != '十' || i > 1 || i == 1 && digits[0] == '0' || len(runes) > i+2:
			return s
		default: // 十, 十二, 二十, 二十二
			if i == 0 {
				digits = append(digits, '1')
			}
			if i == len(runes)-1 {
				digits = append(digits, '0')
			}
		}
	}
	return string(digits)
}

var phoneMarks = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", "‐", "", "–", "")

// normalPhone is digits only. A leading + becomes 00, so that no spreadsheet takes the exported cell for a formula; +86 and 0086 go,
// as they name this country.
func normalPhone(s string) (string, bool) {
	s = phoneMarks.Replace(sheet.Folded(s))
	if rest, ok := strings.CutPrefix(s, "+"); ok {
		s = "00" + rest
	}
	if len(s) == 15 { // 0086 and a mobile number
		s = strings.TrimPrefix(s, "0086")
	}
	return s, len(s) >= 3 && len(s) <= 20 && strings.Trim(s, "0123456789") == ""
}

// midnight is what programs write behind a date.
var midnight = regexp.MustCompile(`[T ]+0{1,2}:00(:00(\.0+)?)?Z?$`)

// yearOrMonth is all that somebody knew of a birth date.
var yearOrMonth = regexp.MustCompile(`^(19|20)[0-9]{2}([-/.年]?(0?[1-9]|1[0-2])?月?|年)$`)

// birthDate reads the date forms of spreadsheets: 1985-10-05, 1985/10/5, 1985.10.5, 19851005, 1985年10月5日; or says what is wrong.
func birthDate(s, today string) (date, reason string) {
	s = midnight.ReplaceAllString(sheet.Folded(s), "")
	for _, layout := range []string{"2006-1-2", "2006/1/2", "2006.1.2", "20060102", "2006年1月2日"} {
		t, err := time.Parse(layout, s)
		switch date := t.Format(time.DateOnly); {
		case err != nil:
		case t.Year() < 1900: // nobody
			return "", "bad-date"
		case date > today:
			return "", "date-in-future"
		default:
			return date, ""
		}
	}
	if yearOrMonth.MatchString(s) {
		return "", "birth-date-incomplete"
	}
	return "", "bad-date"
}

var (
	documentForm = regexp.MustCompile(`^[0-9A-Z()]{5,20}$`)
	almostID     = regexp.MustCompile(`^[0-9]{13,19}X?$`) // meant as a resident ID number, perhaps with a digit too many or too few
	plateForm    = regexp.MustCompile(`^[\p{Han}A-Z0-9]{5,10}$`)
)

// The values of class, service and document type: each word of the roster with the words of the files that mean it.
var (
	classes = sheet.WordsOf(map[string]string{
		"resident": "居民 业主 住户 租户", "staff": "工作人员 物业 员工 物业人员", "volunteer": "志愿者", "courier": "快递员 配送员 外卖员"})
	services = sheet.WordsOf(map[string]string{
		"epidemic-control": "防疫 疫情防控 防疫车", "ambulance": "救护 救护车 急救", "fire": "消防 消防车", "police": "警用 警车 公安",
		"emergency-repair": "抢修 应急抢修 抢修车"})
	documentTypes = sheet.WordsOf(map[string]string{
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
