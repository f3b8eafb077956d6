package lastgood

import (
	"errors"
	"io/fs"
	"os"

	"gated/backup"
	"gated/config"
)

// Sources are where the files lie that a backup has: the settings at path and what they name, also where those are faulty. There need
// be no settings unless somebody named them.
func Sources(path, state string, environ []string, named bool) (src backup.Sources, err error) {
	src = backup.Sources{State: state, Settings: path, Faulty: map[string]error{}}
	setup, err := Load(path, state, environ)
	if err == nil {
		src.Policy, src.Trust = setup.Settings.Policy.File, setup.Settings.Trust.Dir
		for _, f := range setup.Faults {
			src.Faulty[f.File] = f.Err
		}
	} else if text, rerr := os.ReadFile(path); rerr == nil { // no copy stands in
		src.Policy, src.Trust, err = config.Files(path, text, environ)
	} else if errors.Is(rerr, fs.ErrNotExist) && !named {
		src.Settings, err = "", nil
	}
	return src, err
}
