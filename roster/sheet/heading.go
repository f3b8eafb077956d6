package sheet

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Headings are the columns of a roster, in the order of an export.
var Headings = []string{"id", "building", "unit", "room", "name", "document_type", "id_number", "birth_date", "phone", "class",
	"plate", "service"}

// aliases are the headings that property offices use, the first of each on top in texts; capitals, spaces, stars and remarks in
// brackets do not matter.
var aliases = map[string]string{
	"id": "编号 名册编号 rosterid", "building": "楼栋 楼号 栋 幢 楼 栋号 楼栋号 座", "unit": "单元 单元号", "room": "房号 房间号 房间 室 室号 门牌号",
	"name": "姓名", "document_type": "证件类型 证件种类 documenttype", "id_number": "证件号码 证件号 身份证号 身份证号码 身份证 idnumber document documentnumber",
	"birth_date": "出生日期 birthdate", "phone": "电话 电话号码 联系电话 手机 手机号 手机号码 telephone mobile", "class": "类别 人员类别",
	"plate": "车牌 车牌号 车牌号码", "service": "用途 车辆用途",
	"": "序号 备注 说明 性别 年龄 民族 no no. number remark remarks note notes sex gender age", // not kept: no more is than the gate needs
}

var column = WordsOf(aliases)

// ChineseHeading is how a Chinese list calls a column.
func ChineseHeading(name string) string {
	if words, ok := aliases[name]; ok && name != "" {
		return strings.Fields(words)[0]
	}
	if rest, ok := strings.CutPrefix(name, "column "); ok {
		return rest + " 列"
	}
	return name
}

func headings(language string) string {
	if !Chinese(language) {
		return strings.Join(Headings, ", ")
	}
	all := make([]string, len(Headings))
	for i, name := range Headings {
		all[i] = ChineseHeading(name)
	}
	return strings.Join(all, "、")
}

var inBrackets = regexp.MustCompile(`\([^)]*\)`)

// headingOf returns the column that a cell of the heading row names; "" for a column that is not kept.
func headingOf(cell string) (name string, known bool) {
	if len(cell) > maxCell {
		return "", false
	}
	s := inBrackets.ReplaceAllString(strings.ToLower(Folded(cell)), "")
	name, known = column[strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\r\n*:", r) {
			return -1
		}
		return r
	}, s)]
	return name, known && s != ""
}

// knownHeadings counts the cells that name a column which is kept. Those alone whose words are chosen from a list are none: they
// stand above the lists from which a spreadsheet lets people choose.
func knownHeadings(cells []string) (n int) {
	chosen := true
	for _, cell := range cells {
		if name, ok := headingOf(cell); ok && name != "" {
			n++
			chosen = chosen && (name == "class" || name == "document_type" || name == "service")
		}
	}
	if chosen {
		return 0
	}
	return n
}

// Words are words by all that is written for them.
type Words map[string]string

// WordsOf makes Words of each word's aliases.
func WordsOf(words map[string]string) Words {
	all := Words{}
	for word, aliases := range words {
		all[word] = word
		for _, alias := range strings.Fields(aliases) {
			all[alias] = word
		}
	}
	return all
}

// Word looks a cell up; capitals, spaces and underscores do not matter.
func (all Words) Word(cell string) (string, bool) {
	v, ok := all[strings.NewReplacer("_", "-", " ", "-").Replace(strings.ToLower(Folded(cell)))]
	return v, ok
}

// Trim takes off space and invisible marks (byte order marks, zero-width spaces) that spreadsheets carry along.
func Trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}

// Folded is s in half width (NFKC, UAX #15) and capitals.
func Folded(s string) string { return strings.ToUpper(norm.NFKC.String(Trim(s))) }

// Chinese tells whether texts are to be Chinese: for "zh", "zh-CN", "zh_CN.UTF-8".
func Chinese(language string) bool { return strings.HasPrefix(language, "zh") }

// Pick returns the text in the language.
func Pick(language, english, chinese string) string {
	if Chinese(language) {
		return chinese
	}
	return english
}
