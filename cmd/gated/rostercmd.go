package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gated/box"
	"gated/roster"
	"gated/roster/sheet"

	"github.com/spf13/cobra"
)

func rosterCommand() *cobra.Command {
	return group("roster", "import, list and change who belongs to the compound",
		rosterImport(), rosterList(), rosterExport(), rosterShow(), rosterRemove(), rosterAccept())
}

// language is that of the clerk's terminal.
func language() string {
	if strings.HasPrefix(cmp.Or(os.Getenv("LC_ALL"), os.Getenv("LC_MESSAGES"), os.Getenv("LANG")), "zh") {
		return "zh"
	}
	return "en"
}

func rosterImport() *cobra.Command {
	var a box.Import
	c := &cobra.Command{Use: "import FILE", Short: "replace the roster by the property office's list (CSV or XLSX)",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			list, err := box.ReadRoster(args[0], language())
			if err != nil {
				return err
			}
			a.Rows, a.Language = list.Rows, language()
			rep, err := perform(c, box.ImportRoster, a)
			if err == nil {
				fmt.Fprint(c.OutOrStdout(), list.Summary(a.Language))
				rep.Print(c.OutOrStdout(), a.DryRun, a.Language)
			}
			return err
		}}
	c.Flags().BoolVar(&a.DryRun, "dry-run", false, "only show what would be added, changed and removed")
	c.Flags().IntVar(&a.AllowRemove, "allow-remove", 0, "exactly how many residents may go, where that is more than a slip")
	return c
}

// ofRoster makes of print what a command says of the roster of its state directory, daemon or not.
func ofRoster(print func(w io.Writer, s *roster.Snapshot, args []string) error) func(*cobra.Command, []string) error {
	return inState(func(c *cobra.Command, dir string, args []string) error {
		s, err := box.Roster(dir)
		if err != nil {
			return err
		}
		return print(c.OutOrStdout(), s, args)
	})
}

func rosterList() *cobra.Command {
	return &cobra.Command{Use: "list [ROOM]", Short: "list people and vehicles, or the people of a room", Args: cobra.MaximumNArgs(1),
		RunE: ofRoster(func(w io.Writer, s *roster.Snapshot, args []string) error { return s.Print(w, strings.Join(args, "")) })}
}

func rosterExport() *cobra.Command {
	return &cobra.Command{Use: "export", Short: "print the roster as CSV that imports again unchanged", Args: cobra.NoArgs,
		RunE: ofRoster(func(w io.Writer, s *roster.Snapshot, _ []string) error { return s.Export(w) })}
}

func rosterShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", Short: "print all that is kept about a person or vehicle of the roster", Args: cobra.ExactArgs(1),
		RunE: ofRoster(func(w io.Writer, s *roster.Snapshot, args []string) error {
			is, err := s.PrintAll(w, args[0])
			if err == nil && !is {
				err = notInRoster(args[0])
			}
			return err
		})}
}

func rosterRemove() *cobra.Command {
	return &cobra.Command{Use: "remove ID", Short: "take a person or vehicle out of the roster", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			_, err := perform(c, box.RemoveFromRoster, args[0])
			if errors.As(err, new(box.No)) {
				return notInRoster(args[0])
			}
			return say(c.ErrOrStderr(), err, sheet.Pick(language(), "removed: %s\n", "已移除：%s\n"), args[0])
		}}
}

func notInRoster(id string) error {
	return box.No{Err: fmt.Errorf(sheet.Pick(language(), "%s is not in the roster", "名册中没有 %s"), id)}
}

func rosterAccept() *cobra.Command {
	var why string
	c := &cobra.Command{Use: "accept --reason R", Short: "let the roster that is here count, where the ledger knows a newer one",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := perform(c, box.AcceptRoster, why)
			return say(c.ErrOrStderr(), err, "accepted: the roster that is here counts\n")
		}}
	reason(c, &why)
	return c
}
