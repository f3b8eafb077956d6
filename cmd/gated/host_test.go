package main

import (
	"bytes"
	"strings"
	"testing"
)

// What a host says of whoever comes is set, listed and ended while a daemon runs; whose it is stands sealed.
func TestWhatHostsSay(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	c := start(t, "run", "--config", settings, "--state", dir)
	c.address(t)
	run := func(args ...string) (code int, said string) {
		var out, errs bytes.Buffer
		code = execute(append(append([]string{"host"}, args...), "--state", dir), strings.NewReader(""), &out, &errs)
		return code, out.String() + errs.String()
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"set", "3-2-101", "--always-admit", "SECRET-A"}, 0, "entry="},
		{[]string{"set", "3栋2单元101", "--no-visitors"}, 0, "entry="},
		{[]string{"set", "office", "--call-first"}, 0, "entry="},
		{[]string{"set", "9-9-999", "--no-visitors"}, 1, "no such host"},
		{[]string{"set", "3-2-101"}, 2, "a host says one of"},
		{[]string{"set", "3-2-101", "--no-visitors", "--call-first"}, 2, "say one of"},
		{[]string{"set", "3-2-101", "--always-admit", "a\u202eb"}, 2, "that can be printed"},
		{[]string{"end", "1"}, 2, "entry 1 marks nobody"},
		{[]string{"end", "x"}, 2, "write the number of the entry"},
		{[]string{"list"}, 2, "reason"},
		{[]string{"list", "--reason", "asked for it"}, 0, "3-2-101  no-visitors"},
		{[]string{"list", "--reason", "asked for it"}, 0, "3-2-101  always-admit  SECRET-A"},
		{[]string{"list", "--reason", "asked for it"}, 0, "office   call-first"},
	} {
		if code, said := run(tt.args...); code != tt.code || !strings.Contains(said, tt.want) {
			t.Errorf("%q: exit %d, want %d, …%s…:\n%s", tt.args, code, tt.code, tt.want, said)
		}
	}
	_, said := run("list", "--reason", "asked for it")
	entry, _, _ := strings.Cut(strings.Split(said, "\n")[1], " ")
	if code, said := run("end", entry); code != 0 {
		t.Errorf("exit %d: %s", code, said)
	}
	if _, said := run("list", "--reason", "asked for it"); strings.Contains(said, "SECRET") {
		t.Errorf("after the end:\n%s", said)
	}
	c.stop(t)
	out, _ := told(t, "", "ledger", "export", "--state", dir, "--day", "today", "--format", "jsonl")
	if strings.Contains(out, "SECRET") || !strings.Contains(out, `"always-admit"`) {
		t.Error("the records name somebody, or tell of no instruction")
	}
}
