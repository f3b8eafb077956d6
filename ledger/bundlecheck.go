package ledger

import (
	"archive/zip"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"gated/ledger/tlog"

	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// maxMember bounds the members that are read into memory: all but those with a line for each entry of the day.
const maxMember = 64 << 20

// errEnough ends a reading early.
var errEnough = errors.New("enough")

// VerifyBundle checks an audit bundle, the zip file or the folder of its unpacked members, with the note verifier keys that
// the auditor has: the gate's, and any of witnesses. What it proved goes to report, one sentence a line; the error names
// the first faulty entry or member.
func VerifyBundle(path string, keys []string, report io.Writer) error {
	if len(keys) == 0 {
		return errors.New("no key to check with: name the gate's public key, from when the gate was installed, with --key; the one in the bundle proves nothing about the bundle")
	}
	c, err := openBundle(path)
	if err != nil {
		if inside := repacked(path, keys); inside != nil {
			err = inside
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	defer c.Close()
	c.report = bufio.NewWriter(report)
	if err := c.check(keys); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return c.report.Flush()
}

// repacked looks into a zip file that is not as gated packs it, for what is wrong with its members: who changed one may
// have packed it anew, and the entry tells more than the packing.
func repacked(path string, keys []string) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return nil
	}
	defer z.Close()
	dir, err := os.MkdirTemp("", "gated-bundle-") // it may hold personal data: mode 0700
	if err != nil {
		return nil
	}
	defer os.RemoveAll(dir)
	left := int64(maxRepacked)
	for _, f := range z.File {
		if !slices.ContainsFunc(bundleMembers, func(m bundleMember) bool { return m.name == f.Name }) {
			return fmt.Errorf("%q does not belong to an audit bundle", f.Name)
		}
		from, err := f.Open()
		if err != nil {
			return nil
		}
		to, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			from.Close()
			return fmt.Errorf("%s is in it twice", f.Name)
		}
		n, _ := io.Copy(to, io.LimitReader(from, left)) // a wrong checksum: what was read shows what is wrong
		from.Close()
		to.Close()
		if left -= n; left <= 0 {
			return nil
		}
	}
	c, err := openBundle(dir)
	if err != nil {
		return err
	}
	defer c.Close()
	c.report = bufio.NewWriter(io.Discard)
	return c.check(keys)
}

// maxRepacked bounds what is unpacked of a zip file that another program made.
const maxRepacked = 1 << 30

// bundleCheck is a bundle being checked.
type bundleCheck struct {
	files   map[string]*io.SectionReader
	closers []io.Closer
	members []*zipMember
	zip     *os.File // nil for a folder
	end     int64    // of the last member in the zip
	altered []string // members that are not those of the manifest
	report  *bufio.Writer

	keys   []string // the gate's, trusted; grows with each change of key that is followed
	others []string // of witnesses, and older ones of the gate
	head   tlog.Head
	sum    bundleSummary // as the bundle has it
	proof  bundleProof
	leaves []leaf // of all given records, in the order of leaves.txt
	counts []int  // of these in each of recordMembers
}

