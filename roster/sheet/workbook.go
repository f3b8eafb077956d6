package sheet

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A workbook is read by a program of our own, in one pass and without ever holding a part of it unpacked: a library that loads a
// sheet takes a gigabyte for a million rows that are only coloured, and passes over formulas, error cells and XML that breaks off.

// What a workbook may unpack to: in all, for its texts, for what is read whole, and in one piece of XML.
const (
	maxUnzipped = 320 << 20 // a million rows with eight coloured cells each are 260
	maxTexts    = 64 << 20
	maxSmall    = 16 << 20 // list of sheets, styles
	maxToken    = 1 << 20
	maxSheets   = 256
)

var (
	errDamaged = refuse("workbook-damaged")
	errUnpacks = refuse("workbook-too-large")
)

type workbook struct {
	parts   map[string]*zip.File
	left    int64 // bytes that may still be unpacked
	strings []string
	kinds   []kind // of numbers, by the style of their cell
}

// readWorkbook reads the sheets of a workbook (ECMA-376 part 1, 18; part 2, 9.3).
func readWorkbook(data []byte, most int64) (grids []*grid, err error) {
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, refuse("workbook-damaged")
	}
	b := &workbook{parts: map[string]*zip.File{}, left: most}
	for _, f := range archive.File {
		b.parts[partName("", f.Name)] = f
	}
	main := "xl/workbook.xml"
	for _, r := range b.relations("_rels/.rels", "") {
		if strings.HasSuffix(r.Type, "/officeDocument") {
			main = r.Target
		}
	}
	if b.parts[main] == nil || !strings.HasSuffix(main, ".xml") || strings.HasPrefix(main, "word/") || strings.HasPrefix(main, "ppt/") {
		return nil, refuse(b.otherKind())
	}
	var book struct {
		WorkbookPr struct {
			Date1904 string `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets struct {
			Sheet []struct {
				Name  string `xml:"name,attr"`
				State string `xml:"state,attr"`
				ID    string `xml:"id,attr"`
			} `xml:"sheet"`
		} `xml:"sheets"`
	}
	if err := b.unmarshal(main, &book); err != nil {
		return nil, err
	}
	relations := b.relations(path.Join(path.Dir(main), "_rels", path.Base(main)+".rels"), path.Dir(main))
	for _, r := range relations {
		switch {
		case b.parts[r.Target] == nil: // whoever needs it will miss it
		case strings.HasSuffix(r.Type, "/sharedStrings"):
			err = b.readStrings(r.Target)
		case strings.HasSuffix(r.Type, "/styles"):
			err = b.readStyles(r.Target)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(book.Sheets.Sheet) > maxSheets {
		return nil, errUnpacks
	}
	rows := 0
	for _, s := range book.Sheets.Sheet {
		i := slices.IndexFunc(relations, func(r relation) bool { return r.ID == s.ID })
		if i < 0 || b.parts[relations[i].Target] == nil {
			return nil, errDamaged
		}
		if !strings.HasSuffix(relations[i].Type, "/worksheet") { // a chart
			continue
		}
		g := &grid{name: sheetName(s.Name), hidden: s.State == "hidden" || s.State == "veryHidden"}
		if d := book.WorkbookPr.Date1904; d == "1" || d == "true" {
			g.day0 = 1462
		}
		if err := b.readSheet(relations[i].Target, g); err != nil {
			var faulty *FaultyRows
			if errors.As(err, &faulty) && len(book.Sheets.Sheet) > 1 {
				named := *faulty // errDamaged is for all
				named.Faults = slices.Clone(faulty.Faults)
				named.Faults[0].Sheet, named.Faults[0].Hidden = g.name, g.hidden
				err = &named
			}
			return nil, err
		}
		if rows += len(g.lines); rows > MaxRows+maxSheets*headingRows { // before more are read
			return nil, refuse("too-many-rows")
		}
		grids = append(grids, g)
	}
	return grids, nil
}

// sheetName is a name as it can be printed.
func sheetName(s string) string {
	name := []rune(strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return -1
	}, s))
	return string(name[:min(len(name), 31)]) // no spreadsheet has longer ones
}

// partName is the one form of the name of a part: some programs write other capitals and strokes.
func partName(dir, name string) string {
	name = strings.ToLower(strings.ReplaceAll(name, `\`, "/"))
	if !strings.HasPrefix(name, "/") {
		name = path.Join(dir, name)
	}
	return strings.TrimPrefix(path.Clean(name), "/")
}

// otherKind tells which other file in a ZIP archive this is.
func (b *workbook) otherKind() string {
	if p, err := b.open("mimetype"); err == nil {
		begin, _ := io.ReadAll(io.LimitReader(p, 100))
		p.Close()
		if bytes.Contains(begin, []byte("opendocument")) {
			return "file-ods"
		}
	}
	for _, k := range []struct{ begin, reason string }{
		{"xl/workbook.bin", "file-xlsb"}, {"word/", "file-word"}, {"index/document.iwa", "file-numbers"}, {"xl/", "workbook-damaged"},
	} {
		for name := range b.parts {
			if strings.HasPrefix(name, k.begin) {
				return k.reason
			}
		}
	}
	return "file-archive"
}

// part is one file of the workbook while it is unpacked.
type part struct {
	io.ReadCloser
	left  *int64
	token int // bytes since the last token
	most  int // that it may be
	xml   *xml.Decoder
}

func (b *workbook) open(name string) (*part, error) {
	f := b.parts[name]
	if f == nil {
		return nil, errDamaged
	}
	r, err := f.Open()
	if err != nil {
		return nil, errDamaged
	}
	p := &part{ReadCloser: r, left: &b.left, most: maxToken}
	p.xml = xml.NewDecoder(p)
	return p, nil
}

func (p *part) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	*p.left -= int64(n)
	if p.token += n; p.token > p.most || *p.left < 0 {
		return 0, errUnpacks
	}
	return n, err
}

// next returns the next token, which is good until the one after it. At the end of a part it is nil.
func (p *part) next() (xml.Token, error) {
	p.token = 0
	token, err := p.xml.RawToken()
	if err == io.EOF {
		return nil, nil
	}
	return token, damaged(err)
}

// unmarshal reads a small part whole.
func (b *workbook) unmarshal(name string, into any) error {
	p, err := b.open(name)
	if err != nil {
		return err
	}
	defer p.Close()
	p.most = maxSmall
	return damaged(p.xml.Decode(into))
}

// damaged is what a workbook is that cannot be unpacked or read, unless it is too large.
func damaged(err error) error {
	if err == nil || errors.Is(err, errUnpacks) {
		return err
	}
	return errDamaged
}

type relation struct {
	ID     string `xml:"Id,attr"`
	Type   string `xml:"Type,attr"`
	Target string `xml:"Target,attr"` // the part's name
}

// relations are the parts that a part names; none where it cannot be read.
func (b *workbook) relations(name, dir string) []relation {
	var all struct{ Relationship []relation }
	if b.unmarshal(name, &all) != nil {
		return nil
	}
	for i, r := range all.Relationship {
		all.Relationship[i].Target = partName(dir, r.Target)
	}
	return all.Relationship
}

var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

// unescaped is a text without the escapes of characters that XML cannot hold (ECMA-376 part 1, 22.9.2.19).
func unescaped(s string) string {
	if !strings.Contains(s, "_x") {
		return s
	}
	return escaped.ReplaceAllStringFunc(s, func(e string) string {
		n, _ := strconv.ParseUint(e[2:6], 16, 16) // its form is known
		return string(rune(n))
	})
}

// richText puts together the text of <si> or <is>, without the pronunciation that Asian spreadsheets keep beside it.
type richText struct {
	text        []byte
	inText      bool
	pronounced  bool
	capturesAll bool // also what stands in <v>
}

func (t *richText) start(name string) {
	t.pronounced = t.pronounced || name == "rPh"
	t.inText = !t.pronounced && (name == "t" || t.capturesAll && name == "v")
}

func (t *richText) end(name string) {
	t.inText = false
	t.pronounced = t.pronounced && name != "rPh"
}

func (t *richText) data(d []byte) {
	if t.inText && len(t.text) <= maxCell { // what is longer is a fault, and need not be kept to see it
		t.text = append(t.text, d[:min(len(d), maxCell+1)]...)
	}
}

func (b *workbook) readStrings(name string) error {
	p, err := b.open(name)
	if err != nil {
		return err
	}
	defer p.Close()
	var t richText
	for size := b.left - maxTexts; ; {
		token, err := p.next()
		if err == nil && (b.left < size || len(b.strings) > MaxRows*len(Headings)) {
			err = errUnpacks
		}
		if err != nil || token == nil {
			return err
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local == "si" {
				t = richText{text: t.text[:0]}
			}
			t.start(e.Name.Local)
		case xml.EndElement:
			if t.end(e.Name.Local); e.Name.Local == "si" {
				b.strings = append(b.strings, unescaped(string(t.text)))
			}
		case xml.CharData:
			t.data(e)
		}
	}
}

// notShown is what of a number format is not a pattern: quoted and escaped characters, colours and conditions, fill.
var notShown = regexp.MustCompile(`"[^"]*"|\\.|\[[^\]]*\]|_.|\*.`)

// readStyles finds which styles show a number as a date or with an exponent (ECMA-376 part 1, 18.8.30).
func (b *workbook) readStyles(name string) error {
	var styles struct {
		NumFmts struct {
			NumFmt []struct {
				ID   int    `xml:"numFmtId,attr"`
				Code string `xml:"formatCode,attr"`
			} `xml:"numFmt"`
		} `xml:"numFmts"`
		CellXfs struct {
			Xf []struct {
				ID int `xml:"numFmtId,attr"`
			} `xml:"xf"`
		} `xml:"cellXfs"`
	}
	if err := b.unmarshal(name, &styles); err != nil {
		return err
	}
	formats := map[int]kind{11: scientific, 48: scientific}
	for _, dates := range [][2]int{{14, 17}, {22, 22}, {27, 31}, {34, 36}, {50, 58}} {
		for id := dates[0]; id <= dates[1]; id++ {
			formats[id] = date
		}
	}
	for _, f := range styles.NumFmts.NumFmt {
		switch code := strings.ToLower(notShown.ReplaceAllString(f.Code, "")); {
		case strings.ContainsAny(code, "yd年月日") || strings.Contains(code, "mmm"):
			formats[f.ID] = date
		case strings.Contains(code, "e+") || strings.Contains(code, "e-"):
			formats[f.ID] = scientific
		}
	}
	for _, xf := range styles.CellXfs.Xf {
		k, ok := formats[xf.ID]
		if !ok {
			k = number
		}
		b.kinds = append(b.kinds, k)
	}
	return nil
}
