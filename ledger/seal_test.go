package ledger

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the golden vectors anew")

func fieldsOf(fields ...Field) (rows []personalRow) {
	for i, f := range fields {
		r := personalRow{Field: f}
		for k := range r.salt {
			r.salt[k] = byte(16*i + k)
		}
		r.hash = fieldHash(r.salt, f)
		rows = append(rows, r)
	}
	return rows
}

// vector is one entry's personal data as others can open it without gated.
type vector struct {
	What       string  `json:"what"`
	Master     string  `json:"master"`
	Slot       string  `json:"slot"`
	Origin     string  `json:"origin"`
	Epoch      int     `json:"epoch"`
	Seq        int64   `json:"seq"`
	Fields     []Field `json:"fields"`
	Erased     string  `json:"erased,omitempty"` // the field that was erased on its own
	Commitment string  `json:"commitment"`
	Plain      string  `json:"plain"`
	Sealed     string  `json:"sealed"`
}

func (v *vector) seals(t *testing.T) (*seals, slot) {
	t.Helper()
	m, err := parseMaster(v.Master)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(v.Slot)
	if err != nil {
		t.Fatal(err)
	}
	return &seals{m, v.Origin, v.Epoch}, slot(key)
}

// openWith opens what was sealed under a slot.
func (s *seals) openWith(seq int64, own slot, committed string, sealed []byte) ([]personalRow, error) {
	key, err := s.key(seq, own)
	if err != nil {
		return nil, err
	}
	return s.open(seq, key, committed, sealed)
}

