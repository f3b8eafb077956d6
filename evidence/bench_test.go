package evidence

import (
	"errors"
	"fmt"
	"gated/register/registertest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gated/evidence/replay"
	"gated/ledger"
	"gated/ledger/file"
	"gated/policy"
)

// The benchmarks here fill a ledger once and take each measurement a fixed number of times: -benchtime means nothing to
// them. bench/ runs them and prints the table.

// crowdedDay is a day of 10,000 passages; the days before it have 4,000 each, 120,000 in a month.
const crowdedDay = "2026-07-01"

// month is a ledger of passages of three entries, with personal fields where asked for.
func month(b *testing.B, dir string, personal bool) {
	b.Helper()
	ck := &registertest.Clock{}
	l := registertest.Open(b, dir, ck)
	ck.Set("2026-06-01 00:00:00")
	registertest.MustAppend(b, l, ledger.Event{Stamp: ck.Now(), Kind: ledger.Start}) // a daemon's: only a process without one signs each commit for good
	for day := registertest.At("2026-06-01 00:00:00"); !day.After(registertest.At(crowdedDay + " 00:00:00")); day = day.AddDate(0, 0, 1) {
		n := 4000
		if day.Format(time.DateOnly) == crowdedDay {
			n = 10000
		}
		var events []ledger.Event
		for i := range n {
			ck.Set(day.Add(time.Duration(i) * 24 * time.Hour / time.Duration(n)).Format(time.DateTime))
			id := fmt.Sprintf("%s-%07d", day.Format("20060102"), i)
			events = append(append(events, registertest.Passage(ck, id, "in", "admit")...), registertest.Decided(ck, id, "in", "admit", "resident"))
			if !personal {
				for j := range events {
					events[j].Personal = nil
				}
			}
			if len(events) > 250 || i == n-1 {
				for j := range events { // a commit takes in what came within milliseconds
					events[j].Mono = events[0].Mono
				}
				registertest.MustAppend(b, l, events...)
				events = events[:0]
			}
		}
	}
	l.Close()
}

// exported runs an export in a process of its own, as a command does, and returns seconds, those of the processor, and the
// most memory that it held in MiB.
func exported(b *testing.B, dir, format, from, to string) (seconds, cpu, mib float64) {
	b.Helper()
	out := filepath.Join(b.TempDir(), "out")
	cmd := exec.Command(os.Args[0], "-test.run", "^TestExportForTheBenchmark$", "-test.v")
	cmd.Env = append(os.Environ(), "GATED_EXPORT="+dir, "GATED_EXPORT_FORMAT="+format, "GATED_EXPORT_FROM="+from, "GATED_EXPORT_TO="+to, "GATED_EXPORT_OUT="+out)
	start := time.Now()
	said, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v: %s", err, said)
	}
	seconds = time.Since(start).Seconds()
	if st, err := os.Stat(out); err != nil || st.Size() < 1000 {
		b.Fatalf("%s: %v", format, err)
	}
	_, held, _ := strings.Cut(string(said), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(held, &kib); err != nil {
		b.Fatalf("%v: %s", err, said)
	}
	return seconds, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), kib / 1024
}

// TestExportForTheBenchmark is what exported runs.
func TestExportForTheBenchmark(t *testing.T) {
	dir := os.Getenv("GATED_EXPORT")
	if dir == "" {
		t.Skip("a part of the benchmark")
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := os.Create(os.Getenv("GATED_EXPORT_OUT"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	x := Selection{From: os.Getenv("GATED_EXPORT_FROM"), To: os.Getenv("GATED_EXPORT_TO"), Now: registertest.At("2026-08-01 00:00:00")}
	switch os.Getenv("GATED_EXPORT_FORMAT") {
	case "csv":
		err = r.ExportCSV(f, nil, x)
	case "jsonl":
		_, err = r.ExportJSONL(f, nil, x)
	default:
		err = r.ExportXLSX(f, x)
	}
	status, serr := os.ReadFile("/proc/self/status")
	if err := errors.Join(err, serr); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", status) // VmHWM
}

func BenchmarkExport(b *testing.B) {
	dir := b.TempDir()
	month(b, dir, false)
	for _, x := range []struct{ name, format, from, to string }{
		{"day-csv", "csv", crowdedDay, crowdedDay}, {"day-jsonl", "jsonl", crowdedDay, crowdedDay},
		{"month-csv", "csv", "2026-06-01", "2026-06-30"}, {"month-xlsx", "xlsx", "2026-06-01", "2026-06-30"},
	} {
		var took, cpu, held []float64
		for range 3 {
			s, c, mib := exported(b, dir, x.format, x.from, x.to)
			took, cpu, held = append(took, s), append(cpu, c), append(held, mib)
		}
		slices.Sort(took)
		slices.Sort(cpu)
		b.Run(x.name, func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(1e3*took[1], "took-ms")
			b.ReportMetric(1e3*cpu[1], "cpu-ms")
			b.ReportMetric(slices.Max(held), "resident-MiB")
		})
	}
}

// BenchmarkVerify reads a whole ledger, with and without personal fields.
func BenchmarkVerify(b *testing.B) {
	for _, personal := range []bool{false, true} {
		dir := b.TempDir()
		month(b, dir, personal)
		var took, cpu []float64
		var rep *Report
		for range 3 {
			start, used := time.Now(), processor()
			var err error
			if rep, err = verifyDir(b, dir, Given{}); err != nil {
				b.Fatal(err)
			}
			took, cpu = append(took, time.Since(start).Seconds()), append(cpu, (processor()-used).Seconds())
		}
		slices.Sort(took)
		slices.Sort(cpu)
		b.Run(map[bool]string{false: "plain", true: "personal"}[personal], func(b *testing.B) {
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(rep.Entries)/took[1], "entries/s")
			b.ReportMetric(float64(rep.Entries)/cpu[1], "entries/cpu-s")
		})
	}
}

// processor is the time that this process has had of it.
func processor() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkReplay asks the shipped policy about each passage of a month again.
func BenchmarkReplay(b *testing.B) {
	dir := b.TempDir()
	month(b, dir, true)
	in, err := file.OpenReader(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	var rates []float64
	for range 3 {
		start := time.Now()
		report, err := replay.Run(in, replay.Options{Policy: policy.Shipped(), From: "2026-06-01"})
		if err != nil || report.Passages < 100_000 {
			b.Fatalf("%+v, %v", report, err)
		}
		rates = append(rates, float64(report.Passages)/time.Since(start).Seconds())
	}
	slices.Sort(rates)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rates[1], "passages/s")
}
