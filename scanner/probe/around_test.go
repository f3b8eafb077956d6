package probe

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gated/credential"
)

// What probe is sure of, the gate reads; and what the gate refuses as changed by the scanner, probe is not sure of, and says why.
func TestProbeAndGateAgreeAboutWhatAScannerAdds(t *testing.T) {
	key, dir := credential.NewKey(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "pass"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := credential.WritePublicKey(filepath.Join(dir, "pass", "office.pub"), key.Public().(ed25519.PublicKey)); err != nil {
		t.Fatal(err)
	}
	trust, err := credential.LoadTrust(dir)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	code, err := credential.Issue(key, credential.Pass{Issuer: "office", Subject: "r-1", Kind: "resident", NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	typed := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(code) }
	for name, c := range map[string]struct{ text, reason string }{
		"plain": {code, "ok"}, "lower case": {strings.ToLower(code), "ok"},
		"ECI": {`\000026` + code, "ok"}, "AIM": {"]Q1" + code, "ok"}, "AIM and ECI": {`]Q2\000026` + code, "ok"},
		"byte order mark": {"\ufeff" + code, "ok"}, "space": {" " + code + " ", "ok"}, "tab": {"\t" + code, "ok"}, "ECI behind": {code + `\000026`, "ok"},
		"digits": {"0042" + code, "added-characters"}, "a mark behind": {code + "#", "added-characters"},
		"AZERTY": {typed("1", "&", ":", "M"), "keyboard-layout"}, "QWERTZ": {typed(":", "Ö"), "keyboard-layout"},
		"Chinese": {typed(":", "："), "keyboard-layout"}, "by AZERTY": {typed("1", "!", ":", "."), "keyboard-layout"},
	} {
		if got := trust.Check([]byte(c.text), now).Reason; got != c.reason {
			t.Errorf("%s: the gate says %s, want %s", name, got, c.reason)
		}
		f := analyse(scans(1<<20, 0, c.text+"\r", c.text+"\r", c.text+"\r"), true)
		if f.Sure != (c.reason == "ok") || !f.Sure && (f.Changed != c.reason || f.Readings != 3 || Found{Finding: f}.doubt(0) == "") {
			t.Errorf("%s: probe found %+v, the gate says %s", name, f, c.reason)
		}
	}
}
