package evidence

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"gated/ledger/entry"
)

// PrintEntry prints an entry with its personal fields for whoever asks what is kept about them; as JSON the exact record.
func PrintEntry(w io.Writer, e *entry.Entry, asJSON bool) error {
	if asJSON {
		personal := map[string]string{}
		for _, f := range e.Personal {
			personal[f.Name] = f.Value
		}
		return json.NewEncoder(w).Encode(map[string]any{"record": json.RawMessage(e.Raw), "personal": personal})
	}
	line := fmt.Sprintf("%d %s", e.Seq, e.At.Format(time.DateTime))
	for _, s := range []string{string(e.Kind), e.Lane, e.Direction, e.Verdict, e.Reason} {
		if s != "" {
			line += " " + s
		}
	}
	for _, f := range e.Personal {
		line += fmt.Sprintf("\n    %s: %q", f.Name, f.Value) // whatever somebody typed or a code said, on a terminal
	}
	_, err := fmt.Fprintln(w, line)
	return err
}
