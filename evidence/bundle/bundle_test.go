package bundle

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"gated/register/registertest"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/evidence"
	"gated/ledger"
	"gated/ledger/tlog"
	"gated/register"
)

// bundleLedger has three days: the 21st, the 22nd with a hold that is decided the next day, the 23rd which is not over.
func bundleLedger(t testing.TB) (dir string, key string) {
	t.Helper()
	ck := &registertest.Clock{}
	dir = t.TempDir()
	ck.Set("2026-11-21 08:00:00")
	l := registertest.Open(t, dir, ck)
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start})
	for i := range 3 {
		id := fmt.Sprint("a", i)
		registertest.MustAppend(t, l, append(registertest.Passage(ck, id, "in", "admit"), registertest.Decided(ck, id, "in", "admit", "resident"))...)
	}
	ck.Set("2026-11-22 00:20:00")
	registertest.MustAppend(t, l, append(registertest.Passage(ck, "b", "in", "admit"), registertest.Decided(ck, "b", "in", "admit", "resident"))...)
	registertest.MustAppend(t, l, registertest.Passage(ck, "c", "in", "hold")...)
	ck.Set("2026-11-22 00:50:00")
	registertest.MustAppend(t, l, append(registertest.Passage(ck, "d", "out", "refuse"), registertest.Decided(ck, "d", "out", "refuse", "<&>"))...)
	ck.Set("2026-11-23 00:30:00")
	registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: register.Alive})
	registertest.MustAppend(t, l, registertest.Decided(ck, "c", "in", "admit", "known-by-sight"))
	registertest.MustAppend(t, l, append(registertest.Passage(ck, "e", "in", "admit"), registertest.Decided(ck, "e", "in", "admit", "resident"))...)
	l.Close()
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, keys[0]
}

func bundleOf(t testing.TB, dir, day string, personal bool) []byte {
	t.Helper()
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if err := Write(&b, r, day, personal); err != nil {
		t.Fatalf("bundle of %s: %v", day, err)
	}
	return b.Bytes()
}

// checkBundle returns the report and the error of a check of these bytes.
func checkBundle(t testing.TB, b []byte, keys ...string) (string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "day.zip")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var report strings.Builder
	err := Verify(path, keys, &report)
	return report.String(), err
}

// membersOf reads a bundle with the zip reader of others.
func membersOf(t testing.TB, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		m[f.Name] = string(data)
	}
	return m
}

