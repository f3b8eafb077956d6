// Package bundle makes one day evidence in one file, and checks such a file with nothing but the keys of the gate.
package bundle

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"math/bits"

	"gated/ledger/file"
	"gated/ledger/tlog"

	sumdb "golang.org/x/mod/sumdb/tlog"
)

// The audit bundle: a day's records with the proof that they stand in the ledger, in one file (docs/formats.md).

// members are the members of a bundle in their order; those with false may be absent.
var members = []memberName{
	{"README.txt", true}, {"manifest.sha256", true}, {"summary.json", true}, {"gate.pub", true}, {"head.txt", true}, {"day.txt", false},
	{"previous.txt", false}, {"proof.json", true}, {"leaves.txt", true}, {"records.jsonl", true}, {"beside.jsonl", true},
	{"later.jsonl", true}, {"personal.jsonl", false},
}

type memberName struct {
	name   string
	always bool
}

// recordMembers hold the given records, in the order of leaves.txt.
var recordMembers = []string{"records.jsonl", "beside.jsonl", "later.jsonl"}

//go:embed bundle.txt
var readme string

// summary is summary.json. All but gate, epoch and time zone follow from the records and the head.
type summary struct {
	V         int            `json:"v"` // 1
	Gate      string         `json:"gate"`
	Origin    string         `json:"origin"`
	Epoch     int            `json:"epoch"`
	TimeZone  string         `json:"time_zone"`
	Day       string         `json:"day"`
	First     int64          `json:"first"` // of a day without entries: where its first would stand
	Last      int64          `json:"last"`  // then first - 1
	Entries   int64          `json:"entries"`
	Passages  map[string]int `json:"passages"` // begun that day, by their latest verdict
	Gaps      []gap          `json:"not_watching"`
	ByHand    []byHand       `json:"opened_by_hand,omitempty"` // when lanes stood open, and passages were not registered
	Until     string         `json:"until"`                    // time of the newest entry under the head: of later the bundle says nothing
	Size      int64          `json:"size"`
	ShortRoot string         `json:"paper"` // as it was called
}

type gap struct {
	From  string `json:"from"`
	To    string `json:"to"`
	Cause string `json:"cause"`
}

type byHand struct {
	Entry     int64  `json:"entry"` // of the opening
	Lane      string `json:"lane"`
	Direction string `json:"direction"`
	From      string `json:"from"`
	To        string `json:"to"`
	Seconds   int64  `json:"seconds"` // that passed, however the clock was set meanwhile
	Reason    string `json:"reason"`
	Heads     string `json:"heads"` // how many passed; empty: it went on when the day ended
}

// proof is proof.json.
type proof struct {
	V           int           `json:"v"` // 1
	Nodes       []tlog.Hash   `json:"nodes"`
	Consistency []consistency `json:"consistency"`
	Rotations   []rotation    `json:"rotations"`
}

// consistency proves that the ledger of the newest head begins with that of an older one.
type consistency struct {
	From   int64       `json:"from"`
	Hashes []tlog.Hash `json:"hashes"`
}

// rotation is a head at which one key took over from another: the entry of the same number names both.
type rotation struct {
	Note   string      `json:"note"`
	Hashes []tlog.Hash `json:"hashes"`
}

// lineOf is a line of personal.jsonl.
func lineOf(d *file.Disclosure) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(d)
	return b.Bytes(), err
}

// canonicalJSON is how the JSON members are written: what is read must come out the same again.
func canonicalJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	err := enc.Encode(v)
	return b.Bytes(), err
}

// leaf is a given record's place in the tree.
type leaf struct {
	seq  int64
	hash tlog.Hash
}

// treeOver computes the RFC 6962 hash over the leaves lo to hi-1 (from 0) of which some are given, in order. node is asked
// for the hash of each largest subtree without a given one, from left to right. It returns the leaves that it did not reach.
func treeOver(lo, hi int64, given []leaf, node func(lo, hi int64) (tlog.Hash, error)) (tlog.Hash, []leaf, error) {
	switch {
	case len(given) == 0 || given[0].seq > hi:
		h, err := node(lo, hi)
		return h, given, err
	case hi-lo == 1:
		return given[0].hash, given[1:], nil
	}
	k := lo + split(hi-lo)
	left, given, err := treeOver(lo, k, given, node)
	if err != nil {
		return left, given, err
	}
	right, given, err := treeOver(k, hi, given, node)
	return sumdb.NodeHash(left, right), given, err
}

// split is the largest power of two below n, which is at least 2.
func split(n int64) int64 { return 1 << (bits.Len64(uint64(n-1)) - 1) }

// subtree reads the hash over the leaves lo to hi-1, authenticated by hr.
func subtree(hr sumdb.HashReader, lo, hi int64) (tlog.Hash, error) {
	if n := hi - lo; n&(n-1) != 0 {
		k := lo + split(n)
		left, err := subtree(hr, lo, k)
		if err != nil {
			return left, err
		}
		right, err := subtree(hr, k, hi)
		return sumdb.NodeHash(left, right), err
	}
	level := bits.TrailingZeros64(uint64(hi - lo))
	hashes, err := hr.ReadHashes([]int64{sumdb.StoredHashIndex(level, lo>>level)})
	if err != nil {
		return tlog.Hash{}, err
	}
	return hashes[0], nil
}
