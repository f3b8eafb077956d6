package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gated/box"
	"gated/config"
	"gated/roster/sheet"

	"github.com/spf13/cobra"
)

// settings reads the settings file that the flags name.
func settings(c *cobra.Command) (*config.Settings, string, error) {
	path := settingsFile(c)
	if namedSettings(c) == "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil, "", fmt.Errorf("no settings: %w: name them with --config FILE; "+
				"\"gated config example\" prints some to begin with", err)
		}
	}
	s, err := config.Load(path, os.Environ())
	return s, path, err
}

// settingsFile is where the settings lie, or would.
func settingsFile(c *cobra.Command) string { return cmp.Or(namedSettings(c), "/etc/gated/gated.yaml") }

func namedSettings(c *cobra.Command) string {
	path, _ := c.Flags().GetString("config")
	return cmp.Or(path, os.Getenv("GATED_CONFIG"))
}

// anySettings are those of settings. Where they cannot be read, and no flag names them, there are none.
func anySettings(c *cobra.Command) (*config.Settings, error) {
	s, _, err := settings(c)
	if named, _ := c.Flags().GetString("config"); named == "" && err != nil {
		return nil, nil
	}
	return s, err
}

// stateDir is where a command's state is: --state, $STATE_DIRECTORY (systemd), state_dir of the settings, ./gated-data.
// The settings are only asked where the first two say nothing; a command that only reads may have none.
func stateDir(c *cobra.Command, s *config.Settings) (string, error) {
	dir := namedState(c)
	if dir == "" && s == nil {
		loaded, _, err := settings(c)
		if err != nil && (!errors.Is(err, fs.ErrNotExist) || namedSettings(c) != "") {
			return "", err
		}
		s = loaded // none are needed
	}
	if s != nil {
		dir = cmp.Or(dir, s.StateDir)
	}
	return filepath.Abs(cmp.Or(dir, "gated-data"))
}

func namedState(c *cobra.Command) string {
	dir, _ := c.Flags().GetString("state")
	systemd, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	return cmp.Or(dir, systemd)
}

// inState makes of run what a command does, once its state directory is known.
func inState(run func(c *cobra.Command, dir string, args []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		dir, err := existing(c)
		if err != nil {
			return err
		}
		return run(c, dir, args)
	}
}

// existing is stateDir for commands that never create it.
func existing(c *cobra.Command) (string, error) {
	dir, err := stateDir(c, nil)
	if err != nil {
		return "", err
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return "", fmt.Errorf(sheet.Pick(language(), "no state directory %s: name it with --state D, or the settings with --config FILE",
			"没有状态目录 %s：请用 --state 目录 指明，或用 --config 文件 指明配置"), dir)
	}
	return dir, nil
}

// perform does an operation on the state directory that the flags name: in its daemon, or here if none runs.
func perform[A, R any](c *cobra.Command, op box.Op[A, R], args A) (result R, err error) {
	dir, err := existing(c)
	if err != nil {
		return result, err
	}
	return box.Perform(c.Context(), dir, op, args)
}

// show performs an operation and prints what comes of it.
func show[A, R any](c *cobra.Command, op box.Op[A, R], args A, print func(io.Writer, R) error) error {
	result, err := perform(c, op, args)
	if err != nil {
		return err
	}
	return printed(c, result, print)
}

// performs is what a command does that shows an operation: with what its flags set in args, and its arguments into.
func performs[A, R any](op box.Op[A, R], args *A, print func(io.Writer, R) error, into ...*string) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, said []string) error {
		for i, s := range said {
			*into[i] = s
		}
		return show(c, op, *args, print)
	}
}

// printed prints a result; with --json, where there is such a flag, as it is.
func printed[R any](c *cobra.Command, result R, print func(io.Writer, R) error) error {
	if asJSON, _ := c.Flags().GetBool("json"); asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(result)
	}
	return print(c.OutOrStdout(), result)
}

// line prints a result in one line.
func line[R any](format string) func(io.Writer, R) error {
	return func(w io.Writer, result R) error { return say(w, nil, format, result) }
}

// reason adds the flag --reason, which must be there.
func reason(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "reason", "", "why, in your own words")
	c.MarkFlagRequired("reason")
}

// say says what came of something unless that is an error, which it returns.
func say(w io.Writer, err error, format string, args ...any) error {
	if err == nil {
		fmt.Fprintf(w, format, args...)
	}
	return err
}
