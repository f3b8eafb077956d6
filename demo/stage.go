package demo

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"gated/demo/judge"
	"gated/demo/scenes"
	"gated/roster"
)

// stage is this demo, for the scenes that are played before people come and go as they like.
func (d *demo) stage(guards *sync.WaitGroup) scenes.Gate {
	byHome := map[string][]roster.Person{}
	for _, p := range d.people.residents {
		if p.Class == "resident" {
			byHome[p.Household] = append(byHome[p.Household], p)
		}
	}
	homes := slices.DeleteFunc(slices.Collect(maps.Values(byHome)), func(home []roster.Person) bool { return len(home) < 2 })
	rand.Shuffle(len(homes), func(i, j int) { homes[i], homes[j] = homes[j], homes[i] })
	return scenes.Gate{Homes: homes, Office: d.people.office, Issuer: Issuer, Patient: !d.Fast, Ends: d.ends(), Later: guards,
		Post: d.gated.post, Await: d.page.await, Lose: d.people.moves.Lose,
		Show: func(ctx context.Context, lane, code, what string) (judge.Answer, error) {
			a, err := d.show(ctx, d.lanes[lane], visitor{lane: lane, code: code, what: what}, nil)
			if err == nil {
				d.say(lane, visitor{what: what}, a)
			}
			return a.out, err
		},
		Run: func(ctx context.Context, args ...string) (string, error) {
			cmd := exec.CommandContext(ctx, d.gated.cmd.Path, append(args, "--state", d.Dir)...)
			var errs strings.Builder
			cmd.Stderr = &errs
			out, err := cmd.Output()
			if err != nil {
				err = fmt.Errorf("gated %s: %w: %s", strings.Join(args, " "), err, &errs)
			}
			return string(out), err
		},
		Tell: func(format string, args ...any) {
			if !d.LogVerdicts {
				fmt.Fprintf(d.Stdout, "%s  ---  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
			}
		}}
}