func (c *bundleCheck) Close() error {
	var errs []error
	for _, f := range c.closers {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

func (c *bundleCheck) say(format string, args ...any) { fmt.Fprintf(c.report, format+"\n", args...) }

func openBundle(path string) (*bundleCheck, error) {
	c := &bundleCheck{files: map[string]*io.SectionReader{}}
	st, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	if st.IsDir() {
		err = c.openFolder(path)
	} else {
		err = c.openZip(path)
	}
	if err == nil {
		for _, m := range bundleMembers {
			if m.always && c.files[m.name] == nil {
				err = fmt.Errorf("%s is missing: this is not a whole audit bundle", m.name)
				break
			}
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *bundleCheck) openFolder(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.ContainsFunc(bundleMembers, func(m bundleMember) bool { return m.name == e.Name() }) || !e.Type().IsRegular() {
			return fmt.Errorf("%q does not belong to an audit bundle", e.Name())
		}
	}
	for _, m := range bundleMembers {
		f, err := os.Open(filepath.Join(path, m.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		c.closers = append(c.closers, f)
		st, err := f.Stat()
		if err != nil {
			return err
		}
		c.add(&zipMember{name: m.name, size: st.Size()}, io.NewSectionReader(f, 0, st.Size()))
	}
	return nil
}

func (c *bundleCheck) add(z *zipMember, r *io.SectionReader) {
	c.members = append(c.members, z)
	c.files[z.name] = r
}

// openZip walks from member to member: they stand in their order, without a gap, each behind a header of which all but
// size and checksum is given.
func (c *bundleCheck) openZip(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	c.zip = f
	c.closers = append(c.closers, f)
	at, before := int64(0), "the beginning"
	for _, m := range bundleMembers {
		z := &zipMember{name: m.name, at: at}
		got := make([]byte, zipLocal+len(m.name))
		n, err := f.ReadAt(got, at)
		if err != nil && err != io.EOF {
			return err
		}
		if n == len(got) {
			z.crc, z.size = binary.LittleEndian.Uint32(got[14:]), int64(binary.LittleEndian.Uint32(got[18:]))
		}
		if !bytes.Equal(got, z.header()) {
			if !m.always && !bytes.Equal(got[zipLocal:], []byte(m.name)) {
				continue
			}
			return fmt.Errorf("at byte %d, after %s, the zip file has not the header of %s that it must have: it was changed or packed anew; if it was only packed anew, unpack it and check the folder", at, before, m.name)
		}
		at += int64(len(got))
		c.add(z, io.NewSectionReader(f, at, z.size))
		at, before = at+z.size, m.name
	}
	c.end = at
	return nil
}

// container checks what is left of the zip file once the members are known to be right: checksums and directory.
func (c *bundleCheck) container() error {
	if c.zip == nil {
		return nil
	}
	for _, z := range c.members {
		sum := crc32.NewIEEE()
		if n, err := io.Copy(sum, c.content(z.name)); err != nil || n != z.size {
			return fmt.Errorf("%s is cut off (%w)", z.name, errors.Join(err, io.ErrUnexpectedEOF))
		}
		if sum.Sum32() != z.crc {
			return fmt.Errorf("the header of %s in the zip file, at byte %d, has another checksum than its content", z.name, z.at)
		}
	}
	want := zipDirectory(c.members, c.end)
	got, err := io.ReadAll(io.LimitReader(io.NewSectionReader(c.zip, c.end, 1<<62-c.end), int64(len(want))+1))
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		i := 0
		for i < min(len(got), len(want)) && got[i] == want[i] {
			i++
		}
		return fmt.Errorf("the directory of the zip file was changed, at byte %d", c.end+int64(i))
	}
	return nil
}

// content is a member from its beginning.
func (c *bundleCheck) content(name string) io.Reader {
	r := c.files[name]
	return io.NewSectionReader(r, 0, r.Size())
}

// read reads a small member whole.
func (c *bundleCheck) read(name string) ([]byte, error) {
	if size := c.files[name].Size(); size > maxMember {
		return nil, fmt.Errorf("%s has %d bytes, more than any gate writes", name, size)
	}
	b, err := io.ReadAll(c.content(name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}

// lines calls f for each line of a member, without its newline. The error is that of f, or says what is wrong with the line.
func (c *bundleCheck) lines(name string, longest int, f func(line []byte) error) error {
	r := bufio.NewReaderSize(c.content(name), min(longest+1, max(int(c.files[name].Size()), 16)))
	for n := 1; ; n++ {
		line, err := r.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return nil
		case err == io.EOF:
			return fmt.Errorf("line %d of %s does not end", n, name)
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d of %s is longer than %d bytes", n, name, longest)
		case err != nil:
			return fmt.Errorf("read %s: %w", name, err)
		}
		if err := f(line[:len(line)-1]); err != nil {
			return err
		}
	}
}

// decode reads a JSON member, which must be written in the one way that gated writes it.
func (c *bundleCheck) decode(name string, v any) error {
	b, err := c.read(name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	again, err := canonicalJSON(v)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("%s is not written as gated writes it", name)
	}
	return nil
}

// check goes from the evidence to what merely stands around it, so that a fault is told by what it means: first the
// records against the head, then the head against the keys, then counts, and last the files as such.
func (c *bundleCheck) check(keys []string) error {
	if err := c.manifest(); err != nil {
		return err
	}
	err := c.evidence(keys)
	if len(c.altered) > 0 {
		changed := fmt.Errorf("not as manifest.sha256 has it: %s", strings.Join(c.altered, ", "))
		if err != nil {
			return fmt.Errorf("%w (%w)", err, changed)
		}
		return changed
	}
	if err != nil {
		return err
	}
	return c.container()
}

// manifest compares the members with it. A difference is told later: what it means matters more.
func (c *bundleCheck) manifest() error {
	var want bytes.Buffer
	got, err := c.read("manifest.sha256")
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(got), "\n")
	for _, z := range c.members {
		if z.name == "manifest.sha256" {
			continue
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, c.content(z.name)); err != nil {
			return fmt.Errorf("read %s: %w", z.name, err)
		}
		line := fmt.Sprintf("%x  %s\n", sum.Sum(nil), z.name)
		want.WriteString(line)
		if !slices.Contains(lines, line) {
			c.altered = append(c.altered, z.name)
		}
	}
	if len(c.altered) == 0 && !bytes.Equal(got, want.Bytes()) {
		c.altered = append(c.altered, "manifest.sha256 itself")
	}
	return nil
}

func (c *bundleCheck) evidence(keys []string) error {
	if err := c.readHead(keys); err != nil {
		return err
	}
	if err := c.decode("summary.json", &c.sum); err != nil {
		return err
	}
	if err := c.decode("proof.json", &c.proof); err != nil {
		return err
	}
	if c.sum.V != 1 || c.proof.V != 1 {
		return fmt.Errorf("a bundle of version %d, this gated reads version 1: use a newer one", max(c.sum.V, c.proof.V))
	}
	if err := c.readLeaves(); err != nil {
		return err
	}
	a, err := c.account()
	if err != nil {
		return err
	}
	if err := c.followKeys(a); err != nil {
		return err
	}
	if err := c.olderHeads(); err != nil {
		return err
	}
	if err := c.personal(); err != nil {
		return err
	}
	if b, err := c.read("README.txt"); err != nil {
		return err
	} else if string(b) != bundleReadme {
		c.say("not checked: README.txt, which nothing signs: it is not the text of this gated, but of another version, or changed")
	}
	return c.conclude(a)
}

// readHead reads head.txt and sorts the keys into those that can vouch for it and others.
func (c *bundleCheck) readHead(keys []string) error {
	b, err := c.read("head.txt")
	if err != nil {
		return err
	}
	if c.head, err = tlog.ParseHead(b); err != nil {
		return fmt.Errorf("head.txt: %w", err)
	}
	if c.head.Size < 1 {
		return errors.New("head.txt: it was signed before the first entry, and proves nothing of any day")
	}
	var names []string
	for _, k := range keys {
		v, err := tlog.NewVerifier(k)
		if err != nil {
			return err
		}
		if _, err := tlog.WitnessName(k); err != nil && v.Name() == c.head.Origin {
			c.keys = append(c.keys, k)
		} else {
			c.others = append(c.others, k)
		}
		names = append(names, v.Name())
	}
	if len(c.keys) == 0 {
		return fmt.Errorf("head.txt is of %q, and the key given is of %s: give the key of that gate", c.head.Origin, strings.Join(names, ", "))
	}
	var invalid *note.InvalidSignatureError
	if _, _, err := c.signed(c.head); errors.As(err, &invalid) {
		return fmt.Errorf("head.txt: %w", err)
	}
	return nil
}

// signed tells which of the keys known signed a head. A signature by one of them that is not good is an error.
func (c *bundleCheck) signed(h tlog.Head) (by []string, unknown []string, err error) {
	known, err := tlog.Verifiers(append(c.keys[:len(c.keys):len(c.keys)], c.others...)...)
	if err != nil {
		return nil, nil, err
	}
	n, err := note.Open(h.Note, known)
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n, err = unverified.Note, nil
	}
	if err != nil {
		return nil, nil, err
	}
	for _, s := range n.UnverifiedSigs {
		unknown = append(unknown, s.Name)
	}
	for _, k := range append(c.keys[:len(c.keys):len(c.keys)], c.others...) {
		v, err := tlog.NewVerifier(k)
		if err != nil {
			return nil, nil, err
		}
		if slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() }) {
			by = append(by, k)
		}
	}
	return by, unknown, nil
}

// readLeaves hashes the given records, proves that they stand where they say in the tree of head.txt, and names the first
// that does not.
func (c *bundleCheck) readLeaves() error {
	var fault error // of the record behind the last of c.leaves
	where := ""
	for _, name := range recordMembers {
		n := len(c.leaves)
		last := int64(0)
		fault = c.lines(name, MaxRecord+1, func(line []byte) error {
			seq, err := c.seq(line)
			if err == nil && seq <= last {
				err = fmt.Errorf("it stands behind entry %d", last)
			}
			if err == nil && seq > c.head.Size {
				err = fmt.Errorf("it says that it is entry %d, and the tree head counts %d", seq, c.head.Size)
			}
			if err != nil {
				return err
			}
			last = seq
			c.leaves = append(c.leaves, leaf{seq, tlog.LeafHash(line)})
			return nil
		})
		c.counts = append(c.counts, len(c.leaves)-n)
		if fault != nil {
			where = fmt.Sprintf("line %d of %s", len(c.leaves)-n+1, name)
			break
		}
	}
	// leaves.txt names the first faulty record. It proves nothing: that do the hashes of proof.json.
	differs, named, i := -1, int64(0), 0
	missing := false // the record is not there, and the next one stands in its place
	err := c.lines("leaves.txt", 100, func(line []byte) error {
		here := ""
		if i < len(c.leaves) {
			here = fmt.Sprintf("%d %x", c.leaves[i].seq, c.leaves[i].hash[:])
		}
		switch {
		case differs >= 0:
			missing = here == string(line)
			return errEnough
		case here == string(line):
			i++
			return nil
		}
		differs = i
		number, sum, _ := strings.Cut(string(line), " ")
		if seq, _ := strconv.ParseInt(number, 10, 64); fmt.Sprintf("%d %s", seq, sum) == string(line) && len(sum) == 64 && isHex(sum) {
			named = seq
		}
		return nil
	})
	if err == nil && differs < 0 && i < len(c.leaves) {
		differs = i
	}
	name := func(i int) string { // the entry that the i-th record should be
		switch {
		case i == differs && i < len(c.leaves) && fault == nil && slices.ContainsFunc(c.leaves, func(l leaf) bool { return l.seq == named }) && c.leaves[i].seq != named:
			return fmt.Sprintf("entry %d: it stands where entry %d should", c.leaves[i].seq, named)
		case i == differs && named > 0 && fault == nil && (missing || i == len(c.leaves)):
			return fmt.Sprintf("entry %d: it is missing", named)
		case i == differs && named > 0:
			return fmt.Sprintf("entry %d: its record is not the one in the tree", named)
		case i < len(c.leaves):
			return fmt.Sprintf("entry %d: its record is not the one in the tree", c.leaves[i].seq)
		case i > 0:
			return fmt.Sprintf("the record after entry %d is not one in the tree", c.leaves[i-1].seq)
		}
		return "the first record is not one in the tree"
	}
	switch {
	case fault != nil && differs >= 0:
		return fmt.Errorf("%s (%s: %w)", name(differs), where, fault)
	case fault != nil:
		return fmt.Errorf("%s (%s: %w)", name(len(c.leaves)), where, fault)
	}
	sorted := slices.Clone(c.leaves)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].seq < sorted[j].seq })
	for i := 1; i < len(sorted); i++ {
		if sorted[i].seq == sorted[i-1].seq {
			if differs >= 0 {
				return errors.New(name(differs))
			}
			return fmt.Errorf("entry %d is given twice", sorted[i].seq)
		}
	}
	nodes := c.proof.Nodes
	root, rest, rootErr := treeOver(0, c.head.Size, sorted, func(lo, hi int64) (tlog.Hash, error) {
		if len(nodes) == 0 {
			return tlog.Hash{}, errEnough
		}
		h := nodes[0]
		nodes = nodes[1:]
		return h, nil
	})
	switch proved := rootErr == nil && len(rest) == 0 && len(nodes) == 0 && root == c.head.Root; {
	case !proved && differs >= 0:
		return errors.New(name(differs))
	case !proved:
		if err := c.complete(sorted); err != nil {
			return err
		}
		return errors.New("the records do not come to the root of head.txt with the hashes of proof.json: a record and its line in leaves.txt were changed, or proof.json, or head.txt")
	case differs >= 0:
		return fmt.Errorf("leaves.txt: line %d is not the hash of its record", differs+1)
	}
	return c.complete(sorted)
}