// packed makes a bundle of members, with a manifest and, where leaves is set, with leaves.txt that fit: what one would do
// who has gated's code and wants to deceive.
func packed(t testing.TB, m map[string]string, leaves bool) []byte {
	t.Helper()
	if leaves {
		var b strings.Builder
		for _, name := range recordMembers {
			for line := range strings.Lines(m[name]) {
				line = strings.TrimSuffix(line, "\n")
				var r ledger.Record
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				h := tlog.LeafHash([]byte(line))
				fmt.Fprintf(&b, "%d %x\n", r.Seq, h[:])
			}
		}
		m["leaves.txt"] = b.String()
	}
	var manifest strings.Builder
	measured := map[string]*measure{}
	for _, x := range members {
		data, ok := m[x.name]
		if !ok || x.name == "manifest.sha256" {
			continue
		}
		z := newMeasure()
		io.WriteString(z, data)
		measured[x.name] = z
		fmt.Fprintf(&manifest, "%x  %s\n", z.sha.Sum(nil), x.name)
	}
	m["manifest.sha256"] = manifest.String()
	measured["manifest.sha256"] = newMeasure()
	io.WriteString(measured["manifest.sha256"], manifest.String())
	var b bytes.Buffer
	if err := pack(&b, measured, func(name string, w io.Writer) error { _, err := io.WriteString(w, m[name]); return err }); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestABundleProvesItsDay(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	for _, tt := range []struct {
		day  string
		want []string
		not  []string
	}{
		{"2026-11-21", []string{"10 records of 2026-11-21, entries 1 to 10, stand at these positions in the ledger of 23 entries whose head east-gate signed",
			"nothing up to entry 10 was changed since east-gate signed the head of 10 entries (day.txt)", "not watching: 2026-11-21T00:00:00+08:00 to 2026-11-21T08:00:00+08:00 (not-installed)",
			"passages: 3 admitted, 0 refused, 0 on hold, 0 that nobody decided"}, []string{"previous.txt"}},
		{"2026-11-22", []string{"8 records of 2026-11-22, entries 11 to 18", "(previous.txt)", "(day.txt)", "1 later entries", "passages: 2 admitted, 1 refused, 0 on hold, 0 that nobody decided", "(silent)"}, nil},
		{"2026-11-23", []string{"5 records of 2026-11-23, entries 19 to 23", "since east-gate signed the head of 18 entries (previous.txt)"}, []string{"day.txt"}},
		{"2026-11-24", []string{"no entry is of 2026-11-24: entry 23 is the last before it", "(not-yet)"}, []string{"day.txt"}},
		{"2026-11-20", []string{"no entry is of 2026-11-20: entry 0 is the last before it, entry 1 the first after it"}, nil},
	} {
		for _, personal := range []bool{false, true} {
			b := bundleOf(t, dir, tt.day, personal)
			if again := bundleOf(t, dir, tt.day, personal); !bytes.Equal(b, again) {
				t.Errorf("%s: two bundles of the same head differ", tt.day)
			}
			report, err := checkBundle(t, b, key)
			if err != nil {
				t.Errorf("%s: %v", tt.day, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(report, want) {
					t.Errorf("%s: the report does not say %q:\n%s", tt.day, want, report)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(report, not) {
					t.Errorf("%s: the report says %q:\n%s", tt.day, not, report)
				}
			}
			m := membersOf(t, b)
			if got := strings.Contains(m["personal.jsonl"], "王小明"); got != (personal && !strings.Contains(report, "no entry")) {
				t.Errorf("%s: personal fields %v: %q", tt.day, personal, m["personal.jsonl"])
			}
			delete(m, "personal.jsonl")
			for name, data := range m {
				if strings.Contains(data, "王小明") {
					t.Errorf("%s: %s names a person", tt.day, name)
				}
			}
			folder := t.TempDir()
			for name, data := range membersOf(t, b) {
				os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600)
			}
			if err := Verify(folder, []string{key}, io.Discard); err != nil {
				t.Errorf("%s unpacked: %v", tt.day, err)
			}
			os.WriteFile(filepath.Join(folder, "more.txt"), nil, 0o600)
			if err := Verify(folder, []string{key}, io.Discard); err == nil || !strings.Contains(err.Error(), "more.txt") {
				t.Errorf("a file more: %v", err)
			}
			os.Remove(filepath.Join(folder, "more.txt"))
			os.Remove(filepath.Join(folder, "leaves.txt"))
			os.Symlink("records.jsonl", filepath.Join(folder, "leaves.txt"))
			if err := Verify(folder, []string{key}, io.Discard); err == nil || !strings.Contains(err.Error(), `"leaves.txt" does not belong`) {
				t.Errorf("a link for a file: %v", err)
			}
		}
	}
}

// TestTheSummaryIsThatOfTheOtherExports: the counts of a bundle, and its times without watching, come from the records
// given; they are the same as those that stats and the spreadsheets have.
func TestTheSummaryIsThatOfTheOtherExports(t *testing.T) {
	t.Parallel()
	dirs := ledgersByCommand(t)
	dirs["passages"], _ = bundleLedger(t)
	for name, dir := range dirs {
		r, err := evidence.OpenReader(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for _, day := range []string{"2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"} {
			var s summary
			if err := json.Unmarshal([]byte(membersOf(t, bundleOf(t, dir, day, false))["summary.json"]), &s); err != nil {
				t.Fatal(err)
			}
			until, err := time.Parse(time.RFC3339Nano, s.Until)
			if err != nil {
				t.Fatal(err)
			}
			stats, err := r.Stats(day, until)
			if err != nil {
				t.Fatal(err)
			}
			if s.Entries != stats.Entries || fmt.Sprint(s.Passages) != fmt.Sprint(stats.Passages) {
				t.Errorf("%s, %s: summary %d %v, stats %d %v", name, day, s.Entries, s.Passages, stats.Entries, stats.Passages)
			}
			var want []gap
			for _, g := range stats.Gaps {
				want = append(want, gap{g.From.Format("2006-01-02T15:04:05Z07:00"), g.To.Format("2006-01-02T15:04:05Z07:00"), g.Cause})
			}
			if !slices.Equal(s.Gaps, want) {
				t.Errorf("%s, %s: not watching %v, by Gaps %v", name, day, s.Gaps, want)
			}
		}
	}
}

// ledgersByCommand are ledgers in which a command recorded something while the daemon was stopped, around 2026-11-22.
func ledgersByCommand(t testing.TB) (dirs map[string]string) {
	t.Helper()
	type step struct {
		at   string
		kind ledger.Kind
	}
	dirs = map[string]string{}
	for name, steps := range map[string][]step{
		"key before the day":     {{"2026-11-21 08:00:00", ledger.Start}, {"2026-11-21 20:00:00", ledger.Stop}, {"2026-11-21 22:00:00", ledger.KeyChange}, {"2026-11-22 09:00:00", ledger.Start}, {"2026-11-23 09:00:00", register.Alive}},
		"roster before the day":  {{"2026-11-21 08:00:00", ledger.Start}, {"2026-11-21 20:00:00", ledger.Stop}, {"2026-11-21 22:00:00", register.Roster}, {"2026-11-22 09:00:00", ledger.Start}, {"2026-11-23 09:00:00", register.Alive}},
		"roster before a start":  {{"2026-11-22 08:00:00", register.Roster}, {"2026-11-22 08:00:05", ledger.Start}, {"2026-11-22 08:30:05", register.Alive}},
		"a restored box":         {{"2026-11-22 08:00:00", ledger.Epoch}, {"2026-11-22 08:10:05", ledger.Start}, {"2026-11-22 08:30:05", register.Alive}},
		"an export in the day":   {{"2026-11-21 08:00:00", ledger.Start}, {"2026-11-22 03:00:00", ledger.Stop}, {"2026-11-22 04:00:00", register.Export}, {"2026-11-22 09:00:00", ledger.Start}, {"2026-11-23 09:00:00", register.Alive}},
		"silent before a stop":   {{"2026-11-21 08:00:00", ledger.Start}, {"2026-11-22 03:00:00", ledger.Stop}, {"2026-11-22 04:00:00", ledger.Start}, {"2026-11-22 07:00:00", ledger.Stop}, {"2026-11-23 09:00:00", ledger.Start}},
		"a backup after the day": {{"2026-11-21 08:00:00", ledger.Start}, {"2026-11-21 08:00:10", ledger.Stop}, {"2026-11-23 09:00:00", ledger.Backup}},
	} {
		ck := &registertest.Clock{}
		dirs[name] = t.TempDir()
		ck.Set(steps[0].at)
		l := registertest.Open(t, dirs[name], ck)
		for _, s := range steps {
			ck.Set(s.at)
			registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: s.kind})
		}
		l.Close()
	}
	return dirs
}

// TestNoByteOfABundleCanChangeUnseen flips a bit of every byte of the zip file, in make test of every thirteenth, from
// another one each time. In records, the error names the entry.
func TestNoByteOfABundleCanChangeUnseen(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	b := bundleOf(t, dir, "2026-11-22", true)
	path := filepath.Join(t.TempDir(), "day.zip")
	whole := membersOf(t, b)
	type place struct {
		from, to int
		entry    int64
	}
	var records []place
	for _, name := range recordMembers {
		at := bytes.Index(b, []byte(whole[name]))
		for line := range strings.Lines(whole[name]) {
			var r ledger.Record
			json.Unmarshal([]byte(line), &r)
			records = append(records, place{at, at + len(line), r.Seq})
			at += len(line)
		}
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(b)
	step := registertest.Sample(1, 13)
	for i := rand.IntN(step); i < len(b); i += step {
		changed := b[i] ^ 1<<(i%8)
		f.WriteAt([]byte{changed}, int64(i))
		err := Verify(path, []string{key}, io.Discard)
		if err == nil {
			t.Fatalf("byte %d changed to %q is not seen, near %q", i, changed, b[max(i-30, 0):min(i+30, len(b))])
		}
		for _, p := range records {
			if i >= p.from && i < p.to && !strings.Contains(err.Error(), fmt.Sprintf("entry %d: its record is not the one in the tree", p.entry)) {
				t.Errorf("byte %d of entry %d: the error is %v", i, p.entry, err)
			}
		}
		f.WriteAt(b[i:i+1], int64(i))
	}
	for n := range len(b) { // cut off
		if n%97 == 0 || n > len(b)-30 {
			if _, err := checkBundle(t, b[:n], key); err == nil {
				t.Errorf("the first %d of %d bytes pass", n, len(b))
			}
		}
	}
	if _, err := checkBundle(t, append(slices.Clone(b), 0), key); err == nil {
		t.Error("a byte more passes")
	}
}

// TestADeceiverIsFound alters members and makes manifest and leaves.txt fit.
func TestADeceiverIsFound(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	lines := func(s string) []string { return slices.Collect(strings.Lines(s)) }
	other := membersOf(t, bundleOf(t, dir, "2026-11-23", true))
	for _, tt := range []struct {
		name  string
		alter func(m map[string]string)
		want  string // with leaves.txt as it was
		made  string // with leaves.txt made to fit
	}{
		{"nothing", func(m map[string]string) {}, "", ""},
		{"a record dropped", func(m map[string]string) {
			l := lines(m["records.jsonl"])
			m["records.jsonl"] = strings.Join(slices.Delete(l, 3, 4), "")
		}, "entry 14: it is missing", "entry 14: it is missing"},
		{"the first dropped", func(m map[string]string) { m["records.jsonl"] = strings.Join(lines(m["records.jsonl"])[1:], "") }, "entry 11: it is missing", "entry 11: it is missing"},
		{"the last dropped", func(m map[string]string) {
			l := lines(m["records.jsonl"])
			m["records.jsonl"] = strings.Join(l[:len(l)-1], "")
		}, "entry 18: it is missing", "entry 18: it is missing"},
		{"a record added", func(m map[string]string) { m["records.jsonl"] += lines(other["records.jsonl"])[0] }, "entry 19", "entry 19"},
		{"a record twice", func(m map[string]string) { m["records.jsonl"] += lines(m["records.jsonl"])[7] }, "entry 18", ""},
		{"records swapped", func(m map[string]string) {
			l := lines(m["records.jsonl"])
			l[2], l[3] = l[3], l[2]
			m["records.jsonl"] = strings.Join(l, "")
		}, "entry 13: its record is not the one in the tree", "entry 14"},
		{"a verdict changed", func(m map[string]string) {
			m["records.jsonl"] = strings.Replace(m["records.jsonl"], `"verdict":"hold"`, `"verdict":"admit"`, 1)
		}, "entry 15: its record is not the one in the tree", "do not come to the root"},
		{"another day's records", func(m map[string]string) { m["records.jsonl"] = other["records.jsonl"] }, "entry 11", "entry 19"},
		{"another day", func(m map[string]string) {
			m["summary.json"] = strings.ReplaceAll(m["summary.json"], "2026-11-22\"", "2026-11-23\"")
		}, "entry 11 is of 2026-11-22, not of 2026-11-23", ""},
		{"an older head", func(m map[string]string) { m["head.txt"] = m["day.txt"] }, "counts 18", "counts 18"},
		{"heads exchanged", func(m map[string]string) { m["previous.txt"], m["day.txt"] = m["day.txt"], m["previous.txt"] }, "previous.txt counts 18 entries instead of 10", "previous.txt counts 18 entries instead of 10"},
		{"no later entries", func(m map[string]string) { m["later.jsonl"] = "" }, "entry 20: it is missing", "do not come to the root"},
		{"a count", func(m map[string]string) {
			m["summary.json"] = strings.Replace(m["summary.json"], `"refuse": 1`, `"refuse": 0`, 1)
		}, `summary.json says "refuse": 0`, `summary.json says "refuse": 0`},
		{"a gap", func(m map[string]string) {
			m["summary.json"] = regexp.MustCompile(`(?s)"not_watching": \[.*?\]`).ReplaceAllString(m["summary.json"], `"not_watching": []`)
		}, "summary.json", "summary.json"},
		{"a person's name", func(m map[string]string) {
			m["personal.jsonl"] = strings.Replace(m["personal.jsonl"], "王小明", "王大明", 1)
		}, `entry 12: personal field "name" is not what was recorded`, ""},
		{"a personal field dropped", func(m map[string]string) { m["personal.jsonl"] = strings.Join(lines(m["personal.jsonl"])[1:], "") }, "entry 12: its personal fields are not those", ""},
		{"an entry's personal fields dropped", func(m map[string]string) { m["personal.jsonl"] = strings.Join(lines(m["personal.jsonl"])[3:], "") }, "", "of the personal fields of 1 entries nothing is given"},
		{"an entry's personal fields twice", func(m map[string]string) { m["personal.jsonl"] += lines(m["personal.jsonl"])[0] }, "entry 12 has no personal fields, or they are given twice", ""},
		{"a personal field in another form", func(m map[string]string) {
			m["personal.jsonl"] = strings.Replace(m["personal.jsonl"], `,"field":`, `, "field":`, 1)
		}, "a line is not written as gated writes it", ""},
		{"a salt without a value", func(m map[string]string) {
			m["personal.jsonl"] = strings.Replace(m["personal.jsonl"], `"value":"王小明",`, "", 1)
		}, `entry 12: personal field "name" is not what was recorded`, ""},
		{"a node too many", func(m map[string]string) {
			var p proof
			json.Unmarshal([]byte(m["proof.json"]), &p)
			p.Nodes = append(p.Nodes, tlog.Hash{})
			b, _ := canonicalJSON(&p)
			m["proof.json"] = string(b)
		}, "do not come to the root", "do not come to the root"},
		{"a node changed", func(m map[string]string) {
			var p proof
			json.Unmarshal([]byte(m["proof.json"]), &p)
			p.Nodes[0][0] ^= 1
			b, _ := canonicalJSON(&p)
			m["proof.json"] = string(b)
		}, "do not come to the root", "do not come to the root"},
		{"proof.json in another form", func(m map[string]string) { m["proof.json"] += "\n" }, "proof.json is not written as gated writes it", "proof.json"},
		{"a hash in leaves.txt", func(m map[string]string) {
			m["leaves.txt"] = strings.Replace(m["leaves.txt"], "\n", "\n99 x\n", 1)
		}, "leaves.txt: line 2 is not the hash of its record", ""},
		{"the key", func(m map[string]string) {
			k, _ := tlog.NewKey("east-gate")
			m["gate.pub"] = k.Verifier() + "\n"
		}, "gate.pub", "gate.pub"},
		{"a node", func(m map[string]string) {
			m["proof.json"] = regexp.MustCompile(`"nodes": \[\s+"..`).ReplaceAllString(m["proof.json"], "\"nodes\": [\n  \"zz")
		}, "proof.json", "proof.json"},
		{"no nodes", func(m map[string]string) {
			m["proof.json"] = regexp.MustCompile(`(?s)"nodes": \[.*?\]`).ReplaceAllString(m["proof.json"], `"nodes": []`)
		}, "proof.json", "proof.json"},
	} {
		for _, leaves := range []bool{false, true} {
			m := membersOf(t, bundleOf(t, dir, "2026-11-22", true))
			tt.alter(m)
			want := tt.want
			if leaves {
				if want = tt.made; want == "" {
					continue
				}
			}
			_, err := checkBundle(t, packed(t, m, leaves), key)
			if tt.want == "" {
				if err != nil {
					t.Errorf("%s: %v", tt.name, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s (leaves made to fit: %v): got %v, want %q", tt.name, leaves, err, want)
			}
		}
	}
}

// refit makes leaves.txt, the manifest and the nodes of proof.json fit the records: what one can who has the whole ledger, too.
func refit(t testing.TB, r *evidence.Reader, m map[string]string) []byte {
	t.Helper()
	m = membersOf(t, packed(t, m, true))
	h, err := tlog.ParseHead([]byte(m["head.txt"]))
	if err != nil {
		t.Fatal(err)
	}
	var given []leaf
	for line := range strings.Lines(m["leaves.txt"]) {
		var l leaf
		var sum []byte
		fmt.Sscanf(line, "%d %x", &l.seq, &sum)
		l.hash = tlog.Hash(sum)
		given = append(given, l)
	}
	slices.SortFunc(given, func(a, b leaf) int { return int(a.seq - b.seq) })
	var p proof
	json.Unmarshal([]byte(m["proof.json"]), &p)
	p.Nodes = []tlog.Hash{}
	treeOver(0, h.Size, given, func(lo, hi int64) (tlog.Hash, error) {
		x, err := subtree(tlog.HashReader(r, h), lo, hi)
		p.Nodes = append(p.Nodes, x)
		return x, err
	})
	proof, _ := canonicalJSON(&p)
	m["proof.json"] = string(proof)
	return packed(t, m, false)
}

// TestWithTheWholeLedgerNoOtherDayCanBeMade: records left out, moved or taken from another day, with summary, leaves and
// proofs that fit them.
func TestWithTheWholeLedgerNoOtherDayCanBeMade(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	runs := func(list ...stretch) func(b *bundler) { return func(b *bundler) { b.runs = list } }
	const day, beside, later = "records.jsonl", "beside.jsonl", "later.jsonl"
	for name, tt := range map[string]struct {
		day         string
		first, last int64
		alter       func(b *bundler)
		want        string
	}{
		"as it is":                     {"2026-11-22", 11, 18, nil, ""},
		"the last beside the day":      {"2026-11-22", 11, 17, runs(stretch{10, 10, beside}, stretch{11, 17, day}, stretch{18, 18, beside}, stretch{20, 20, later}, stretch{23, 23, beside}), "entry 18 is of 2026-11-22 and not among its records"},
		"the last left out":            {"2026-11-22", 11, 17, runs(stretch{10, 10, beside}, stretch{11, 17, day}, stretch{20, 20, later}, stretch{23, 23, beside}), "entry 18: it is missing"},
		"the first left out":           {"2026-11-22", 12, 18, runs(stretch{10, 10, beside}, stretch{12, 18, day}, stretch{19, 20, later}, stretch{23, 23, beside}), "entry 11: it is missing"},
		"one of the day before":        {"2026-11-22", 10, 18, runs(stretch{9, 9, beside}, stretch{10, 18, day}, stretch{19, 20, later}, stretch{23, 23, beside}), "entry 10 is of 2026-11-21, not of 2026-11-22"},
		"no entries, by two of before": {"2026-11-22", 6, 5, runs(stretch{5, 6, beside}, stretch{23, 23, beside}), "entry 6 is of 2026-11-21: between it and the next there may be entries of 2026-11-22"},
		"no entries, by two of after":  {"2026-11-22", 21, 20, runs(stretch{20, 21, beside}, stretch{23, 23, beside}), "entry 20 is of 2026-11-23: between it and the next there may be entries of 2026-11-22"},
		"no entries, by one of before": {"2026-11-22", 11, 10, runs(stretch{10, 10, beside}, stretch{23, 23, beside}), "a day without entries between entry 10 and 11, which are not given"},
		"no entries, by one of after":  {"2026-11-22", 19, 18, runs(stretch{19, 19, beside}, stretch{23, 23, beside}), "a day without entries between entry 18 and 19, which are not given"},
		"no entries, by the two ends":  {"2026-11-22", 19, 10, runs(stretch{10, 10, beside}, stretch{19, 19, beside}, stretch{23, 23, beside}), "a day without entries between entry 10 and 19, which are not given"},
		"a day of another first":       {"2026-11-22", 10, 18, nil, "entry 11: summary.json has the day from entry 10 to 18"},
		"a day of another last":        {"2026-11-22", 11, 19, nil, "entry 18: summary.json has the day from entry 11 to 19"},
		"another epoch":                {"2026-11-22", 11, 18, func(b *bundler) { b.sum.Epoch = 2 }, "epoch 2 is not that of the origin east-gate"},
		"no epoch":                     {"2026-11-22", 11, 18, func(b *bundler) { b.sum.Epoch = 0 }, "epoch 0 is not that"},
		"no time zone":                 {"2026-11-22", 11, 18, func(b *bundler) { b.sum.TimeZone = "" }, "time zone \"\" is none"},
		"the reader's time zone":       {"2026-11-22", 11, 18, func(b *bundler) { b.sum.TimeZone = "Local" }, "time zone \"Local\" is none"},
		"another version":              {"2026-11-22", 11, 18, func(b *bundler) { b.sum.V = 2 }, "a bundle of version 2"},
	} {
		head, _ := r.Head()
		b := newBundler(r, head, false)
		if err := b.plan(tt.day); err != nil {
			t.Fatal(err)
		}
		if b.sum.First, b.sum.Last = tt.first, tt.last; tt.alter != nil {
			tt.alter(b)
		}
		if name != "as it is" {
			clear(b.heads)
		}
		var out bytes.Buffer
		if err := errors.Join(b.survey(), b.prove(), b.write(&out)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_, err := checkBundle(t, out.Bytes(), key)
		if got := fmt.Sprint(err); tt.want == "" && err != nil || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
	for name, tt := range map[string]struct {
		day   string
		alter func(m map[string]string)
		want  string
	}{
		"a hole": {"2026-11-22", func(m map[string]string) {
			m[day] = strings.Join(slices.Delete(slices.Collect(strings.Lines(m[day])), 3, 4), "")
		}, "entry 14: it is missing"},
		"the newest of all":     {"2026-11-22", func(m map[string]string) { m[beside] = strings.Join(slices.Collect(strings.Lines(m[beside]))[:2], "") }, "entry 23: it is missing, the newest of all"},
		"a record in two files": {"2026-11-22", func(m map[string]string) { m[later] = slices.Collect(strings.Lines(m[beside]))[0] + m[later] }, "entry 10 is given twice"},
		"an entry that none counts": {"2026-11-22", func(m map[string]string) {
			m[beside] += strings.Replace(slices.Collect(strings.Lines(m[beside]))[2], `"seq":23`, `"seq":24`, 1)
		}, "it says that it is entry 24, and the tree head counts 23"},
	} {
		m := membersOf(t, bundleOf(t, dir, tt.day, false))
		tt.alter(m)
		if _, err := checkBundle(t, refit(t, r, m), key); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// TestWhatABundleLeavesOpenIsSaid: a head of noon, later entries left out, a README or personal fields that nothing
// signs. None of these can be found, so the report names them.
func TestWhatABundleLeavesOpenIsSaid(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	private, err := tlog.ReadKeys(filepath.Join(dir, "keys", "ledger.key"))
	if err != nil {
		t.Fatal(err)
	}
	made := func(size int64) []byte { // of a head that the gate signed when there were so many entries
		root, err := tlog.RootAt(r, size)
		if err != nil {
			t.Fatal(err)
		}
		head, err := tlog.SignHead("east-gate", size, root, private[0])
		if err != nil {
			t.Fatal(err)
		}
		b := newBundler(r, head, false)
		var out bytes.Buffer
		if err := errors.Join(b.plan("2026-11-22"), b.survey(), b.prove(), b.write(&out)); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	altered := func(alter func(m map[string]string)) []byte {
		m := membersOf(t, bundleOf(t, dir, "2026-11-22", true))
		alter(m)
		return refit(t, r, m)
	}
	for name, tt := range map[string]struct {
		bundle []byte
		want   string
	}{
		"a head of noon":  {made(14), "the day may have more entries: the newest one under head.txt is of 2026-11-22T"},
		"a head of after": {made(19), "the newest entry under head.txt is of 2026-11-23T"},
		"later entries": {altered(func(m map[string]string) {
			m["later.jsonl"] = ""
			delete(m, "personal.jsonl")
			m["summary.json"] = strings.NewReplacer(`"admit": 2`, `"admit": 1`, `"hold": 0`, `"hold": 1`).Replace(m["summary.json"])
		}), "not proved: that there are no more later entries about the day"},
		"README.txt": {altered(func(m map[string]string) { m["README.txt"] += "call this number\n" }), "not checked: README.txt"},
		"a personal field": {altered(func(m map[string]string) {
			m["personal.jsonl"] = regexp.MustCompile(`"salt":"[0-9a-f]+","value":"王小明",`).ReplaceAllString(m["personal.jsonl"], "")
		}), "of 3 more only the hash is given: erased, or left out"},
	} {
		report, err := checkBundle(t, tt.bundle, key)
		if err != nil || !strings.Contains(report, tt.want) {
			t.Errorf("%s: %v, want %q in the report:\n%s", name, err, tt.want, report)
		}
	}
	m := membersOf(t, made(19))
	empty, _ := private[0].Empty()
	m["head.txt"] = string(empty.Note)
	if _, err := checkBundle(t, packed(t, m, false), key); err == nil || !strings.Contains(err.Error(), "signed before the first entry") {
		t.Errorf("the head of an empty ledger: %v", err)
	}
	// As a folder, too; and with the manifest as it was, it is a fault.
	folder := t.TempDir()
	for name, data := range membersOf(t, altered(func(m map[string]string) { m["README.txt"] = "all is well\n" })) {
		os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600)
	}
	var report strings.Builder
	if err := Verify(folder, []string{key}, &report); err != nil || !strings.Contains(report.String(), "not checked: README.txt") {
		t.Errorf("README.txt in a folder: %v\n%s", err, report.String())
	}
	os.WriteFile(filepath.Join(folder, "README.txt"), []byte(readme), 0o600)
	if err := Verify(folder, []string{key}, io.Discard); err == nil || !strings.Contains(err.Error(), "not as manifest.sha256 has it: README.txt") {
		t.Errorf("README.txt without its line in the manifest: %v", err)
	}
	lines := slices.Collect(strings.Lines(membersOf(t, bundleOf(t, dir, "2026-11-22", true))["manifest.sha256"]))
	for name, data := range membersOf(t, bundleOf(t, dir, "2026-11-22", true)) {
		if name == "manifest.sha256" {
			data = strings.Join(append(lines[1:], lines[0]), "")
		}
		os.WriteFile(filepath.Join(folder, name), []byte(data), 0o600)
	}
	if err := Verify(folder, []string{key}, io.Discard); err == nil || !strings.Contains(err.Error(), "manifest.sha256 itself") {
		t.Errorf("a manifest in another order: %v", err)
	}
	// A checksum of the zip file, changed at both its places, would make it unreadable for others.
	b := bundleOf(t, dir, "2026-11-22", true)
	b = bytes.ReplaceAll(b, b[14:18], []byte{1, 2, 3, 4})
	if _, err := checkBundle(t, b, key); err == nil || !strings.Contains(err.Error(), "README.txt: from byte 14 on the zip file is not as gated packs it") {
		t.Errorf("a checksum: %v", err)
	}
}

func TestABundleIsCheckedWithTheGatesKey(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	b := bundleOf(t, dir, "2026-11-22", false)
	another, _ := tlog.NewKey("east-gate")
	west, _ := tlog.NewKey("west-gate")
	for _, tt := range []struct {
		keys []string
		want string
	}{
		{nil, "--key"},
		{[]string{another.Verifier()}, "did not sign it"},
		{[]string{west.Verifier()}, "west-gate"},
		{[]string{"nonsense"}, "not a note verifier key"},
	} {
		if _, err := checkBundle(t, b, tt.keys...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("keys %q: got %v, want %q", tt.keys, err, tt.want)
		}
	}
	if _, err := checkBundle(t, b, west.Verifier(), key); err != nil {
		t.Errorf("the key and another gate's: %v", err)
	}
	if err := Verify(filepath.Join(t.TempDir(), "none.zip"), []string{key}, io.Discard); err == nil || !strings.Contains(err.Error(), "none.zip") {
		t.Errorf("no such file: %v", err)
	}
}

func TestAnAuditorFollowsAChangeOfKey(t *testing.T) {
	t.Parallel()
	dir, first := bundleLedger(t)
	path := filepath.Join(dir, "keys", "ledger.key")
	keys := []string{first}
	for i, day := range []string{"2026-11-24", "2026-11-25"} {
		ck := &registertest.Clock{}
		ck.Set(day + " 08:00:00")
		if i > 0 { // the new key signs alone for a day
			l := registertest.Open(t, dir, ck)
			registertest.Many(t, l, ck, 3)
			l.Close()
		}
		old, err := tlog.ReadKeys(path)
		if err != nil {
			t.Fatal(err)
		}
		anew, _ := tlog.NewKey("east-gate")
		tlog.WriteKeys(path, anew, old[0])
		keys = append(keys, anew.Verifier())
		l := registertest.Open(t, dir, ck)
		registertest.Many(t, l, ck, 3)
		l.Close()
	}
	for _, day := range []string{"2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25", "2026-11-26"} {
		b := bundleOf(t, dir, day, false)
		for i, k := range keys {
			report, err := checkBundle(t, b, k)
			if err != nil {
				t.Errorf("%s with key %d: %v", day, i, err)
			}
			if got := strings.Count(report, "was changed; the old and the new one"); got != len(keys)-1-i {
				t.Errorf("%s with key %d: %d changes of key told:\n%s", day, i, got, report)
			}
		}
		stranger, _ := tlog.NewKey("east-gate")
		if _, err := checkBundle(t, b, stranger.Verifier()); err == nil {
			t.Errorf("%s: a key that never signed passes", day)
		}
		m := membersOf(t, b)
		var p proof
		json.Unmarshal([]byte(m["proof.json"]), &p)
		p.Rotations = p.Rotations[:1]
		cut, _ := canonicalJSON(&p)
		m["proof.json"] = string(cut)
		if _, err := checkBundle(t, packed(t, m, false), keys[0]); err == nil || !strings.Contains(err.Error(), "did not sign it") {
			t.Errorf("%s with half of the chain: %v", day, err)
		}
	}
}

// TestAStolenKeyForksNoBundle: heads that a key of the gate did sign, and that are not of this ledger or not of this time.
func TestAStolenKeyForksNoBundle(t *testing.T) {
	t.Parallel()
	dir, first := bundleLedger(t)
	path := filepath.Join(dir, "keys", "ledger.key")
	old, err := tlog.ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	anew, _ := tlog.NewKey("east-gate")
	tlog.WriteKeys(path, anew, old[0])
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 3)
	l.Close()
	sign := func(note string, root *tlog.Hash, keys ...*tlog.Key) string {
		h, err := tlog.ParseHead([]byte(note))
		if err != nil {
			t.Fatal(err)
		}
		if root == nil {
			root = &h.Root
		}
		h, err = tlog.SignHead(h.Origin, h.Size, *root, keys...)
		if err != nil {
			t.Fatal(err)
		}
		return string(h.Note)
	}
	for name, tt := range map[string]struct {
		alter func(m map[string]string)
		want  string
	}{
		"another history before the day": {func(m map[string]string) { m["previous.txt"] = sign(m["previous.txt"], &tlog.Hash{1}, old[0]) }, "does not begin with the 10 entries"},
		"another day's end":              {func(m map[string]string) { m["day.txt"] = sign(m["day.txt"], &tlog.Hash{1}, old[0]) }, "does not begin with the 18 entries"},
		"a head by the key that was replaced": {func(m map[string]string) {
			m["head.txt"], m["gate.pub"] = sign(m["head.txt"], nil, old[0]), first+"\n"
		}, "was replaced at entry 24"},
		"the key that was replaced as gate.pub": {func(m map[string]string) { m["gate.pub"] = first + "\n" }, "gate.pub: it is not the key that signed"},
		"another gate's head": {func(m map[string]string) {
			h, _ := tlog.ParseHead([]byte(m["previous.txt"]))
			west, _ := tlog.NewKey("west-gate")
			h, _ = tlog.SignHead("west-gate", h.Size, h.Root, west)
			m["previous.txt"] = string(h.Note)
		}, "previous.txt: no key that is known signed it"},
		"a head of another name": {func(m map[string]string) {
			h, _ := tlog.ParseHead([]byte(m["previous.txt"]))
			h, _ = tlog.SignHead("west-gate", h.Size, h.Root, old[0])
			m["previous.txt"] = string(h.Note)
		}, `it is of "west-gate", not of "east-gate"`},
		"a proof from another size": {func(m map[string]string) {
			m["proof.json"] = strings.Replace(m["proof.json"], `"from": 10`, `"from": 9`, 1)
		}, "no consistency proof from the 10 entries of previous.txt"},
		"a proof too many": {func(m map[string]string) { delete(m, "day.txt") }, "a consistency proof from 18 entries, of which there is no head"},
		"a change of key twice": {func(m map[string]string) {
			var p proof
			json.Unmarshal([]byte(m["proof.json"]), &p)
			p.Rotations = append(p.Rotations, p.Rotations[0])
			b, _ := canonicalJSON(&p)
			m["proof.json"] = string(b)
		}, "the key change at entry 24 stands in the wrong place"},
		"a change of key in another history": {func(m map[string]string) {
			var p proof
			json.Unmarshal([]byte(m["proof.json"]), &p)
			p.Rotations[0].Note = sign(p.Rotations[0].Note, &tlog.Hash{1}, anew, old[0])
			b, _ := canonicalJSON(&p)
			m["proof.json"] = string(b)
		}, "does not begin with the 24 entries"},
		"a change of key by the old one alone": {func(m map[string]string) {
			var p proof
			json.Unmarshal([]byte(m["proof.json"]), &p)
			p.Rotations[0].Note = sign(p.Rotations[0].Note, nil, old[0])
			b, _ := canonicalJSON(&p)
			m["proof.json"] = string(b)
		}, "is not signed by the old and the new key"},
		"a change of key by the new one alone": {func(m map[string]string) {
			var p proof
			json.Unmarshal([]byte(m["proof.json"]), &p)
			p.Rotations[0].Note = sign(p.Rotations[0].Note, nil, anew)
			b, _ := canonicalJSON(&p)
			m["proof.json"] = string(b)
		}, "is not signed by the old and the new key"},
	} {
		m := membersOf(t, bundleOf(t, dir, "2026-11-22", false))
		tt.alter(m)
		if _, err := checkBundle(t, packed(t, m, false), first); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", name, err, tt.want)
		}
	}
}

// TestAKeyChangeOfStrangersLeadsNowhere: whoever can write into the ledger, without any of its keys, adds an entry by which
// one key of theirs takes over from another.
func TestAKeyChangeOfStrangersLeadsNowhere(t *testing.T) {
	t.Parallel()
	dir, first := bundleLedger(t)
	path := filepath.Join(dir, "keys", "ledger.key")
	old, err := tlog.ReadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	anew, _ := tlog.NewKey("east-gate")
	tlog.WriteKeys(path, anew, old[0])
	was, _ := tlog.NewKey("east-gate")
	thief, _ := tlog.NewKey("east-gate")
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	l := registertest.Open(t, dir, ck)
	change := registertest.MustAppend(t, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.KeyChange, Reason: "rotated", Detail: map[string]string{"verifier": thief.Verifier(), "was": was.Verifier()}})[0].Seq
	registertest.Many(t, l, ck, 3)
	l.Close()
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	head, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	b := newBundler(r, head, false)
	if err := b.plan("2026-11-24"); err != nil {
		t.Fatal(err)
	}
	root, err := tlog.RootAt(r, change)
	if err != nil {
		t.Fatal(err)
	}
	h, _ := tlog.SignHead("east-gate", change, root, thief, was)
	b.proof.Rotations = append(b.proof.Rotations, rotation{Note: string(h.Note)})
	b.head, _ = tlog.SignHead("east-gate", b.head.Size, b.head.Root, thief)
	b.public = thief.Verifier()
	var out bytes.Buffer
	if err := errors.Join(b.survey(), b.prove(), b.write(&out)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{first, anew.Verifier()} {
		if report, err := checkBundle(t, out.Bytes(), key); err == nil || !strings.Contains(err.Error(), "is not signed by the old and the new key") {
			t.Errorf("got %v\n%s", err, report)
		}
	}
}

// TestADayTornApart: with too much between its parts, the bundle does not tell when the box was watching, and says so.
func TestADayTornApart(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-23 00:10:00")
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 5)
	ck.Set("2026-11-22 01:00:00")
	registertest.Many(t, l, ck, maxBetween+1)
	ck.Set("2026-11-23 00:20:00")
	registertest.Many(t, l, ck, 6)
	l.Close()
	keys, _ := tlog.PublicKeys(dir)
	b := bundleOf(t, dir, "2026-11-23", false)
	report, err := checkBundle(t, b, keys...)
	if err != nil || !strings.Contains(report, "11 records of 2026-11-23, entries 1 to 10012") || !strings.Contains(report, "not told: when the box was not watching") {
		t.Errorf("%v\n%s", err, report)
	}
	if len(b) > 40000 {
		t.Errorf("%d bytes", len(b))
	}
}

// TestADayInTwoParts: a clock set back, an hour of yesterday between.
func TestADayInTwoParts(t *testing.T) {
	t.Parallel()
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-22 23:30:00")
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 4)
	ck.Set("2026-11-23 00:10:00")
	registertest.Many(t, l, ck, 5)
	ck.Set("2026-11-22 23:40:00")
	registertest.Many(t, l, ck, 300)
	ck.Set("2026-11-23 00:20:00")
	registertest.Many(t, l, ck, 6)
	l.Close()
	keys, _ := tlog.PublicKeys(dir)
	for day, want := range map[string]string{"2026-11-22": "304 records of 2026-11-22, entries 1 to 309", "2026-11-23": "11 records of 2026-11-23, entries 5 to 315"} {
		report, err := checkBundle(t, bundleOf(t, dir, day, false), keys...)
		if err != nil || !strings.Contains(report, want) || !strings.Contains(report, "the clock was set back") {
			t.Errorf("%s: %v\n%s", day, err, report)
		}
	}
}

// witnessed adds the cosignature of a new witness (c2sp.org/tlog-cosignature) to a head.
func witnessed(t testing.TB, head, name string, at uint64) (cosigned, key string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	raw := append([]byte{4}, public...)
	id := sha256.Sum256(append([]byte(name+"\n"), raw...))
	text := head[:strings.Index(head, "\n\n")+1]
	sig := binary.BigEndian.AppendUint64(slices.Clone(id[:4]), at)
	sig = append(sig, ed25519.Sign(private, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text))...)
	return head + "— " + name + " " + base64.StdEncoding.EncodeToString(sig) + "\n",
		fmt.Sprintf("%s+%x+%s", name, id[:4], base64.StdEncoding.EncodeToString(raw))
}

func TestCosignaturesOfABundlesHead(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	m := membersOf(t, bundleOf(t, dir, "2026-11-22", false))
	var witness string
	m["head.txt"], witness = witnessed(t, m["head.txt"], "witness.example", 1795000000)
	b := packed(t, m, false)
	report, err := checkBundle(t, b, key)
	if err != nil || !strings.Contains(report, "not checked: the signature of witness.example on head.txt") {
		t.Errorf("without the witness's key: %v\n%s", err, report)
	}
	report, err = checkBundle(t, b, witness, key)
	if err != nil || strings.Contains(report, "not checked") || !strings.Contains(report, "head.txt: the witness witness.example saw it at 2026-11-18T11:06:40Z") {
		t.Errorf("with the witness's key: %v\n%s", err, report)
	}
	_, silent := witnessed(t, m["head.txt"], "witness.example/w2", 1795000000) // on another copy
	const absent = "the witness witness.example/w2 signed no head of this bundle"
	if report, err := checkBundle(t, b, witness, key, silent); err == nil || !strings.Contains(err.Error(), absent) {
		t.Errorf("with the key of a witness that did not sign: %v\n%s", err, report)
	}
	python, path := pythonHere(t), filepath.Join(t.TempDir(), "day.zip")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for keys, want := range map[string]string{key + "\n" + witness: "the witness witness.example saw it", key + "\n" + witness + "\n" + silent: absent} {
		args := append([]string{"-B", "../../docs/check_bundle.py", path}, strings.Fields(keys)...)
		out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
		if (err == nil) != (want != absent) || !strings.Contains(string(out), want) {
			t.Errorf("the Python check: %v, want %q:\n%s", err, want, out)
		}
	}
	if _, err := checkBundle(t, b, witness); err == nil || !strings.Contains(err.Error(), "give the key of that gate") {
		t.Errorf("with the witness's key alone: %v", err)
	}
	own := maps.Clone(m)
	own["gate.pub"] = witness + "\n"
	if _, err := checkBundle(t, packed(t, own, false), key, witness); err == nil || !strings.Contains(err.Error(), "gate.pub: it is not the key that signed") {
		t.Errorf("the witness's key as gate.pub: %v", err)
	}
	own["gate.pub"] = key
	if _, err := checkBundle(t, packed(t, own, false), key, witness); err == nil || !strings.Contains(err.Error(), "gate.pub: it is not the key that signed") {
		t.Errorf("gate.pub without its end: %v", err)
	}
	// A witness that calls itself as the gate does vouches for no older head.
	own = maps.Clone(m)
	namesake := ""
	own["previous.txt"], namesake = witnessed(t, own["previous.txt"], "east-gate", 1795000000)
	lines := strings.SplitAfter(own["previous.txt"], "\n")
	own["previous.txt"] = strings.Join(slices.Delete(lines, 4, 5), "")
	if _, err := checkBundle(t, packed(t, own, false), key, namesake); err == nil || !strings.Contains(err.Error(), "previous.txt: no key that is known signed it") {
		t.Errorf("a witness with the gate's name: %v", err)
	}
	for _, name := range []string{"— east-gate ", "— witness.example "} {
		altered := maps.Clone(m)
		i := strings.Index(m["head.txt"], name) + len(name) + 40
		altered["head.txt"] = m["head.txt"][:i] + string(m["head.txt"][i]^1) + m["head.txt"][i+1:]
		if _, err := checkBundle(t, packed(t, altered, false), key, witness); err == nil || !strings.Contains(err.Error(), "head.txt") {
			t.Errorf("the signature %s altered: %v", name, err)
		}
	}
}

func TestABundleOfErasedFieldsStaysWhole(t *testing.T) {
	t.Parallel()
	dir, key := bundleLedger(t)
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	l := registertest.Open(t, dir, ck)
	if _, err := l.EraseField(0, 12, "name", ledger.Event{Kind: ledger.Erase}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Erase(0, []int64{13}, ledger.Event{Kind: ledger.Erase}); err != nil {
		t.Fatal(err)
	}
	l.Close()
	b := bundleOf(t, dir, "2026-11-22", true)
	report, err := checkBundle(t, b, key)
	if err != nil || !strings.Contains(report, "of 1 more only the hash is given") {
		t.Errorf("%v\n%s", err, report)
	}
	m := membersOf(t, b) // an erased field cannot get a value again
	m["personal.jsonl"] = strings.Replace(m["personal.jsonl"], `"field":"name","hash"`, `"field":"name","salt":"`+strings.Repeat("00", 32)+`","value":"x","hash"`, 1)
	if _, err := checkBundle(t, packed(t, m, false), key); err == nil || !strings.Contains(err.Error(), `entry 12: personal field "name" is not what was recorded`) {
		t.Errorf("an invented value: %v", err)
	}
}

// golden is a bundle that was written once, with a change of key, an erased field and an entry of each of the three
// files; the key is that of before the change. Whoever writes a check of their own can begin with it.
func golden(t testing.TB) (bundle []byte, key string) {
	t.Helper()
	bundle, err := os.ReadFile("testdata/bundle.zip")
	if err != nil {
		t.Fatal(err)
	}
	pub, err := os.ReadFile("testdata/bundle.pub")
	if err != nil {
		t.Fatal(err)
	}
	return bundle, strings.TrimSpace(string(pub))
}

func TestABundleOfAnOlderGatedStillHolds(t *testing.T) {
	t.Parallel()
	b, key := golden(t)
	report, err := checkBundle(t, b, key)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"8 records of 2026-11-22, entries 11 to 18", "at entry 24 the key of east-gate was changed", "of 1 more only the hash is given", "the ledger of 324 entries"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report does not say %q:\n%s", want, report)
		}
	}
}

// FuzzVerify: whatever the bytes, an answer; and no other bytes than those written pass.
func FuzzVerify(f *testing.F) {
	good, key := golden(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte("PK\x03\x04"))
	path := filepath.Join(f.TempDir(), "day.zip")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Verify(path, []string{key}, io.Discard); (err == nil) != bytes.Equal(b, good) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	})
}

