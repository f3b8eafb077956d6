// Package poster writes the notice at the gate that tells people what is kept about them.
package poster

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strings"

	"gated/config"
	"gated/durable"
	"gated/policy"
)

//go:embed poster.html
var pageHTML string

var page = template.Must(template.New("poster").Parse(pageHTML))

// Both is a text in Chinese and in English.
type Both struct{ ZH, EN string }

// notice is what the poster says beside its fixed text (PIPL 17 and 26).
type notice struct {
	Gate, Who, Contact string
	Purpose            Both
	Levels             []level
	Health             bool // some level may ask for somebody's health
	Keeping            []Both
}

// level is one of the policy, and the ground in law at it.
type level struct{ Name, Basis Both }

// ErrNotSet: the settings do not say who processes personal information.
var ErrNotSet = errors.New("privacy.who and privacy.contact: say who processes personal information, and how to reach them")

// Make makes the poster of the settings and the policy in force. The same of both makes the same bytes.
func Make(s *config.Settings, p *policy.Policy) ([]byte, error) {
	if s.Privacy.Who == "" || s.Privacy.Contact == "" {
		return nil, ErrNotSet
	}
	n := notice{Gate: s.Gate.Name, Who: s.Privacy.Who, Contact: s.Privacy.Contact, Purpose: purpose}
	if s.Privacy.Purpose+s.Privacy.PurposeEN != "" {
		n.Purpose = Both{cmp.Or(s.Privacy.Purpose, purpose.ZH), s.Privacy.PurposeEN}
	}
	for _, name := range p.Levels() {
		n.Levels = append(n.Levels, level{texts(levels, name), texts(bases, p.Basis(name))})
		n.Health = n.Health || p.AsksHealth(name)
	}
	for _, r := range s.Ledger.Retention {
		what := texts(classes, r.Class)
		n.Keeping = append(n.Keeping, Both{fmt.Sprintf("%s：%d 天", what.ZH, r.Days), fmt.Sprintf("%s: %d days", what.EN, r.Days)})
	}
	var b bytes.Buffer
	err := page.Execute(&b, n)
	return b.Bytes(), err
}

// Write writes the poster, into a file where one is named, whole, and then its hash.
func Write(stdout io.Writer, out string, s *config.Settings, p *policy.Policy) error {
	html, err := Make(s, p)
	if err != nil {
		return err
	}
	if out == "" {
		_, err = stdout.Write(html)
		return err
	}
	if err := durable.Replace(out, html); err != nil {
		return fmt.Errorf("--out: %w", err)
	}
	_, err = fmt.Fprintf(stdout, "sha256=%s\n", Hash(html))
	return err
}

// Hash is the SHA-256 of a poster, as its entry has it.
func Hash(html []byte) string {
	sum := sha256.Sum256(html)
	return hex.EncodeToString(sum[:])
}

// texts are those for a word; one that nobody knows is shown as it is.
func texts(of map[string]Both, word string) Both {
	if b, is := of[word]; is {
		return b
	}
	return Both{word, strings.ReplaceAll(word, "-", " ")}
}

var purpose = Both{
	"核验进出本小区的人员和车辆，登记来访，保障居民人身和财产安全；执行依法采取的公共卫生措施。",
	"To check who and what enters and leaves this compound, to register visits, for the safety of residents and their property; " +
		"to carry out public-health measures that are taken by law.",
}

var levels = map[string]Both{
	"normal": {"日常", "normal"}, "guarded": {"限访", "guarded"}, "controlled": {"封闭管理", "controlled"}, "sealed": {"封控", "sealed"},
}

var bases = map[string]Both{
	"public-health-emergency": {"应对突发公共卫生事件所必需（《个人信息保护法》第十三条第一款第四项）",
		"necessary in a public-health emergency (PIPL art. 13(1)(4))"},
	"contract": {"订立、履行物业服务等合同所必需（第十三条第一款第二项）", "necessary for the contract of property service (PIPL art. 13(1)(2))"},
	"consent":  {"取得您的同意，您可以随时撤回（第十三条第一款第一项）", "your consent, which you may withdraw (PIPL art. 13(1)(1))"},
}

// classes are the words of a rule of retention.
var classes = map[string]Both{
	"resident": {"居民通行", "passages of residents"}, "staff": {"工作人员通行", "passages of staff"},
	"volunteer": {"志愿者通行", "passages of volunteers"}, "visitor": {"访客通行", "passages of visitors"},
	"courier": {"快递、外卖", "deliveries"}, "helper": {"家政服务人员通行", "passages of helpers"},
	"contractor": {"装修、维修人员通行", "passages of contractors"}, "taxi": {"出租车、网约车", "taxis"},
	"vehicle": {"车辆通行", "passages of vehicles"}, "emergency-vehicle": {"应急任务车辆通行", "passages of emergency vehicles"},
	"unknown": {"未识别人员通行", "passages of unknown persons"},
	"visit":   {"来访登记及其通行", "visits, and their passages"}, "passage": {"通行记录", "passages"}, "*": {"其他记录", "other entries"},
}
