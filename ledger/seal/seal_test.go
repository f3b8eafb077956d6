package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
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

func fieldsOf(fields ...Field) (rows []Row) {
	for i, f := range fields {
		r := Row{Field: f}
		for k := range r.Salt {
			r.Salt[k] = byte(16*i + k)
		}
		r.Hash = FieldHash(r.Salt, f)
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

func (v *vector) Sealer(t *testing.T) (*Sealer, Slot) {
	t.Helper()
	m, err := ParseMaster(v.Master)
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(v.Slot)
	if err != nil {
		t.Fatal(err)
	}
	return &Sealer{m, v.Origin, v.Epoch}, Slot(key)
}

// openWith opens what was sealed under a slot.
func (s *Sealer) openWith(seq int64, own Slot, committed string, sealed []byte) ([]Row, error) {
	key, err := s.Key(seq, own)
	if err != nil {
		return nil, err
	}
	return s.Open(seq, key, committed, sealed)
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
			s, key := v.Sealer(t)
			sealed, _ := hex.DecodeString(v.Sealed)
			rows, err := s.openWith(v.Seq, key, v.Commitment, sealed)
			if err != nil {
				t.Fatal(err)
			}
			var got []Field
			erased := ""
			for _, r := range rows {
				if r.Erased {
					erased = r.Name
				} else {
					got = append(got, r.Field)
				}
			}
			if d := cmp.Diff(v.Fields, got); d != "" || erased != v.Erased {
				t.Errorf("fields (-want +got, erased %q, want %q):\n%s", erased, v.Erased, d)
			}
			if plain := hex.EncodeToString(Encode(rows)); plain != v.Plain {
				t.Errorf("plain: got %s, want %s", plain, v.Plain)
			}
		})
	}
}

