package plan

import "testing"

// Whatever the bytes: an error, or a plan in which every offset lies in a part.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"version":1,"name":"x","source":"s3://box/","items":5,"parts":[{"name":"0.parquet","first":0,"items":3},{"name":"3.parquet","first":3,"items":2}]}`,
		`{"version":1,"items":9223372036854775807,"parts":[{"items":9223372036854775807}]}`,
		`{"version":1,"items":-9223372036854775808,"parts":[{"items":9223372036854775807},{"first":9223372036854775807,"items":1}]}`,
		`{"version":1,"items":0}`, `{"version":2}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := parse(body)
		if err != nil {
			return
		}
		for _, at := range []int64{0, p.Items / 2, p.Items - 1} {
			if at < 0 || at >= p.Items {
				continue
			}
			if part := p.part(at); at < part.First || at-part.First >= part.Items {
				t.Fatalf("offset %d of %d lies in the part of %d from %d on", at, p.Items, part.Items, part.First)
			}
		}
		if p.Items < 0 {
			t.Fatalf("%d references", p.Items)
		}
	})
}
