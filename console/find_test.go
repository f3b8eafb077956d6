package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// 720 names in ten seconds was the whole compound.
func TestWhoReadsTheWholeRosterByRoomIsStopped(t *testing.T) {
	t.Parallel()
	f, now := newFinder(prometheus.NewRegistry()), time.Now()
	names, firsts := 0, 0
	for range 720 / 24 * 10 { // as fast as they come
		wait, first := f.wait(now)
		if first {
			firsts++
		}
		if wait == 0 {
			names += 24
			f.gave(24)
		} else if wait > time.Minute {
			t.Fatalf("wait for %s", wait)
		}
		now = now.Add(10 * time.Second / 300)
	}
	if names < namesAtOnce || names > namesAtOnce+24+namesPerMinute/6 || firsts != 1 {
		t.Errorf("%d names in ten seconds, the refusal was new %d times", names, firsts)
	}
	if got := testutil.ToFloat64(f.names); got != float64(names) {
		t.Errorf("%v names are counted, want %d", got, names)
	}
	if got := testutil.ToFloat64(f.searches.WithLabelValues("refused")); got < 250 {
		t.Errorf("%v refusals are counted", got)
	}
	wait, _ := f.wait(now)
	if again, _ := f.wait(now.Add(wait)); wait <= 0 || again != 0 {
		t.Errorf("after %s one still waits %s", wait, again)
	}
}

// A guard in the busiest hour: three searches a minute, each typed in three pieces.
func TestAGuardIsNeverStoppedFromSearching(t *testing.T) {
	t.Parallel()
	f, now := newFinder(nil), time.Now()
	for range 3 * 60 {
		for _, names := range []int{0, 8, 4} {
			if wait, _ := f.wait(now); wait > 0 {
				t.Fatalf("a guard waits %s", wait)
			}
			f.gave(names)
		}
		now = now.Add(20 * time.Second)
	}
}

func TestASearchTooManyIsSaidToBeOne(t *testing.T) {
	t.Parallel()
	b := newBox(t)
	for range namesAtOnce + 100 { // each costs one at least
		w := b.ask(request("GET", "/api/find?room=1-1-101", ""))
		if w.Code == http.StatusOK {
			continue
		}
		if w.Code != http.StatusTooManyRequests || !strings.Contains(w.Body.String(), `"reason":"too-many-names"`) || w.Header().Get("Retry-After") == "" {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
		return
	}
	t.Errorf("%d searches were answered", namesAtOnce+100)
}

func TestThePageSaysThatTooManyNamesWereAskedFor(t *testing.T) {
	t.Parallel()
	ctx := browser(t, newBox(t).serve(t))
	see(t, ctx, "the page", `document.querySelector('#stage .ready')`)
	run(t, ctx, `window.fetch = async () => new Response('{}', {status: 429})`)
	press(t, ctx, "/")
	write(t, ctx, "1-1-101")
	see(t, ctx, "too many searches", `$('found').innerText.includes('请稍候再查')`)
}
