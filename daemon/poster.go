package daemon

import (
	"os"
	"path/filepath"

	"gated/daemon/lastgood"
	"gated/durable"
	"gated/ledger"
	"gated/poster"
	"gated/register"
)

// posterNoted is the file that names the ledger, and the newest poster that has an entry there. Where it is lost there is one more entry.
const posterNoted = "poster.noted"

// posterOf is the hash of the notice that a setup in force makes; empty: it makes none.
func posterOf(s *lastgood.Setup) string {
	html, err := poster.Make(s.Settings, s.Policy)
	if err != nil {
		return ""
	}
	return poster.Hash(html)
}

// notePoster makes an entry of the notice in force where it is another than the newest that has one. Where that cannot be recorded now it
// is tried again. The caller holds files.mu.
func (d *Daemon) notePoster() {
	origin := d.box.Ledger.Meta().Origin
	if d.files.poster == "" || origin == "" {
		return
	}
	path, line := filepath.Join(d.Dir, posterNoted), origin+" "+d.files.poster+"\n"
	if was, err := os.ReadFile(path); err == nil && string(was) == line {
		d.files.poster = ""
		return
	}
	err := d.box.Gate.Append(ledger.Event{Kind: register.Poster, By: "machine", Detail: map[string]string{"sha256": d.files.poster}})
	if err != nil {
		return
	}
	d.files.poster = ""
	if err := durable.Replace(path, []byte(line)); err != nil {
		d.log.Warn("the notice of what is kept about people is recorded again at the next start", "cause", err)
	}
}
