package roster

import (
	"bytes"
	"testing"

	"gated/roster/sheet"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/simplifiedchinese"
)

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("id,building,unit,room,name,document_type,id_number,birth_date,phone,class,plate,service\n,1,1,101,甲,,110105195001010018,,x,king,,\n\n,,,,乙,,,,,,,"))
	gb, _ := simplifiedchinese.GB18030.NewEncoder().String(small)
	f.Add([]byte(gb))
	f.Add([]byte("房号\t姓名\n3栋2单元501室\t＝甲\n"))
	f.Add([]byte("room;name;plate\n\"1-\n1-1\";甲;\n1-1-1;;京A12345"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := sheet.Read(data)
		if err != nil {
			return
		}
		w := checked(list.Rows, imports)
		if w.faults.Total > 0 {
			return
		}
		w.number(of)
		w.twins()
		if w.faults.Total > 0 {
			return
		}
		s := &Snapshot{people: w.people, vehicles: w.vehicles}
		for _, h := range w.households {
			s.households = append(s.households, h)
		}
		s.index(nil)
		// Whatever was accepted is exported without a formula and comes back the same.
		var b bytes.Buffer
		if err := s.Export(&b); err != nil {
			t.Fatal(err)
		}
		again, err := sheet.Read(b.Bytes())
		if len(s.households)+len(s.people)+len(s.vehicles) == 0 {
			return
		}
		if err != nil {
			t.Fatalf("export cannot be read: %v\n%s", err, b.Bytes())
		}
		for _, r := range again.Rows {
			for _, name := range sheet.Headings {
				if sheet.Formula(*r.Cell(name)) {
					t.Fatalf("a formula was exported: %q", *r.Cell(name))
				}
			}
		}
		back := checked(again.Rows, imports)
		if back.faults.Total > 0 {
			t.Fatalf("export has faults: %v\n%s", &back.faults, b.Bytes())
		}
		got := &Snapshot{people: back.people, vehicles: back.vehicles}
		for _, h := range back.households {
			got.households = append(got.households, h)
		}
		got.index(nil)
		if got.version != s.version {
			t.Fatalf("export came back changed: %s", cmp.Diff([]any{s.people, s.vehicles, s.households}, []any{got.people, got.vehicles, got.households}))
		}
	})
}
