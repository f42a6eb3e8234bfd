package beam

import (
	"strings"
	"testing"
)

func FuzzParseWeights(f *testing.F) {
	for _, s := range []string{`{"alpha":0.5,"beta":1.5,"unk_score_offset":-10.0,"score_boundary":true}`, `{"alpha":0.5}`, `{"alpha":"x"}`, `null`, `[1]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if w, err := parseWeights(raw); err == nil && (w.Alpha != w.Alpha || w.Beta != w.Beta) {
			t.Fatalf("%s gives %+v", raw, w)
		}
	})
}

// FuzzLines proves that a list of words in lines of any kind gives words without line ends.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"a\nb\r\nc\x0bd\x85e\u2028f", "\n\n", "", "\xff\xfe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, l := range lines(text) {
			if l == "" || strings.ContainsAny(l, "\n\r\v\f\u2028\u2029") {
				t.Fatalf("%q has the line %q", text, l)
			}
		}
	})
}