// seq reads which entry a record says it is.
func (c *bundleCheck) seq(line []byte) (int64, error) {
	if seq, _, _, ok := skim(string(line)); ok {
		return seq, nil
	}
	var r struct{ Seq int64 }
	if err := json.Unmarshal(line, &r); err != nil {
		return 0, err
	}
	if r.Seq < 1 {
		return 0, errors.New("it has no number")
	}
	return r.Seq, nil
}

// complete checks that the day is given without a hole: before and after each run of its records stands an entry that is
// given too, beside.jsonl or later.jsonl, of which account then sees the day.
func (c *bundleCheck) complete(sorted []leaf) error {
	has := func(seq int64) bool {
		i := sort.Search(len(sorted), func(i int) bool { return sorted[i].seq >= seq })
		return seq < 1 || seq > c.head.Size || i < len(sorted) && sorted[i].seq == seq
	}
	for i, l := range c.leaves[:c.counts[0]] {
		for _, seq := range []int64{l.seq - 1, l.seq + 1} {
			if !has(seq) {
				return fmt.Errorf("entry %d: it is missing, between the records of the day or beside them", seq)
			}
		}
		if i == 0 && l.seq != c.sum.First || i == c.counts[0]-1 && l.seq != c.sum.Last {
			return fmt.Errorf("entry %d: summary.json has the day from entry %d to %d", l.seq, c.sum.First, c.sum.Last)
		}
	}
	if c.counts[0] == 0 && (c.sum.First < 1 || c.sum.Last != c.sum.First-1 || c.sum.Last > c.head.Size || !has(c.sum.First) || !has(c.sum.Last)) {
		return fmt.Errorf("summary.json: a day without entries between entry %d and %d, which are not given", c.sum.Last, c.sum.First)
	}
	if !has(c.head.Size) {
		return fmt.Errorf("entry %d: it is missing, the newest of all", c.head.Size)
	}
	return nil
}

