package main

import (
	"context"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// With -shot FILE the test of the demo's page leaves a picture of it there; docs/console.png is made so.
var shot = flag.String("shot", "", "file for a picture of the page")

// TestTheDemosPageShowsVerdictsArriving looks at the real demo in a real browser.
func TestTheDemosPageShowsVerdictsArriving(t *testing.T) {
	t.Parallel()
	chromium := tool(t, "chromium", "chromium fonts-noto-cjk")
	c := startDemo(t, "--dir", filepath.Join(t.TempDir(), "d"), "--log-verdicts")
	go io.Copy(io.Discard, c.stdout)
	page := c.address(t)

	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.WindowSize(1280, 800))...)
	defer stop()
	tab, stop := chromedp.NewContext(alloc)
	defer stop()
	if err := chromedp.Do(tab); err != nil { // starts the browser, whose life a time limit would end
		t.Fatal(err)
	}
	// On a busy machine browser and demo take their time: what is looked for may come until shortly before the tests must end.
	late, limited := t.Deadline()
	if !limited {
		late = time.Now().Add(10 * time.Minute)
	}
	ctx, stop := context.WithDeadline(tab, late.Add(-20*time.Second))
	defer stop()
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 800), chromedp.Navigate(page)); err != nil {
		t.Fatal(err)
	}
	see := func(what, js string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Poll[bool]("!!("+js+")", chromedp.WithPollingInterval(20*time.Millisecond), chromedp.WithPollingTimeout(0))); err != nil {
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
			t.Fatalf("%s: never seen: %v; the page says:\n%s\nthe log:\n%s", what, err, text, c.stderr)
		}
	}
	see("the gate's name", `document.body.innerText.includes('东门')`)
	see("somebody admitted", `document.querySelector('.verdict.admit')`)
	see("somebody refused or held", `document.querySelector('.verdict.refuse, .verdict.hold')`)
	see("a hold for the guard", `document.querySelectorAll('#holds .card').length > 0`)
	see("several recent passages", `document.querySelectorAll('#recent li').length >= 6`)
	if *shot != "" {
		see("somebody admitted again, and somebody waiting", `document.querySelector('.verdict.admit') && document.querySelectorAll('#holds .card').length > 0`)
		b, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(*shot, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.stop(t)
	see("link lost, over everything", `!document.querySelector('#lost').hidden && !document.querySelector('.verdict.admit')`)
	busy := regexp.MustCompile("the disk did not answer|the relay does not answer") // on a busy machine that is true
	for line := range strings.Lines(c.stderr.String()) {
		if strings.Contains(line, "level=ERROR") && !busy.MatchString(line) {
			t.Errorf("the log has an error: %s\nall of it:\n%s", line, c.stderr)
		}
	}
}
