package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gated/access"
)

// Accounts are made, listed, disabled and given a new PIN beside a gate at work, and no less without one; what cannot be is said.
func TestAccounts(t *testing.T) {
	t.Parallel()
	dir, settings := setUpSite(t)
	run := func(stdin string, args ...string) (code int, said string) {
		var out, errs bytes.Buffer
		code = execute(append(append([]string{"user"}, args...), "--state", dir), strings.NewReader(stdin), &out, &errs)
		return code, out.String() + errs.String()
	}
	for _, working := range []bool{true, false} {
		if err := os.RemoveAll(filepath.Join(dir, access.File)); err != nil {
			t.Fatal(err)
		}
		stop := func() {}
		if working {
			c := start(t, "run", "--config", settings, "--state", dir)
			c.address(t)
			stop = func() { c.stop(t) }
		}
		for _, tt := range []struct {
			stdin string
			args  []string
			code  int
			want  string
		}{
			{"the gate is open\n", []string{"add", "Chen", "--role", "manager"}, 0, "added: Chen, manager\npassword: "},
			{"271828", []string{"add", " 张伟", "--role", "guard"}, 0, "added: 张伟, guard\nPIN: "},
			{"1234\n", []string{"add", "Li", "--role", "guard"}, 1, "the first that anybody tries"},
			{"", []string{"add", "Li", "--role", "guard"}, 2, "nothing was given"},
			{"", []string{"add", "Li", "--role", "owner"}, 2, "one of guard shift-leader manager auditor maintainer"},
			{"", []string{"add", "Li"}, 2, "role"},
			{"271828", []string{"add", "chen", "--role", "guard"}, 1, "there is an account Chen already"},
			{"", []string{"disable", "Chen"}, 1, "the last manager"},
			{"", []string{"disable", "张伟"}, 0, "disabled: 张伟, guard\n"},
			{"", []string{"list"}, 0, "Chen  manager  enabled\n张伟    guard    disabled\n"},
			{"314159\n", []string{"reset", "张伟"}, 0, "reset: 张伟, guard\n"},
			{"314159\n", []string{"reset", "nobody"}, 1, "gated user list"},
			{"", []string{"token", "parking", "--role", "guard"}, 0, "gated_"},
			{"", []string{"token", "parking", "--role", "guard"}, 1, "there is an account parking already"},
			{"", []string{"token", "office", "--role", "owner"}, 2, "one of guard"},
			{"", []string{"list"}, 0, "parking  guard    token\n"},
			{"", []string{"disable", "parking"}, 0, "disabled: parking, guard\n"},
			{"", []string{"remove"}, 2, "want one of add, disable, list, reset, token"},
		} {
			if code, said := run(tt.stdin, tt.args...); code != tt.code || !strings.Contains(said, tt.want) {
				t.Errorf("a daemon %t: user %q: exit %d, want %d, …%s…:\n%s", working, tt.args, code, tt.code, tt.want, said)
			}
		}
		var list []access.Account
		if code, said := run("", "list", "--json"); code != 0 || json.Unmarshal([]byte(said), &list) != nil || len(list) != 3 || list[1].Disabled || strings.Contains(said, "argon2") {
			t.Errorf("a daemon %t: %s", working, said)
		}
		stop()
	}
	found, _ := told(t, "", "ledger", "search", "--kind", "account", "--state", dir)
	for _, word := range []string{"added", "disabled", "reset"} {
		if strings.Count(found, word) < 2 {
			t.Errorf("the ledger has not each account that was %s:\n%s", word, found)
		}
	}
	if strings.Contains(found, "Chen") {
		t.Errorf("names stand in the records:\n%s", found)
	}
}