// account reads the records again, now proved, in the order of seq, and counts what the summary says.
func (c *bundleCheck) account() (*account, error) {
	zone, err := time.LoadLocation(c.sum.TimeZone)
	if err != nil || c.sum.TimeZone == "" || c.sum.TimeZone == "Local" {
		return nil, fmt.Errorf("summary.json: time zone %q is none", c.sum.TimeZone)
	}
	sum := bundleSummary{V: 1, Gate: c.sum.Gate, Origin: c.head.Origin, Epoch: c.sum.Epoch, TimeZone: c.sum.TimeZone, Day: c.sum.Day,
		First: c.sum.First, Last: c.sum.Last, Size: c.head.Size, Paper: c.head.ShortRoot()}
	if suffix := fmt.Sprint("/", sum.Epoch); sum.Epoch < 1 || sum.Epoch > 1 && !strings.HasSuffix(sum.Origin, suffix) {
		return nil, fmt.Errorf("summary.json: epoch %d is not that of the origin %s", sum.Epoch, sum.Origin)
	}
	a, err := newAccount(&sum, zone)
	if err != nil {
		return nil, fmt.Errorf("summary.json: %w", err)
	}
	entry := func(line []byte) (*Entry, error) {
		seq, err := c.seq(line)
		if err != nil {
			return nil, err
		}
		_, ts, _, ok := skim(string(line))
		if !ok {
			var r struct{ Time time.Time }
			if err := json.Unmarshal(line, &r); err != nil {
				return nil, fmt.Errorf("entry %d: %w", seq, err)
			}
			ts = r.Time.UnixMicro()
		}
		e, err := parse(seq, ts, string(line), zone)
		if err == nil {
			err = e.SameBox(sum.Gate, sum.TimeZone)
		}
		return &e, err
	}
	var others []*Entry // few: beside and later
	for _, name := range recordMembers[1:] {
		if c.files[name].Size() > maxMember {
			return nil, fmt.Errorf("%s has more than %d bytes", name, maxMember)
		}
		if err := c.lines(name, MaxRecord+1, func(line []byte) error {
			e, err := entry(line)
			others = append(others, e)
			return err
		}); err != nil {
			return nil, err
		}
	}
	sort.Slice(others, func(i, j int) bool { return others[i].Seq < others[j].Seq })
	before := func(seq int64) error {
		for len(others) > 0 && others[0].Seq < seq {
			e := others[0]
			others = others[1:]
			day := localDay(e)
			switch {
			case day == sum.Day:
				return fmt.Errorf("entry %d is of %s and not among its records", e.Seq, sum.Day)
			case c.counts[0] == 0 && (e.Seq == sum.Last && day > sum.Day || e.Seq == sum.First && day < sum.Day):
				return fmt.Errorf("entry %d is of %s: between it and the next there may be entries of %s", e.Seq, day, sum.Day)
			}
			if err := a.add(e, false); err != nil {
				return err
			}
		}
		return nil
	}
	if err := c.lines("records.jsonl", MaxRecord+1, func(line []byte) error {
		e, err := entry(line)
		if err != nil {
			return err
		}
		if day := localDay(e); day != sum.Day {
			return fmt.Errorf("entry %d is of %s, not of %s", e.Seq, day, sum.Day)
		}
		if err := before(e.Seq); err != nil {
			return err
		}
		return a.add(e, true)
	}); err != nil {
		return nil, err
	}
	if err := before(1 << 62); err != nil {
		return nil, err
	}
	if err := a.close(); err != nil {
		return nil, err
	}
	got, err1 := canonicalJSON(&c.sum)
	want, err2 := canonicalJSON(&sum)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if !bytes.Equal(got, want) {
		g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		i := 0
		for i < min(len(g), len(w))-1 && g[i] == w[i] {
			i++
		}
		return nil, fmt.Errorf("summary.json says %s where the records say %s", strings.TrimSpace(g[i]), strings.TrimSpace(w[i]))
	}
	return a, nil
}

