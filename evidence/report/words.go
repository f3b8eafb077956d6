package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

// catalogue is what people read for each stable word, [Chinese, English], as that of the guard's page: where both have a word they say
// the same. A word that is not there is shown as it is.
//
//go:embed words.json
var catalogue []byte

var words = func() (all map[string]map[string][2]string) {
	if err := json.Unmarshal(catalogue, &all); err != nil {
		panic(err) // it is part of the program
	}
	return all
}()

// language of a report: zh, or else English.
type language string

func (l language) pick(texts [2]string) string {
	if l == "zh" {
		return texts[0]
	}
	return texts[1]
}

// word is what people read for a word of a group, such as class.
func (l language) word(group, word string) string {
	if texts, known := words[group][word]; known {
		return l.pick(texts)
	}
	return word
}

// text is a sentence of the reports' own.
func (l language) text(name string, args ...any) string {
	if len(args) == 0 {
		return l.word("text", name)
	}
	return fmt.Sprintf(l.word("text", name), args...)
}

// texts are several, such as the heads of columns.
func (l language) texts(names ...string) []string {
	for i, n := range names {
		names[i] = l.text(n)
	}
	return names
}

// Word is what people read for a word of a group, such as class, in a language.
func Word(in, group, word string) string { return language(in).word(group, word) }

// Harmless is a text as any printer and terminal can show it.
func Harmless(text string) string { return harmless(text) }