// pythonHere is the interpreter, without which a test cannot run; in CI it must be there.
func pythonHere(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath("python3")
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("python3 is not on PATH: apt-get install python3")
	default:
		t.Skip("needs python3: apt-get install python3")
	}
	return python
}

// TestABundleMayNameSomeEntriesAlone: it is checked as any other, and has the personal fields of those and of no others.
func TestABundleMayNameSomeEntriesAlone(t *testing.T) {
	dir, key := bundleLedger(t)
	r, err := evidence.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := map[string]bool{}
	var whole, some bytes.Buffer
	if err := Write(&whole, r, "2026-11-22", true); err != nil {
		t.Fatal(err)
	}
	seq := regexp.MustCompile(`"seq":\d+,`)
	for _, line := range seq.FindAllString(membersOf(t, whole.Bytes())["personal.jsonl"], -1) {
		all[line] = true
	}
	one := slices.Sorted(maps.Keys(all))[0]
	if err := WriteOf(&some, r, "2026-11-22", func(seq int64) bool { return fmt.Sprintf(`"seq":%d,`, seq) == one }); err != nil {
		t.Fatal(err)
	}
	said, err := checkBundle(t, some.Bytes(), key)
	if want := fmt.Sprintf("of the personal fields of %d entries nothing is given", len(all)-1); err != nil || !strings.Contains(said, want) {
		t.Errorf("%v\n%s\nwant %q", err, said, want)
	}
	got := seq.FindAllString(membersOf(t, some.Bytes())["personal.jsonl"], -1)
	if slices.ContainsFunc(got, func(s string) bool { return s != one }) || len(got) == 0 {
		t.Errorf("it has the fields of %q, want %q", got, one)
	}
}

