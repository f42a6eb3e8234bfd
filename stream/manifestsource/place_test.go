package manifestsource

import (
	"strings"
	"testing"

	"vecmill/schemas"
)

// TestRowsOfANamedPlaceSayWhereTheyAre has a row that is no reference in each kind of list.
func TestRowsOfANamedPlaceSayWhereTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		body []byte
		want string
	}{
		"m.jsonl":   {[]byte(`{"v":1,"id":"a","uri":"s3://b/a"}` + "\n\nnonsense\n"), "line 3 of s3://box/m.jsonl: "},
		"m.csv":     {[]byte("uri\ns3://b/a\n\nnowhere\n"), "line 4 of s3://box/m.csv: reference field uri"},
		"m.parquet": {parquetOf(t, []string{"s3://b/a", "s3://b/b", "nowhere"}), "row 2 of s3://box/m.parquet: reference field uri"},
	} {
		at := Disk(file(t, name, c.body))
		at.At, at.Named = "s3://box/"+name, true
		l, err := Open(t.Context(), at, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, l, 0)
		if len(got) != 3 {
			t.Fatalf("%s: %q", name, got)
		}
		if _, err := schemas.ParseRef([]byte(got[0])); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := schemas.ParseRef([]byte(got[2])); err == nil || !strings.Contains(err.Error(), c.want) || !schemas.IsNoRef([]byte(got[2])) {
			t.Errorf("%s: %s: %v", name, got[2], err)
		}
		if again := read(t, l, 2); len(again) != 1 || again[0] != got[2] {
			t.Errorf("%s, from its last row on: %q", name, again)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFieldsAreTheSameForTheSameColumns(t *testing.T) {
	for _, c := range []struct {
		file, body string
		columns    Columns
		want       string
	}{
		{"m.csv", "etag,path,other\n", Columns{"uri": "path"}, "text etag, text path for uri"},
		{"m.tsv", "uri\n", nil, "text uri"},
		{"m.parquet", string(parquetOf(t, []string{"a"})), Columns{"id": "call", "inline": "payload"}, "whole number call for id, bytes payload for inline"},
	} {
		l := opened(t, file(t, c.file, []byte(c.body)), c.columns)
		if got := l.(Table).Fields(); got != c.want {
			t.Errorf("%s: %q, want %q", c.file, got, c.want)
		}
	}
}

func TestAPackedListIsRefusedWithWhatToDo(t *testing.T) {
	for _, name := range []string{"m.jsonl.gz", "m.csv.ZST"} {
		if _, err := Open(t.Context(), Disk(file(t, name, []byte("x"))), nil); err == nil || !strings.Contains(err.Error(), "unpack it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