// localDay is the day of an entry as its record has it: in the gate's zone.
func localDay(e *Entry) string { return e.Time[:min(len(time.DateOnly), len(e.Time))] }

// followKeys goes from the keys given to the one that signed head.txt. At each change of key an entry names the old and
// the new one, and both signed the head that ends with it: so each vouches for the other.
func (c *bundleCheck) followKeys(a *account) error {
	var chain []string // the gate's keys, the oldest first
	var sizes []int64  // of the heads at which each of them took over
	for _, rot := range c.proof.Rotations {
		h, err := tlog.ParseHead([]byte(rot.Note))
		if err != nil {
			return fmt.Errorf("proof.json: the head of a key change: %w", err)
		}
		if len(sizes) > 0 && h.Size <= sizes[len(sizes)-1] {
			return fmt.Errorf("proof.json: the key change at entry %d stands in the wrong place", h.Size)
		}
		if err := c.consistent(h, rot.Hashes); err != nil {
			return fmt.Errorf("proof.json: the key change at entry %d: %w", h.Size, err)
		}
		e := a.keys[h.Size]
		if e == nil || e.Reason != "rotated" {
			return fmt.Errorf("entry %d: it should name the new key, and is not given or does not", h.Size)
		}
		anew, was := e.Detail["verifier"], e.Detail["was"]
		if chain == nil {
			chain, sizes = []string{was}, []int64{0}
		}
		if chain[len(chain)-1] != was || !h.SignedBy(was) || !h.SignedBy(anew) {
			return fmt.Errorf("proof.json: the key change at entry %d is not signed by the old and the new key", h.Size)
		}
		chain, sizes = append(chain, anew), append(sizes, h.Size)
	}
	if i := slices.IndexFunc(chain, func(k string) bool { return slices.Contains(c.keys, k) }); i >= 0 {
		for n, k := range chain {
			if !slices.Contains(c.keys, k) {
				c.keys = append(c.keys, k)
			}
			if n > i {
				c.say("at entry %d the key of %s was changed; the old and the new one signed that head (new key's fingerprint %s)", sizes[n], c.head.Origin, tlog.Fingerprint(k))
			}
		}
	}
	by, unknown, err := c.signed(c.head)
	if err != nil {
		return fmt.Errorf("head.txt: %w", err)
	}
	i := slices.IndexFunc(by, func(k string) bool { return slices.Contains(c.keys, k) })
	switch {
	case i < 0:
		return fmt.Errorf("head.txt: the key given did not sign it, and no change of key leads from that one to the signer: is it the right key, and whole? (fingerprint %s)", tlog.Fingerprint(c.keys[0]))
	case chain != nil && !slices.Contains(by, chain[len(chain)-1]):
		return fmt.Errorf("head.txt: it is signed by a key that was replaced at entry %d", sizes[len(sizes)-1])
	}
	b, err := c.read("gate.pub")
	if err != nil {
		return err
	}
	if k, ok := strings.CutSuffix(string(b), "\n"); !ok || !slices.Contains(c.keys, k) || !slices.Contains(by, k) {
		return errors.New("gate.pub: it is not the key that signed head.txt")
	}
	c.say("head.txt is the tree head of %d entries, signed by %s (on paper %d:%s)", c.head.Size, c.head.Origin, c.head.Size, c.head.ShortRoot())
	c.witnesses("head.txt", c.head, by, unknown)
	return nil
}

