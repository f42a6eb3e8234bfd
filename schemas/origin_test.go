package schemas_test

import (
	"testing"

	"vecmill/schemas"
)

func TestOriginsReadBack(t *testing.T) {
	for _, o := range []schemas.Origin{
		{Source: schemas.SourceID{Pipeline: "p", Topic: "refs"}},
		{Source: schemas.SourceID{Pipeline: "speech.v2", Topic: "manifest:a/b", Partition: 7}, Offset: 1 << 60},
	} {
		got, err := schemas.ParseOrigin(o.String())
		if err != nil || got != o {
			t.Errorf("%q reads back as %+v, %v", o, got, err)
		}
	}
	for _, bad := range []string{"", "/", "p/t/1", "p/t/1/-2", "p/t/x/2", "p//1/2", "/t/1/2", "p/t/1/9223372036854775808", "p/t/2147483648/1"} {
		if o, err := schemas.ParseOrigin(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, o)
		}
	}
}

func FuzzParseOrigin(f *testing.F) {
	f.Add("p/t/1/2")
	f.Add("p/manifest:a/b/0/0")
	f.Fuzz(func(t *testing.T, s string) {
		o, err := schemas.ParseOrigin(s)
		if err != nil {
			return
		}
		if again, err := schemas.ParseOrigin(o.String()); err != nil || again != o {
			t.Fatalf("%q is %+v, which reads back as %+v, %v", s, o, again, err)
		}
	})
}
