package access

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Whatever a file holds, it is refused or means the same once it is written again.
func FuzzParse(f *testing.F) {
	whole, err := json.Marshal(content{1, three()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(bytes.Replace(whole, []byte(`"role"`), []byte(`"disabled":true,"wrong":7,"tried":"2026-11-30T08:00:00+08:00","role"`), 1))
	f.Add([]byte(`{"format":1,"accounts":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := parse(b)
		if err != nil {
			if strings.Contains(err.Error(), "argon2id") {
				t.Errorf("the error has a hash in it: %v", err)
			}
			return
		}
		for _, k := range all {
			k.LockedUntil()
		}
		again, err := json.Marshal(content{1, all})
		if err != nil {
			t.Fatal(err)
		}
		twice, err := parse(again)
		if diff := cmp.Diff(all, twice); err != nil || diff != "" {
			t.Errorf("written again it is another: %v\n%s", err, diff)
		}
	})
}

// Of every call to the disk that fails, and of every moment at which the process is killed, the file is the old one or the new one;
// and whoever was told that it is done finds it done.
func TestFaultWhileTheFileIsReplaced(t *testing.T) {
	if dir := os.Getenv("ACCESS_CHANGES"); dir != "" {
		if _, err := In(dir, time.Now).Do(Change{What: Disabled, Name: "张伟"}, func(Account) error { return nil }); err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(dir, "told"), nil, 0o600)
		return
	}
	if out, err := exec.Command("strace", "-qq", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		why := "strace is missing, or may not trace here: apt install strace, and run the tests where ptrace is allowed"
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: %v: %s", why, err, bytes.TrimSpace(out))
		}
		t.Skipf("%s: %v: %s", why, err, bytes.TrimSpace(out))
	}
	x := site(t)
	whole := text(t, x)
	for _, fault := range []string{"error=EIO", "error=ENOSPC", "signal=KILL"} {
		for _, call := range []string{"fsync", "renameat2", "fchmod"} {
			outcomes := map[bool]int{}
			for n, hit := 1, true; hit; n++ {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, File), []byte(whole), 0o600); err != nil {
					t.Fatal(err)
				}
				trace := filepath.Join(dir, "trace")
				c := exec.Command("strace", "-f", "-qq", "-o", trace, "-e", "trace="+call, "-e", "signal=none",
					"-e", "inject="+call+":"+fault+":when="+strconv.Itoa(n), os.Args[0], "-test.run=^"+t.Name()+"$")
				c.Env = append(os.Environ(), "ACCESS_CHANGES="+dir)
				said, err := c.CombinedOutput()
				calls, rerr := os.ReadFile(trace)
				if rerr != nil {
					t.Fatal(rerr, string(said))
				}
				hit = bytes.Contains(calls, []byte("INJECTED")) || err != nil
				all, rerr := read(filepath.Join(dir, File))
				if rerr != nil {
					t.Fatalf("%s of %s %d: the file is neither: %v", fault, call, n, rerr)
				}
				_, told := os.Stat(filepath.Join(dir, "told"))
				if told == nil && !all[0].Disabled {
					t.Errorf("%s of %s %d: it was said to be done", fault, call, n)
				}
				if !all[0].Disabled && text(t, In(dir, time.Now)) != whole {
					t.Errorf("%s of %s %d: the old file is not as it was", fault, call, n)
				}
				outcomes[all[0].Disabled]++
			}
			t.Logf("%s of %s: %d times the new one, %d times the old", fault, call, outcomes[true], outcomes[false])
			if outcomes[false] == 0 {
				t.Errorf("%s of %s: nothing was hit: strace does not do what the test believes", fault, call)
			}
		}
	}
}
