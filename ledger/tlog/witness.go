package tlog

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"filippo.io/torchwood"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/mod/sumdb/note"
	sumdb "golang.org/x/mod/sumdb/tlog"
)

// Witness is a server that signs the tree heads it is sent beside the gate, after it has seen that each goes on where
// the one before ended (c2sp.org/tlog-witness). Then not even the gate can show two histories.
type Witness struct {
	URL string // its submission prefix
	Key string // the note verifier key of its cosignatures: name+hash+base64 (c2sp.org/tlog-cosignature)
}

// WitnessName is the name in a witness's key.
func WitnessName(key string) (string, error) {
	v, err := witnessKey(key)
	if err != nil {
		return "", err
	}
	return v.Name(), nil
}

func witnessKey(key string) (*torchwood.CosignatureVerifier, error) {
	v, err := NewVerifier(key)
	c, ok := v.(*torchwood.CosignatureVerifier)
	if err != nil || !ok || strings.ContainsFunc(c.Name(), unicode.IsControl) {
		return nil, fmt.Errorf("%q is not the key of a witness: it reads name+hash+base64, as its operator publishes it", key)
	}
	return c, nil
}

// Mark is how a line by this key begins in a note: the name, and 30 bits of the key's hash.
func Mark(v note.Verifier) string {
	return "\n— " + v.Name() + " " + base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, v.KeyHash()))[:5]
}

// Cosignature looks in a witness's answer for the line by its key that signs the head, and returns it in its one spelling,
// with the Unix time at which it was signed. Lines by other keys are passed over.
func (h Head) Cosignature(key string, answer []byte) (line string, at int64, err error) {
	v, err := witnessKey(key)
	if err != nil {
		return "", 0, err
	}
	n, err := note.Open(append([]byte(h.Text()+"\n"), answer...), note.VerifierList(v))
	var wrong *note.InvalidSignatureError
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &wrong):
		return "", 0, errors.New("its signature is wrong")
	case errors.As(err, &unknown), len(answer) == 0:
		return "", 0, errors.New("its answer has no signature of the key in the settings: has the witness another one now?")
	case err != nil:
		return "", 0, errors.New("its answer is not made of signature lines")
	}
	if at, err = torchwood.CosignatureTimestamp(n.Sigs[0]); err != nil {
		return "", 0, err
	}
	sig, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	return "— " + v.Name() + " " + base64.StdEncoding.EncodeToString(sig), at, err
}

const (
	witnessTimeout = 10 * time.Second // for one answer
	witnessAnswer  = 64 << 10         // bytes of it
	firstPause     = 5 * time.Second  // after a failure, doubled up to
	longestPause   = time.Hour
)

// Log is the ledger whose heads are sent.
type Log interface {
	// Head is the newest tree head, or nil: there is none, or nothing can be kept now.
	Head() *Head
	// Cosign keeps a witness's signature line with a tree head.
	Cosign(h Head, key, line string) error
	// Heads opens the ledger for reading.
	Heads() (HeadReader, error)
}

// HeadReader reads a ledger's tree heads and the tiles to prove them by.
type HeadReader interface {
	Tiles
	// HeadMarked is the newest head with such a line (Mark); Note is nil where there is none.
	HeadMarked(mark string) (Head, error)
	// DayEnd is the oldest head of more than size entries that ended a day; Note is nil where there is none.
	DayEnd(size int64) (Head, error)
	Close() error
}

// Sender brings one witness up to date: it sends the head at the end of each day and, if Every is not 0, each Every-th
// head. What the witness missed while it was away it gets afterwards, the oldest first. A new one begins with the newest
// head.
type Sender struct {
	Witness
	Log    Log
	Every  int
	Logger *slog.Logger
	Client *http.Client
	Look   time.Duration // from one look for a new head to the next
	Pause  time.Duration // after a failure, doubled up to an hour

	Size, At prometheus.Gauge
	Failures prometheus.Counter

	key     note.Verifier
	r       HeadReader // nil: not open
	signed  int64      // how many entries the witness has signed for, as far as is known
	seen    int64      // size of the newest head when it was last looked
	heads   int        // new ones since then, or since the last Every-th
	idle    bool       // nothing was due at that head
	failing string     // why, as logged
}

// NewSenders makes a sender for each witness, with what they count in reg, unless that is nil.
func NewSenders(l Log, witnesses []Witness, every int, log *slog.Logger, reg prometheus.Registerer) (all []*Sender, err error) {
	label := []string{"witness"}
	size := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_witness_size",
		Help: "Entries under the newest tree head that the witness has signed."}, label)
	at := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_witness_timestamp_seconds",
		Help: "When the witness signed that head, by its own clock; 0: never."}, label)
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "gated_witness_failures_total",
		Help: "Tree heads sent to the witness that it did not sign."}, label)
	// A redirect would turn the POST into a GET; one client, so that connections are kept alive.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client := &http.Client{Timeout: witnessTimeout, CheckRedirect: stay}
	for _, w := range witnesses {
		key, err := witnessKey(w.Key)
		if err != nil {
			return nil, err
		}
		name := key.Name()
		all = append(all, &Sender{Witness: w, Log: l, Every: every, Logger: log, Client: client, key: key,
			Look: time.Second, Pause: firstPause,
			Size: size.WithLabelValues(name), At: at.WithLabelValues(name), Failures: failures.WithLabelValues(name)})
	}
	if reg != nil {
		reg.MustRegister(size, at, failures)
	}
	return all, nil
}

