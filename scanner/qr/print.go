package qr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// PrintPaths prints what the codes in picture files say, a line for each code or as JSON a line for each picture, each picture as
// [ReadPath] reads it. It tells how many pictures have no code; a file that cannot be read keeps none of the others from being read.
func PrintPaths(ctx context.Context, w io.Writer, paths []string, limit time.Duration, asJSON bool) (without int, err error) {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	var faults []error
	for _, path := range paths {
		p, err := ReadPath(ctx, path, limit)
		if err != nil {
			faults = append(faults, fmt.Errorf("code read %s: %w", path, err))
			continue
		}
		if len(p.Codes) == 0 {
			without++
		}
		if asJSON {
			err = out.Encode(p)
		} else {
			for _, text := range p.Codes {
				_, err = fmt.Fprintln(w, text)
			}
		}
		if err != nil {
			return without, err
		}
	}
	return without, errors.Join(faults...)
}