func TestSealedFieldsOfOtherHandsOpen(t *testing.T) {
	t.Parallel()
	const path = "testdata/sealed.json"
	if *rewrite {
		writeVectors(t, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		t.Run(v.What, func(t *testing.T) {
			s, key := v.seals(t)
			sealed, _ := hex.DecodeString(v.Sealed)
			rows, err := s.openWith(v.Seq, key, v.Commitment, sealed)
			if err != nil {
				t.Fatal(err)
			}
			var got []Field
			erased := ""
			for _, r := range rows {
				if r.erased {
					erased = r.Name
				} else {
					got = append(got, r.Field)
				}
			}
			if d := cmp.Diff(v.Fields, got); d != "" || erased != v.Erased {
				t.Errorf("fields (-want +got, erased %q, want %q):\n%s", erased, v.Erased, d)
			}
			if plain := hex.EncodeToString(encodeFields(rows)); plain != v.Plain {
				t.Errorf("plain: got %s, want %s", plain, v.Plain)
			}
		})
	}
}

func writeVectors(t *testing.T, path string) {
	rows := fieldsOf(Field{"household", "3-2-1203"}, Field{"name", "王小明"}, Field{"subject", "R-00042"})
	less, _ := withoutField(rows, "name")
	var all []vector
	for i, x := range []struct {
		what string
		rows []personalRow
	}{{"three fields", rows}, {"one of them erased", less}, {"a field with an empty value", fieldsOf(Field{"note", ""})}} {
		v := vector{What: x.what, Master: strings.Repeat("0123456789abcdef", 4), Slot: strings.Repeat("fe", 32), Origin: "south-gate", Epoch: 1 + i, Seq: 4711,
			Commitment: commitment(x.rows), Plain: hex.EncodeToString(encodeFields(x.rows))}
		for _, r := range x.rows {
			if r.erased {
				v.Erased = r.Name
			} else {
				v.Fields = append(v.Fields, r.Field)
			}
		}
		s, key := v.seals(t)
		sealed, err := s.seal(v.Seq, key, v.Commitment, encodeFields(x.rows))
		if err != nil {
			t.Fatal(err)
		}
		v.Sealed = hex.EncodeToString(sealed)
		all = append(all, v)
	}
	b, _ := json.MarshalIndent(all, "", "\t")
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Whatever of its surroundings is another, what was sealed does not open.
func TestSealedFieldsOpenOnlyInTheirPlace(t *testing.T) {
	t.Parallel()
	m, other := &master{1}, &master{2}
	rows := fieldsOf(Field{"name", "王小明"}, Field{"subject", "R-00042"})
	sum := commitment(rows)
	own := seals{m, "south-gate", 1}
	sealed, err := own.seal(7, slot{9}, sum, encodeFields(rows))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := own.openWith(7, slot{9}, sum, sealed); err != nil || len(got) != 2 || got[0].Value != "王小明" {
		t.Fatalf("got %v, %v", got, err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)/2] ^= 1
	less, _ := withoutField(rows, "name")
	for what, try := range map[string]func() ([]personalRow, error){
		"another master": func() ([]personalRow, error) {
			return (&seals{other, "south-gate", 1}).openWith(7, slot{9}, sum, sealed)
		},
		"another origin":     func() ([]personalRow, error) { return (&seals{m, "north-gate", 1}).openWith(7, slot{9}, sum, sealed) },
		"another epoch":      func() ([]personalRow, error) { return (&seals{m, "south-gate", 2}).openWith(7, slot{9}, sum, sealed) },
		"another entry":      func() ([]personalRow, error) { return own.openWith(8, slot{9}, sum, sealed) },
		"another slot":       func() ([]personalRow, error) { return own.openWith(7, slot{8}, sum, sealed) },
		"another commitment": func() ([]personalRow, error) { return own.openWith(7, slot{9}, strings.Repeat("00", 32), sealed) },
		"a bit flipped":      func() ([]personalRow, error) { return own.openWith(7, slot{9}, sum, flipped) },
		"cut short":          func() ([]personalRow, error) { return own.openWith(7, slot{9}, sum, sealed[:20]) },
		"nothing":            func() ([]personalRow, error) { return own.openWith(7, slot{9}, sum, nil) },
	} {
		if got, err := try(); !errors.Is(err, errSealed) || got != nil {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	if _, err := own.openWith(7, slot{}, sum, sealed); err == nil || !strings.Contains(err.Error(), "all zeros") {
		t.Errorf("an erased slot: %v", err)
	}
	if _, err := own.seal(7, slot{}, sum, encodeFields(rows)); err == nil {
		t.Error("sealed under a slot of zeros")
	}
	if _, err := own.seal(7, slot{9}, "none", encodeFields(rows)); err == nil {
		t.Error("sealed without a commitment")
	}
	if commitment(less) != sum {
		t.Error("the commitment does not hold without a field that was erased")
	}
	// Who has the keys can seal other fields; the record still knows better.
	wrong, _ := own.seal(7, slot{9}, sum, encodeFields(rows[:1]))
	if _, err := own.openWith(7, slot{9}, sum, wrong); err == nil || !strings.Contains(err.Error(), "committed") {
		t.Errorf("other fields than those committed to: %v", err)
	}
}

func TestAFieldErasedAloneLeavesItsHash(t *testing.T) {
	t.Parallel()
	rows := fieldsOf(Field{"name", "王小明"}, Field{"subject", "R-00042"})
	left, found := withoutField(rows, "name")
	if !found || rows[0].erased {
		t.Fatalf("found %v, and the original became %v", found, rows[0])
	}
	b := encodeFields(left)
	if bytes.Contains(b, []byte("王小明")) || bytes.Contains(b, rows[0].salt[:]) {
		t.Error("the value or its salt is still there")
	}
	got, err := decodeFields(b)
	if err != nil || !got[0].erased || got[0].hash != rows[0].hash || commitment(got) != commitment(rows) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, found := withoutField(left, "name"); found {
		t.Error("erased twice")
	}
}

func FuzzDecodeFields(f *testing.F) {
	rows := fieldsOf(Field{"household", "3-2-1203"}, Field{"name", "王小明"}, Field{"note", ""})
	less, _ := withoutField(rows, "name")
	f.Add(encodeFields(rows))
	f.Add(encodeFields(less))
	f.Add(encodeFields(append(rows[1:2:2], rows[0]))) // not in order
	f.Add([]byte{fieldErased, 1, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := decodeFields(b)
		if err != nil {
			if rows != nil {
				t.Fatal("fields beside an error")
			}
			return
		}
		if again := encodeFields(rows); !bytes.Equal(again, b) {
			t.Fatalf("a second spelling: %x of %x", b, again)
		}
	})
}

func TestMasterKeys(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	dir := t.TempDir()
	path := MasterFile(dir)
	if _, err := readMaster(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Fatalf("without one: %v", err)
	}
	m, err := newMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if got, err := readMaster(path); err != nil || *got != *m {
		t.Errorf("read again: %v", err)
	}
	if _, err := newMaster(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "keys", ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if got, err := parseMaster(m.String()); err != nil || *got != *m {
		t.Errorf("as it is written down: %v, %v", got, err)
	}
	if err := m.fits("south-gate", m.check("south-gate")); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"another gate": m.fits("south-gate", m.check("north-gate")), "another key": (&master{}).fits("south-gate", m.check("south-gate")),
		"no check": m.fits("south-gate", "")} {
		if err == nil {
			t.Errorf("%s: it fits", what)
		}
	}
	for _, bad := range []string{"", "0123", strings.Repeat("0g", 32), m.String() + " 00", "PRIVATE+KEY+x"} {
		if _, err := parseMaster(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
	one, err1 := KeyFor(dir, "one")
	two, err2 := KeyFor(dir, "two")
	if err := errors.Join(err1, err2); err != nil || bytes.Equal(one, two) || len(one) != 32 {
		t.Errorf("derived keys: %x, %x, %v", one, two, err)
	}
	fresh := t.TempDir()
	if _, err := KeyFor(fresh, "one"); err != nil { // makes one
		t.Error(err)
	}
	used := t.TempDir()
	os.WriteFile(filepath.Join(used, "ledger.db"), nil, 0o600)
	if _, err := KeyFor(used, "one"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a master key beside an older ledger: %v", err)
	}
	creds := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", creds)
	if got := MasterFile(dir); got != path {
		t.Errorf("without a credential: got %s", got)
	}
	if err := os.WriteFile(filepath.Join(creds, "personal.key"), []byte(m.String()), 0o400); err != nil {
		t.Fatal(err)
	}
	if got, want := MasterFile(dir), filepath.Join(creds, "personal.key"); got != want {
		t.Errorf("with one: got %s, want %s", got, want)
	}
}