// Run sends what is due until ctx ends.
func (s *Sender) Run(ctx context.Context) {
	defer s.Close()
	pause := s.Pause
	for {
		sent, err := s.Step(ctx)
		wait := s.Look
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.Close()
			s.Failures.Inc()
			if err.Error() != s.failing { // once
				s.failing = err.Error()
				s.Logger.Warn("a witness did not sign: trying again", "witness", s.key.Name(), "err", err)
			}
			wait, pause = pause, min(2*pause, longestPause)
		case sent:
			if s.failing != "" {
				s.Logger.Info("the witness signs again", "witness", s.key.Name())
			}
			wait, pause, s.failing = 0, s.Pause, ""
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// Close ends what Step left open.
func (s *Sender) Close() {
	if s.r != nil {
		s.r.Close() // it only reads
		s.r = nil
	}
}

// Step sends the head that is due next, if one is.
func (s *Sender) Step(ctx context.Context) (sent bool, err error) {
	newest := s.Log.Head()
	if newest == nil || s.idle && newest.Size == s.seen {
		return false, nil
	}
	if newest.Size != s.seen {
		s.seen, s.idle = newest.Size, false
		s.heads++
	}
	if s.r == nil {
		if s.r, err = s.Log.Heads(); err != nil {
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
	if err := s.Log.Cosign(*h, s.Key, line); err != nil {
		return false, fmt.Errorf("keep its signature: %w", err)
	}
	if s.heads >= s.Every {
		s.heads = 0
	}
	s.signed = h.Size
	s.Size.Set(float64(h.Size))
	s.At.Set(float64(at))
	return true, nil
}

// readSigned finds the newest head that the witness has signed.
func (s *Sender) readSigned() error {
	h, err := s.r.HeadMarked(Mark(s.key))
	if err != nil || h.Note == nil {
		return err
	}
	_, sigs, _ := strings.Cut(string(h.Note), "\n\n")
	_, at, err := h.Cosignature(s.Key, []byte(sigs))
	if err != nil {
		return fmt.Errorf("the kept tree head of %d entries: %w", h.Size, err)
	}
	s.signed = max(s.signed, h.Size)
	s.Size.Set(float64(h.Size))
	s.At.Set(float64(at))
	return nil
}

func (s *Sender) due(newest *Head) (*Head, error) {
	if s.signed == 0 {
		return newest, nil
	}
	if h, err := s.r.DayEnd(s.signed); err != nil || h.Note != nil {
		return &h, err
	}
	if s.Every > 0 && s.heads >= s.Every && newest.Size > s.signed {
		return newest, nil
	}
	return nil, nil
}

// aheadError is how many entries the witness has signed for, more than the head has that it was sent.
type aheadError int64

func (e aheadError) Error() string {
	return fmt.Sprintf("it has signed for %d entries already, more than there are: this ledger is an older copy, or its end was removed",
		int64(e))
}

// ask has the witness sign a head, and tells it what it needs to know for that.
func (s *Sender) ask(ctx context.Context, h *Head) (line string, at int64, err error) {
	own := h.Text() + "\n"
	for _, sig := range h.Signatures() {
		if strings.HasPrefix(sig, "— "+h.Origin+" ") { // the gate's own: those of other witnesses it does not need
			own += sig + "\n"
		}
	}
	old := min(s.signed, h.Size)
	for range 3 { // the first answer may be where it stands
		body := fmt.Sprintf("old %d\n", old)
		if old > 0 {
			proof, err := sumdb.ProveTree(h.Size, old, HashReader(s.r, *h))
			if err != nil {
				return "", 0, fmt.Errorf("prove that %d entries go on from %d: %w", h.Size, old, err)
			}
			for _, hash := range proof {
				body += hash.String() + "\n"
			}
		}
		code, typ, answer, err := s.post(ctx, body+"\n"+own)
		if err != nil {
			return "", 0, err
		}
		switch code {
		case http.StatusOK:
			return h.Cosignature(s.Key, answer)
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
			return "", 0, fmt.Errorf("it does not know the ledger %s (404): give its operator the line of \"gated key show --ledger\"",
				h.Origin)
		case http.StatusForbidden:
			return "", 0, errors.New("it does not accept the key that signs the tree heads (403): give its operator the line of " +
				"\"gated key show --ledger\"")
		case http.StatusUnprocessableEntity:
			return "", 0, fmt.Errorf("it does not accept the proof (422): the %d entries that it signed for are not the first of "+
				"this ledger, which was changed or replaced", old)
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

func (s *Sender) post(ctx context.Context, body string) (code int, typ string, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(s.URL, "/")+"/add-checkpoint", strings.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header.Set("User-Agent", "gated")
	resp, err := s.Client.Do(req)
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
