package roster

import (
	"fmt"
	"io"
	"strings"

	"gated/roster/sheet"
)

// Report says what an import did, or would do. It names people: it is for the clerk's terminal, not for logs.
type Report struct {
	Added, Changed, Removed                []Change
	Renumbered                             []Renumbered // they are among those added and removed
	Households, Residents, Staff, Vehicles int          // there are after it, as Counts has them
	SeveralFlats                           int          // residents who have more than one
	StaffAlone, VehiclesAlone              int          // belong to no household: perhaps the cells of their flat are empty
	NeedAllowRemove                        int          // of a dry run: the number without which the import would be refused; else 0
	Keyed                                  bool         // IDs follow from the compound key for the first time
	Unkept                                 bool         // of a dry run: they follow from another key than they will
	Version                                string       // of the roster after it; of a dry run, before it
}

// Change is one person, vehicle or household added, changed or removed.
type Change struct {
	Kind      string // person, vehicle or household
	ID        string
	Name      string  // name, plate or nothing
	Household string  // of a person all of them, a space between
	Fields    []Field // what changed
}

// Field is a column whose value changed.
type Field struct{ Column, Old, New string }

// Members counts people and vehicles; households are counted as such.
func Members(list []Change) (n int) {
	for _, ch := range list {
		if ch.Kind != "household" {
			n++
		}
	}
	return n
}

var chinese = map[string]string{"add": "新增", "change": "变更", "remove": "移除", "person": "人员", "vehicle": "车辆", "household": "住户"}

// Print says what an import did, or would do, in the language. Names go to the clerk's own terminal and nowhere else.
func (r Report) Print(w io.Writer, dry bool, language string) {
	word := func(english string) string { return sheet.Pick(language, english, chinese[english]) }
	for _, part := range []struct {
		verb string
		list []Change
	}{{"add", r.Added}, {"change", r.Changed}, {"remove", r.Removed}} {
		for _, ch := range part.list {
			if dry {
				fmt.Fprintln(w, word(part.verb), word(ch.Kind), ch.text(language))
			}
		}
	}
	for _, n := range r.Renumbered {
		fmt.Fprintf(w, sheet.Pick(language, "new ID %s %s → %s", "换号 %s %s → %s"), word(n.Kind), n.Old, n.text(language))
		if len(n.Passes) > 0 {
			fmt.Fprint(w, sheet.Pick(language, "; passes to issue anew: ", "；须重新制发的通行码："), strings.Join(n.Passes, " "))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, sheet.Pick(language, "%s: %d added, %d changed, %d removed; %d households, %d residents, %d staff, %d vehicles\n",
		"%s：新增 %d，变更 %d，移除 %d；共有住户 %d、居民 %d、工作人员 %d、车辆 %d\n"),
		sheet.Pick(language, map[bool]string{true: "dry run, nothing changed", false: "imported"}[dry],
			map[bool]string{true: "试运行，未作更改", false: "已导入"}[dry]),
		Members(r.Added), Members(r.Changed), Members(r.Removed), r.Households, r.Residents, r.Staff, r.Vehicles)
	if r.SeveralFlats > 0 {
		fmt.Fprintf(w, sheet.Pick(language, "%d residents have more than one flat\n", "其中 %d 名居民有不止一套房\n"), r.SeveralFlats)
	}
	if n := len(r.Renumbered); n > 0 {
		fmt.Fprintf(w, sheet.Pick(language, "%d have a new ID, so passes with the old one are theirs no longer; "+
			"to keep the old one, write it into the column id\n",
			"其中 %d 个编号有变，旧编号的通行码不再有效；如要保留旧编号，请填入“编号”列\n"), n)
	}
	switch {
	case r.Keyed && r.Unkept:
		fmt.Fprint(w, sheet.Pick(language, "there is no compound key yet, and a dry run makes none: the IDs above are examples, the "+
			"import will give others\n",
			"还没有小区密钥，试运行不会生成：以上由系统给出的编号仅为示例，正式导入时会不同\n"))
	case r.Keyed:
		fmt.Fprint(w, sheet.Pick(language, "IDs follow from the compound key: write it down for the office (gated key show --compound), "+
			"and put it in place at each other gate before its first list\n", "编号由小区密钥生成：请抄录存放于物业（gated key show --compound），"+
			"并在其他各门首次导入名册之前放入该密钥\n"))
	}
	if dry && r.StaffAlone+r.VehiclesAlone > 0 {
		fmt.Fprintf(w, sheet.Pick(language, "without a flat: %d staff, %d vehicles\n", "没有住址：工作人员 %d、车辆 %d\n"),
			r.StaffAlone, r.VehiclesAlone)
	}
	if r.NeedAllowRemove > 0 {
		fmt.Fprintf(w, sheet.Pick(language, "the import will need --allow-remove %d\n", "正式导入时须加 --allow-remove %d\n"), r.NeedAllowRemove)
	}
}

// text is a change without what kind it is of.
func (ch Change) text(language string) string {
	text := ch.ID
	if ch.Kind != "household" {
		for _, s := range []string{ch.Household, ch.Name} {
			if s != "" {
				text += " " + s
			}
		}
	}
	for _, f := range ch.Fields {
		column := sheet.Pick(language, f.Column, sheet.ChineseHeading(f.Column))
		if f.Column == "household" {
			column = sheet.Pick(language, f.Column, "住址")
		}
		text += fmt.Sprintf(sheet.Pick(language, "; %s: %q → %q", "；%s：%q → %q"), column, f.Old, f.New)
	}
	return text
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

func (e *MassRemoval) Error() string { return e.Text("en") }

// Text says it in the language.
func (e *MassRemoval) Text(language string) string {
	text := fmt.Sprintf(sheet.Pick(language, "import would remove %d of %d residents", "导入会移除 %d 名居民（现有 %d 名）"), e.Residents, e.Of)
	if n := len(e.Units); n > 0 {
		text += sheet.Pick(language, ", everyone in unit ", "，以下单元将无人：") +
			strings.Join(e.Units[:min(n, 10)], sheet.Pick(language, ", ", "、"))
		if n > 10 {
			text += fmt.Sprintf(sheet.Pick(language, " and %d more", " 等，另有 %d 个"), n-10)
		}
	}
	if e.Vehicles > 0 {
		text += fmt.Sprintf(sheet.Pick(language, ", all %d vehicles with a service", "，以及全部 %d 辆有用途的车辆"), e.Vehicles)
	}
	text += fmt.Sprintf(sheet.Pick(language, ": nothing was imported; if that is meant, say --allow-remove %d",
		"：未导入任何内容；如确实如此，请加 --allow-remove %d"), e.Need)
	if e.Given != 0 {
		text += fmt.Sprintf(sheet.Pick(language, " (not %d)", "（不是 %d）"), e.Given)
	}
	return text
}
