package ledger

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/tlog"
)

// Witness is a server that signs the tree heads it is sent beside the gate, after it has seen that each goes on where
// the one before ended (c2sp.org/tlog-witness). Then not even the gate can show two histories.
type Witness struct {
	URL string // its submission prefix
	Key string // the note verifier key of its cosignatures: name+hash+base64 (c2sp.org/tlog-cosignature)
}

// WitnessName is the name in a witness's key.
func WitnessName(key string) (string, error) {
	c, err := witnessKey(key)
	if err != nil {
		return "", err
	}
	return c.name, nil
}

func witnessKey(key string) (*cosigner, error) {
	v, err := NewVerifier(key)
	c, ok := v.(*cosigner)
	if err != nil || !ok || c.name == "" || strings.ContainsFunc(c.name, unicode.IsSpace) || strings.ContainsFunc(c.name, unicode.IsControl) {
		return nil, fmt.Errorf("%q is not the key of a witness: it reads name+hash+base64, as its operator publishes it", key)
	}
	return c, nil
}

// mark is how a line of this key begins in a note: the name, and 30 bits of the key's hash.
func (c *cosigner) mark() string {
	return "\n— " + c.name + " " + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, c.hash))[:5]
}

// find looks for the witness's own line in its answer, and returns it in its one spelling, with the Unix time at which
// it was signed. Lines of other keys are passed over.
func (c *cosigner) find(text string, answer []byte) (line string, at uint64, err error) {
	for l := range strings.Lines(string(answer)) {
		rest, ok1 := strings.CutPrefix(l, "— ")
		rest, ok2 := strings.CutSuffix(rest, "\n")
		name, encoded, ok3 := strings.Cut(rest, " ")
		if !ok1 || !ok2 || !ok3 {
			return "", 0, errors.New("its answer is not made of signature lines")
		}
		if name != c.name {
			continue
		}
		sig, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(sig) < 4 || binary.BigEndian.Uint32(sig) != c.hash {
			continue
		}
		if !c.Verify([]byte(text), sig[4:]) {
			return "", 0, errors.New("its signature is wrong")
		}
		return "— " + name + " " + base64.StdEncoding.EncodeToString(sig), binary.BigEndian.Uint64(sig[4:]), nil
	}
	return "", 0, errors.New("its answer has no signature of the key in the settings: has the witness another one now?")
}

// Cosign keeps a witness's signature line with a tree head of this ledger. Before the first one of a key an entry names
// that key under a newer head, so that whoever reads the ledger up to the newest head knows who signed.
func (l *Ledger) Cosign(h Head, key, line string) error {
	c, err := witnessKey(key)
	if err != nil {
		return err
	}
	return l.do(func() error {
		if len(l.keys) == 0 {
			return refused{errors.New("the ledger's key is out of reach: no tree head can be signed")}
		}
		t, err := loadTree(l.c, h.Size)
		if err != nil {
			return err
		}
		got, _, err := c.find(headText(l.meta.Origin, h.Size, t.root()), []byte(line+"\n"))
		if err == nil && got != line {
			err = errors.New("it is written in another way than its own")
		}
		if err != nil {
			return refused{fmt.Errorf("cosignature of %s on the tree head of %d entries: %w", c.name, h.Size, err)}
		}
		known, err := l.c.number("SELECT count(*) FROM head WHERE instr(note, ?) > 0", c.mark())
		if err == nil && known == 0 {
			if _, err = l.enter(nil, Event{Stamp: l.opt.Now(), Kind: KeyChange, Reason: "witness", By: "machine", Detail: map[string]string{"verifier": key}}); err == nil {
				err = l.sign(l.keys[0])
			}
		}
		if err != nil {
			return err
		}
		n, err := l.c.one("SELECT note FROM head WHERE size = ?", h.Size)
		switch {
		case err != nil:
			return err
		case strings.Contains(n, c.mark()):
			return nil
		case n == "": // newer ones have taken its place meanwhile
			h.Note = fmt.Appendf(bytes.Clone(h.Note), "%s\n", line)
			err = l.c.exec("INSERT INTO head(size, note) VALUES(?, ?)", h.Size, string(h.Note))
		default: // with what other witnesses have added
			h.Note = []byte(n + line + "\n")
			err = l.c.exec("UPDATE head SET note = ? WHERE size = ?", string(h.Note), h.Size)
		}
		if err == nil && l.head.Size == h.Size {
			l.setHead(h)
		}
		return err
	})
}

