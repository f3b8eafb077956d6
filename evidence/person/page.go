package person

import (
	"cmp"
	_ "embed"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"gated/evidence/report"
)

//go:embed page.html
var pageHTML string

// paper escapes whatever somebody typed. It asks nobody for anything.
var paper = template.Must(template.New("page").Parse(pageHTML))

// words are what people read: Chinese, English.
var words = map[string][2]string{
	"title":  {"个人信息副本", "Copy of personal information"},
	"given":  {"提供给本人。本门岗保存的有关 %s 的全部信息。", "For the person concerned: all that this gate keeps about %s."},
	"made":   {"生成时间：", "Made: "},
	"left":   {"未列出涉及他人（被访人、家人、门岗人员等）的信息：", "Left out, as it is about others, such as hosts, family or guards: "},
	"gone":   {"其个人信息已删除或在此无法读取的记录：", "Entries whose personal data was erased, or cannot be read here: "},
	"colon":  {"：", ": "},
	"roster": {"名册", "Roster"}, "passes": {"通行码", "Passes"}, "passages": {"通行记录", "Passages"},
	"visits": {"来访登记", "Visits"}, "marks": {"标记", "Marks"}, "rest": {"其他记录", "Other entries"}, "none": {"无", "none"},
	"field": {"项目", "field"}, "value": {"内容", "value"}, "serial": {"编号", "serial"}, "issuer": {"签发", "issuer"},
	"from": {"起", "from"}, "until": {"止", "until"}, "revoked": {"注销", "revoked"},
	"time": {"时间", "time"}, "entry": {"记录", "entry"}, "what": {"内容", "what"}, "own": {"本人信息", "about you"},
	"rights": {"您可以要求更正、补充、删除您的个人信息，联系方式见门岗张贴的个人信息处理告知。",
		"You may ask to have this corrected, completed or erased: the privacy notice at the gate says whom."},
	"id": {"编号", "ID"}, "household": {"住户", "household"}, "homes": {"住户", "households"}, "name": {"姓名", "name"},
	"document_type": {"证件类型", "kind of document"}, "document": {"证件号码", "document"}, "birth_date": {"出生日期", "date of birth"},
	"phone": {"电话", "telephone"}, "class": {"类别", "class"}, "others": {"其他住房", "other flats"}, "plate": {"车牌", "plate"},
	"service": {"任务", "service"}, "subject": {"编号", "ID"}, "code": {"扫码特征值（不可还原）", "keyed hash of the code"},
	"pass": {"通行码编号", "serial of the pass"}, "health": {"健康证明", "health certificate"}, "digits": {"访客码", "digits"},
	"check": {"查码、查证", "check"}, "query": {"询问", "query"}, "register": {"登记", "register"}, "open": {"开闸", "opening"},
	"correction": {"更正", "correction"}, "visit": {"来访", "visit"}, "mark": {"标记", "mark"}, "export": {"查阅、导出", "shown"},
	"roster-kind": {"名册变动", "roster"}, "disputed": {"被访人否认", "disputed"}, "callback": {"回访", "call-back"},
	"stated_subject": {"所述编号", "stated ID"}, "stated_name": {"所述姓名", "stated name"}, "stated_plate": {"所述车牌", "stated plate"},
	"sighted_name": {"证件姓名", "name on the document"}, "sighted_document": {"所见证件号码", "number of the document"},
	"need": {"紧急情形", "urgent need"}, "to": {"前往楼栋", "building"},
}

// printer is a copy as it is printed.
type printer struct {
	*Copy
	Language string
}

func page(c *Copy, language string, w io.Writer) error { return paper.Execute(w, printer{c, language}) }

// T is a text.
func (p printer) T(name string) string {
	texts, is := words[name]
	switch {
	case !is:
		return name
	case p.Language == "zh":
		return texts[0]
	}
	return texts[1]
}

// Given says whose copy it is.
func (p printer) Given() string {
	return report.Harmless(strings.Replace(p.T("given"), "%s", cmp.Or(p.Roster["name"], p.Roster["plate"], p.ID), 1))
}

// Row is the roster's, a field each.
func (p printer) Row() (rows [][2]string) {
	for _, name := range []string{"id", "name", "class", "household", "others", "document_type", "document", "birth_date", "phone", "plate",
		"service"} {
		if value := p.Roster[name]; value != "" {
			if name == "class" {
				value = report.Word(p.Language, "class", value)
			}
			rows = append(rows, [2]string{p.T(name), report.Harmless(value)})
		}
	}
	return rows
}

// When is a time.
func (p printer) When(t time.Time) string {
	if t.UnixMicro() == 0 {
		return ""
	}
	return t.Format("2006-01-02 15:04")
}

// part is a table of entries.
type part struct {
	Name    string
	Entries []Entry
}

// Parts are the entries by what they are about.
func (p printer) Parts() []part {
	parts := []part{{Name: "passages"}, {Name: "visits"}, {Name: "marks"}, {Name: "rest"}}
	for _, e := range p.Entries {
		i := 3
		switch {
		case e.Passage != "":
			i = 0
		case e.Kind == "visit":
			i = 1
		case e.Kind == "mark":
			i = 2
		}
		parts[i].Entries = append(parts[i].Entries, e)
	}
	return parts
}

// What is what an entry says.
func (p printer) What(e Entry) string {
	kind := p.T(e.Kind)
	if e.Kind == "roster" {
		kind = p.T("roster-kind")
	}
	list := []string{kind}
	why := "reason"
	if e.Kind == "visit" {
		why = "made"
	}
	for _, w := range [][2]string{{"direction", e.Direction}, {"class", e.Class}, {"verdict", e.Verdict}, {why, e.Reason}} {
		if w[1] != "" && w[1] != "ok" {
			list = append(list, report.Word(p.Language, w[0], w[1]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
		list = append(list, name+"="+e.Detail[name])
	}
	return report.Harmless(strings.Join(list, " · "))
}

// Own is what of it is about the person.
func (p printer) Own(e Entry) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(e.Own)) {
		list = append(list, report.Harmless(p.T(strings.TrimPrefix(name, "answer_"))+p.T("colon")+e.Own[name]))
	}
	return list
}