// witnesses reports the cosignatures of a head.
func (c *bundleCheck) witnesses(name string, h tlog.Head, by, unknown []string) {
	signatures := []byte(strings.Join(h.Signatures(), "\n") + "\n")
	for _, k := range by {
		if _, at, err := h.Cosignature(k, signatures); err == nil { // a witness's
			who, _, _ := strings.Cut(k, "+")
			c.say("%s: the witness %s saw it at %s", name, who, time.Unix(at, 0).UTC().Format(time.RFC3339))
		}
	}
	for _, who := range unknown {
		c.say("not checked: the signature of %s on %s: give its key too", who, name)
	}
}

// consistent checks that the ledger of head.txt begins with that of h.
func (c *bundleCheck) consistent(h tlog.Head, proof []tlog.Hash) error {
	if h.Origin != c.head.Origin {
		return fmt.Errorf("it is of %q, not of %q", h.Origin, c.head.Origin)
	}
	if h.Size < 1 || h.Size > c.head.Size {
		return fmt.Errorf("it counts %d entries, head.txt %d", h.Size, c.head.Size)
	}
	if err := sumdb.CheckTree(proof, c.head.Size, c.head.Root, h.Size, h.Root); err != nil {
		return fmt.Errorf("the ledger of head.txt does not begin with the %d entries of this head, or the proof was changed: %w", h.Size, err)
	}
	return nil
}

