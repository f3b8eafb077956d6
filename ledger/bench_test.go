package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gated/ledger/entry"
	"gated/ledger/file"
	"gated/ledger/tlog"

	"golang.org/x/sys/unix"
)

// The benchmarks here fill a ledger once and take each measurement a fixed number of times: -benchtime means nothing to
// them. bench/ runs them together with the peers and prints the table.

// perDay entries of 10,000 passages make one day of the filled ledger.
const perDay = 30_000

// benchEntries is how many entries the filled ledger has: BENCH_ENTRIES, or a million.
func benchEntries(b *testing.B) int64 {
	s := os.Getenv("BENCH_ENTRIES")
	if s == "" {
		return 1_000_000
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 2*perDay {
		b.Fatalf("BENCH_ENTRIES=%s: give a number of at least %d", s, 2*perDay)
	}
	return n
}

// benchDir is on a real disk: where temporary files are kept in memory, a sync costs nothing.
func benchDir(b *testing.B) string {
	base := os.Getenv("BENCH_DIR")
	if base == "" {
		base = "/var/tmp"
	}
	var st unix.Statfs_t
	if err := unix.Statfs(base, &st); err != nil {
		b.Fatalf("%s: %v: name a directory on the disk to measure with BENCH_DIR", base, err)
	}
	if st.Type == unix.TMPFS_MAGIC {
		b.Fatalf("%s is in memory: name a directory on the disk to measure with BENCH_DIR", base)
	}
	dir, err := os.MkdirTemp(base, "gated-bench-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func quantile(x []float64, q float64) float64 {
	s := slices.Sorted(slices.Values(x))
	return s[int(q*float64(len(s)-1))]
}

// report is a benchmark of its own whose result was measured before.
func report(b *testing.B, name string, metrics map[string]float64) {
	b.Run(name, func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		for unit, v := range metrics {
			b.ReportMetric(v, unit)
		}
	})
}

// filled writes a ledger of n entries, passages of three events and no personal fields, straight into its tables: through Append ten million entries would take minutes of syncs. It returns the bytes of all records.
func filled(b *testing.B, dir string, n int64) (records int64) {
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	opt := options(dir, benchClock())
	l, err := Open(opt) // makes the key
	check(err)
	check(l.Close())
	c, err := connect("file:" + filepath.Join(dir, "ledger.db"))
	check(err)
	check(c.exec("PRAGMA journal_mode = MEMORY"))
	check(c.exec("PRAGMA synchronous = OFF"))
	check(c.exec("PRAGMA cache_size = -65536"))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, shanghai)
	stamp := Stamp{Time: start, Boot: "d298ec32-5b6c-4681-a94f-77b1023f508e", Trusted: true}
	ev := Event{Stamp: stamp, Kind: Check, Passage: "pppppppppppppppp", Lane: "in", Direction: "in", Class: "resident", Credential: "gated-pass", Proof: "signed",
		Reason: "ok", Policy: "ab5099044bfd73f570708624a4c60c51", Roster: "766b648b4e8ed4e1", By: "machine"}
	events := []Event{ev, ev, ev}
	events[1].Kind, events[1].Verdict, events[1].Reason, events[1].Rule, events[1].Detail = Query, "admit", "resident", "residents", map[string]string{"known": "yes", "level": "guarded"}
	events[2].Kind, events[2].Verdict, events[2].Reason, events[2].Rule = Register, "admit", "resident", "residents"
	// Of the three records only seq, time, mono and passage change; encoding each anew would take most of the time.
	var parts [3][5][]byte
	for i := range events {
		e, _, err := entry.New(&events[i], shanghai)
		check(err)
		e.Seq, e.Time, e.Mono = 1<<62, "TIME", 1<<61
		raw := e.JSON()
		for k, cut := range []string{fmt.Sprint(int64(1) << 62), "TIME", fmt.Sprint(int64(1) << 61), ev.Passage} {
			var found bool
			if parts[i][k], raw, found = bytes.Cut(raw, []byte(cut)); !found {
				b.Fatalf("no %s in the record", cut)
			}
		}
		parts[i][4] = raw
	}
	const rowsEach = 60
	st, err := c.Prepare("INSERT INTO entry VALUES (?, ?, ?, NULL)" + strings.Repeat(", (?, ?, ?, NULL)", rowsEach-1))
	check(err)
	var merkle tlog.Tree
	var rows []any
	var buf []byte
	var last string
	keys, err := tlog.ReadKeys(tlog.KeyFile(dir, 1))
	check(err)
	var head tlog.Head
	signed := func(size int64) { // over each day that ended, and the whole
		head, err = tlog.SignHead(opt.Origin, size, merkle.Root(), keys[0])
		check(err)
		check(c.exec("INSERT INTO head VALUES (?, ?, ?)", size, string(head.Note), merkle.Edge(0)))
	}
	check(c.exec("BEGIN"))
	for seq := int64(1); seq <= n; seq++ {
		if seq > 1 && (seq-1)%perDay == 0 {
			signed(seq - 1)
		}
		at := start.AddDate(0, 0, int((seq-1)/perDay)).Add(time.Duration((seq-1)%perDay) / 3 * 24 * time.Hour / (perDay / 3))
		mono := at.Sub(start).Microseconds()
		p := &parts[(seq-1)%3]
		buf = strconv.AppendInt(append(buf[:0], p[0]...), seq, 10)
		buf = at.AppendFormat(append(buf, p[1]...), entry.TimeFormat)
		buf = strconv.AppendInt(append(buf, p[2]...), mono, 10)
		buf = fmt.Appendf(append(buf, p[3]...), "p%015d", (seq-1)/3)
		buf = append(buf, p[4]...)
		records += int64(len(buf))
		last = string(buf)
		rows = append(rows, seq, at.UnixMicro(), last)
		if len(rows) == 3*rowsEach {
			_, err := st.Exec(rows...)
			check(err)
			rows = rows[:0]
		}
		for _, t := range merkle.Push(tlog.LeafHash(buf)) {
			check(c.exec("INSERT INTO tile VALUES (?, ?, ?)", tileAt(t.Level, t.N), t.Root[:], t.Data))
		}
		if (seq-1)%perDay == 0 {
			check(c.exec("INSERT INTO segment VALUES (?, ?)", seq, at.Format(time.DateOnly)))
		}
	}
	for ; len(rows) > 0; rows = rows[3:] {
		check(c.exec("INSERT INTO entry VALUES (?, ?, ?, NULL)", rows[0], rows[1], rows[2]))
	}
	signed(n)
	check(c.exec("COMMIT"))
	check(c.exec("PRAGMA journal_mode = WAL"))
	check(c.Close())
	anchor, err := tlog.OpenAnchor(file.AnchorOf(l.path))
	check(err)
	check(errors.Join(anchor.Write(head), anchor.Close()))
	l, err = Open(opt)
	check(err)
	if f := l.Fault(); f != nil {
		b.Fatal(f.Cause)
	}
	check(l.Close())
	return records
}

