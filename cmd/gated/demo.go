package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"text/template"
	"time"
	"unicode/utf8"

	"gated/barrier/lcussim"
	"gated/box"
	"gated/config"
	"gated/credential"
	"gated/durable"
	"gated/gate"
	"gated/ledger"
	"gated/policy"
	"gated/roster"
	"gated/scanner"
	"gated/scanner/samvsim"

	"github.com/spf13/cobra"
)

func demoCommand() *cobra.Command {
	d := &demo{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "see a gate at work: an invented compound, its scanners pseudo-terminals",
		Long: `demo invents a compound of 8 buildings, 712 households and 2,132 residents, issues passes, and runs
the ordinary daemon with ordinary settings; only the people who hold up their codes are simulated.

Everything is under one directory, which can be deleted. Other commands look at it with --state D,
or with --config D/gated.yaml. Run again on the same directory, it goes on from there.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d.stdout, d.stderr = c.OutOrStdout(), c.ErrOrStderr()
			ctx, stop := untilSignalled(c.Context())
			defer stop()
			return d.run(ctx)
		},
	}
	f := c.Flags()
	f.StringVar(&d.dir, "dir", "gated-demo", "directory of the demo")
	f.IntVar(&d.scans, "scans", 0, "end after so many codes (0: play until Ctrl-C)")
	f.BoolVar(&d.fast, "fast", false, "play codes as fast as they are answered")
	f.DurationVar(&d.during, "for", 0, "end after so long (0: play until Ctrl-C, or --scans)")
	f.BoolVar(&d.faults, "faults", false, "pull, renumber, stall and jam scanners, card reader and relays while it plays, and tell how the gate took it")
	f.DurationVar(&d.within, "within", time.Second, "how soon the page has to show a fault, with --faults: half of each kind, nineteen of twenty in all, and each one within five times that")
	f.BoolVar(&d.verdicts, "log-verdicts", false, "print one JSON line on standard output for each verdict, once it is durable")
	return c
}

// demo plays a day at the gate.
type demo struct {
	dir      string
	scans    int
	during   time.Duration
	fast     bool
	faults   bool
	within   time.Duration
	verdicts bool
	stdout   io.Writer
	stderr   io.Writer

	held   *box.Held
	key    ed25519.PrivateKey
	other  ed25519.PrivateKey // of another compound
	health healthIssuers
	people []roster.Person
	cars   []roster.Vehicle
	cards  *samvsim.Reader // of the in lane,
	socket *socket         // where it is plugged in
	page   string
	until  time.Time                 // when it ends; zero: when it is told to
	mishap *mishaps                  // nil: nothing goes wrong
	relays map[string]*lcussim.Relay // by lane
	gate   *gate.Gate

	openings *openings
	hand     sync.Mutex // the guard presses one key after the other

	ending  atomic.Bool
	mu      sync.Mutex // guards the rest
	answers *answers
	waiting map[string]chan answer // by lane: the code that was shown and is not answered yet
	holds   map[string]bool        // passages that wait for the guard
	latest  map[string]int         // by verdict: passages of which it is the latest
	count   struct{ scans, answered, repeats, framing int }
}

// answer is what became of a code.
type answer struct {
	out     gate.Outcome
	dropped string    // by its scanner, and why; empty: it was not
	shown   time.Time // when it was held up
}

const (
	demoMarker = ".gated-demo"
	demoMade   = "made by gated demo; delete the directory when you are done\n"
)

var demoSettings = template.Must(template.New("").Parse(`# Settings of the demo. "gated config example" prints the commented ones.
state_dir: .
gate:
  name: 东门 East Gate
lanes:
{{- range .Lanes}}
  - id: {{.}}
    direction: {{.}}
    scanner:
      device: {{printf "%q" (printf "%s/dev/scanner-%s" $.Dir .)}}
      baud: 115200
{{- if eq . "in"}}
    card_reader:
      device: {{printf "%q" (printf "%s/dev/card-in" $.Dir)}}
{{- end}}
    barrier:
      driver: lcus
      device: {{printf "%q" (printf "%s/dev/relay-%s" $.Dir .)}}
{{- if $.Fast}}
      pulse: 100ms # or nearly every pulse would come too late and be dropped
      spacing: 0s
{{- end}}
{{- end}}
console:
  listen: {{.Listen}}
  call: 物业值班 property office, extension 8000
log:
  level: {{.Level}}
ledger:
  tlog_listen: 127.0.0.1:0 # the tree of hashes, for others' tools
`))

var demoLanes = []string{"in", "out"}

// prepare makes the directory of the demo, or recognises its own.
func (d *demo) prepare(ctx context.Context) (err error) {
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return err
	}
	marker := filepath.Join(d.dir, demoMarker)
	switch state, err := os.ReadFile(marker); {
	case err == nil && string(state) == demoMade:
		d.held, err = box.Lock(d.dir)
		return err
	case err == nil: // killed while it was made: make it anew
		for _, name := range []string{"keys", "trust", "roster.db", "roster.db-wal", "roster.db-shm"} {
			if err := os.RemoveAll(filepath.Join(d.dir, name)); err != nil {
				return fmt.Errorf("--dir: %w", err)
			}
		}
	default:
		list, _ := os.ReadDir(d.dir)
		for _, f := range list {
			if !strings.HasPrefix(f.Name(), "."+demoMarker+".") { // a marker on its way, and killed there
				return fmt.Errorf("--dir %s: this directory was not made by gated demo: name another", d.dir)
			}
			os.Remove(filepath.Join(d.dir, f.Name()))
		}
		if err := os.MkdirAll(d.dir, 0o700); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
		// Made by renaming, so that it is never there half written, which would look like another's directory.
		if err := durable.Replace(marker, []byte("gated demo is making this directory\n")); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
	}
	if d.held, err = box.Lock(d.dir); err != nil {
		return err
	}
	for _, sub := range []string{"keys", "trust/pass"} {
		if err := os.MkdirAll(filepath.Join(d.dir, sub), 0o700); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
	}
	key := credential.NewKey()
	if err := credential.WritePrivateKey(filepath.Join(d.dir, "keys", "office.key"), key); err != nil {
		return err
	}
	if err := credential.WritePublicKey(filepath.Join(d.dir, "trust", "pass", demoIssuer+".pub"), key.Public().(ed25519.PublicKey)); err != nil {
		return err
	}
	store, err := roster.Open(filepath.Join(d.dir, "roster.db"))
	if err != nil {
		return err
	}
	defer store.Close()
	if _, err := store.Import(ctx, compound(), roster.ImportOptions{CheckResidentID: box.ResidentID}); err != nil {
		return err
	}
	return durable.Replace(marker, []byte(demoMade))
}

// writeSettings writes the ordinary settings of this run.
func (d *demo) writeSettings() (path string, err error) {
	path = filepath.Join(d.dir, "gated.yaml")
	listen := config.Default().Console.Listen
	if l, err := net.Listen("tcp", listen); err != nil {
		listen = "127.0.0.1:0" // someone has the usual port
	} else {
		l.Close()
	}
	level := "info"
	if d.fast {
		level = "warn"
	}
	var b bytes.Buffer
	if err := demoSettings.Execute(&b, map[string]any{"Lanes": demoLanes, "Dir": d.dir, "Listen": listen, "Level": level, "Fast": d.fast}); err != nil {
		return "", err
	}
	return path, os.WriteFile(path, b.Bytes(), 0o600)
}

// plugCards puts a card reader into its socket.
func (d *demo) plugCards() error {
	r, err := samvsim.Plug()
	if err != nil {
		return err
	}
	if err := d.socket.name(r.Path); err != nil {
		r.Close()
		return err
	}
	d.cards = r
	return nil
}

// unplugCards pulls it out; nobody may be using it.
func (d *demo) unplugCards() {
	d.socket.unplug()
	d.cards.Close()
}

func (d *demo) run(ctx context.Context) error {
	defer func() { // the daemon releases it, if it came so far
		if d.held != nil {
			d.held.Release()
		}
	}()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	path, err := d.writeSettings()
	if err != nil {
		return err
	}
	if d.key, err = credential.ReadPrivateKey(filepath.Join(d.dir, "keys", "office.key")); err != nil {
		return err
	}
	d.other = credential.NewKey()
	if d.health, err = newHealthIssuers(filepath.Join(d.dir, "trust")); err != nil {
		return err
	}
	store, err := roster.Open(filepath.Join(d.dir, "roster.db")) // to write: a start that was cut off may have left it unfinished
	if err != nil {
		return err
	}
	d.people, d.cars = store.Snapshot().People(), store.Snapshot().Vehicles()
	store.Close()
	d.openings, d.answers = newOpenings(demoLanes...), newAnswers()
	d.waiting, d.holds, d.latest = map[string]chan answer{}, map[string]bool{}, map[string]int{}

	dev := filepath.Join(d.dir, "dev")
	if err := os.MkdirAll(dev, 0o700); err != nil {
		return err
	}
	scanners := map[string]*socket{}
	for _, lane := range demoLanes {
		s := &socket{link: filepath.Join(dev, "scanner-"+lane)}
		if err := s.plug(); err != nil {
			return err
		}
		defer s.unplug()
		scanners[lane] = s
	}
	d.socket = &socket{link: filepath.Join(dev, "card-in")}
	if err := d.plugCards(); err != nil {
		return err
	}
	defer d.unplugCards()
	d.relays = map[string]*lcussim.Relay{}
	for _, lane := range demoLanes {
		if d.relays[lane], err = lcussim.New(filepath.Join(dev, "relay-"+lane), 1, true); err != nil {
			return err
		}
		defer d.relays[lane].Close()
	}
	set, err := config.Load(path, os.Environ())
	if err != nil {
		return err
	}
	ready := make(chan *gate.Gate, 1)
	gated := &daemon{path: path, settings: set, dir: d.dir, held: d.held, stderr: d.stderr,
		onReady:   func(page string, g *gate.Gate) { d.page = page; ready <- g },
		onOutcome: d.outcome, onFraming: func(lane, cause string) { d.answered(lane, answer{dropped: cause}) }}
	if d.verdicts {
		gated.verdicts = d.stdout
	}
	runCtx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	d.held = nil
	go func() { ended <- gated.run(runCtx, nil) }()
	select {
	case d.gate = <-ready:
	case err := <-ended:
		return err
	}
	if !d.fast {
		fmt.Fprintf(d.stderr, "\n  The gate's page:  %s\n  Its metrics:      %smetrics\n  Its ledger:       %s\n  Its directory:    %s\n  Ctrl-C ends it.\n\n", d.page, d.page, gated.tlog, d.dir)
	}
	context.AfterFunc(runCtx, func() { d.ending.Store(true) })
	if d.faults {
		if d.mishap, err = newMishaps(runCtx, d); err != nil {
			return err
		}
	}
	err = d.play(runCtx, scanners)
	if d.mishap != nil {
		d.mishap.measure(context.WithoutCancel(ctx))
	}
	stop()
	err = errors.Join(err, <-ended)
	if d.mishap != nil {
		d.mishap.end()
	} else if err != nil {
		return err
	}
	r, readErr := ledger.OpenReader(d.dir)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	after, readErr := r.Size()
	if readErr == nil && d.mishap != nil {
		readErr = r.Scan(gated.before+1, after, false, func(e *ledger.Entry) error { d.openings.entry(e); d.answers.entry(e); return nil })
	}
	if err = errors.Join(err, readErr, r.Close()); d.mishap != nil { // of hours, all that was seen is told, whatever ended them
		err = errors.Join(err, d.mishap.report(d.stdout))
	} else if err != nil {
		return err
	}
	fmt.Fprintf(d.stdout, "scans=%d answered=%d repeats=%d framing=%d entries=%d admit=%d refuse=%d hold=%d\n",
		d.count.scans, d.count.answered, d.count.repeats, d.count.framing, after-gated.before, d.latest["admit"], d.latest["refuse"], d.latest["hold"])
	return err
}

// outcome hears every answer of the gate. The ones for a code go to whoever holds it up.
func (d *demo) outcome(o gate.Outcome) {
	d.openings.say(o)
	d.mu.Lock()
	d.answers.say(o)
	if o.Passage != "" && !o.Repeat {
		if d.holds[o.Passage] {
			d.latest["hold"]--
			delete(d.holds, o.Passage)
		}
		if o.Verdict == "hold" {
			d.holds[o.Passage] = true
		}
		d.latest[o.Verdict]++
	}
	d.mu.Unlock()
	if o.Rule != "guard" && o.Rule != emergencyKey && o.Reason != "abandoned" {
		d.answered(o.Lane, answer{out: o})
	}
}

func (d *demo) answered(lane string, a answer) {
	d.mu.Lock()
	c := d.waiting[lane]
	delete(d.waiting, lane)
	switch {
	case c == nil: // noise that made two frames, say
		d.mishap.heard(lane, a)
	case a.dropped != "":
		d.count.framing++
	case a.out.Repeat:
		d.count.repeats++
	default:
		d.count.answered++
	}
	d.mu.Unlock()
	if c != nil {
		c <- a
	}
}

// over tells whether the demo has played for long enough.
func (d *demo) over() bool { return !d.until.IsZero() && !time.Now().Before(d.until) }

// show holds a code up to the lane's scanner, or lays a card on its reader, and waits for what the gate says.
func (d *demo) show(ctx context.Context, lane string, scanner io.Writer, code string, card []byte) (answer, error) {
	if card != nil {
		soon, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if d.cards.Free(soon) != nil { // who was here before has taken theirs along
			if ctx.Err() != nil {
				return answer{}, errEnded
			}
			return answer{}, fmt.Errorf("lane %s: the card reader was not asked for cards within 30 s", lane)
		}
		defer d.cards.Remove()
	}
	if d.mishap != nil {
		d.mishap.world.RLock()
		defer d.mishap.world.RUnlock()
	}
	c, shown := make(chan answer, 1), time.Now()
	d.mu.Lock()
	d.waiting[lane] = c
	d.count.scans++
	d.mu.Unlock()
	if card != nil {
		d.cards.Present(card)
	} else if _, err := io.WriteString(scanner, code+"\r\n"); err != nil {
		return answer{}, fmt.Errorf("scanner %s: %w", lane, err)
	}
	var lift <-chan time.Time // a card that nothing happens to is laid down once more, as people do
	if card != nil {
		t := time.NewTicker(5 * time.Second)
		defer t.Stop()
		lift = t.C
	}
	unplugged, late := make(chan struct{}), time.After(time.Minute)
	defer context.AfterFunc(ctx, func() { time.AfterFunc(time.Second, func() { close(unplugged) }) })()
	for {
		select {
		case a := <-c:
			a.shown = shown
			return a, nil
		case <-lift:
			d.cards.Remove()
			soon, cancel := context.WithTimeout(ctx, 5*time.Second)
			if d.cards.Free(soon) == nil {
				d.cards.Present(card)
			}
			cancel()
		case <-unplugged: // the gate ends, and nobody read this one
			d.mu.Lock()
			defer d.mu.Unlock()
			if _, unread := d.waiting[lane]; unread {
				delete(d.waiting, lane)
				d.count.scans--
				return answer{}, errEnded
			}
			return <-c, nil
		case <-late:
			return answer{}, fmt.Errorf("lane %s: a code was not answered within a minute", lane)
		}
	}
}

var errEnded = errors.New("the demo is being ended")

// visitor is one who comes to the gate, and what must come of it.
type visitor struct {
	lane, code, what string
	emergency        bool // an ambulance without a pass: the guard presses the key

	kind    string // the credential as which the gate must know it,
	dropped string // or why the scanner must drop it as no code
	admit   bool   // opens without a guard
	common  bool   // it need not be the first one to show this code, which then counts as read already
}

// wrong tells what is wrong with the answer to what a visitor showed: nothing if it is the answer to just that.
func (v visitor) wrong(a answer) string {
	switch {
	case a.dropped != v.dropped && a.dropped != "":
		return "was dropped as " + a.dropped
	case a.dropped != v.dropped:
		return "was taken for a code: " + a.out.Credential
	case a.dropped != "":
		return ""
	case a.out.Verdict == gate.Fault:
		return "was not recorded: " + a.out.Reason
	case a.out.Credential != v.kind:
		return fmt.Sprintf("was read as %q (%s: %s)", a.out.Credential, a.out.Verdict, a.out.Reason)
	case v.admit != (a.out.Verdict == policy.Admit):
		return fmt.Sprintf("was answered %s: %s", a.out.Verdict, a.out.Reason)
	case a.out.Repeat && !v.common:
		return "was taken for one that was read already"
	}
	return ""
}

// next invents who comes. n counts within the lane; the first ones show every case there is.
func (d *demo) next(rng *rand.Rand, lane string, n int) visitor {
	resident := d.people[rng.IntN(len(d.people))]
	now := time.Now()
	pass := func(key ed25519.PrivateKey, sub, kind string, until time.Duration) string {
		text, err := credential.Issue(key, credential.Pass{Issuer: demoIssuer, Subject: sub, Kind: kind, NotBefore: now.Add(-30 * 24 * time.Hour), NotAfter: now.Add(until)})
		if err != nil {
			panic(err) // the demo's own data
		}
		return text
	}
	const month = 30 * 24 * time.Hour
	kind := "resident"
	if resident.Class != "resident" {
		kind = "staff"
	}
	cases := []func() visitor{
		func() visitor {
			return visitor{code: pass(d.key, resident.ID, kind, month), what: "a resident", kind: credential.KindPass, admit: true}
		},
		func() visitor {
			return visitor{code: forge(pass(d.key, resident.ID, kind, month)), what: "a forged pass", kind: credential.KindPass}
		},
		func() visitor {
			return visitor{code: pass(d.key, resident.ID, kind, -time.Hour), what: "an expired pass", kind: credential.KindPass}
		},
		func() visitor {
			return visitor{code: fmt.Sprintf("69%011d", rng.Int64N(1e11)), what: "a courier's bar code", kind: credential.KindUnknown}
		},
		func() visitor {
			return visitor{code: pass(d.key, d.cars[0].ID, "vehicle", month), what: "the ambulance with its pass", kind: credential.KindPass, admit: true}
		},
		func() visitor { return visitor{what: "an ambulance without a pass", emergency: true} },
		func() visitor { return visitor{code: "#\x02?", what: "garbage", dropped: scanner.TooShort} },
		func() visitor { // at the level of the demo it gets out, and not in
			return visitor{code: pass(d.key, d.cars[len(d.cars)-1].ID, "vehicle", month), what: "a resident's car", kind: credential.KindPass, admit: lane == "out"}
		},
		func() visitor {
			return visitor{code: resident.Document, what: "an ID number instead of a pass", kind: credential.KindResidentID, common: true}
		},
		func() visitor {
			return visitor{code: pass(d.other, "r-999999", "resident", month), what: "a pass of another compound", kind: credential.KindPass}
		},
		func() visitor {
			return visitor{code: d.health.dcc(resident, now.Add(-time.Duration(1+rng.IntN(96))*time.Hour)), what: "an EU certificate of a test", kind: credential.KindDCC}
		},
		func() visitor {
			return visitor{code: d.health.shc(resident, now), what: "a SMART Health Card", kind: credential.KindSHC}
		},
		func() visitor {
			return visitor{code: d.cars[0].Plate, what: "the ambulance's plate, no pass", kind: credential.KindPlate, common: true}
		},
		func() visitor {
			return visitor{code: fmt.Sprintf("粤B%05d", 60000+rng.IntN(9999)), what: "a stranger's plate", kind: credential.KindPlate, common: true}
		},
		func() visitor {
			return visitor{code: fmt.Sprintf("粤BD%05d", rng.IntN(99999)), what: "an electric car's plate", kind: credential.KindPlate, common: true}
		},
	}
	i := 0
	switch {
	case n < 2*len(cases) && n%2 == 1: // each once
		i = n / 2
	case rng.IntN(100) >= 80:
		if i = rng.IntN(len(cases)); cases[i]().emergency && (d.fast || rng.IntN(4) > 0) {
			i = 0 // ambulances without a pass are rare
		}
	}
	v := cases[i]()
	if v.code == "" && !v.emergency { // staff without a document
		v = cases[0]()
	}
	v.lane = lane
	return v
}

// cardholder invents who lays an ID card on the reader instead of holding up a code; the first one is a resident.
func (d *demo) cardholder(rng *rand.Rand, n int) (visitor, []byte) {
	now := time.Now()
	card := credential.IDCard{Kind: credential.KindIDCard, From: now.AddDate(-6, 0, 0).Format(time.DateOnly), To: now.AddDate(14, 0, 0).Format(time.DateOnly)}
	for card.Document == "" { // staff have none here
		p := d.people[rng.IntN(len(d.people))]
		card.Name, card.Document = p.Name, p.Document
	}
	v := visitor{lane: "in", what: "a resident's ID card", kind: credential.KindIDCard, common: true}
	switch k := rng.IntN(10); {
	case n == 2 || k < 7:
	case k < 9:
		v.what, card.To = "a resident's expired ID card", now.AddDate(-1, 0, 0).Format(time.DateOnly)
	default:
		v.what, card.Name, card.Document = "a stranger's ID card", "无名氏", inventedID(rng, 999)
	}
	id, err := credential.ResidentID(card.Document)
	card.BirthDate, card.Sex = id.BirthDate, id.Sex
	text, textErr := card.Text()
	if err := errors.Join(err, textErr); err != nil {
		panic(err) // the demo's own data
	}
	return v, text
}

// healthIssuers sign the health certificates that people show.
type healthIssuers struct {
	dccKey  *ecdsa.PrivateKey
	dccCert *x509.Certificate
	shcKey  *ecdsa.PrivateKey
}

const demoClinic = "https://clinic.example"

// newHealthIssuers makes them, and lets a gate with this trust directory trust them. They are new with each run: nothing
// that they sign outlives it.
func newHealthIssuers(trust string) (h healthIssuers, err error) {
	if h.dccKey, err = ecdsa.GenerateKey(elliptic.P256(), crand.Reader); err != nil {
		return h, err
	}
	now := time.Now()
	if h.dccCert, err = credential.SignerCertificate(h.dccKey, "XX", now.AddDate(-1, 0, 0), now.AddDate(1, 0, 0)); err != nil {
		return h, err
	}
	if h.shcKey, err = ecdsa.GenerateKey(elliptic.P256(), crand.Reader); err != nil {
		return h, err
	}
	keys, err := credential.MarshalSHCKeys(demoClinic, &h.shcKey.PublicKey)
	if err != nil {
		return h, err
	}
	for name, content := range map[string][]byte{
		"dcc/demo-clinic.pem":  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.dccCert.Raw}),
		"shc/demo-clinic.json": keys,
	} {
		path := filepath.Join(trust, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return h, err
		}
		if err := durable.Replace(path, content); err != nil {
			return h, err
		}
	}
	return h, nil
}

// dcc is an EU certificate of a negative test.
func (h healthIssuers) dcc(who roster.Person, sampled time.Time) string {
	family, given := split(who.Name)
	text, err := credential.IssueDCC(h.dccKey, h.dccCert, credential.DCC{Given: given, Family: family, BirthDate: who.BirthDate, ID: "URN:UVCI:01:XX:" + who.ID,
		Issued: sampled, Expires: sampled.AddDate(0, 1, 0), Statement: credential.Health{Kind: credential.Test, Disease: "840539006", Product: "LP6464-4", Result: "negative", Sampled: sampled}})
	if err != nil {
		panic(err) // the demo's own data
	}
	return text
}

// shc is a SMART Health Card of two vaccinations.
func (h healthIssuers) shc(who roster.Person, now time.Time) string {
	family, given := split(who.Name)
	jab := func(n, months int) credential.Health {
		return credential.Health{Kind: credential.Vaccination, Product: "207", Dose: n, Doses: 2, Date: now.AddDate(0, -months, 0).Format(time.DateOnly)}
	}
	text, err := credential.IssueSHC(h.shcKey, credential.SHC{Issuer: demoClinic, NotBefore: now.AddDate(0, -4, 0), Given: []string{given}, Family: family, BirthDate: who.BirthDate,
		Health: []credential.Health{jab(1, 6), jab(2, 5)}})
	if err != nil {
		panic(err) // the demo's own data
	}
	return text
}

// split takes a Chinese name apart; the surnames of the demo have one character.
func split(name string) (family, given string) {
	_, n := utf8.DecodeRuneInString(name)
	return name[:n], name[n:]
}

// forge changes a genuine pass so that the issuer never signed what it says.
func forge(pass string) string {
	last := byte('0')
	if pass[len(pass)-1] == last {
		last = '1'
	}
	return pass[:len(pass)-1] + string(last)
}

// play lets people come to every lane until the codes are used up or ctx ends.
func (d *demo) play(ctx context.Context, scanners map[string]*socket) error {
	if err := d.begin(ctx, d.gate); err != nil {
		return err
	}
	if d.during > 0 {
		d.until = time.Now().Add(d.during)
	}
	errs := make(chan error, len(demoLanes))
	var guards sync.WaitGroup
	for i, lane := range demoLanes {
		n := (d.scans + len(demoLanes) - 1 - i) / len(demoLanes)
		go func() { errs <- d.playLane(ctx, lane, scanners[lane], n, &guards) }()
	}
	var all []error
	for range demoLanes {
		all = append(all, <-errs)
	}
	guards.Wait()
	return errors.Join(all...)
}

// begin waits for the scanners, and says the clock is right where the box itself cannot know.
func (d *demo) begin(ctx context.Context, g *gate.Gate) error {
	changed, cancel := g.Subscribe()
	defer cancel()
	deadline := time.After(15 * time.Second)
	for {
		up := 0
		v := g.View()
		for _, l := range v.Lanes {
			if l.Up {
				up++
			}
		}
		if up == len(demoLanes) && g.Ready() {
			if !v.Clock.Trusted {
				if err := g.ConfirmClock(ctx, "demo"); err != nil {
					return err
				}
			}
			return g.SignOn(ctx, "演示门岗 demo guard")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		case <-deadline:
			return fmt.Errorf("the scanners did not come up within 15 s: %+v", v.Lanes)
		}
	}
}

func (d *demo) playLane(ctx context.Context, lane string, port *socket, scans int, guards *sync.WaitGroup) error {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(len(lane))))
	var last visitor
	wait := func(from, to time.Duration) bool {
		if d.fast && d.during < time.Hour {
			return ctx.Err() == nil
		}
		if d.fast { // a million codes a lane, or the ledger would fill the disk
			from, to = d.during/1e6, d.during/1e6+1
		}
		select {
		case <-time.After(from + time.Duration(rng.Int64N(int64(to-from)))):
			return true
		case <-ctx.Done():
			return false
		}
	}
	alarm := func() time.Time {
		return time.Now().Add(8*time.Second + time.Duration(rng.Int64N(int64(14*time.Second))))
	}
	ambulance := alarm()
	for n, sent := 0, 0; (d.scans == 0 || sent < scans) && !d.over() && wait(1500*time.Millisecond, 5*time.Second); n++ {
		if d.mishap != nil {
			if err := d.mishap.maybe(ctx, lane, port, rng); errors.Is(err, errEnded) {
				return nil
			} else if err != nil {
				return err
			}
		}
		v := d.next(rng, lane, n)
		if d.fast && time.Now().After(ambulance) {
			v.emergency, ambulance = true, alarm()
		}
		if v.emergency {
			if err := d.emergency(ctx, lane, rng, guards); err != nil {
				return err
			}
			continue
		}
		var card []byte
		if lane == "in" && (n == 2 || !d.fast && rng.IntN(8) == 0) { // a card takes its time, so with --fast there is one
			v, card = d.cardholder(rng, n)
		} else if last.code != "" && rng.IntN(20) == 0 {
			v = last
			v.what, v.common = "the same code twice", true
		}
		a, err := d.show(ctx, lane, port.scanner, v.code, card)
		if errors.Is(err, errEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		sent++
		d.say(lane, v, a)
		if d.mishap != nil {
			d.mishap.judge(ctx, v, a)
		}
		last = visitor{}
		if a.dropped == "" && !a.out.Repeat && a.out.Verdict == policy.Admit {
			last = v
		}
		if a.out.Verdict == "hold" && !a.out.Repeat && !(d.fast && n%10 == 9) { // a few wait for nobody
			admit := rng.IntN(3) > 0
			rule := func() error { return d.decide(ctx, a.out, v, admit) }
			if d.fast {
				if err := rule(); err != nil {
					return err
				}
				continue
			}
			guards.Go(func() {
				select {
				case <-time.After(4 * time.Second):
					if err := rule(); err != nil {
						fmt.Fprintln(d.stderr, "gated: demo guard:", err)
					}
				case <-ctx.Done():
				}
			})
		}
	}
	return nil
}

func (d *demo) say(lane string, v visitor, a answer) {
	if d.fast || d.verdicts {
		return
	}
	what := a.out.Verdict + " (" + a.out.Reason + ")"
	switch {
	case a.dropped != "":
		what = "dropped: not a whole code"
	case a.out.Repeat:
		what = "already read: " + a.out.Verdict
	}
	fmt.Fprintf(d.stdout, "%s  %-3s  %-32s → %s\n", time.Now().Format(time.TimeOnly), lane, v.what, what)
}

// decide is the guard's part, done as the page does it.
func (d *demo) decide(ctx context.Context, hold gate.Outcome, v visitor, admit bool) error {
	r := map[string]string{"passage": hold.Passage, "verdict": "admit", "reason": "document-sighted"}
	if !admit {
		r["verdict"], r["reason"] = "refuse", "not-known"
	}
	err := d.post(ctx, "/api/decide", r)
	if err == nil && !d.fast && !d.verdicts {
		fmt.Fprintf(d.stdout, "%s  %-3s  the guard, about %-16s → %s (%s)\n", time.Now().Format(time.TimeOnly), hold.Lane, v.what, r["verdict"], r["reason"])
	}
	return err
}

// emergency presses the key for an ambulance, and closes behind it. With --fast the guard sometimes presses twice in fright,
// and says later who passed, or else hours would leave thousands of debts.
func (d *demo) emergency(ctx context.Context, lane string, rng *rand.Rand, guards *sync.WaitGroup) error {
	if err := d.press(ctx, lane); err != nil {
		return err
	}
	pause, again := 8*time.Second, false
	if d.fast { // people go on passing in the meantime
		pause, again = time.Duration(200+rng.IntN(800))*time.Millisecond, rng.IntN(3) == 0
	}
	if again {
		if err := d.press(ctx, lane); err != nil {
			return err
		}
	}
	if !d.fast && !d.verdicts {
		fmt.Fprintf(d.stdout, "%s  %-3s  an ambulance without a pass      → F9, held open\n", time.Now().Format(time.TimeOnly), lane)
	}
	guards.Go(func() {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		err := d.close(context.WithoutCancel(ctx), lane)
		if err == nil && d.fast {
			err = d.fill(ctx, lane)
		}
		if err != nil {
			fmt.Fprintln(d.stderr, "gated: demo guard:", err)
			if d.mishap != nil {
				d.mishap.fault("the guard of lane %s: %v", lane, err)
			}
		}
	})
	return nil
}

func (d *demo) press(ctx context.Context, lane string) error {
	d.hand.Lock()
	defer d.hand.Unlock()
	var out gate.Outcome
	answered, err := d.ask(ctx, "/api/emergency", map[string]string{"lane": lane}, &out)
	if answered {
		d.openings.press(lane, out)
	}
	return err
}

func (d *demo) close(ctx context.Context, lane string) error {
	d.hand.Lock()
	defer d.hand.Unlock()
	asked := time.Now()
	answered, err := d.ask(ctx, "/api/close", map[string]string{"lane": lane}, nil)
	if answered {
		d.openings.close(lane, asked)
	}
	return err
}

// fill says who passed by the lane while it was held open.
func (d *demo) fill(ctx context.Context, lane string) error {
	for _, debt := range d.gate.View().Debts {
		if debt.Lane != lane || debt.What != "who-passed" {
			continue
		}
		if err := d.post(ctx, "/api/debt", map[string]string{"id": debt.ID, "note": "救护车 an ambulance"}); err != nil {
			return err
		}
	}
	return nil
}

// post is ask where the answer does not matter.
func (d *demo) post(ctx context.Context, path string, body any) error {
	_, err := d.ask(ctx, path, body, nil)
	return err
}

// ask does what the page does when the guard presses a key. Whether it was answered is not known once the demo ends.
func (d *demo) ask(ctx context.Context, path string, body, answer any) (answered bool, err error) {
	b, err := json.Marshal(body)
	if err != nil {
		return false, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(d.page, "/")+path, bytes.NewReader(b))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		defer resp.Body.Close()
		b, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	}
	switch {
	case err != nil && (d.ending.Load() || ctx.Err() != nil):
		return false, nil
	case err != nil:
		return false, err
	case resp.StatusCode == http.StatusConflict: // a full desk gave the hold up before the guard came to it
		return false, nil
	case resp.StatusCode/100 != 2:
		return false, fmt.Errorf("%s: %s: %.1000s", path, resp.Status, bytes.TrimSpace(b))
	}
	if answer != nil {
		err = json.Unmarshal(b, answer)
	}
	return err == nil, err
}
