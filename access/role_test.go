package access

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestRoles prints what each role may do, and holds what must not be otherwise.
func TestRoles(t *testing.T) {
	head := fmt.Sprintf("%-14s", "")
	for _, r := range Roles {
		head += fmt.Sprintf("%-14s", r)
	}
	t.Log(head)
	for i, m := range may {
		line := fmt.Sprintf("%-14s", m.task)
		for _, r := range Roles {
			line += fmt.Sprintf("%-14s", map[bool]string{true: "yes", false: "-"}[r.May(m.task)])
		}
		t.Log(strings.TrimRight(line, " "))
		if len(m.who) == 0 || slices.IndexFunc(may, func(o struct {
			task Task
			who  []Role
		}) bool {
			return o.task == m.task
		}) != i {
			t.Errorf("%s: nobody may do it, or it is there twice", m.task)
		}
		for _, r := range m.who {
			if err := r.Check(); err != nil {
				t.Errorf("%s: %v", m.task, err)
			}
		}
		if Guard.May(m.task) && !ShiftLeader.May(m.task) {
			t.Errorf("%s: a guard may, a shift leader may not", m.task)
		}
		if Auditor.May(m.task) && !slices.Contains([]Task{LookUp, Export, KeepDays}, m.task) {
			t.Errorf("%s: an auditor changes nothing", m.task)
		}
	}
	for _, r := range append(Roles, "", "owner") {
		if r.May("everything") || r.May("") {
			t.Errorf("%s may do what is in no table", r)
		}
	}
	if !ShiftLeader.May(LiftLockout) || Guard.May(LiftLockout) || Guard.May(Manage) || Auditor.May(Manage) {
		t.Error("who is locked out must find somebody at the gate, and nobody gives themselves a role")
	}
}
