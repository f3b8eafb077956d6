// Bench runs the benchmarks of the gate, of its ledger and of the ledger's peers, one after the other on the same disk, and
// ends with one table: what, measured, floor or peer, ratio, goal. Arguments go to all runs of go test, such as -short.
package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// modules are the packages that a peer's file needs; without them it is left out by its tag no+name.
var modules = map[string][]string{
	"bbolt":   {"go.etcd.io/bbolt"},
	"pebble":  {"github.com/cockroachdb/pebble/v2"},
	"immudb":  {"github.com/codenotary/immudb/embedded/store"},
	"tessera": {"github.com/transparency-dev/tessera", "github.com/transparency-dev/tessera/storage/posix"},
}

// row is one line of the table. Measurements are named "Benchmark/sub unit".
type row struct {
	what     string
	measured string
	than     string // what it is compared with, in words
	floor    string // its measurement, or ""
	ratio    string // or "": the goal is one of measured
	goal     string // ≤ or ≥, a number, and what it counts; or "": told, not demanded
}

var table = []row{
	{"Go source without tests", "Source lines", "", "", "", "≤ 29500 lines"},
	{"gated, stripped", "BinarySize MiB", "", "", "", "≤ 28 MiB"},
	{"idle daemon with the demo's roster, resident", "IdleMemory VmRSS-MiB", "of it anonymous", "IdleMemory RssAnon-MiB", "", "≤ 36 MiB"},
	{"a whole passage of a resident, p50", "One/passage-personal p50-us", "append 512 B + fdatasync", "One/floor p50-us",
		"One/passage-personal p50/floor", "≤ 1.6 ×"},
	{"the same, p99", "One/passage-personal p99-us", "append 512 B + fdatasync", "One/floor p99-us", "One/passage-personal p99/floor", "≤ 1.8 ×"},
	{"last byte on the terminal to durable decision, p50", "CodeToDurableDecision p50-us", "a bare one-row commit", "CodeToDurableDecision commit-p50-us",
		"CodeToDurableDecision x-commit", "≤ 1.8 ×"},
	{"bytes to the disk for a passage, the 10th", "Bytes/after=10 KiB", "", "", "", "≤ 40 KiB"},
	{"the 4,000th", "Bytes/after=4000 KiB", "", "", "", "≤ 40 KiB"},
	{"the 100,000th", "Bytes/after=100000 KiB", "", "", "", "≤ 40 KiB"},
	{"start without index.db, 300,000 entries: first scan answered", "StartWithoutIndex first-ms", "all of it read", "StartWithoutIndex whole-ms", "", "≤ 600 ms"},
	{"erase 10,000 passages", "Erase took-ms", "", "", "", "≤ 2000 ms"},
	{"passages meanwhile, p99, longer by", "Erase longer-ms", "", "", "", "≤ 20 ms"},
	{"verify without personal fields", "Verify/plain entries/s", "", "", "", "≥ 200000 entries/s"},
	{"verify with personal fields opened", "Verify/personal entries/s", "", "", "", "≥ 100000 entries/s"},
	{"policy replay, with trips and whereabouts", "Replay passages/s", "", "", "", "≥ 20000 passages/s"},
	{"the register ready after a kill, 10,000 entries", "Judge/few ready-ms", "300,000, or BENCH_ENTRIES", "Judge/many ready-ms", "", "≤ 1000 ms"},
	{"a decision with all facts, over the verification, 10,000 entries", "Judge/few p50-us", "300,000, or BENCH_ENTRIES",
		"Judge/many p50-us", "", "≤ 200 µs"},
	{"digits of a visit to the hold on record, 2,000 open, 10,000 entries", "Judge/few digits-ms", "300,000, or BENCH_ENTRIES",
		"Judge/many digits-ms", "", "≤ 50 ms"},
	{"open, cold", "Filled/open cold-ms", "warm", "Filled/open warm-ms", "", "≤ 20 ms"},
	{"a day of 10,000 passages to CSV", "Export/day-csv took-ms", "", "", "", "≤ 400 ms"},
	{"a month of 120,000 passages to XLSX", "Export/month-xlsx took-ms", "", "", "", "≤ 15000 ms"},
	{"the same, resident", "Export/month-xlsx resident-MiB", "", "", "", "≤ 64 MiB"},
	{"64 producers", "Producers/gated events/s", "Tessera POSIX, 256 / 1 ms", "Producers/tessera events/s", "Producers/tessera gated/rate", "≥ 4 ×"},
	{"64 producers", "Producers/gated events/s", "immudb, sync 1 ms", "Producers/immudb events/s", "Producers/immudb gated/rate", "≥ 4 ×"},
	{"64 producers", "Producers/gated events/s", "JSON Lines, group fdatasync", "Producers/lines events/s", "Producers/lines gated/rate", ""},
	{"64 producers", "Producers/gated events/s", "bbolt, grouped", "Producers/bbolt events/s", "Producers/bbolt gated/rate", ""},
	{"64 producers", "Producers/gated events/s", "Pebble", "Producers/pebble events/s", "Producers/pebble gated/rate", ""},
	{"one durable event, p50", "One/event p50-us", "append 512 B + fdatasync", "One/floor p50-us", "One/event p50/floor", ""},
	{"one durable event, p50", "One/event p50-us", "bbolt", "One/bbolt p50-us", "One/bbolt event/p50", ""},
	{"one durable event, p50", "One/event p50-us", "Pebble", "One/pebble p50-us", "One/pebble event/p50", ""},
	{"one durable event, p50", "One/event p50-us", "immudb, sync 1 ms", "One/immudb p50-us", "One/immudb event/p50", ""},
	{"one durable event, p50", "One/event p50-us", "Tessera POSIX, 256 / 1 ms", "One/tessera p50-us", "One/tessera event/p50", ""},
	{"size without personal fields", "Filled/size file-MB", "the records' bytes", "Filled/size records-MB", "Filled/size file/records", ""},
}

