package parquetsink

import (
	"reflect"
	"testing"
)

func FuzzParseDeletions(f *testing.F) {
	for _, s := range []string{"", `[[3,"a"],[5,"b\u0000"]]`, `[]`, `[["x","y"]]`, `[[1]]`, `[[1,"a","b"]]`, `null`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		info := exampleInfo()
		m := info.footer()
		m[metaPrefix+"deletes"] = text
		got, err := parseInfo("n", m)
		if err != nil {
			return
		}
		again, err := parseInfo("n", got.footer())
		if err != nil || !reflect.DeepEqual(again.Range.Deletes, got.Range.Deletes) && len(again.Range.Deletes)+len(got.Range.Deletes) > 0 {
			t.Fatalf("%q gives %v and then %v, %v", text, got.Range.Deletes, again.Range.Deletes, err)
		}
	})
}
