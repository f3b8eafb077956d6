package file

import (
	"slices"
	"testing"
)

func TestListsOfEntries(t *testing.T) {
	t.Parallel()
	for _, seqs := range [][]int64{{1}, {1, 2}, {1, 3, 5}, {7, 8, 9, 1000000}, upTo(EraseAtOnce)} {
		if got, err := parseList(FormatList(seqs)); err != nil || !slices.Equal(got, seqs) {
			t.Errorf("%v: %s: %v, %v", seqs, FormatList(seqs), got, err)
		}
	}
	for _, s := range []string{"", "0", "-1", "2,1", "1-1", "1,2", "3-1", "1-501", "1-400,500-700", "1-9223372036854775807", "1,,2", "01", "1 ", "x"} {
		if got, err := parseList(s); err == nil {
			t.Errorf("%q is read as %d entries", s, len(got))
		}
	}
}

func upTo(n int64) (list []int64) {
	for seq := int64(1); seq <= n; seq++ {
		list = append(list, seq)
	}
	return list
}