// results are the values seen of each measurement: one, or as many as -count asked for.
type results map[string][]float64

var gomaxprocs = regexp.MustCompile(`-\d+$`)

// read takes one line of go test's output; it ignores all that is not a benchmark's.
func (r results) read(line string) {
	f := strings.Fields(line)
	if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
		return
	}
	name := gomaxprocs.ReplaceAllString(strings.TrimPrefix(f[0], "Benchmark"), "")
	for i := 2; i+1 < len(f); i += 2 {
		if v, err := strconv.ParseFloat(f[i], 64); err == nil {
			k := name + " " + f[i+1]
			r[k] = append(r[k], v)
		}
	}
}

func (r results) median(key string) (float64, bool) {
	v := slices.Sorted(slices.Values(r[key]))
	if len(v) == 0 {
		return 0, false
	}
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2, true
}

// value writes a measurement with its unit.
func (r results) value(key string) string {
	v, ok := r.median(key)
	if !ok {
		return "not measured"
	}
	unit := key[strings.LastIndexByte(key, ' ')+1:]
	if i := strings.LastIndexByte(unit, '-'); i >= 0 {
		unit = unit[i+1:]
	}
	if unit == "us" {
		unit = "µs"
	}
	return number(v) + " " + unit
}

// number has three digits that count, or all before the point.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', max(0, 3-len(strconv.Itoa(int(v)))), 64)
	if i := len(s); v >= 10_000 {
		for i -= 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
	}
	return s
}

