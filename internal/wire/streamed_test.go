package wire

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/config"
)

// TestABucketThatWasStreamedIsNotComputedAgain has texts come under ids of their own, as those of a stream do, and then all of them planned, twice: to be left out by what outputs have, and with all planned again, to be given from outputs. Between the two something changes that changes no row.
func TestABucketThatWasStreamedIsNotComputedAgain(t *testing.T) {
	nothing := func(*lake, *config.Pipeline) {}
	second := func(l *lake, p *config.Pipeline) {
		more := *p.Outputs[0].Parquet
		more.URL = "file://" + filepath.Join(l.out, "streams")
		o := config.Output{Parquet: &more}
		o.Arrow, o.Parquet = (*config.Arrow)(o.Parquet), nil
		o.Arrow.Compression = "lz4"
		p.Outputs = append(p.Outputs, o)
	}
	for name, c := range map[string]struct {
		before, between func(l *lake, p *config.Pipeline)
	}{
		"nothing":                {nothing, nothing},
		"heads in another order": {nothing, func(_ *lake, p *config.Pipeline) { slices.Reverse(p.Heads) }},
		"streams of Arrow":       {streams, nothing},
		"outputs in two formats": {second, func(_ *lake, p *config.Pipeline) { slices.Reverse(p.Outputs) }},
		"many files":             {func(_ *lake, p *config.Pipeline) { p.Outputs[0].Parquet.RollRows = 3 }, nothing},
		"many streams": {func(l *lake, p *config.Pipeline) {
			streams(l, p)
			p.Outputs[0].Arrow.RollRows = 3
		}, nothing},
		"partitions of Hive": {func(_ *lake, p *config.Pipeline) { p.Outputs[0].Parquet.Layout = "hive" }, nothing},
		"put again with the same content": {nothing, func(l *lake, _ *config.Pipeline) {
			for i := range 12 {
				l.put(t, fmt.Sprintf("texts/%03d ü.txt", i), strings.Repeat("a b ", 1+i%4))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLake(t, 12)
			p := &l.conf.Pipelines[0]
			c.before(l, p)
			if s := l.ownIDs(t, 0, 12); s.Stream.Computed != 12 || s.Embed.Samples != 12 {
				t.Fatalf("the stream: %+v %+v", s.Stream, s.Embed)
			}
			c.between(l, p)
			if planned := l.plan(t, "rest", PlanOptions{}); planned.Items != 0 || planned.Known != 12 {
				t.Errorf("%+v", planned.Counts)
			}
			p.ReuseResults, p.ReuseOutputs = 1<<20, true
			if planned := l.plan(t, "all", PlanOptions{Again: true}); planned.Items != 12 || planned.Copied.Outputs != 12 {
				t.Errorf("all again: %+v, copies %+v", planned.Counts, planned.Copied)
			}
			if s := l.run(t, "all"); s.Embed.Batches != 0 || s.Embed.Reused != 12 || s.Stream.Computed != 12 || s.Stream.Rows != 24 {
				t.Errorf("all again: %+v %+v", s.Stream, s.Embed)
			}
		})
	}
}

// TestATagInQuotesIsTheTag has lists of what is computed already with entity tags as stores' answers have them.
func TestATagInQuotesIsTheTag(t *testing.T) {
	l := newLake(t, 6)
	l.ownIDs(t, 0, 6)
	for _, quoted := range []string{`\"%x\"`, `W/\"%x\"`, `%x`} {
		list := ""
		for i := range 6 {
			key := fmt.Sprintf("texts/%03d ü.txt", i)
			object, err := l.backend.HeadObject("box", key)
			if err != nil {
				t.Fatal(err)
			}
			list += fmt.Sprintf(`{"v":1,"id":"listed-%d","uri":"s3://box/%s","etag":"`+quoted+`"}`+"\n", i, key, object.Hash)
		}
		at := filepath.Join(t.TempDir(), "list.jsonl")
		if err := os.WriteFile(at, []byte(list), 0o600); err != nil {
			t.Fatal(err)
		}
		if p := l.plan(t, filepath.Base(t.TempDir()), PlanOptions{Source: at}); p.Items != 0 || p.Known != 6 {
			t.Errorf("%s: %+v", quoted, p.Counts)
		}
	}
}
