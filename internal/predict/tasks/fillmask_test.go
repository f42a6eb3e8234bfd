package tasks

import (
	"fmt"
	"strings"
	"testing"
)

func TestMasksAreFilledByProbability(t *testing.T) {
	decode := func(ids []int32, skip bool) string { return fmt.Sprintf("%v%v", ids, skip) }
	for _, c := range []struct {
		name    string
		topK    int
		targets []int32
		keep    bool
		want    string
	}{
		{"the best of all", 2, nil, false, "2 [2]false [7 2]true 0.6439|0 [0]false [7 0]true 0.2369"},
		{"targets keep their probability of the whole vocabulary", 5, []int32{1, 3}, false, "1 [1]false [7 1]true 0.0871|3 [3]false [7 3]true 0.0321"},
		{"special tokens stay beside other masks", 1, nil, true, "2 [2]false [7 2]false 0.6439"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := Fill([]float32{2, 1, 3, 0}, []int32{7, 9, 5, 5}, 5, 1, c.topK, c.targets, c.keep, decode)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range all {
				got = append(got, fmt.Sprintf("%d %s %s %.4f", f.Token, f.TokenStr, f.Sequence, f.Score))
			}
			if s := strings.Join(got, "|"); s != c.want {
				t.Errorf("got  %s\nwant %s", s, c.want)
			}
		})
	}
}
