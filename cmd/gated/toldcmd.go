package main

import (
	"cmp"
	"errors"
	"io"
	"time"

	"gated/box"
	"gated/durable"
	"gated/evidence"
	"gated/evidence/callback"
	"gated/evidence/person"
	"gated/ledger"
	"gated/poster"

	"github.com/spf13/cobra"
)

// callbackCommand is about the hosts who are called back about passages that guards decided.
func callbackCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "list whom to call back about some of what guards decided on a day", Args: cobra.NoArgs}
	drawn(list, func(c *cobra.Command, dir string, r *evidence.Reader, x *callback.Draw) error {
		err := box.BeginExport(c.Context(), dir, r.Reader.Reader, box.Export{Format: "text", From: x.Day, To: x.Day, Reason: "call-backs",
			Report: "callback"}, c.ErrOrStderr())
		if err != nil {
			return err
		}
		people, err := box.Roster(dir)
		if err == nil {
			err = x.Name(r, people)
		}
		return errors.Join(err, printed(c, x, func(w io.Writer, x *callback.Draw) error { return x.Print(w) }))
	})
	list.Flags().Bool("json", false, "print an object")
	var a box.Answer
	answer := &cobra.Command{Use: "answer PASSAGE yes|no|nobody-reached", Short: "record what a host said who was called back",
		Args: cobra.ExactArgs(2)}
	drawn(answer, func(c *cobra.Command, dir string, _ *evidence.Reader, x *callback.Draw) (err error) {
		a.Passage, a.Says = c.Flags().Arg(0), c.Flags().Arg(1)
		if a.Entry, err = x.Answerable(a.Passage); err == nil {
			_, err = box.Perform(c.Context(), dir, box.AnswerCallback, a)
		}
		return say(c.OutOrStdout(), no(err), "%s: %s\n", a.Passage, a.Says)
	})
	answer.Flags().StringVar(&a.Host, "host", "", "who was called: a household such as 3-2-501")
	answer.Flags().StringVar(&a.Note, "note", "", "what was said besides")
	return group("callback", "call hosts back about some of what guards decided", list, answer)
}

// drawn makes of run what a command does with what was drawn of a day.
func drawn(c *cobra.Command, run func(c *cobra.Command, dir string, r *evidence.Reader, x *callback.Draw) error) {
	day := c.Flags().String("day", "yesterday", "the day of the passages: 2026-11-23 or yesterday")
	c.RunE = inLedger(func(c *cobra.Command, dir string, r *evidence.Reader, now time.Time) error {
		set, _, err := setAndPolicy(c)
		if err != nil {
			return err
		}
		of, err := evidence.Date("--day", *day, now)
		if err != nil {
			return err
		}
		x, err := callback.Make(r, of, set.Gate.CallBacks)
		if err != nil {
			return no(err)
		}
		return run(c, dir, r, x)
	})
}

func posterCommand() *cobra.Command {
	out := ""
	c := &cobra.Command{Use: "poster", Short: "write the notice that tells people what is kept about them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			set, p, err := setAndPolicy(c)
			if err != nil {
				return err
			}
			html, err := poster.Make(set, p)
			if err == nil && out == "" {
				return say(c.OutOrStdout(), nil, "%s", html)
			}
			dir, where := place(c).Dir(set)
			if err = cmp.Or(err, where, outside(out, dir)); err == nil {
				err = durable.Replace(out, html)
			}
			return say(c.OutOrStdout(), err, "sha256=%s\n", poster.Hash(html))
		}}
	c.Flags().StringVar(&out, "out", "", "file to write, such as poster.html (default: standard output)")
	return c
}

func personCommand() *cobra.Command {
	x, why := person.Request{Language: language()}, ""
	c := &cobra.Command{Use: "person ID --copy", Short: "give somebody a copy of all that is kept about them", Args: cobra.ExactArgs(1),
		RunE: inState(func(c *cobra.Command, dir string, args []string) error {
			x.ID, x.Roster, x.Keys = args[0], box.RosterFile(dir), box.AskKeys(c.Context(), dir)
			x.Tell = func(known bool, f func(*ledger.Entry) error) error {
				return box.TellSubject(c.Context(), dir, box.Subject{ID: x.ID, Why: why}, known, f)
			}
			if err := outside(x.Out, dir); err != nil {
				return err
			}
			return no(x.Write(dir, time.Now(), c.OutOrStdout()))
		})}
	x.Flags(c.Flags())
	c.Flags().StringVar(&why, "reason", "a copy for the person", "why, in your own words")
	c.MarkFlagRequired("copy")
	return c
}