func writeVectors(t *testing.T, path string) {
	rows := fieldsOf(Field{"household", "3-2-1203"}, Field{"name", "王小明"}, Field{"subject", "R-00042"})
	less, _ := Without(rows, "name")
	var all []vector
	for i, x := range []struct {
		what string
		rows []Row
	}{{"three fields", rows}, {"one of them erased", less}, {"a field with an empty value", fieldsOf(Field{"note", ""})}} {
		v := vector{What: x.what, Master: strings.Repeat("0123456789abcdef", 4), Slot: strings.Repeat("fe", 32), Origin: "south-gate", Epoch: 1 + i, Seq: 4711,
			Commitment: Commitment(x.rows), Plain: hex.EncodeToString(Encode(x.rows))}
		for _, r := range x.rows {
			if r.Erased {
				v.Erased = r.Name
			} else {
				v.Fields = append(v.Fields, r.Field)
			}
		}
		s, key := v.Sealer(t)
		sealed, err := s.Seal(v.Seq, key, v.Commitment, Encode(x.rows))
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
	m, other := &Master{1}, &Master{2}
	rows := fieldsOf(Field{"name", "王小明"}, Field{"subject", "R-00042"})
	sum := Commitment(rows)
	own := Sealer{m, "south-gate", 1}
	sealed, err := own.Seal(7, Slot{9}, sum, Encode(rows))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := own.openWith(7, Slot{9}, sum, sealed); err != nil || len(got) != 2 || got[0].Value != "王小明" {
		t.Fatalf("got %v, %v", got, err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)/2] ^= 1
	less, _ := Without(rows, "name")
	for what, try := range map[string]func() ([]Row, error){
		"another master": func() ([]Row, error) {
			return (&Sealer{other, "south-gate", 1}).openWith(7, Slot{9}, sum, sealed)
		},
		"another origin":     func() ([]Row, error) { return (&Sealer{m, "north-gate", 1}).openWith(7, Slot{9}, sum, sealed) },
		"another epoch":      func() ([]Row, error) { return (&Sealer{m, "south-gate", 2}).openWith(7, Slot{9}, sum, sealed) },
		"another entry":      func() ([]Row, error) { return own.openWith(8, Slot{9}, sum, sealed) },
		"another slot":       func() ([]Row, error) { return own.openWith(7, Slot{8}, sum, sealed) },
		"another commitment": func() ([]Row, error) { return own.openWith(7, Slot{9}, strings.Repeat("00", 32), sealed) },
		"a bit flipped":      func() ([]Row, error) { return own.openWith(7, Slot{9}, sum, flipped) },
		"cut short":          func() ([]Row, error) { return own.openWith(7, Slot{9}, sum, sealed[:20]) },
		"nothing":            func() ([]Row, error) { return own.openWith(7, Slot{9}, sum, nil) },
	} {
		if got, err := try(); !errors.Is(err, errSealed) || got != nil {
			t.Errorf("%s: got %v, %v", what, got, err)
		}
	}
	if _, err := own.openWith(7, Slot{}, sum, sealed); err == nil || !strings.Contains(err.Error(), "all zeros") {
		t.Errorf("an erased slot: %v", err)
	}
	if _, err := own.Seal(7, Slot{}, sum, Encode(rows)); err == nil {
		t.Error("sealed under a slot of zeros")
	}
	if _, err := own.Seal(7, Slot{9}, "none", Encode(rows)); err == nil {
		t.Error("sealed without a commitment")
	}
	if Commitment(less) != sum {
		t.Error("the commitment does not hold without a field that was erased")
	}
	// Who has the keys can seal other fields; the record still knows better.
	wrong, _ := own.Seal(7, Slot{9}, sum, Encode(rows[:1]))
	if _, err := own.openWith(7, Slot{9}, sum, wrong); err == nil || !strings.Contains(err.Error(), "committed") {
		t.Errorf("other fields than those committed to: %v", err)
	}
}

func TestAFieldErasedAloneLeavesItsHash(t *testing.T) {
	t.Parallel()
	rows := fieldsOf(Field{"name", "王小明"}, Field{"subject", "R-00042"})
	left, found := Without(rows, "name")
	if !found || rows[0].Erased {
		t.Fatalf("found %v, and the original became %v", found, rows[0])
	}
	b := Encode(left)
	if bytes.Contains(b, []byte("王小明")) || bytes.Contains(b, rows[0].Salt[:]) {
		t.Error("the value or its salt is still there")
	}
	got, err := decode(b)
	if err != nil || !got[0].Erased || got[0].Hash != rows[0].Hash || Commitment(got) != Commitment(rows) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, found := Without(left, "name"); found {
		t.Error("erased twice")
	}
}

func FuzzDecodeFields(f *testing.F) {
	rows := fieldsOf(Field{"household", "3-2-1203"}, Field{"name", "王小明"}, Field{"note", ""})
	less, _ := Without(rows, "name")
	f.Add(Encode(rows))
	f.Add(Encode(less))
	f.Add(Encode(append(rows[1:2:2], rows[0]))) // not in order
	f.Add([]byte{fieldErased, 1, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		rows, err := decode(b)
		if err != nil {
			if rows != nil {
				t.Fatal("fields beside an error")
			}
			return
		}
		if again := Encode(rows); !bytes.Equal(again, b) {
			t.Fatalf("a second spelling: %x of %x", b, again)
		}
	})
}

func TestMasterKeys(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	dir := t.TempDir()
	path := MasterFile(dir)
	if _, err := ReadMaster(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Fatalf("without one: %v", err)
	}
	m, err := MakeMaster(path)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if got, err := ReadMaster(path); err != nil || *got != *m {
		t.Errorf("read again: %v", err)
	}
	if _, err := MakeMaster(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("a second one: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "keys", ".*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	if got, err := ParseMaster(m.String()); err != nil || *got != *m {
		t.Errorf("as it is written down: %v, %v", got, err)
	}
	own := Whose{"south-gate", 1, m.Check("south-gate")}
	if err := m.Fits(own); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{"another gate": m.Fits(Whose{"south-gate", 1, m.Check("north-gate")}), "another key": (&Master{}).Fits(own),
		"no check": m.Fits(Whose{"south-gate", 1, ""})} {
		if err == nil {
			t.Errorf("%s: it fits", what)
		}
	}
	for _, bad := range []string{"", "0123", strings.Repeat("0g", 32), m.String() + " 00", "PRIVATE+KEY+x"} {
		if _, err := ParseMaster(bad); err == nil {
			t.Errorf("%q is taken for a key", bad)
		}
	}
	if one, two := m.Derive("one"), m.Derive("two"); bytes.Equal(one, two) || len(one) != 32 {
		t.Errorf("derived keys: %x, %x", one, two)
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

func TestFieldHashesAreHMAC(t *testing.T) {
	t.Parallel()
	for _, f := range []Field{{Name: "name", Value: "王小明"}, {Name: "note", Value: strings.Repeat("x", 1000)}, {Name: "a", Value: ""}} {
		salt := [32]byte{1, 2, 255}
		m := hmac.New(sha256.New, salt[:])
		m.Write([]byte(f.Name + "\x00" + f.Value))
		if got := FieldHash(salt, f); !hmac.Equal(got[:], m.Sum(nil)) {
			t.Errorf("%s: %x", f.Name, got)
		}
	}
}
