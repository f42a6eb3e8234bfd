package parquetsink

import (
	"reflect"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

// FuzzDecode proves that no bytes of a file make a reader of it panic.
func FuzzDecode(f *testing.F) {
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	for _, codec := range []Compression{None, Zstd} {
		cfg := NewDefaultConfig()
		cfg.Tasks, cfg.Compression = []schemas.Task{schemas.TaskEmbedding, schemas.TaskTranscript}, codec
		rows := []*schemas.Row{new(sinktest.Row(src, 0, 0)), new(sinktest.Row(src, 1, 1))}
		info := exampleInfo()
		body, err := (&Sink{cfg: cfg}).encode(rows, &info, 1<<16)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
		f.Add(body[len(body)/2:])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		rows, err := decode(t.Context(), body)
		if err == nil && len(rows) > len(body) {
			t.Fatalf("%d rows of %d bytes", len(rows), len(body))
		}
	})
}

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
