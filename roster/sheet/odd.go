package sheet

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

var (
	// errorText is what spreadsheets show in the place of a result, in any language, also where a cell is too narrow. A building may
	// be #A or 3#.
	errorText = regexp.MustCompile(`^(#+|#[¡¿]?[\p{L}/0_]{2,}[!?]?|(ERR|错误):[0-9]{3})$`)
	// likeDate is 3-2-5 or 3-2 after a spreadsheet has made a date of it, in the forms in which it shows that. No compound has a
	// building 1900.
	likeDate = regexp.MustCompile(`^((19|20)[0-9]{2}([-/.][0-9]{1,2}[-/.][0-9]{1,2}|年[0-9]{1,2}月([0-9]{1,2}日)?)|[0-9]{1,2}月[0-9]{1,2}日|` +
		`[0-9]{1,2}[-/.][0-9]{1,2}[-/.](19|20)[0-9]{2}|[0-9]{1,2}[- ]` + month + `([- ][0-9]{2,4})?|` + month + `[- ][0-9]{1,4})` +
		`([T ]+[0-9]{1,2}:[0-9:.]*Z?)?$`)
	// cutHouse is 2E10 after a spreadsheet has taken it for a number; 2E10 itself is a room.
	cutHouse = regexp.MustCompile(`^[0-9](\.[0-9]+[eE][+-]?|[eE][+-])[0-9]+$`)
	brackets = strings.NewReplacer(" ", "", "(", "", ")", "", "<", "", ">", "", "[", "", "]", "")
)

const month = `(JAN(UARY)?|FEB(RUARY)?|MAR(CH)?|APR(IL)?|MAY|JUNE?|JULY?|AUG(UST)?|SEPT?(EMBER)?|OCT(OBER)?|NOV(EMBER)?|DEC(EMBER)?)`

// placeholders are what people and programs write where there is nothing, or the same as above.
var placeholders = setOf(strings.Fields(`NULL NIL NAN NA N/A NONE UNDEFINED UNKNOWN TBD - -- --- — —— ― / // \ . … ...
空 空置 空房 空户 空关 空置房 空关房 空白 闲置 无 暂无 没有 无人 无人居住 无人住 未住 未入住 未登记 未填 未知 未定 未提供 未售 待售 待定 待补 待补充 待查 待核实
不详 不明 不清楚 不知道 不住 搬走 已搬走 已搬离 已售 出租 缺 缺失 \N 略 省略 从略 EMPTY VACANT OMITTED
上同 如上 如前 见上 见前 同上所述 ASABOVE SAMEASABOVE SEEABOVE SAME
无业主 无住户 无姓名 同 同上栏 真 假 错误 N.A N.A. DO. VALUE! REF! NAME? DIV/0! NUM!
以下空白 以下无 此处空白 无数据 是 否 待取名 XXX XX INF -INF +INF INFINITY 同上室 同上址
同上 同左 同前 同上一行 同上行 〃 ″ " '' 々 DITTO 合计 小计 总计 共计 总数 TOTAL SUM`))

// Words in the place of a name: for whoever it is, and for what a flat is like (noHome, which are no building, unit or room either),
// or for what the room is (noName, and a room may be called so). The column of the class may hold them.
var (
	noHome = setOf(strings.Fields(`业主 业主本人 租户 租客 承租人 住户 居民 房东 户主 房主 屋主 本人 家属 出售 待出售 出售中 待租 出租中
装修 装修中 在装修 未装修 毛坯 毛坯房 未交房 未交付 未收房 未领房
OWNER TENANT LANDLORD HOUSEHOLDER RESIDENT OCCUPANT FORSALE FORRENT UNSOLD RENTED RENOVATION UNDERRENOVATION`))
	noName = setOf(strings.Fields(`商铺 店铺 门面 门店 车库 车位 仓库 储藏室 杂物间 办公室 无名氏 无名 某人 某某 某某某
SHOP GARAGE ANONYMOUS NONAME NOBODY`))
)

func setOf(words []string) map[string]bool {
	set := map[string]bool{}
	for _, w := range words {
		set[w] = true
	}
	return set
}

// Odd returns the fault of a cell that says nothing which could be meant in its column, or "".
func Odd(column, content string) (reason string) {
	if content == "" {
		return ""
	}
	s := brackets.Replace(Folded(content))
	house := column == "building" || column == "unit" || column == "room"
	name := column == "name"
	digits := strings.ContainsAny(s, "0123456789") // the patterns below are slow, and most cells are plain names and numbers
	plain := strings.Trim(s, "0123456789") == ""
	switch {
	case len(content) > maxCell:
		return "cell-too-long"
	case !utf8.ValidString(content) || strings.ContainsFunc(content, unseen):
		return "bad-character"
	case plain && s != "":
		return ""
	case strings.ContainsAny(s, "#:") && (errorText.MatchString(s) || name && s[0] == '#'):
		return "error-cell"
	case s == "TRUE" || s == "FALSE":
		return "boolean-cell"
	case isHeading(column, s), // headings that stand among the rows, as under each other's lists
		nothing(s, content) && !(column == "document_type" && (s == "无" || s == "NONE")),
		(name || house) && noHome[s], name && noName[s]:
		return "placeholder"
	case Formula(content) && (column != "phone" || content[0] != '+'): // a telephone number may begin with +
		return "formula"
	case house && digits && cutHouse.MatchString(content), !house && digits && SpoiltNumber.MatchString(content):
		return "number-spoilt"
	case digits && (house || name || column == "id") && likeDate.MatchString(Folded(content)):
		return "looks-like-date"
	}
	return ""
}

// nothing tells whether a folded cell holds a placeholder, also with what is set before or behind it, or a remark, or only such words.
func nothing(s, content string) bool {
	if placeholders[s] || placeholders[strings.Trim(s, "。.…!?,、;:\"″〃′'")] || content == "NaT" { // of pandas; Nat is a name
		return true
	}
	if !strings.ContainsAny(content, " (（[【") {
		return false
	}
	words := strings.FieldsFunc(Folded(content), func(r rune) bool { return strings.ContainsRune(" ([【", r) })
	if len(words) < 2 {
		return false
	}
	if first := words[0]; placeholders[first] && !strings.Contains(content, " ") && first[0] >= utf8.RuneSelf {
		return true
	}
	return !slices.ContainsFunc(words, func(w string) bool { // not Na Na, which is a name
		marked := strings.ContainsFunc(w, func(r rune) bool { return !unicode.IsLetter(r) })
		return w != "NULL" && !errorText.MatchString(w) && !(marked && placeholders[w])
	})
}

// unseen finds characters that do not belong in a cell: control characters, and those that turn or hide text.
func unseen(r rune) bool {
	return unicode.IsControl(r) && !unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
}

// Formula tells whether a spreadsheet would take the text for a formula.
func Formula(s string) bool {
	return s != "" && strings.ContainsRune("=+-@", rune(norm.NFKC.String(s)[0]))
}

// isHeading tells whether a folded cell is the heading of its own column.
func isHeading(heading, s string) bool { return column[strings.ToLower(s)] == heading }