const (
	witnessTimeout = 10 * time.Second // for one answer
	witnessAnswer  = 64 << 10         // bytes of it
	firstPause     = 5 * time.Second  // after a failure, doubled up to
	longestPause   = time.Hour
)

type witnessMetrics struct {
	size, at *prometheus.GaugeVec
	failures *prometheus.CounterVec
}

// SendHeads sends tree heads to the witnesses and keeps their cosignatures, until ctx ends: the head at the end of each
// day and, if every is not 0, each every-th head. What a witness missed while it was away it gets afterwards, the
// oldest first. A new witness begins with the newest head.
func (l *Ledger) SendHeads(ctx context.Context, witnesses []Witness, every int) error {
	label := []string{"witness"}
	m := witnessMetrics{
		size:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_witness_size", Help: "Entries under the newest tree head that the witness has signed."}, label),
		at:       prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_witness_timestamp_seconds", Help: "When the witness signed that head, by its own clock; 0: never."}, label),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gated_witness_failures_total", Help: "Tree heads sent to the witness that it did not sign."}, label),
	}
	// A redirect would turn the POST into a GET; one client, so that connections are kept alive.
	client := &http.Client{Timeout: witnessTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var senders []*sender
	for _, w := range witnesses {
		key, err := witnessKey(w.Key)
		if err != nil {
			return err
		}
		senders = append(senders, &sender{Witness: w, key: key, l: l, every: every, client: client, look: time.Second, pause: firstPause,
			size: m.size.WithLabelValues(key.name), at: m.at.WithLabelValues(key.name), failures: m.failures.WithLabelValues(key.name)})
	}
	if l.opt.Registry != nil {
		l.opt.Registry.MustRegister(m.size, m.at, m.failures)
	}
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(func() { s.run(ctx) })
	}
	all.Wait()
	return nil
}

// sender brings one witness up to date.
type sender struct {
	Witness
	key         *cosigner
	l           *Ledger
	every       int
	client      *http.Client
	look, pause time.Duration
	size, at    prometheus.Gauge
	failures    prometheus.Counter

	r       *Reader // nil: not open
	signed  int64   // how many entries the witness has signed for, as far as is known
	seen    int64   // size of the newest head when it was last looked
	heads   int     // new ones since then, or since the last every-th
	idle    bool    // nothing was due at that head
	failing string  // why, as logged
}

