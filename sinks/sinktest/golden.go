package sinktest

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"vecmill/schemas"
)

var newGolden = flag.String("golden", "", "version of golden files to write, such as 20261129; one that is there stays as it is")

// Golden calls check with each golden file of that name, testdata/<version>/<name>, and the rows that it must give for ever. With -golden, write's bytes become
// the version's file if there is none. At least one version must be there.
func Golden(t *testing.T, name string, write func(rows []schemas.Row) []byte, check func(t *testing.T, file string, rows []schemas.Row)) {
	t.Helper()
	known := map[string]func() []schemas.Row{"20261129": golden20261129}
	if rows := known[*newGolden]; rows != nil {
		at := filepath.Join("testdata", *newGolden, name)
		if _, err := os.Stat(at); err == nil {
			t.Fatalf("%s is there, and never changes: give what is new a version of its own", at)
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, write(rows()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	files, err := fs.Glob(os.DirFS("testdata"), "*/"+name)
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden file %s: %v", name, err)
	}
	checked := 0
	for _, f := range files {
		rows := known[filepath.Dir(f)]
		if rows == nil {
			continue // of before the rows were written down: it has a test of its own
		}
		checked++
		t.Run(filepath.Dir(f), func(t *testing.T) { check(t, filepath.Join("testdata", f), rows()) })
	}
	if checked == 0 {
		t.Errorf("no rows are known of any of %v", files)
	}
}

// GoldenSource is where the rows of golden files came from.
func GoldenSource() schemas.SourceID {
	return schemas.SourceID{Pipeline: "gold", Topic: "refs", Partition: 3}
}

// golden20261129 are rows of every task, a second window, both precisions, and lineage with and without what may lack. They are written down and not made, so that no
// change elsewhere changes what old files must give; columns of later versions are not in them.
func golden20261129() []schemas.Row {
	payloads := []schemas.Payload{
		{Vector: []float32{0.1, -0.5, 3.4028235e38, 1e-45}},
		{Half: []uint16{0x3c00, 0xb800, 0x7bff, 0x0001}},
		{
			Text: "zwei wörter", Score: 0.5,
			Words: []schemas.Word{{Word: "zwei", Start: 0.02, End: 0.5, Score: 0.75}, {Word: "wörter", Start: 0.5, End: 1.25, Score: 0.25}},
			Chars: []schemas.Word{{Word: "z", Start: 0.02, End: 0.04, Score: 1}, {Word: "|", Start: 0.48, End: 0.5, Score: 0.9}},
		},
		{Label: "cat", Score: 0.875, Labels: []schemas.LabelScore{{Label: "cat", Score: 0.875}, {Label: "dog", Score: 0.125}}},
		{Segments: []schemas.Segment{{Label: "speech", End: 1.5, Score: 0.75}, {Label: "stille", Start: 1.5, End: 2, Score: 0.5}}},
		{Entities: []schemas.Entity{{Label: "LOC", Text: "Köln", Start: 7, End: 11, Score: 0.875}}},
		{
			Areas: []schemas.Area{{Class: 0, Label: "wall", Share: 0.625}, {Class: 7, Label: "sky", Share: 0.375}},
			Mask: schemas.Mask{
				Width: 4, Height: 2, Runs: []schemas.Run{{Class: 0, Length: 3}, {Class: 7, Length: 3}, {Class: 0, Length: 2}}, PNG: []byte{0x89, 'P', 'N', 'G', 0, 0xff},
			},
		},
		{Fillings: []schemas.Filling{{Mask: 0, Token: 17, Text: " süß", Sequence: "Es ist süß.", Score: 0.5}, {Mask: 1, Token: 50264, Score: 0.25}}},
		{Likelihood: schemas.Likelihood{Tokens: 12, NLL: 2.5, Perplexity: 12.182493960703473}},
		{Text: "Köln", Score: 0.75, Answers: []schemas.Answer{{Text: "Köln", Start: 3, End: 7, Score: 0.75}, {Score: 0.125}}},
		{Choice: 1, Score: 0.75, Probabilities: []float32{0.25, 0.75}},
		{Vector: []float32{1, 2, 3, 4}},
	}
	tasks := []schemas.Task{"embedding", "xvector", "transcript", "classification", "frames", "tokens", "masks", "fill", "perplexity", "answers", "choice", "embedding"}
	rows := make([]schemas.Row, len(payloads))
	for i := range rows {
		rows[i] = schemas.Row{Lineage: goldenLineage20261129(i), Payload: payloads[i]}
		rows[i].Task = tasks[i]
	}
	last := &rows[len(rows)-1].Lineage // a second window of the object before
	last.RefID, last.URI, last.Offset, last.Window, last.WindowStart, last.WindowEnd = "ref-10", "s3://bücket/10#bytes=44-32043", 10, 1, 5, 9.75
	for i, id := range []string{
		"07d3b78037032a43cf2806783806c1ca",
		"91380e3c8e8660e397242d6e3efce721",
		"40dff070c8df3a131ca39097b8c5c33f",
		"b273501b9d917af5d73338bd21f1ff71",
		"05cb4814f610725b67d8395c4323f02a",
		"49a35e553f361251d691da565a6eb99e",
		"961af21c8f62745239ca7c10083c5ae6",
		"f518c692b7f5dbfe4a48db1e2172f5a1",
		"44659d50c323c83ed71a6da48bafcf6f",
		"dd84a82b6637755719ae14043bcb6fc8",
		"868040140b088482e33847fb238b60c5",
		"f053cc78885aa2c35c35f0fdcfa0fd01",
	} {
		rows[i].RowID = id
	}
	return rows
}

func goldenLineage20261129(i int) schemas.Lineage {
	n := string(rune('0'+i/10)) + string(rune('0'+i%10))
	l := schemas.Lineage{
		RefID: "ref-" + n, URI: "s3://bücket/" + n, ContentHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Modality: []schemas.Modality{"audio", "text", "image"}[i%3],
		Model: "model", ModelDigest: "sha256:m", PreprocessDigest: "sha256:p", Head: "head", Topic: "refs", Partition: 3, Offset: int64(i),
		WindowEnd: 5.25, Truncated: i%2 == 0, CreatedAt: time.Date(2026, 11, 29, 8, 30, 0, 123456000, time.UTC).Add(time.Duration(i) * time.Second),
		Timings: schemas.Timings{Fetch: 12500 * time.Microsecond, Preprocess: 2 * time.Millisecond, Queue: 40 * time.Millisecond, Infer: 500 * time.Microsecond},
	}
	if slices.Contains([]int{0, 2, 6}, i) {
		l.ETag, l.Version, l.Attributes = "9b2cf535f27731c974343645a3985328", "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", map[string]string{"tenant": "a", "ünï": "✓"}
	}
	return l
}
