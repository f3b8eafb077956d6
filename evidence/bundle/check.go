package bundle

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"gated/evidence"
	"gated/ledger/entry"
	"gated/ledger/tlog"
)

const (
	maxHeld     = 64 << 20 // bytes of a member that is held in memory: of all but those with a line for each entry of the day
	maxUnpacked = 1 << 30  // bytes that are read of a zip file which another program compressed
)

// errEnough ends a reading early.
var errEnough = errors.New("enough")

// Verify checks an audit bundle, the zip file or the folder of its unpacked members, with the note verifier keys that
// the auditor has: the gate's, and any of witnesses. What it proved goes to report, one sentence a line; the error names
// the first faulty entry or member.
func Verify(path string, keys []string, report io.Writer) error {
	if len(keys) == 0 {
		return errors.New("no key to check with: name the gate's public key, from when the gate was installed, with --key; " +
			"the one in the bundle proves nothing about the bundle")
	}
	c, err := openBundle(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer c.Close()
	c.report = bufio.NewWriter(report)
	if err := c.check(keys); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return c.report.Flush()
}

// checking is a bundle being checked.
type checking struct {
	files    fs.FS
	measured map[string]*measure // each member that is there
	zip      *os.File            // nil for a folder
	closer   io.Closer
	altered  []string // members that are not those of the manifest
	report   *bufio.Writer

	keys    []string // the gate's, trusted; grows with each change of key that is followed
	others  []string // of witnesses, and older ones of the gate
	saw     []string // those of witnesses that signed some head
	head    tlog.Head
	sum     summary // as the bundle has it
	proof   proof
	leaves  []leaf                 // of all given records, in the order of leaves.txt
	counts  []int                  // of these in each of recordMembers
	changes map[int64]*entry.Entry // the given entries of kind key
}

func (c *checking) Close() error { return c.closer.Close() }

func (c *checking) say(format string, args ...any) { fmt.Fprintf(c.report, format+"\n", args...) }

// openBundle opens a bundle, also a zip file that another program packed: who changed a member may have packed it anew, and the
// entry tells more than the packing, of which container judges last.
func openBundle(path string) (*checking, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	c := &checking{measured: map[string]*measure{}}
	if st.IsDir() {
		root, err := os.OpenRoot(path)
		if err != nil {
			return nil, err
		}
		c.files, c.closer = root.FS(), root
	} else {
		if c.zip, err = os.Open(path); err != nil {
			return nil, err
		}
		c.closer = c.zip
		z, err := zip.NewReader(c.zip, st.Size())
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("not a whole zip file: %w", err)
		}
		c.files = z
	}
	if err := c.list(st.Size() + maxUnpacked); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// list looks which members there are, of at most so many bytes in a zip file.
func (c *checking) list(most int64) error {
	entries, err := fs.ReadDir(c.files, ".")
	if err != nil {
		return err
	}
	all := int64(0)
	for _, e := range entries {
		if !slices.ContainsFunc(members, func(m memberName) bool { return m.name == e.Name() }) || !e.Type().IsRegular() {
			return fmt.Errorf("%q does not belong to an audit bundle", e.Name())
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		if all += st.Size(); c.zip != nil && all > most {
			return fmt.Errorf("it holds more than %d bytes: unpack it and check the folder", most)
		}
		c.measured[e.Name()] = newMeasure()
	}
	for _, m := range members {
		if m.always && c.measured[m.name] == nil {
			return fmt.Errorf("%s is missing: this is not a whole audit bundle", m.name)
		}
	}
	return nil
}

// container checks what is left of the zip file once the members are known to be right: packed by gated they would come
// to the same bytes.
func (c *checking) container() error {
	if c.zip == nil {
		return nil
	}
	if _, err := c.zip.Seek(0, io.SeekStart); err != nil {
		return err
	}
	file := &same{r: bufio.NewReader(c.zip)}
	err := pack(file, c.measured, c.copy)
	if err == nil {
		if _, err = file.r.ReadByte(); err == io.EOF {
			return nil
		}
		err = errDiffers
	}
	if !errors.Is(err, errDiffers) {
		return err
	}
	return fmt.Errorf("%s: from byte %d on the zip file is not as gated packs it: it was changed or packed anew; "+
		"if it was only packed anew, unpack it and check the folder", c.memberAt(file.at), file.at)
}

// memberAt is where a byte of the file should stand.
func (c *checking) memberAt(at int64) string {
	for _, m := range members {
		if x := c.measured[m.name]; x != nil {
			if at -= headerSize + int64(len(m.name)) + x.size; at < 0 {
				return m.name
			}
		}
	}
	return "the directory behind the members"
}

// content is a member from its beginning.
func (c *checking) content(name string) (io.ReadCloser, error) {
	f, err := c.files.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return patient{f}, nil
}

// patient reads on over a checksum in a zip file that is wrong: what was read shows better what is.
type patient struct{ io.ReadCloser }

func (p patient) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if errors.Is(err, zip.ErrChecksum) {
		err = io.EOF
	}
	return n, err
}

// copy writes a member.
func (c *checking) copy(name string, w io.Writer) error {
	r, err := c.content(name)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err = io.Copy(w, r); err != nil && !errors.Is(err, errDiffers) {
		err = fmt.Errorf("read %s: %w", name, err)
	}
	return err
}

// read reads a small member whole.
func (c *checking) read(name string) ([]byte, error) {
	if size := c.measured[name].size; size > maxHeld {
		return nil, fmt.Errorf("%s has %d bytes, more than any gate writes", name, size)
	}
	var b bytes.Buffer
	err := c.copy(name, &b)
	return b.Bytes(), err
}

// lines calls f for each line of a member, without its newline. The error is that of f, or says what is wrong with the line.
func (c *checking) lines(name string, longest int, f func(line []byte) error) error {
	content, err := c.content(name)
	if err != nil {
		return err
	}
	defer content.Close()
	r := bufio.NewReaderSize(content, min(longest+1, max(int(c.measured[name].size), 16)))
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
func (c *checking) decode(name string, v any) error {
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
func (c *checking) check(keys []string) error {
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

// manifest measures the members and compares them with it. A difference is told later: what it means matters more.
func (c *checking) manifest() error {
	for name, m := range c.measured {
		if err := c.copy(name, m); err != nil {
			return err
		}
	}
	got, err := c.read("manifest.sha256")
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(got), "\n")
	var want strings.Builder
	for _, m := range members {
		x := c.measured[m.name]
		if x == nil || m.name == "manifest.sha256" {
			continue
		}
		line := fmt.Sprintf("%x  %s\n", x.sha.Sum(nil), m.name)
		want.WriteString(line)
		if !slices.Contains(lines, line) {
			c.altered = append(c.altered, m.name)
		}
	}
	if len(c.altered) == 0 && string(got) != want.String() {
		c.altered = append(c.altered, "manifest.sha256 itself")
	}
	return nil
}

func (c *checking) evidence(keys []string) error {
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
	if err := c.readDay(); err != nil {
		return err
	}
	if err := c.followKeys(); err != nil {
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
	} else if string(b) != readme {
		c.say("not checked: README.txt, which nothing signs: it is not the text of this gated, but of another version, or changed")
	}
	c.conclude()
	return nil
}

// conclude says what was proved of the day.
func (c *checking) conclude() {
	s := &c.sum
	switch {
	case s.Entries > 0:
		c.say("%d records of %s, entries %d to %d, stand at these positions in the ledger of %d entries whose head %s signed", s.Entries,
			s.Day, s.First, s.Last, s.Size, s.Origin)
		if n := s.Last - s.First + 1 - s.Entries; n > 0 {
			c.say("the clock was set back, or was wrong: %d entries of other days stand between them", n)
		}
	default:
		c.say("no entry is of %s: entry %d is the last before it, entry %d the first after it", s.Day, s.Last, s.First)
	}
	if n := c.counts[2]; n > 0 {
		c.say("%d later entries, about the day or of a change of key, stand in the same ledger", n)
	}
	c.say("not proved: that there are no more later entries about the day")
	if s.Until[:min(len(time.DateOnly), len(s.Until))] <= s.Day {
		c.say("the day may have more entries: the newest one under head.txt is of %s, and what came after it is not in this bundle",
			s.Until)
	} else {
		c.say("the newest entry under head.txt is of %s: of after that this bundle says nothing", s.Until)
	}
	c.say("passages: %d admitted, %d refused, %d on hold, %d that nobody decided, %d annulled",
		s.Passages["admit"], s.Passages["refuse"], s.Passages["hold"], s.Passages["undecided"], s.Passages["annulled"])
	if s.Gaps == nil {
		c.say("not told: when the box was not watching, as too much stands between the parts of the day")
	}
	for _, g := range s.Gaps {
		c.say("not watching: %s to %s (%s)", g.From, g.To, g.Cause)
	}
	for _, t := range s.ByHand {
		c.say("%s: lane %s, %s to %s (%s), %s", evidence.OpenByHand, t.Lane, t.From, t.To, t.Reason, evidence.Heads(t.Heads))
	}
	c.say("not proved: that the whole ledger was never replaced. Compare the head with one that left the box earlier")
}
