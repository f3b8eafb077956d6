package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"gated/box"
	"gated/config"
	"gated/roster/sheet"

	"github.com/spf13/cobra"
)

// place is where the settings and the state are that the flags name, else the environment.
func place(c *cobra.Command) config.Place {
	settings, _ := c.Flags().GetString("config")
	state, _ := c.Flags().GetString("state")
	systemd, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	return config.Place{Asked: settings != "", Settings: cmp.Or(settings, os.Getenv("GATED_CONFIG")), State: cmp.Or(state, systemd),
		Environ: os.Environ()}
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

// existing is the state directory, for commands that never create it.
func existing(c *cobra.Command) (string, error) {
	dir, err := place(c).Dir(nil)
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