// TestThePythonCheckAgrees: docs/check_bundle.py shares no code with this package.
func TestThePythonCheckAgrees(t *testing.T) {
	t.Parallel()
	python := pythonHere(t)
	const script = "../../docs/check_bundle.py"
	dir, key := bundleLedger(t)
	temp := t.TempDir()
	pub := filepath.Join(temp, "gate.pub")
	os.WriteFile(pub, []byte(key+"\n"), 0o600)
	path := filepath.Join(temp, "day.zip")
	run := func(args ...string) (string, int) {
		out, err := exec.CommandContext(t.Context(), python, append([]string{"-B", script}, args...)...).CombinedOutput()
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			return string(out), exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		return string(out), 0
	}
	os.WriteFile(path, bundleOf(t, dir, "2026-11-20", true), 0o600)
	marked := filepath.Join(temp, "marked.pub")
	os.WriteFile(marked, []byte("\ufeff"+key+"\r\n"), 0o600)
	if out, code := run(path, marked); code != 0 {
		t.Errorf("a key file with a byte-order mark: exit %d: %s", code, out)
	}
	for _, day := range []string{"2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"} {
		os.WriteFile(path, bundleOf(t, dir, day, true), 0o600)
		out, code := run(path, pub)
		if code != 0 || !strings.Contains(out, day) {
			t.Errorf("%s: exit %d: %s", day, code, out)
		}
		var report strings.Builder
		if err := Verify(path, []string{key}, &report); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(report.String()) { // said in the same words, but for the counts
			if !strings.Contains(out, line) && !strings.HasPrefix(line, "passages: ") && !strings.Contains(line, " later entries, ") {
				t.Errorf("%s: the Python check does not say %s", day, line)
			}
		}
	}
	for name, dir := range ledgersByCommand(t) {
		keys, _ := tlog.PublicKeys(dir)
		os.WriteFile(path, bundleOf(t, dir, "2026-11-22", false), 0o600)
		if err := Verify(path, keys, io.Discard); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if out, code := run(path, keys[0]); code != 0 {
			t.Errorf("%s: exit %d: %s", name, code, out)
		}
	}
	for _, change := range []string{"UPDATE meta SET value = 'West gate' WHERE key = 'gate'", "UPDATE meta SET value = 'Asia/Taipei' WHERE key = 'time_zone'"} {
		dir := t.TempDir()
		ck := &registertest.Clock{}
		ck.Set("2026-11-22 08:00:00")
		l := registertest.Open(t, dir, ck)
		registertest.MustAppend(t, l, registertest.StartOf(l, ck))
		l.Close()
		if _, err := registertest.Unlocked(t, dir).Exec(change); err != nil {
			t.Fatal(err)
		}
		keys, _ := tlog.PublicKeys(dir)
		os.WriteFile(path, bundleOf(t, dir, "2026-11-22", false), 0o600)
		if err := Verify(path, keys, io.Discard); err == nil || !strings.Contains(err.Error(), "entry 1 says that the") {
			t.Errorf("%s: %v", change, err)
		}
		if out, code := run(path, keys[0]); code != 1 || !strings.Contains(out, "entry 1 says") {
			t.Errorf("%s: exit %d: %s", change, code, out)
		}
	}
	// One process for many bundles: each is altered, so each must be found, and the entry named like here.
	loop := exec.CommandContext(t.Context(), python, "-B", "-c", `
import sys
sys.path.insert(0, "../../docs")
import check_bundle as c
keys = [c.Key(k) for k in open(sys.argv[1]).read().split()]
for path in sys.stdin:
    try:
        c.check(path.rstrip("\n"), keys)
        print("good", flush=True)
    except c.Fault as e:
        print("fault:", str(e).replace("\n", " "), flush=True)
`, pub)
	in, _ := loop.StdinPipe()
	out, _ := loop.StdoutPipe()
	loop.Stderr = os.Stderr
	if err := loop.Start(); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(out)
	both := func(name string, b []byte) {
		t.Helper()
		os.WriteFile(path, b, 0o600)
		fmt.Fprintln(in, path)
		if !answers.Scan() {
			t.Fatalf("%s: the Python check ended", name)
		}
		err := Verify(path, []string{key}, io.Discard)
		if (err == nil) != (answers.Text() == "good") {
			t.Errorf("%s: here %v, in Python %s", name, err, answers.Text())
		}
		if err == nil {
			return
		}
		entry := regexp.MustCompile(`entry \d+: its record is not the one in the tree`)
		if want := entry.FindString(err.Error()); !strings.Contains(answers.Text(), want) {
			t.Errorf("%s: here %v, in Python %s", name, err, answers.Text())
		}
	}
	b := bundleOf(t, dir, "2026-11-22", true)
	both("as it is", b)
	readme := bytes.Index(b, []byte("  manifest.sha256")) // of the README a few bytes will do
	for i := range b {
		if i%registertest.Sample(1, 5) > 0 {
			continue
		}
		if i < 40 || i%211 == 0 || i > readme && i%67 == 0 || i > len(b)-1100 && i%17 == 0 {
			c := slices.Clone(b)
			c[i] ^= 1 << (i % 8)
			both(fmt.Sprintf("byte %d", i), c)
		}
	}
	m := membersOf(t, b)
	for name, alter := range map[string]func(m map[string]string){
		"a record dropped": func(m map[string]string) {
			m["records.jsonl"] = m["records.jsonl"][:strings.Index(m["records.jsonl"], "\n")+1]
		},
		"another day's head": func(m map[string]string) { m["head.txt"] = m["day.txt"] },
		"heads exchanged":    func(m map[string]string) { m["previous.txt"], m["day.txt"] = m["day.txt"], m["previous.txt"] },
		"another day":        func(m map[string]string) { m["summary.json"] = strings.ReplaceAll(m["summary.json"], "22\"", "23\"") },
		"a gap": func(m map[string]string) {
			m["summary.json"] = strings.Replace(m["summary.json"], "silent", "stopped", 1)
		},
		"a name":             func(m map[string]string) { m["personal.jsonl"] = strings.Replace(m["personal.jsonl"], "王", "张", 1) },
		"no personal fields": func(m map[string]string) { m["personal.jsonl"] = "" },
		"no later entries":   func(m map[string]string) { m["later.jsonl"] = "" },
		"no key":             func(m map[string]string) { m["gate.pub"] = "" },
		"no head of before":  func(m map[string]string) { delete(m, "previous.txt") },
		"no such JSON":       func(m map[string]string) { m["proof.json"] = "[]\n" },
		"nothing":            func(m map[string]string) {},
		"another epoch": func(m map[string]string) {
			m["summary.json"] = strings.Replace(m["summary.json"], `"epoch": 1`, `"epoch": 2`, 1)
		},
		"too deep": func(m map[string]string) { m["proof.json"] = strings.Repeat("[", 1<<20) },
		"a salt alone": func(m map[string]string) {
			m["personal.jsonl"] = strings.Replace(m["personal.jsonl"], `"value":"王小明",`, "", 1)
		},
		"a proof too many":   func(m map[string]string) { delete(m, "day.txt") },
		"another README":     func(m map[string]string) { m["README.txt"] = "all is well\n" },
		"gate.pub not whole": func(m map[string]string) { m["gate.pub"] = strings.TrimSpace(m["gate.pub"]) },
	} {
		c := maps.Clone(m)
		alter(c)
		both(name, packed(t, c, false))
		c = maps.Clone(m)
		alter(c)
		both(name+", leaves made to fit", packed(t, c, true))
	}
	in.Close()
	if err := loop.Wait(); err != nil {
		t.Error(err)
	}
	// A change of key, with the old key in hand.
	keyFile := filepath.Join(dir, "keys", "ledger.key")
	old, err := tlog.ReadKeys(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	anew, _ := tlog.NewKey("east-gate")
	tlog.WriteKeys(keyFile, anew, old[0])
	ck := &registertest.Clock{}
	ck.Set("2026-11-24 08:00:00")
	l := registertest.Open(t, dir, ck)
	registertest.Many(t, l, ck, 3)
	l.Close()
	for _, day := range []string{"2026-11-22", "2026-11-24"} {
		os.WriteFile(path, bundleOf(t, dir, day, false), 0o600)
		if out, code := run(path, pub); code != 0 || !strings.Contains(out, "a change of key") {
			t.Errorf("after a change of key: exit %d: %s", code, out)
		}
		if out, code := run(path, anew.Verifier()); code != 0 {
			t.Errorf("with the new key: exit %d: %s", code, out)
		}
	}
	stranger, _ := tlog.NewKey("east-gate")
	if out, code := run(path, stranger.Verifier()); code != 1 {
		t.Errorf("with another key: exit %d: %s", code, out)
	}
	m = membersOf(t, bundleOf(t, dir, "2026-11-21", false))
	var witness string
	m["head.txt"], witness = witnessed(t, m["head.txt"], "witness.example", 1795000000)
	os.WriteFile(path, packed(t, m, false), 0o600)
	if out, code := run(path, pub, witness); code != 0 || !strings.Contains(out, "the witness witness.example saw it at 2026-11-18T11:06:40+00:00") {
		t.Errorf("with a witness: exit %d: %s", code, out)
	}
	if out, code := run("testdata/bundle.zip", "testdata/bundle.pub"); code != 0 {
		t.Errorf("the bundle of testdata: exit %d: %s", code, out)
	}
	if _, code := run(path); code != 2 {
		t.Errorf("without a key: exit %d", code)
	}
}

// TestAChangedMemberIsNamedHoweverItWasPacked: who changes one with ordinary tools packs the bundle anew.
func TestAChangedMemberIsNamedHoweverItWasPacked(t *testing.T) {
	t.Parallel()
	public, err := os.ReadFile("testdata/bundle.pub")
	if err != nil {
		t.Fatal(err)
	}
	keys := strings.Fields(string(public))
	z, err := zip.OpenReader("testdata/bundle.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for change, want := range map[string]string{"records.jsonl": "entry ", "summary.json": "summary.json", "README.txt": "README.txt", "": "packed anew"} {
		path := filepath.Join(t.TempDir(), "anew.zip")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		w := zip.NewWriter(f)
		for _, m := range z.File {
			b, err := fs.ReadFile(z, m.Name)
			if err != nil {
				t.Fatal(err)
			}
			if m.Name == change {
				b[len(b)/2] ^= 1
			}
			to, err := w.Create(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			to.Write(b)
		}
		if err := errors.Join(w.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		if err := Verify(path, keys, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("changed %q and packed anew: %v", change, err)
		}
	}
}

// Why somebody had to pass at once is in no bundle, also with personal fields, and both checks take it for what is left out.
func TestWhySomebodyHadToPassIsInNoBundle(t *testing.T) {
	t.Parallel()
	python := pythonHere(t)
	ck := &registertest.Clock{}
	dir := t.TempDir()
	ck.Set("2026-11-21 07:00:00")
	l := registertest.Open(t, dir, ck)
	registertest.MustAppend(t, l, registertest.StartOf(l, ck))
	registertest.MustAppend(t, l, registertest.Passage(ck, "a", "out", "hold")...)
	urgent := registertest.Decided(ck, "a", "out", "admit", "urgent-need")
	urgent.Personal = append(urgent.Personal, ledger.Field{Name: "need", Value: "personal-safety"})
	registertest.MustAppend(t, l, urgent)
	l.Close()
	keys, err := tlog.PublicKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := bundleOf(t, dir, "2026-11-21", true)
	if said := membersOf(t, b)["personal.jsonl"]; strings.Contains(said, "personal-safety") || !strings.Contains(said, `"field":"need","hash"`) {
		t.Errorf("personal.jsonl: %s", said)
	}
	const want = "of 1 more only the hash is given: erased, or left out"
	if report, err := checkBundle(t, b, keys[0]); err != nil || !strings.Contains(report, want) {
		t.Errorf("%v: %s", err, report)
	}
	path := filepath.Join(t.TempDir(), "day.zip")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), python, "-B", "../../docs/check_bundle.py", path, keys[0]).CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("the Python check: %v: %s", err, out)
	}
}
