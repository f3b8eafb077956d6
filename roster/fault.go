package roster

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that callers decide by.
var (
	ErrNotFound = errors.New("not in the roster")
	ErrReadOnly = errors.New("roster is open for reading only")
)

// Fault is one thing wrong with a roster file. It repeats nothing personal: it says where to look.
type Fault struct {
	Row    int    `json:"row"`             // as a spreadsheet counts them, from 1
	Column string `json:"column"`          // English heading such as id_number, or "column C" where the heading itself is at fault
	Reason string `json:"reason"`          // stable word, a key of faultTexts
	Other  int    `json:"other,omitempty"` // the other row of a pair
}

// Text says what is wrong and what to do about it, in Chinese for "zh" and "zh-…", else in English.
func (f Fault) Text(language string) (what, do string) {
	t, ok := faultTexts[f.Reason]
	if !ok {
		t = [4]string{f.Reason, "correct the cell", f.Reason, "请更正该单元格"}
	}
	what, do = t[0], t[1]
	if strings.HasPrefix(language, "zh") {
		what, do = t[2], t[3]
	}
	other := fmt.Sprint(f.Other)
	return strings.ReplaceAll(what, "{other}", other), strings.ReplaceAll(do, "{other}", other)
}

// Line is the fault as one line for the clerk.
func (f Fault) Line(language string) string {
	what, do := f.Text(language)
	if strings.HasPrefix(language, "zh") {
		return fmt.Sprintf("第 %d 行 %s：%s，%s", f.Row, chineseHeading(f.Column), what, do)
	}
	return fmt.Sprintf("row %d, %s: %s: %s", f.Row, f.Column, what, do)
}

const (
	faultsKept    = 10_000 // in memory; all are counted
	faultsPrinted = 50
)

// FaultyRows is every fault of a file, in the order of its rows. Nothing was imported.
type FaultyRows struct {
	Faults []Fault `json:"faults"` // the first 10,000
	Total  int     `json:"total"`
}

func (e *FaultyRows) add(f Fault) {
	if e.Total++; len(e.Faults) < faultsKept {
		e.Faults = append(e.Faults, f)
	}
}

// Error lists the first 50 faults, one a line.
func (e *FaultyRows) Error() string { return e.Text("en") }

// Text lists the first 50 faults in the language, one a line.
func (e *FaultyRows) Text(language string) string {
	var b strings.Builder
	head, more := "%d faults in the roster file, nothing was imported", "\n… and %d more"
	if strings.HasPrefix(language, "zh") {
		head, more = "名册文件有 %d 处错误，未导入任何内容", "\n……另有 %d 处"
	}
	fmt.Fprintf(&b, head, e.Total)
	printed := min(len(e.Faults), faultsPrinted)
	for _, f := range e.Faults[:printed] {
		b.WriteString("\n" + f.Line(language))
	}
	if e.Total > printed {
		fmt.Fprintf(&b, more, e.Total-printed)
	}
	return b.String()
}

// MassRemoval refuses an import that would take away more than a slip of the mouse should.
type MassRemoval struct {
	Residents int      `json:"residents"` // residents that would go
	Of        int      `json:"of"`        // residents there are now
	Units     []string `json:"units"`     // building-unit of those that would lose all their residents or vanish
	Vehicles  int      `json:"vehicles"`  // vehicles with a service, if every one of them would go
	Need      int      `json:"need"`      // what AllowRemove must be
	Given     int      `json:"given"`
}

func (e *MassRemoval) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "import would remove %d of %d residents", e.Residents, e.Of)
	if n := len(e.Units); n > 0 {
		fmt.Fprintf(&b, ", everyone in unit %s", strings.Join(e.Units[:min(n, 10)], ", "))
		if n > 10 {
			fmt.Fprintf(&b, " and %d more", n-10)
		}
	}
	if e.Vehicles > 0 {
		fmt.Fprintf(&b, ", all %d vehicles with a service", e.Vehicles)
	}
	fmt.Fprintf(&b, ": nothing was imported; if that is meant, say --allow-remove %d", e.Need)
	if e.Given != 0 {
		fmt.Fprintf(&b, " (not %d)", e.Given)
	}
	return b.String()
}