// write prints the rows; missing are the peers that could not be built.
func (r results) write(w io.Writer, rows []row, missing map[string]bool) {
	cells := [][]string{{"what", "measured", "against", "ratio", "goal", "met"}}
	for _, l := range rows {
		c := []string{l.what, r.value(l.measured), l.than, "", cmp.Or(l.goal, "–"), ""}
		if l.floor != "" {
			peer, _, _ := strings.Cut(l.floor[strings.IndexByte(l.floor, '/')+1:], " ")
			if missing[peer] {
				c[2] += ": not available"
			} else {
				c[2] += ": " + r.value(l.floor)
			}
		}
		judged, ok := r.median(cmp.Or(l.ratio, l.measured))
		if ok && l.ratio != "" {
			c[3] = strconv.FormatFloat(judged, 'f', 2, 64) + " ×"
			if strings.HasSuffix(l.ratio, "%") {
				c[3] = strconv.FormatFloat(judged, 'f', 1, 64) + " %"
			}
		}
		if op, rest, _ := strings.Cut(l.goal, " "); ok && l.goal != "" {
			n, _, _ := strings.Cut(rest, " ")
			goal, err := strconv.ParseFloat(n, 64)
			if err != nil {
				panic(l.goal)
			}
			c[5] = map[bool]string{true: "yes", false: "NO"}[op == "≤" && judged <= goal || op == "≥" && judged >= goal]
		}
		cells = append(cells, c)
	}
	width := make([]int, len(cells[0]))
	for _, c := range cells {
		for i := range c {
			width[i] = max(width[i], utf8.RuneCountInString(c[i]))
		}
	}
	for n, c := range cells {
		for i := range c {
			fmt.Fprintf(w, "| %-*s ", width[i], c[i])
		}
		fmt.Fprintln(w, "|")
		for i := range c {
			if n == 0 {
				fmt.Fprint(w, "|", strings.Repeat("-", width[i]+2))
			}
		}
		if n == 0 {
			fmt.Fprintln(w, "|")
		}
	}
}

// run runs go test in dir, shows its output as it comes and takes the benchmarks from it.
func (r results) run(dir string, args ...string) error {
	cmd := exec.Command("go", append([]string{"test", "-run", "^$", "-benchtime", "1x", "-timeout", "60m"}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for s := bufio.NewScanner(out); s.Scan(); {
		fmt.Println(s.Text())
		r.read(s.Text())
	}
	return cmd.Wait()
}

// machine tells where the figures come from, and how much else was going on there: a load of more than about 0.2 before
// the first measurement makes most ratios worse than they are.
func machine() string {
	first := func(path, prefix string) string {
		raw, _ := os.ReadFile(path)
		for line := range strings.Lines(string(raw)) {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), prefix); ok {
				return strings.TrimLeft(rest, "\t :")
			}
		}
		return "unknown"
	}
	load, _, _ := strings.Cut(first("/proc/loadavg", ""), " ")
	return fmt.Sprintf("%s, %d cores, Linux %s, %s/%s, %s; load before the start %s", first("/proc/cpuinfo", "model name"), runtime.NumCPU(), first("/proc/sys/kernel/osrelease", ""),
		runtime.GOOS, runtime.GOARCH, runtime.Version(), load)
}

func main() {
	where := machine()
	missing, tags := map[string]bool{}, "-tags="
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		if out, err := exec.Command("go", append([]string{"build"}, modules[name]...)...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%s cannot be built and is left out: %s\n", name, strings.TrimSpace(string(out)))
			missing[name] = true
			tags += "no" + name + ","
		}
	}
	r := results{}
	err := errors.Join(
		r.run(".", append([]string{tags, "-bench", "."}, append(os.Args[1:], ".")...)...),
		r.run("..", append([]string{"-bench", "."}, append(os.Args[1:], "./ledger", "./evidence", "./register/erasure")...)...),
		r.run("..", append([]string{"-bench", "^Benchmark(Source|BinarySize|IdleMemory|Bytes|StartWithoutIndex|Judge)$"}, append(os.Args[1:], "./cmd/gated", "./gate")...)...),
		r.run("..", append([]string{"-bench", "^BenchmarkCodeToDurableDecision$", "-benchtime", "1000x"}, append(os.Args[1:], "./cmd/gated")...)...))
	fmt.Printf("\n%s\n\n", where)
	r.write(os.Stdout, table, missing)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: not all could be measured:", err)
		os.Exit(1)
	}
}
