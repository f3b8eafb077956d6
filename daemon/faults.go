package daemon

import (
	"log/slog"
	"slices"
	"strings"
	"sync"

	"gated/daemon/lastgood"
	"gated/gate"

	"github.com/prometheus/client_golang/prometheus"
)

// faults are what is wrong with what the gate is set up by, while it works all the same.
type faults struct {
	mu     sync.Mutex // guards the next two
	files  []gate.SetupFault
	others map[string]gate.SetupFault

	log    *slog.Logger
	faulty *prometheus.GaugeVec
	reload prometheus.Gauge
}

// always are those that the metric has a series of while nothing is wrong.
var always = []string{lastgood.Settings, lastgood.Environment, lastgood.Policy, lastgood.Trust}

func (f *faults) register(reg *prometheus.Registry, log *slog.Logger) {
	f.log, f.others = log, map[string]gate.SetupFault{}
	f.faulty = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "gated_setup_fault",
		Help: "1 while this file or address cannot be used as it is: a good copy is in force, or would be after a restart."},
		[]string{"file"})
	f.reload = prometheus.NewGauge(prometheus.GaugeOpts{Name: "gated_settings_last_reload_successful",
		Help: "1 unless settings, policy or trusted keys as they lie there are wrong."})
	reg.MustRegister(f.faulty, f.reload)
	f.setFiles(nil)
}

// setFiles says which files are faulty.
func (f *faults) setFiles(list []lastgood.Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.files
	f.files = nil
	for _, l := range list {
		now := fault(l.File, l.Err, l.Used)
		f.files = append(f.files, now)
		if !slices.Contains(was, now) {
			f.log.Error("the settings are wrong: what was good last stays in force, also after a restart", "file", l.File,
				"copy", l.Used, "err", l.Err)
		}
	}
	f.reload.Set(map[bool]float64{true: 1}[len(list) == 0])
	f.tell()
}

// set says that something else is wrong, or with err nil that it is not.
func (f *faults) set(what string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was, is := f.others[what]
	switch {
	case err == nil && !is, err != nil && was == fault(what, err, false):
		return
	case err == nil:
		delete(f.others, what)
	default:
		if !is {
			f.log.Error("it does not work, and the gate does", "what", what, "err", err)
		}
		f.others[what] = fault(what, err, false)
	}
	f.tell()
}

// fault is the fault as the page shows it, in one line.
func fault(what string, err error, used bool) gate.SetupFault {
	why := []rune(strings.Join(strings.Fields(err.Error()), " "))
	if len(why) > 300 {
		why = append(why[:300], '…')
	}
	return gate.SetupFault{What: what, Why: string(why), LastGood: used}
}

// tell sets the metric. The caller holds mu.
func (f *faults) tell() {
	f.faulty.Reset()
	for _, what := range always {
		f.faulty.WithLabelValues(what).Set(0)
	}
	for _, l := range f.all() {
		f.faulty.WithLabelValues(l.What).Set(1)
	}
}

func (f *faults) all() []gate.SetupFault {
	list := append([]gate.SetupFault{}, f.files...)
	for _, o := range f.others {
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b gate.SetupFault) int { return strings.Compare(a.What, b.What) })
	return list
}

// list is what the page shows.
func (f *faults) list() []gate.SetupFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all()
}