func (s *sender) run(ctx context.Context) {
	defer s.close()
	pause := s.pause
	for {
		sent, err := s.step(ctx)
		wait := s.look
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.close()
			s.failures.Inc()
			if err.Error() != s.failing { // once
				s.failing = err.Error()
				s.l.opt.Log.Warn("a witness did not sign: trying again", "witness", s.key.name, "err", err)
			}
			wait, pause = pause, min(2*pause, longestPause)
		case sent:
			if s.failing != "" {
				s.l.opt.Log.Info("the witness signs again", "witness", s.key.name)
			}
			wait, pause, s.failing = 0, s.pause, ""
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (s *sender) close() {
	if s.r != nil {
		s.r.Close() // it only reads
		s.r = nil
	}
}

// step sends the head that is due next, if one is.
func (s *sender) step(ctx context.Context) (sent bool, err error) {
	newest := s.l.Head()
	if newest == nil || s.l.Fault() != nil || s.idle && newest.Size == s.seen {
		return false, nil
	}
	if newest.Size != s.seen {
		s.seen, s.idle = newest.Size, false
		s.heads++
	}
	if s.r == nil {
		if s.r, err = OpenReader(s.l.opt.Dir); err != nil {
			return false, err
		}
		if err := s.readSigned(); err != nil {
			return false, err
		}
	}
	h, err := s.due(newest)
	if err != nil || h == nil {
		s.idle = err == nil
		return false, err
	}
	line, at, err := s.ask(ctx, h)
	var ahead aheadError
	switch {
	case errors.As(err, &ahead) && int64(ahead) <= newest.Size:
		s.signed = int64(ahead) // its answer was lost: go on from there
		return true, nil
	case err != nil:
		return false, err
	}
	if err := s.l.Cosign(*h, s.Key, line); err != nil {
		return false, fmt.Errorf("keep its signature: %w", err)
	}
	if s.heads >= s.every {
		s.heads = 0
	}
	s.signed = h.Size
	s.size.Set(float64(h.Size))
	s.at.Set(float64(at))
	return true, nil
}

// readSigned finds the newest head that the witness has signed.
func (s *sender) readSigned() error {
	err := s.r.c.query(func(v []driver.Value) error {
		h, err := ParseHead([]byte(text(v[0])))
		if err != nil {
			return err
		}
		_, sigs, _ := strings.Cut(string(h.Note), "\n\n")
		_, at, err := s.key.find(headText(h.Origin, h.Size, h.Root), []byte(sigs))
		if err != nil {
			return fmt.Errorf("the kept tree head of %d entries: %w", h.Size, err)
		}
		s.signed = max(s.signed, h.Size)
		s.size.Set(float64(h.Size))
		s.at.Set(float64(at))
		return nil
	}, "SELECT note FROM head WHERE instr(note, ?) > 0 ORDER BY size DESC LIMIT 1", s.key.mark())
	if err != nil {
		return fmt.Errorf("read the tree heads: %w", err)
	}
	return nil
}

func (s *sender) due(newest *Head) (*Head, error) {
	if s.signed == 0 {
		return newest, nil
	}
	n, err := s.r.c.one("SELECT note FROM head WHERE size > ? AND EXISTS(SELECT 1 FROM segment WHERE first = size + 1) ORDER BY size LIMIT 1", s.signed)
	if err != nil {
		return nil, fmt.Errorf("read the tree heads: %w", err)
	}
	if n != "" {
		h, err := ParseHead([]byte(n))
		return &h, err
	}
	if s.every > 0 && s.heads >= s.every && newest.Size > s.signed {
		return newest, nil
	}
	return nil, nil
}

// aheadError is how many entries the witness has signed for, more than the head has that it was sent.
type aheadError int64

func (e aheadError) Error() string {
	return fmt.Sprintf("it has signed for %d entries already, more than there are: this ledger is an older copy, or its end was removed", int64(e))
}

// ask has the witness sign a head, and tells it what it needs to know for that.
func (s *sender) ask(ctx context.Context, h *Head) (line string, at uint64, err error) {
	text := headText(h.Origin, h.Size, h.Root)
	note := text + "\n"
	for _, sig := range h.signatures() {
		if strings.HasPrefix(sig, "— "+h.Origin+" ") { // the gate's own: those of other witnesses it does not need
			note += sig + "\n"
		}
	}
	old := min(s.signed, h.Size)
	for range 3 { // the first answer may be where it stands
		body := fmt.Sprintf("old %d\n", old)
		if old > 0 {
			proof, err := tlog.ProveTree(h.Size, old, s.r.HashReader(*h))
			if err != nil {
				return "", 0, fmt.Errorf("prove that %d entries go on from %d: %w", h.Size, old, err)
			}
			for _, hash := range proof {
				body += hash.String() + "\n"
			}
		}
		code, typ, answer, err := s.post(ctx, body+"\n"+note)
		if err != nil {
			return "", 0, err
		}
		switch code {
		case http.StatusOK:
			return s.key.find(text, answer)
		case http.StatusConflict:
			size, err := conflictSize(typ, answer)
			switch {
			case err != nil:
				return "", 0, err
			case size > h.Size:
				return "", 0, aheadError(size)
			case size == old:
				return "", 0, fmt.Errorf("it knows another ledger of %d entries under this name (409): was this one replaced?", size)
			}
			old = size
		case http.StatusNotFound:
			return "", 0, fmt.Errorf("it does not know the ledger %s (404): give its operator the line of \"gated key show --ledger\"", h.Origin)
		case http.StatusForbidden:
			return "", 0, errors.New("it does not accept the key that signs the tree heads (403): give its operator the line of \"gated key show --ledger\"")
		case http.StatusUnprocessableEntity:
			return "", 0, fmt.Errorf("it does not accept the proof (422): the %d entries that it signed for are not the first of this ledger, which was changed or replaced", old)
		default:
			return "", 0, fmt.Errorf("it answered with status %d", code)
		}
	}
	return "", 0, errors.New("it says each time that it stands elsewhere (409)")
}

// conflictSize reads where a witness stands from its answer 409.
func conflictSize(typ string, answer []byte) (int64, error) {
	if t, _, err := mime.ParseMediaType(typ); err != nil || t != "text/x.tlog.size" {
		return 0, errors.New("it answered with status 409, and does not say where it stands")
	}
	digits := strings.TrimSuffix(string(answer), "\n")
	size, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != digits {
		return 0, errors.New("it answered with status 409 and something that is no size")
	}
	return size, nil
}

func (s *sender) post(ctx context.Context, body string) (code int, typ string, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.URL, "/")+"/add-checkpoint", strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("User-Agent", "gated")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, witnessAnswer+1))
	if err == nil && len(answer) > witnessAnswer {
		err = fmt.Errorf("its answer has more than %d bytes", witnessAnswer)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), answer, err
}
