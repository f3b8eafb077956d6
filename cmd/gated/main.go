// Command gated is the daemon of a checkpoint gate, and what its maintainers and auditors do with it at a terminal.
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // a gate box may have no zone files

	"gated/box"
	"gated/logqueue"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version is set by the linker; a plain go build takes it from the module.
var version = ""

func buildVersion() string {
	v := version
	if b, ok := debug.ReadBuildInfo(); v == "" && ok && b.Main.Version != "(devel)" {
		v = b.Main.Version
	}
	return cmp.Or(v, "devel")
}

func main() { os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// execute runs one command and returns its exit status: 0 done, 1 the answer is no, 2 wrong use or settings.
func execute(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:               "gated",
		Short:             "the gate of a residential compound: check code, check document, inquire, register",
		Long:              help("gated"),
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: refuseEmpty,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("state", "", "state directory (default: $STATE_DIRECTORY, state_dir of the settings, ./gated-data)")
	root.PersistentFlags().String("config", "", "settings file (default: $GATED_CONFIG, /etc/gated/gated.yaml)")
	root.SetArgs(args)
	root.SetIn(stdin)
	out := &results{Writer: stdout}
	root.SetOut(out)
	root.SetErr(stderr)
	root.AddCommand(runCommand(), configCommand(), keyCommand(), rosterCommand(), passCommand(), passageCommand(),
		codeCommand(), policyCommand(), levelCommand(), exemptCommand(), watchCommand(), hostCommand(), tripsCommand(), ledgerCommand(),
		backupCommand(), restoreCommand(), scannerCommand(), clockCommand(), emergencyCommand(), userCommand(), reportCommand(),
		callbackCommand(),
		personCommand(), posterCommand(), policeCommand(), registerCommand(), versionCommand())
	describe(root)
	err := root.ExecuteContext(context.Background())
	if err = cmp.Or(err, out.err); err == nil {
		return 0
	}
	logqueue.Say(stderr, "gated:", err)
	if errors.As(err, new(box.No)) {
		return 1
	}
	if strings.HasPrefix(err.Error(), "unknown command") || strings.HasPrefix(err.Error(), "unknown flag") {
		fmt.Fprintln(stderr, `"gated help" lists the commands`)
	}
	return 2
}

// results is where results are written. A command whose results nobody got has not done its work.
type results struct {
	io.Writer
	err error // the first
}

func (r *results) Write(b []byte) (int, error) {
	n, err := r.Writer.Write(b)
	r.err = cmp.Or(r.err, err)
	return n, err
}

// refuseEmpty refuses arguments and values of flags that are there and empty, as a variable of a script is that was never set:
// where nobody is named, everybody would be meant.
func refuseEmpty(c *cobra.Command, args []string) (err error) {
	if c.DisableFlagParsing { // it completes a command line
		return nil
	}
	if i := slices.IndexFunc(args, func(a string) bool { return strings.TrimSpace(a) == "" }); i >= 0 {
		return fmt.Errorf("%s: argument %d is empty", c.CommandPath(), i+1)
	}
	c.Flags().Visit(func(f *pflag.Flag) { // what --with-personal says to that has an example
		if f.Value.Type() == "string" && f.Name != "with-personal" && strings.TrimSpace(f.Value.String()) == "" {
			err = cmp.Or(err, fmt.Errorf("--%s is empty: give it a value, or leave it out", f.Name))
		}
	})
	return err
}

// untilSignalled ends with the first SIGINT or SIGTERM; a second one kills, as it does any program.
func untilSignalled(ctx context.Context) (context.Context, func()) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

func versionCommand() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "print the version", Args: cobra.NoArgs, Run: func(c *cobra.Command, _ []string) {
		fmt.Fprintln(c.OutOrStdout(), "gated", buildVersion())
	}}
}

//go:embed help
var helpTexts embed.FS

// help is what a command says of itself at length, with its examples behind.
func help(name string) string {
	b, _ := helpTexts.ReadFile("help/" + name + ".txt") // not every command has so much to say
	return strings.TrimSuffix(string(b), "\n")
}

// describe gives each command below c the help of its name: that of "gated level set" is help/level-set.txt, unless it has one.
func describe(c *cobra.Command) {
	for _, sub := range c.Commands() {
		describe(sub)
		if sub.Long == "" && !sub.HasSubCommands() {
			sub.Long = help(strings.Join(strings.Fields(sub.CommandPath())[1:], "-"))
		}
		if long, examples, has := strings.Cut(sub.Long, "\n\nExamples:\n"); has {
			sub.Long, sub.Example = long, examples
		}
	}
}

// group is a command that only holds others; without one of them it says which there are.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(c *cobra.Command, args []string) error {
		names := []string{}
		for _, s := range c.Commands() {
			names = append(names, s.Name())
		}
		what := "what to do is missing"
		if len(args) > 0 {
			what = fmt.Sprintf("unknown command %q", args[0])
		}
		return fmt.Errorf("%s %s: %s: want one of %s", c.Root().Name(), use, what, strings.Join(names, ", "))
	}}
	c.AddCommand(sub...)
	return c
}
