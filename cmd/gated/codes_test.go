package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gated/credential"
	"gated/demo"
	"gated/demo/terminal"
	"gated/roster"
)

// What was tried from the field, at the program itself with a scanner's port: one picture with thirty forgeries, and a scanner that
// was swapped for one that puts characters around each code.
func TestAScannerThatAddsCharactersAndAPictureOfThirtyCodes(t *testing.T) {
	t.Parallel()
	dir := demoSite(t)
	settings := filepath.Join(dir, "gated.yaml")
	// At 1200 baud a code waits 100 ms for the next byte, so that a busy machine does not part what comes without a pause.
	apart := strings.NewReplacer("codes_apart: 0s", "codes_apart: 100ms", "baud: 115200", "baud: 1200").Replace(string(mustRead(t, settings)))
	if err := os.WriteFile(settings, []byte(apart), 0o600); err != nil {
		t.Fatal(err)
	}
	far, near, err := terminal.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	defer near.Close()
	if err := terminal.Link(filepath.Join(dir, "dev", "scanner-in"), near.Name()); err != nil {
		t.Fatal(err)
	}
	key, err := credential.ReadPrivateKey(filepath.Join(dir, "keys", "office.key"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := roster.Open(filepath.Join(dir, "roster.db"))
	if err != nil {
		t.Fatal(err)
	}
	people := store.Snapshot().People()
	store.Close()
	pass := func(i int) string {
		code, err := credential.Issue(key, credential.Pass{Issuer: demo.Issuer, Subject: people[i].ID, Kind: "resident", NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return code
	}

	c := start(t, "run", "--config", settings, "--log-verdicts")
	page := c.address(t)
	said := make(chan string, 100)
	go func() {
		for lines := bufio.NewScanner(c.stdout); lines.Scan(); {
			var v struct{ Verdict, Reason string }
			if json.Unmarshal(lines.Bytes(), &v) == nil {
				said <- v.Verdict + " " + v.Reason
			}
		}
	}()
	metric := func(name string, want int) {
		t.Helper()
		line := fmt.Sprintf("\n%s{lane=\"in\"} %d\n", name, want)
		for late := time.Now().Add(time.Minute); !strings.Contains(get(t, page+"metrics"), line); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(late) {
				t.Fatalf("waited in vain for %s", line)
			}
		}
	}
	paused := time.Duration(0) // the longest in the middle of what a scanner sent
	scan := func(text string) string {
		t.Helper()
		time.Sleep(150 * time.Millisecond) // people are that far apart
		last := time.Now()
		for piece := range slices.Chunk([]byte(text+"\r\n"), 10) {
			if _, err := far.Write(piece); err != nil {
				t.Fatal(err)
			}
			paused, last = max(paused, time.Since(last)), time.Now()
			if strings.Contains(text, "\r") { // at 9600 baud
				time.Sleep(10 * time.Millisecond)
			}
		}
		select {
		case v := <-said:
			return v
		case <-time.After(time.Minute):
			t.Fatal("no answer")
			return ""
		}
	}

	metric("gated_scanner_up", 1)
	var forged []string
	for i := range 30 {
		forged = append(forged, strings.Replace(pass(i)[:93], pass(i)[60:64], "ABCD", 1))
	}
	for try := range 10 {
		paused = 0
		answers := []string{scan(strings.Join(forged, "\r")), scan(pass(50) + "\r" + pass(51)), scan(forged[0] + "\r" + pass(52))}
		for quiet := false; !quiet; {
			select {
			case v := <-said:
				answers = append(answers, v)
			case <-time.After(time.Second):
				quiet = true
			}
		}
		several := "refuse several-codes"
		if slices.Equal(answers, []string{several, several, several}) {
			break
		}
		if try == 9 { // a machine that stands still parts what was sent together, but not ten times
			t.Errorf("thirty forgeries in one picture, two passes, a forgery and a pass, with a pause of %v: %q", paused, answers)
			break
		}
	}
	for i, around := range [][2]string{{"\ufeff", ""}, {"]Q1", ""}, {`\000026`, ""}, {"\x02", "\t"}, {" ", " "}} {
		if got := scan(around[0] + pass(i) + around[1]); got != "admit valid-pass" {
			t.Errorf("%q around a pass: %s", around, got)
		}
	}
	if got := scan(strings.ToLower(pass(10))); got != "admit valid-pass" {
		t.Errorf("in lower case: %s", got)
	}
	metric("gated_scanner_misset", 0)
	for i, want := range []int{0, 0, 1} {
		if got := scan("Q" + pass(20+i)); got != "refuse added-characters" {
			t.Errorf("a code ID in front: %s", got)
		}
		metric("gated_scanner_misset", want)
	}
	if got := scan(pass(30)); got != "admit valid-pass" {
		t.Errorf("then a good one: %s", got)
	}
	metric("gated_scanner_misset", 0)
	for range 3 {
		if got := scan(strings.NewReplacer("1", "&", ":", "M").Replace(pass(40))); got != "refuse keyboard-layout" {
			t.Errorf("typed on AZERTY: %s", got)
		}
	}
	metric("gated_scanner_misset", 1)
	c.stop(t)
}