// benchClock is a day after the newest entry of the filled ledger.
func benchClock() *clock { return &clock{t: time.Date(2028, 1, 1, 0, 0, 0, 0, shanghai)} }

// forget makes the next reader of the directory's files wait for the disk.
func forget(b *testing.B, dir string) {
	unix.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err == nil {
		return
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	for _, name := range files { // not root: at least the files' pages
		var f *os.File
		if f, err = os.Open(name); err == nil {
			err = errors.Join(unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}

// timed returns the median of n measurements in seconds.
func timed(b *testing.B, n int, before func(), f func() error) float64 {
	b.Helper()
	var took []float64
	for range n {
		if before != nil {
			before()
		}
		start := time.Now()
		if err := f(); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start).Seconds())
	}
	return quantile(took, .5)
}

// BenchmarkFilled measures what a long life costs: size, opening and verifying.
func BenchmarkFilled(b *testing.B) {
	n, dir := benchEntries(b), benchDir(b)
	records := filled(b, dir, n)
	stat, err := os.Stat(filepath.Join(dir, "ledger.db"))
	if err != nil {
		b.Fatal(err)
	}
	report(b, "size", map[string]float64{"file-MB": float64(stat.Size()) / 1e6, "records-MB": float64(records) / 1e6, "file/records": float64(stat.Size()) / float64(records), "entries": float64(n)})

	var l *Ledger
	opened := func() error {
		l, err = Open(options(dir, benchClock()))
		if err == nil && l.Fault() != nil {
			err = errors.New(l.Fault().Cause)
		}
		return err
	}
	closed := func() {
		if l != nil {
			l.Close()
		}
		l = nil
	}
	warm := timed(b, 11, closed, opened)
	cold := timed(b, 7, func() { closed(); forget(b, dir) }, opened)
	closed()
	report(b, "open", map[string]float64{"warm-ms": 1e3 * warm, "cold-ms": 1e3 * cold, "entries": float64(n)})

	r, err := file.OpenReader(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var held *Report
	rounds := 3
	if n > 2_000_000 {
		rounds = 1 // long enough
	}
	took := timed(b, rounds, nil, func() error { held, err = verifyReader(r, Given{}); return err })
	if held.Entries != n {
		b.Fatalf("%d entries hold, want %d", held.Entries, n)
	}
	hashing := hashing(b, r, min(n, 200_000))
	report(b, "verify", map[string]float64{"entries/s": float64(n) / took, "sha256-entries/s": 1 / hashing, "x-sha256": took / float64(n) / hashing, "entries": float64(n)})
}

// hashing is the time in seconds to hash one record that lies in memory.
func hashing(b *testing.B, r *file.Reader, n int64) float64 {
	var raw [][]byte
	if err := r.Scan(1, n, false, func(e *Entry) error { raw = append(raw, bytes.Clone(e.Raw)); return nil }); err != nil {
		b.Fatal(err)
	}
	return timed(b, 5, nil, func() error {
		for _, rec := range raw {
			sha256.Sum256(rec)
		}
		return nil
	}) / float64(n)
}

// BenchmarkTree measures what the Merkle tree and its heads take of an append, by their parts: the hashing of each event, the
// full tile that is written with each 256th, the head signed and synced each second.
func BenchmarkTree(b *testing.B) {
	opt := options(benchDir(b), benchClock())
	l, err := Open(opt)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	events := 20_000
	if testing.Short() {
		events = 2_000
	}
	for _, v := range []struct {
		name  string
		batch int
	}{{"append", 1}, {"batch", 64}} {
		var plain, tiled, sign []float64 // µs
		var raw [][]byte
		for n := 0; n < events*min(v.batch, 8); n += v.batch {
			var events []Event
			for i := range v.batch {
				ev := passage(&clock{t: opt.Now().Time}, fmt.Sprintf("p%015d", n+i), "in", "admit")[0]
				ev.Boot, ev.Policy, ev.Roster, ev.By = "d298ec32-5b6c-4681-a94f-77b1023f508e", "ab5099044bfd73f570708624a4c60c51", "766b648b4e8ed4e1", "machine"
				events = append(events, ev)
			}
			err := l.do(func() error {
				before, start := l.size, time.Now()
				entries, err := l.enter(events...)
				if took := float64(time.Since(start).Nanoseconds()) / 1e3; before/tlog.TileWidth == l.size/tlog.TileWidth {
					plain = append(plain, took)
				} else {
					tiled = append(tiled, took)
				}
				for i := range entries {
					raw = append(raw, entries[i].Raw)
				}
				if err == nil && l.since >= checkpointEvery {
					err = l.checkpoint("PASSIVE")
				}
				if start = time.Now(); err == nil && n/v.batch%200 == 0 {
					err = l.sign()
					sign = append(sign, float64(time.Since(start).Nanoseconds())/1e3)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		push := 1e6 / float64(len(raw)) * timed(b, 5, nil, func() error {
			var t tlog.Tree
			for _, r := range raw {
				t.Push(tlog.LeafHash(r))
			}
			return nil
		})
		took, tile, head := quantile(plain, .5), quantile(tiled, .5)-quantile(plain, .5), quantile(sign, .5)
		work := float64(v.batch)*(push+tile/tlog.TileWidth) + head*took/1e6
		report(b, v.name, map[string]float64{"append-us": took, "hash-us": push, "tile-us": tile, "head-us": head, "tree-us": work, "share-%": 100 * work / took})
	}
}