// faultTexts: what is wrong and what to do, in English and in Chinese.
var faultTexts = map[string][4]string{
	"unknown-heading":   {"heading is not known", "rename it to one of " + strings.Join(headings, ", ") + ", or delete the column", "表头无法识别", "请改为" + chineseHeadings() + "之一，或删除该列"},
	"duplicate-heading": {"heading appears twice", "keep one of the two columns", "表头重复", "请只保留其中一列"},
	"missing-heading":   {"column is missing", "add it: a roster needs room, and name or plate", "缺少该列", "请补上：名册须有房号，以及姓名或车牌"},

	"formula":       {"cell is a formula or looks like one", "replace it by its plain text; none may begin with = + - or @", "单元格是公式或以公式符号开头", "请改为纯文本，不得以 = + - @ 开头"},
	"number-spoilt": {"the spreadsheet has cut a long number short", "format the column as text and type the number again", "长数字已被表格软件截断", "请将该列设为文本格式后重新填写"},
	"cell-too-long": {"cell is longer than any true value", "shorten it", "单元格内容过长", "请缩短"},
	"extra-cell":    {"cell stands under no heading", "give the column a heading or empty the cell", "单元格没有对应表头", "请为该列加表头或清空该单元格"},
	"bad-character": {"cell holds characters that cannot be seen or printed", "type it again", "单元格含有不可见字符", "请重新填写"},

	"nothing-named":       {"row names neither a person nor a vehicle", "fill in name or plate; a row of building, unit and room only stands for an empty flat", "该行既无姓名也无车牌", "请填写姓名或车牌；空置房只填楼栋、单元、房号"},
	"name-and-plate":      {"row names a person and a vehicle", "give the vehicle a row of its own", "同一行既有姓名又有车牌", "请将车辆另列一行"},
	"not-for-vehicles":    {"cell does not belong to a vehicle", "empty it", "车辆行不应填写此列", "请清空"},
	"not-for-people":      {"only a vehicle has a service", "empty it", "只有车辆才有用途", "请清空"},
	"household-missing":   {"a resident needs a household", "fill in building, unit and room", "居民须有住址", "请填写楼栋、单元、房号"},
	"household-partial":   {"household is not complete", "fill in building, unit and room in each row (undo merged cells); write unit 1 where there is only one", "住址不完整", "请逐行填全楼栋、单元、房号（取消合并单元格）；只有一个单元时填 1"},
	"bad-household":       {"cannot be read as a part of building, unit and room", "write one number or name of at most 8 characters, such as 3 or 501", "无法识别为楼栋、单元或房号", "请填一个编号或名称，最多 8 个字符，如 3 或 501"},
	"unknown-household":   {"no resident and no empty flat of this file has this household", "correct it, or add a row with only building, unit and room", "本文件中没有该住址的居民或空置房", "请更正，或增加只有楼栋、单元、房号的一行"},
	"bad-name":            {"cannot be a name", "write at most 64 characters, at least one of them a letter", "不是有效姓名", "请填写至多 64 个字符，至少含一个文字"},
	"bad-class":           {"class is not known", "write 居民 resident, 工作人员 staff, 志愿者 volunteer or 快递员 courier", "类别无法识别", "请填写居民、工作人员、志愿者或快递员"},
	"bad-service":         {"service is not known", "write 防疫 epidemic-control, 救护 ambulance, 消防 fire, 警用 police, 抢修 emergency-repair, or leave it empty", "用途无法识别", "请填写防疫、救护、消防、警用、抢修，或留空"},
	"bad-plate":           {"cannot be a licence plate", "write it as on the vehicle, such as 京A12345", "不是有效车牌", "请按车牌原样填写，如 京A12345"},
	"bad-phone":           {"cannot be a telephone number", "write one number of 3 to 20 digits", "不是有效电话号码", "请填写一个 3 至 20 位号码"},
	"bad-document-type":   {"document type is not known", "write 身份证 resident-id, 护照 passport, 回乡证 hk-macau-permit, 台胞证 taiwan-permit, 居住证 residence-permit, 永居证 permanent-resident, 通行证 travel-permit, 其他 other or 无 none", "证件类型无法识别", "请填写身份证、护照、回乡证、台胞证、港澳台居民居住证、永居证、通行证、其他或无"},
	"document-type-empty": {"number is no resident ID number and its type is not said", "add the column document_type and say what it is, such as passport", "不是身份证号码，且未注明证件类型", "请增加“证件类型”列并注明，如护照"},
	"document-missing":    {"document type without a number", "fill in the number, or write none as its type", "有证件类型而无号码", "请填写号码，或将证件类型填为“无”"},
	"document-for-none":   {"number of a document although its type is none", "empty it or say the type", "证件类型为“无”却有号码", "请清空号码或填写证件类型"},
	"bad-document":        {"cannot be a document number", "write 5 to 20 letters and digits as printed on the document", "不是有效证件号码", "请按证件填写 5 至 20 位字母和数字"},
	"bad-id-number":       {"cannot be a resident ID number", "compare its 18 characters with the document", "不是有效身份证号码", "请与证件核对全部 18 位"},
	"bad-check-digit":     {"check digit of the ID number does not fit", "compare every digit with the document", "身份证号码校验位不符", "请与证件逐位核对"},
	"bad-date":            {"no such date", "write it as 1985-10-05; in an ID number compare digits 7 to 14 with the document", "日期不存在", "请按 1985-10-05 填写；身份证号码请核对第 7 至 14 位"},
	"birth-date-differs":  {"birth date is not that of the ID number", "correct one of the two", "出生日期与身份证号码不符", "请更正其一"},
	"duplicate-document":  {"row {other} has the same document number", "delete one of the two rows or correct the number", "证件号码与第 {other} 行相同", "请删除其中一行或更正号码"},
	"duplicate-plate":     {"row {other} has the same plate", "delete one of the two rows or correct the plate", "车牌与第 {other} 行相同", "请删除其中一行或更正车牌"},
	"duplicate-id":        {"row {other} has the same roster ID", "empty one of the two: a new person or vehicle gets an ID by itself", "编号与第 {other} 行相同", "请清空其一，新人新车会自动编号"},
	"duplicate-person":    {"cannot be told apart from row {other}: same household and name", "delete one of the two rows, or give both their documents or birth dates", "与第 {other} 行住址、姓名相同，无法区分", "请删除其中一行，或为两人填写证件或出生日期"},
	"ambiguous-person":    {"more than one person of the roster could be meant", "add the document number, the birth date or the roster ID", "名册中有多人与此相符", "请补充证件号码、出生日期或编号"},
	"bad-id":              {"not a roster ID of this kind", "write it as in the export (r-000123 for people, v-0012 for vehicles) or leave it empty", "不是该类编号", "请按导出文件填写（人员 r-000123，车辆 v-0012）或留空"},
	"id-mismatch":         {"roster ID belongs to someone else, or this person or vehicle has another", "write the ID of the export or leave it empty", "编号属于他人，或此人此车另有编号", "请按导出文件填写或留空"},
	"id-retired":          {"roster ID belonged to someone who has left", "leave it empty: a new one is given", "编号属于已离开者，不再使用", "请留空，将自动分配新编号"},
}
