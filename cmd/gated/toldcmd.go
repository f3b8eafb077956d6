package main

import (
	"cmp"
	"time"

	"gated/backup"
	"gated/box"
	"gated/evidence"
	"gated/evidence/callback"
	"gated/evidence/person"
	"gated/evidence/police"
	"gated/ledger"
	"gated/poster"

	"github.com/spf13/cobra"
)

func callbackCommand() *cobra.Command {
	var a box.Answer
	list := drawn("list", "list whom to call back about some of what guards decided on a day", 0,
		func(c *cobra.Command, dir string, r *evidence.Reader, x *callback.Draw) error {
			err := box.BeginExport(c.Context(), dir, r.Reader.Reader, box.Export{Format: "text", From: x.Day, To: x.Day,
				Reason: "call-backs", Report: "callback"}, c.ErrOrStderr())
			people, without := box.Roster(dir)
			if err = cmp.Or(err, without); err == nil {
				err = x.Name(r, people)
			}
			if err != nil {
				return err
			}
			return printed(c, x, callback.Print)
		})
	answer := drawn("answer PASSAGE yes|no|nobody-reached", "record what a host said who was called back", 2,
		func(c *cobra.Command, dir string, _ *evidence.Reader, x *callback.Draw) (err error) {
			a.Passage, a.Says = c.Flags().Arg(0), c.Flags().Arg(1)
			if a.Entry, err = x.Answerable(a.Passage); err == nil {
				_, err = box.Perform(c.Context(), dir, box.AnswerCallback, a)
			}
			return say(c.OutOrStdout(), no(err), "%s: %s\n", a.Passage, a.Says)
		})
	list.Flags().Bool("json", false, "print an object")
	answer.Flags().StringVar(&a.Host, "host", "", "who was called: a household such as 3-2-501")
	answer.Flags().StringVar(&a.Note, "note", "", "what was said besides")
	return group("callback", "call hosts back about some of what guards decided", list, answer)
}

// drawn is a command about what was drawn of a day.
func drawn(use, short string, args int, run func(*cobra.Command, string, *evidence.Reader, *callback.Draw) error) *cobra.Command {
	day := ""
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: inLedger(func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) error {
			set, _, err := place(c).Rules()
			if err != nil {
				return err
			}
			x, err := callback.OfDay(r, day, now, set.Gate.CallBacks)
			if err != nil {
				return no(err)
			}
			return run(c, dir, r, x)
		})}
	c.Flags().StringVar(&day, "day", "yesterday", "the day of the passages: 2026-11-23 or yesterday")
	return c
}

func personCommand() *cobra.Command {
	x := person.Request{Language: language()}
	c := &cobra.Command{Use: "person ID --copy", Short: "give somebody a copy of all that is kept about them", Args: cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			x.ID, x.Roster, x.Keys = args[0], box.RosterFile(dir), box.AskKeys(c.Context(), dir)
			x.Tell = func(known bool, f func(*ledger.Entry) error) error {
				return box.TellSubject(c.Context(), dir, box.Subject{ID: x.ID, Why: x.Why}, known, f)
			}
			if err := backup.NotInside(x.Out, dir); err != nil {
				return err
			}
			return no(x.Write(dir, time.Now(), c.OutOrStdout()))
		})}
	x.Flags(c.Flags())
	return c
}

func policeCommand() *cobra.Command {
	return group("police", "give the police a window of the register",
		policeGets("handover", "write a window for the police, and a form to sign"),
		policeGets("look", "show the police one window, of two hours at most"))
}

func policeGets(what, short string) *cobra.Command {
	x := police.Request{Language: language()}
	x.Look = what == "look"
	c := &cobra.Command{Use: what + " --from T --to T --officer WHO", Short: short, Args: cobra.NoArgs,
		RunE: inLedger(func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) error {
			people, _ := box.Roster(dir) // they are not turned away because it cannot be read
			err := cmp.Or(x.Check(people, now), backup.NotInside(x.Out, dir))
			if err == nil {
				x.Keep, err = box.BeginHandOver(c.Context(), dir, r.Reader.Reader, x.HandOver, c.ErrOrStderr())
			}
			if err != nil {
				return err
			}
			return x.Write(r, now, c.OutOrStdout())
		})}
	x.Flags(c.Flags())
	return c
}

func posterCommand() *cobra.Command {
	out := ""
	c := &cobra.Command{Use: "poster", Short: "write the notice that tells people what is kept about them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, p, err := place(c).Rules()
			if err != nil {
				return err
			}
			dir, err := place(c).Dir(set)
			if err = cmp.Or(err, backup.NotInside(out, dir)); err != nil {
				return err
			}
			return poster.Write(c.OutOrStdout(), out, set, p)
		}}
	c.Flags().StringVar(&out, "out", "", "file to write, such as poster.html (default: standard output)")
	return c
}
