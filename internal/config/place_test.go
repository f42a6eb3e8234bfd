package config

import (
	"strings"
	"testing"
)

func TestPlacesAreCutAsTheyAreWritten(t *testing.T) {
	for raw, want := range map[string]Place{
		"s3://box":                       {Bucket: "box"},
		"s3://box/":                      {Bucket: "box"},
		"S3://box/a/b/":                  {Bucket: "box", Prefix: "a/b/"},
		"s3://box/day #1/a?b%41+c d/é/":  {Bucket: "box", Prefix: "day #1/a?b%41+c d/é/"},
		"s3://box/%zz:x@y":               {Bucket: "box", Prefix: "%zz:x@y"},
		"s3://box//a":                    {Bucket: "box", Prefix: "/a"},
		"file:///data/rows/":             {Dir: "/data/rows"},
		"file:/data/rows":                {Dir: "/data/rows"},
		"File:///day #1/a?b%41+c d/é":    {Dir: "/day #1/a?b%41+c d/é"},
		"file:///data/%zz/../%20/s3://x": {Dir: "/data/%20/s3:/x"},
	} {
		if got, err := ParsePlace(raw); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", raw, got, err, want)
		}
	}
	for raw, want := range map[string]string{
		"":                                   `"" is not s3://bucket/prefix or file:///directory`,
		"/data":                              "is not s3://",
		"s3:box/a":                           "is not s3://",
		"http://box/a":                       "is not s3://",
		"s3://":                              "names no bucket",
		"s3:///a":                            "names no bucket",
		"file://host/data":                   "is not file:///absolute",
		"file:data":                          "is not file:///absolute",
		"https://me:hush@host/a?sig=hush#x":  `"https://xxxxx@host/a?...#x" is not s3://`,
		"s3://key:hush@box/a@b":              `s3://xxxxx@... names a user`,
		"s3://key:hu/sh@box/a":               `s3://xxxxx@... names a user`,
		"gs://box/a?X-Goog-Signature=hush%z": `"gs://box/a?..." is not s3://`,
	} {
		if _, err := ParsePlace(raw); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
}

// FuzzPlacesAreCutAsTheyAreWritten wants the bytes of a place, and no others, in what is made of them.
func FuzzPlacesAreCutAsTheyAreWritten(f *testing.F) {
	for _, raw := range []string{"s3://box/a#b?c%41+ é", "file:///a#b?c%41+ é", "s3://u:p@box", "file:a", "", "s3:"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := ParsePlace(raw)
		switch {
		case err != nil && p != Place{}:
			t.Errorf("%q: %+v beside %v", raw, p, err)
		case err == nil && (p.Bucket == "") == (p.Dir == ""):
			t.Errorf("%q is both or nothing: %+v", raw, p)
		case p.Bucket != "" && raw[len("s3://"):] != p.Bucket+"/"+p.Prefix && raw[len("s3://"):] != p.Bucket:
			t.Errorf("%q is %+v", raw, p)
		}
	})
}