// olderHeads checks previous.txt and day.txt.
func (c *bundleCheck) olderHeads() error {
	proofs := c.proof.Consistency
	for _, x := range []struct {
		name string
		size int64
	}{{"previous.txt", c.sum.First - 1}, {"day.txt", c.sum.Last}} {
		if c.files[x.name] == nil {
			if x.size >= 1 && x.size < c.head.Size && (x.name == "previous.txt" || c.counts[0] > 0) {
				c.say("not proved: that nothing up to entry %d was changed later: no head of then is in the bundle", x.size)
			}
			continue
		}
		b, err := c.read(x.name)
		if err != nil {
			return err
		}
		h, err := tlog.ParseHead(b)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		if h.Size != x.size {
			return fmt.Errorf("%s counts %d entries instead of %d", x.name, h.Size, x.size)
		}
		by, unknown, err := c.signed(h)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		if !slices.ContainsFunc(by, func(k string) bool { return slices.Contains(c.keys, k) }) {
			return fmt.Errorf("%s: no key that is known signed it", x.name)
		}
		if len(proofs) == 0 || proofs[0].From != h.Size {
			return fmt.Errorf("proof.json: no consistency proof from the %d entries of %s", h.Size, x.name)
		}
		if err := c.consistent(h, proofs[0].Hashes); err != nil {
			return fmt.Errorf("%s: %w", x.name, err)
		}
		proofs = proofs[1:]
		c.say("nothing up to entry %d was changed since %s signed the head of %d entries (%s)", h.Size, h.Origin, h.Size, x.name)
		c.witnesses(x.name, h, by, unknown)
	}
	if len(proofs) > 0 {
		return fmt.Errorf("proof.json: a consistency proof from %d entries, of which there is no head", proofs[0].From)
	}
	return nil
}

