package ledger

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gated/ledger/file"

	"github.com/prometheus/client_golang/prometheus"
)

// A reader that does not come to an end makes the write-ahead log longer. It is seen in a metric, and once the reader is gone
// the log becomes short again by itself.
func TestTheLogBecomesShortAgainAfterALongReader(t *testing.T) {
	t.Parallel()
	const short = 4 << 20
	ck := &clock{}
	ck.set("2026-11-20 00:00:00")
	dir, reg := t.TempDir(), prometheus.NewRegistry()
	opt := options(dir, ck)
	opt.Registry = reg
	l, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	length := func() int64 {
		t.Helper()
		all, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.GetName() == "gated_ledger_wal_bytes" {
				return int64(m.GetMetric()[0].GetGauge().GetValue())
			}
		}
		t.Fatal("there is no metric of it")
		return 0
	}
	many(t, l, ck, 10)
	r := reader(t, dir)
	if err := r.Snapshot(func() error {
		if _, err := r.Size(); err != nil { // from here on it holds the log
			return err
		}
		for n := 0; length() < 2*short; n++ {
			if many(t, l, ck, file.MaxBatch); n == 1000 {
				t.Fatalf("the log has %d bytes", length())
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for n := 0; length() > short; n++ {
		if many(t, l, ck, file.MaxBatch); n == 100 {
			t.Fatalf("the log still has %d bytes", length())
		}
	}
	if n := file.Length(filepath.Join(dir, "ledger.db-wal")); n != length() {
		t.Errorf("the metric says %d, the file has %d bytes", length(), n)
	}
}

// takesNothing is the answer to a client that does not read it.
type takesNothing struct {
	*httptest.ResponseRecorder
	begun sync.Once
	at    *sync.WaitGroup
	end   chan struct{}
}

func (w *takesNothing) Write(b []byte) (int, error) {
	w.begun.Do(w.at.Done)
	<-w.end
	return 0, http.ErrHandlerTimeout
}

func TestWhoTakesATileSlowlyHoldsUpNobody(t *testing.T) {
	t.Parallel()
	s := file.NewTileServer(small(t), slog.New(slog.NewTextHandler(io.Discard, nil)))
	end := make(chan struct{})
	var slow, at sync.WaitGroup
	for range 64 {
		at.Add(1)
		slow.Go(func() {
			s.ServeHTTP(&takesNothing{ResponseRecorder: httptest.NewRecorder(), at: &at, end: end}, httptest.NewRequest("GET", "/tile/entries/000", nil))
		})
	}
	all := make(chan struct{})
	go func() { at.Wait(); close(all) }()
	select {
	case <-all: // each of them was answered, as far as it takes the answer
	case <-time.After(time.Minute):
		t.Error("slow readers hold up each other")
	}
	w := httptest.NewRecorder()
	if s.ServeHTTP(w, httptest.NewRequest("GET", "/checkpoint", nil)); w.Code != http.StatusOK {
		t.Errorf("beside 64 slow readers: got %d", w.Code)
	}
	close(end)
	slow.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
