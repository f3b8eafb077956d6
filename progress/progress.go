// Package progress shows on a terminal how far long work has come.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// Bar draws a bar on a terminal, and nothing elsewhere.
func Bar(w io.Writer, what string, done, of int) {
	f, ok := w.(*os.File)
	if !ok {
		return
	}
	if st, err := f.Stat(); err != nil || st.Mode()&os.ModeCharDevice == 0 || done%50 != 0 && done != of {
		return
	}
	const width = 40
	fmt.Fprintf(f, "\r%s [%-*s] %d/%d", what, width, strings.Repeat("=", width*done/max(of, 1)), done, of)
	if done == of {
		fmt.Fprintln(f)
	}
}
