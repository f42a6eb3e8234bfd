package parquetsink

import (
	"maps"
	"path"
	"reflect"
	"strings"
	"testing"
	"time"

	"vecmill/schemas"
)

func TestSpansAreWrittenAsText(t *testing.T) {
	for _, c := range []struct {
		spans []schemas.Span
		text  string
	}{
		{nil, ""},
		{[]schemas.Span{{First: 5, Next: 6}}, "5"},
		{[]schemas.Span{{First: 5, Next: 6}, {First: 9, Next: 13}}, "5,9-12"},
		{[]schemas.Span{{First: 0, Next: 2}, {First: 2, Next: 3}}, "0-1,2"},
	} {
		if got := FormatSpans(c.spans); got != c.text {
			t.Errorf("%v is written %q, want %q", c.spans, got, c.text)
		}
		if got, err := ParseSpans(c.text); err != nil || !reflect.DeepEqual(got, c.spans) {
			t.Errorf("%q is read %v, %v", c.text, got, err)
		}
	}
}

func TestBadSpansAreRefused(t *testing.T) {
	for _, text := range []string{",", "5,", "-5", "5-", "5-4", "5,5", "7-9,8", "9,3", "a", "1-2-3", " 1", "+1", "99999999999999999999"} {
		if got, err := ParseSpans(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func FuzzParseSpans(f *testing.F) {
	for _, s := range []string{"", "5,9-12", "0-1,2", "5-4", "18446744073709551615", "4611686018427387903"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spans, err := ParseSpans(text)
		if err != nil {
			return
		}
		again, err := ParseSpans(FormatSpans(spans))
		if err != nil || !reflect.DeepEqual(again, spans) {
			t.Fatalf("%q gives %v and then %v, %v", text, spans, again, err)
		}
	})
}

func exampleInfo() FileInfo {
	return FileInfo{
		Name: "n", Origin: 3, Rows: 4, Schema: 1, Writer: "host", Nonce: "a-1", Created: time.Unix(1, 5).UTC(), Metadata: map[string]string{"model-digest": "d"},
		Range: schemas.Range{
			Source: schemas.SourceID{Pipeline: "p", Topic: "tö/pic", Partition: 7}, Span: schemas.Span{First: 0, Next: 12},
			Dead: []schemas.Span{{First: 4, Next: 5}}, Skipped: []schemas.Span{{First: 0, Next: 3}}, Lost: []schemas.Span{{First: 5, Next: 7}},
		},
	}
}

func TestMetadataReadsBack(t *testing.T) {
	want := exampleInfo()
	hive := exampleInfo()
	hive.Day, hive.NextDay, hive.Range.First, hive.Range.Next = "2026-11-23", "2026-11-24", 12, 12
	if got, err := parseInfo("n", hive.objectMetadata()); err != nil || !reflect.DeepEqual(got, hive) {
		t.Errorf("the end of a day: %+v, %v", got, err)
	}
	for name, m := range map[string]map[string]string{"footer": want.footer(), "object metadata": want.objectMetadata()} {
		if got, err := parseInfo("n", m); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for k, v := range m {
			if !validMetadata(k, v) {
				t.Errorf("%s: %s: %q cannot travel in a header", name, k, v)
			}
		}
	}
}

// TestDeletionsReadBackFromTheFooterOnly has an id that no header could carry.
func TestDeletionsReadBackFromTheFooterOnly(t *testing.T) {
	want := exampleInfo()
	want.Range.Deletes = []schemas.Deletion{{Offset: 1, RefID: "a\"]\n,[ü"}, {Offset: 2, RefID: "b"}}
	if got, err := parseInfo("n", want.footer()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("footer: %+v, %v", got, err)
	}
	m := want.objectMetadata()
	if complete(m) {
		t.Error("the object metadata is taken for complete, and would hide the deletions")
	}
	for k, v := range m {
		if !validMetadata(k, v) {
			t.Errorf("%s: %q cannot travel in a header", k, v)
		}
	}
}

func TestBadMetadataIsRefusedByKey(t *testing.T) {
	for key, value := range map[string]string{
		"next-offset": "0", "day": "2026-1-1", "next-day": "2026-01-01", "first-offset": "-1", "rows": "many", "dead": "3-1", "created-at": "yesterday", "partition": "", "topic": "%zz", "deletes": `[["x","y"]]`,
	} {
		info := exampleInfo()
		m := maps.Clone(info.footer())
		m[metaPrefix+key] = value
		if _, err := parseInfo("some file", m); err == nil || !strings.Contains(err.Error(), metaPrefix+key) || !strings.Contains(err.Error(), "some file") {
			t.Errorf("%s %q: %v", key, value, err)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add("0", "12", "4", "0-2", "p", "tö%2Fpic", "2026-01-02T03:04:05Z")
	f.Add("5", "5", "", "x", "%", "", "")
	f.Add("0", "12", "4", "0-2", "p", "t", "9999-12-31T23:59:59-01:00")
	f.Add("0", "12", "4", "0-2", "p", "t", "0000-01-01T00:00:00+01:00")
	f.Fuzz(func(t *testing.T, first, next, dead, skipped, pipeline, topic, created string) {
		info := exampleInfo()
		m := info.footer()
		for k, v := range map[string]string{
			"first-offset": first, "next-offset": next, "dead": dead, "skipped": skipped, "pipeline": pipeline, "topic": topic, "created-at": created,
		} {
			m[metaPrefix+k] = v
		}
		got, err := parseInfo("n", m)
		if err != nil {
			return
		}
		again, err := parseInfo("n", got.footer())
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%+v reads back as %+v, %v", got, again, err)
		}
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("d/00000000000000000007.parquet")
	f.Add("d/0000000000000000000x.parquet")
	f.Add("d/00000000000000000007.arrows")
	f.Add("d/day=2026-11-23/00000000000000000007.parquet")
	f.Add("d/day=2026-02-30/00000000000000000007.parquet")
	f.Fuzz(func(t *testing.T, name string) {
		for _, y := range Layouts() {
			at, ok := y.place("d", name)
			if format, isFile := FormatOf(name); ok && (!isFile || y.stem("d", at)+format.suffix() != name) {
				t.Fatalf("%s: %q is taken for %+v", y, name, at)
			}
		}
	})
}

func TestASourceIsReadFromItsFilesNames(t *testing.T) {
	for _, src := range []schemas.SourceID{{Pipeline: "p", Topic: "refs", Partition: 3}, {Pipeline: "p", Topic: "manifest:a/b=c %.jsonl"}} {
		for _, y := range Layouts() {
			info := FileInfo{Range: schemas.Range{Source: src}}
			if y == Hive {
				info.Day, info.Format = "2026-11-23", ArrowStream
			}
			name := y.Name("out/rows", &info)
			if got, ok := y.Source("out/rows", "p", name); !ok || got != src {
				t.Errorf("%s is of %+v, %v", name, got, ok)
			}
			for _, bad := range []string{name + "x", strings.Replace(name, "/p", "/q", 1), "x/" + name, path.Dir(name)} {
				if got, ok := y.Source("out/rows", "p", bad); ok {
					t.Errorf("%s: %s is of %+v", y, bad, got)
				}
			}
		}
	}
	if got := Hive.Name("lake", &FileInfo{Day: "2026-11-23", Range: schemas.Range{Source: schemas.SourceID{Pipeline: "p", Topic: "a b", Partition: 2}, Span: schemas.Span{First: 7}}}); got !=
		"lake/pipeline=p/source=a%20b/part=2/day=2026-11-23/00000000000000000007.parquet" {
		t.Error(got)
	}
}

func TestADayOfTheChainIsNeverLeftForAnEarlierOne(t *testing.T) {
	if got := today(place{5, "2999-12-31"}); got != "2999-12-31" {
		t.Errorf("a writer whose clock is behind goes to %s", got)
	}
	if got := today(place{-1, firstDay}); got <= firstDay || !validDay(got) {
		t.Errorf("a chain begins at %s", got)
	}
}

func TestConfigListsEveryFault(t *testing.T) {
	c := NewDefaultConfig()
	c.Prefix, c.RollRows, c.Uploads, c.Compression, c.Level, c.Layout, c.Format = "/x/../y", 0, -1, "lz4", 40, "delta", "orc"
	c.Tasks = []schemas.Task{"poetry"}
	c.Metadata = map[string]string{"Model": "a"}
	err := c.Validate()
	if err == nil {
		t.Fatal("it is valid")
	}
	for _, field := range []string{"store:", "prefix:", "roll_rows:", "uploads:", "compression:", "level:", "layout:", "format:", "tasks:", "metadata:"} {
		if !strings.Contains(err.Error(), field) {
			t.Errorf("%v does not name %s", err, field)
		}
	}
}

func TestClippedAndJoinedSpans(t *testing.T) {
	spans := []schemas.Span{{First: 1, Next: 4}, {First: 6, Next: 9}}
	if got := clip(spans, 2, 7); !reflect.DeepEqual(got, []schemas.Span{{First: 2, Next: 4}, {First: 6, Next: 7}}) {
		t.Errorf("clipped to %v", got)
	}
	if spans[0].First != 1 {
		t.Error("clip changed its argument")
	}
	if got := join(join(nil, spans), []schemas.Span{{First: 9, Next: 10}}); !reflect.DeepEqual(got, []schemas.Span{{First: 1, Next: 4}, {First: 6, Next: 10}}) {
		t.Errorf("joined to %v", got)
	}
}