// personal checks each field against the commitment of its record.
func (c *bundleCheck) personal() error {
	if c.files["personal.jsonl"] == nil {
		return nil
	}
	want := map[int64]string{} // commitments
	for _, name := range []string{"records.jsonl", "later.jsonl"} {
		if err := c.lines(name, MaxRecord+1, func(line []byte) error {
			seq, _, sum, ok := skim(string(line))
			if !ok {
				var r Record
				if err := json.Unmarshal(line, &r); err != nil {
					return err
				}
				seq, sum = r.Seq, r.Personal
			}
			if sum != "" {
				want[seq] = sum
			}
			return nil
		}); err != nil {
			return err
		}
	}
	var rows []personalRow
	var at, shown, hidden int64
	settle := func() error {
		if len(rows) > 0 && commitment(rows) != want[at] {
			return fmt.Errorf("entry %d: its personal fields are not those that its record committed to", at)
		}
		if len(rows) > 0 {
			delete(want, at)
		}
		rows = rows[:0]
		return nil
	}
	err := c.lines("personal.jsonl", 1<<20, func(line []byte) error {
		var p Disclosure
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return fmt.Errorf("personal.jsonl, after entry %d: %w", at, err)
		}
		if again, err := p.line(); err != nil || string(again) != string(line)+"\n" {
			return fmt.Errorf("personal.jsonl, after entry %d: a line is not written as gated writes it", at)
		}
		if p.Seq != at {
			if err := settle(); err != nil {
				return err
			}
			if want[p.Seq] == "" {
				return fmt.Errorf("personal.jsonl: entry %d has no personal fields, or they are given twice", p.Seq)
			}
			at = p.Seq
		}
		row := personalRow{Field: Field{Name: p.Field}}
		if n, err := hex.Decode(row.hash[:], []byte(p.Hash[:min(len(p.Hash), 64)])); err != nil || n != 32 || len(p.Hash) != 64 {
			return fmt.Errorf("personal.jsonl: entry %d, field %q: its hash has not 64 hexadecimal digits", at, p.Field)
		}
		if hidden++; p.Value != nil || p.Salt != "" {
			hidden, shown = hidden-1, shown+1
			if p.Value != nil {
				row.Value = *p.Value
			}
			if n, err := hex.Decode(row.salt[:], []byte(p.Salt[:min(len(p.Salt), 64)])); err != nil || n != 32 || len(p.Salt) != 64 || fieldHash(row.salt, row.Field) != row.hash {
				return fmt.Errorf("entry %d: personal field %q is not what was recorded", at, p.Field)
			}
		}
		rows = append(rows, row)
		return nil
	})
	if err == nil {
		err = settle()
	}
	if err != nil {
		return err
	}
	c.say("%d personal fields are those that the records committed to; of %d more only the hash is given: erased, or left out", shown, hidden)
	if len(want) > 0 {
		c.say("of the personal fields of %d entries nothing is given: erased, or left out", len(want))
	}
	return nil
}

// conclude says what was proved of the day.
func (c *bundleCheck) conclude(a *account) error {
	s := &c.sum
	switch {
	case s.Entries > 0:
		c.say("%d records of %s, entries %d to %d, stand at these positions in the ledger of %d entries whose head %s signed", s.Entries, s.Day, s.First, s.Last, s.Size, s.Origin)
		if n := s.Last - s.First + 1 - s.Entries; n > 0 {
			c.say("the clock was set back: %d entries of other days stand between them", n)
		}
	default:
		c.say("no entry is of %s: entry %d is the last before it, entry %d the first after it", s.Day, s.Last, s.First)
	}
	if n := c.counts[2]; n > 0 {
		c.say("%d later entries, about the day or of a change of key, stand in the same ledger", n)
	}
	c.say("not proved: that there are no more later entries about the day")
	if s.Until[:min(len(time.DateOnly), len(s.Until))] <= s.Day {
		c.say("the day may have more entries: the newest one under head.txt is of %s, and what came after it is not in this bundle", s.Until)
	} else {
		c.say("the newest entry under head.txt is of %s: of after that this bundle says nothing", s.Until)
	}
	c.say("passages: %d admitted, %d refused, %d on hold", s.Passages["admit"], s.Passages["refuse"], s.Passages["hold"])
	if s.Gaps == nil {
		c.say("not told: when the box was not watching, as too much stands between the parts of the day")
	}
	for _, g := range s.Gaps {
		c.say("not watching: %s to %s (%s)", g.From, g.To, g.Cause)
	}
	c.say("not proved: that the whole ledger was never replaced. Compare the head with one that left the box earlier")
	return nil
}
