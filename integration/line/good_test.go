//go:build integration

package line

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/float16"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/schemas"
)

// pipelines of the good run, by modality.
var names = map[schemas.Modality]string{schemas.Audio: "speech", schemas.Text: "sentences", schemas.Image: "pictures"}

const (
	goodTopic = "refs"
	bar       = 0.8           // share of samples that must come out as the manifest says
	halves    = schemas.Image // whose vectors are in half precision
)

// published is one record of the good run.
type published struct {
	sample fixture.Sample
	ref    schemas.Ref
	place  fixture.Place
}

func testGoodInput(t *testing.T, site *fixture.Site) {
	site.Kafka.CreateTopic(t, goodTopic, 3)
	records := publishSamples(t, site)
	c := site.Config()
	for _, m := range schemas.Modalities() {
		p := site.Pipeline(t, names[m], m, goodTopic)
		for i := range p.Heads {
			if p.Heads[i].Task == string(schemas.TaskEmbedding) && m == halves {
				p.Heads[i].DType = "fp16"
			}
		}
		c.Pipelines = append(c.Pipelines, p)
	}
	c.Fetch.FileRoots = []string{filepath.Dir(filepath.Dir(records[0].sample.Path))}
	began := time.Now()
	worker := site.StartWorker(t, "good", c)
	var groups []string
	for _, p := range c.Pipelines {
		groups = append(groups, p.Group)
	}
	site.AwaitCommitted(t, goodTopic, groups, 2*time.Minute, worker)
	fixture.Stop(t, worker)
	t.Logf("%d records through three pipelines in %v, start and stop included", len(records)+1, time.Since(began).Round(time.Millisecond))
	for _, m := range schemas.Modalities() {
		t.Run(names[m], func(t *testing.T) {
			out := site.Audit(t, names[m], goodTopic)
			checkFates(t, out, m, records)
			checkResults(t, out, m, records)
			checkFiles(t, site, out, m)
		})
	}
}

// publishSamples publishes every sample twice, as an object of the store with a pinned ETag and in another way (text in the
// message itself, the rest as files), and a tombstone at the end.
func publishSamples(t *testing.T, site *fixture.Site) []published {
	var all []published
	for _, s := range fixture.Samples(t) {
		uri, etag := site.Put(t, "samples/"+s.File, s.Body)
		base := schemas.Ref{Modality: s.Modality, Attributes: map[string]string{"sample": s.File, "expected": s.Expected}}
		stored, other := base, base
		stored.ID, stored.URI, stored.ETag = "stored/"+s.File, uri, etag
		other.ID, other.URI = "other/"+s.File, "file://"+s.Path
		if s.Modality == schemas.Text {
			other.URI, other.Inline = "", s.Body
		}
		all = append(all, published{sample: s, ref: stored}, published{sample: s, ref: other})
	}
	values := make([][]byte, len(all)+1) // the last one is a tombstone
	for i := range all {
		values[i] = fixture.JSON(t, all[i].ref)
	}
	for i, at := range site.Publish(t, goodTopic, values...)[:len(all)] {
		all[i].place = at
	}
	return all
}

// checkFates wants two rows for every record of the modality and a skip for everything else.
func checkFates(t *testing.T, out fixture.Output, m schemas.Modality, records []published) {
	mine := 0
	for _, r := range records {
		rows := out.Rows[r.place]
		if r.sample.Modality != m {
			if len(rows) != 0 {
				t.Errorf("%s has %d rows in the output of %s", r.ref.ID, len(rows), names[m])
			}
			continue
		}
		mine++
		if len(rows) != 2 {
			t.Errorf("%s has %d rows, want one for each of the two heads", r.ref.ID, len(rows))
		}
		for i := range rows {
			checkLineage(t, &rows[i], r)
		}
	}
	if len(out.Dead) != 0 || len(out.Skipped) != len(records)+1-mine {
		t.Errorf("%d dead letters and %d skipped records, want none and %d", len(out.Dead), len(out.Skipped), len(records)+1-mine)
	}
}

func checkLineage(t *testing.T, row *schemas.Row, r published) {
	t.Helper()
	uri := r.ref.URI
	if uri == "" {
		uri = "inline:"
	}
	if row.RefID != r.ref.ID || row.URI != uri || row.Modality != r.sample.Modality || row.Topic != goodTopic {
		t.Errorf("the row of %s says %s, %s, %s, %s", r.ref.ID, row.RefID, row.URI, row.Modality, row.Topic)
	}
	if r.ref.ETag != "" && row.ETag != r.ref.ETag {
		t.Errorf("the row of %s has ETag %q, want %q", r.ref.ID, row.ETag, r.ref.ETag)
	}
	if fmt.Sprint(row.Attributes) != fmt.Sprint(r.ref.Attributes) {
		t.Errorf("the row of %s has attributes %v, want %v", r.ref.ID, row.Attributes, r.ref.Attributes)
	}
	if row.RowID != schemas.RowID(&row.Lineage) {
		t.Errorf("the row of %s has id %s, its lineage gives %s", r.ref.ID, row.RowID, schemas.RowID(&row.Lineage))
	}
	if age := time.Since(row.CreatedAt); age < 0 || age > time.Hour {
		t.Errorf("the row of %s was created at %v", r.ref.ID, row.CreatedAt)
	}
}

// checkResults compares transcripts and labels with the manifest, and what the two ways to the same bytes gave with each other.
func checkResults(t *testing.T, out fixture.Output, m schemas.Modality, records []published) {
	right, all := 0, 0
	vectors, words := map[string][]float32{}, map[string]string{}
	for _, r := range records {
		if r.sample.Modality != m {
			continue
		}
		for _, row := range out.Rows[r.place] {
			if row.Task == schemas.TaskEmbedding {
				v := vectorOf(&row)
				checkVector(t, r.ref.ID, v, vectors[r.sample.File], len(row.Half) > 0)
				vectors[r.sample.File] = v
				if (m == halves) != (len(row.Half) > 0) {
					t.Errorf("%s has a vector of %d numbers in single and %d in half precision", r.ref.ID, len(row.Vector), len(row.Half))
				}
				continue
			}
			got := row.Text + row.Label
			if other, ok := words[r.sample.File]; ok && other != got {
				t.Errorf("%s came out as %q and as %q", r.sample.File, other, got)
			}
			words[r.sample.File] = got
			all++
			if got == r.sample.Expected {
				right++
			} else {
				t.Logf("%s: got %q, the manifest says %q (score %.2f)", r.ref.ID, got, r.sample.Expected, row.Score)
			}
		}
	}
	t.Logf("%d of %d come out as the manifest says", right, all)
	if all == 0 || float64(right) < bar*float64(all) {
		t.Errorf("%d of %d come out as the manifest says, want %.0f %%", right, all, 100*bar)
	}
}

// vectorOf is a row's vector in single precision.
func vectorOf(row *schemas.Row) []float32 {
	v := row.Vector
	for _, h := range row.Half {
		v = append(v, float16.FromBits(h).Float32())
	}
	return v
}

// checkVector wants length 1, and the vector that the same bytes gave in another batch (I7), as nearly as the precision has it.
func checkVector(t *testing.T, id string, v, other []float32, half bool) {
	t.Helper()
	length, angle := 1e-4, 1e-5
	if half {
		length, angle = 1e-3, 1e-3
	}
	var sum, dot float64
	for i := range v {
		sum += float64(v[i]) * float64(v[i])
		if len(other) == len(v) {
			dot += float64(v[i]) * float64(other[i])
		}
	}
	if len(v) == 0 || math.Abs(sum-1) > length {
		t.Errorf("%s has a vector of %d values with squared length %v", id, len(v), sum)
	}
	if other != nil && (len(other) != len(v) || 1-dot > angle) {
		t.Errorf("%s: the same bytes in another batch give another vector: cosine %v", id, dot)
	}
}

// checkFiles has the other readers look at schema, lineage and values.
func checkFiles(t *testing.T, site *fixture.Site, out fixture.Output, m schemas.Modality) {
	read, dir := site.Readback(t, names[m], goodTopic, out)
	task := schemas.TaskLabels
	if m == schemas.Audio {
		task = schemas.TaskTranscript
	}
	want := schemas.Columns(task, schemas.TaskEmbedding)
	if m != halves { // a pipeline that gives none has no column for them
		want = slices.DeleteFunc(want, func(c schemas.Column) bool { return c.Type == schemas.Float16List })
	}
	for _, f := range read.Files {
		if len(f.Schema) != len(want) {
			t.Fatalf("%s has %d columns, want %d: %v", f.Path, len(f.Schema), len(want), f.Schema)
		}
		for i, col := range f.Schema {
			if col.Name != want[i].Name || col.Nullable != want[i].Nullable || col.Type != arrowTypes[want[i].Type] {
				t.Errorf("%s: column %d is %+v, want %s, nullable %v, %s", f.Path, i, col, want[i].Name, want[i].Nullable, arrowTypes[want[i].Type])
			}
		}
	}
	checkQuery(t, dir, m)
}

// What pyarrow calls the types of our columns.
var arrowTypes = map[schemas.ColumnType]string{
	schemas.String: "string", schemas.Int32: "int32", schemas.Int64: "int64", schemas.Float32: "float", schemas.Float64: "double",
	schemas.Bool: "bool", schemas.Timestamp: "timestamp[us, tz=UTC]", schemas.Float32List: "list<element: float>", schemas.Float16List: "list<element: halffloat>",
	schemas.StringMap: "map<string, string ('attributes')>",
	schemas.WordList:  "list<element: struct<word: string not null, start: double not null, end: double not null, score: float not null>>",
	schemas.LabelList: "list<element: struct<label: string not null, score: float not null>>",
}

func checkQuery(t *testing.T, dir string, m schemas.Modality) {
	value := map[schemas.Modality]string{schemas.Audio: "text", schemas.Text: "label", schemas.Image: "label"}[m]
	rows := harness.QueryParquet(t, dir, fmt.Sprintf(`SELECT head, count(*) AS n, count(DISTINCT partition || '/' || "offset") AS places,
		count(DISTINCT content_hash) AS contents, min(length(content_hash)) AS hash, count(DISTINCT model_digest || preprocess_digest) AS digests,
		count(*) FILTER (uri LIKE 's3:%%' AND etag IS NULL) AS no_etag, count(*) FILTER (list_contains(map_values(attributes), %s)) AS hits,
		count(*) FILTER (infer_ms > 0 AND queue_ms >= 0 AND preprocess_ms > 0) AS timed FROM rows GROUP BY head ORDER BY head`, value))
	if len(rows) != 2 {
		t.Fatalf("duckdb sees %d heads, want 2: %v", len(rows), rows)
	}
	for _, r := range rows {
		n := r["n"].(float64)
		if r["places"] != n || r["contents"] != n/2 || r["hash"] != 64. || r["digests"] != 1. || r["no_etag"] != 0. || r["timed"] != n {
			t.Errorf("duckdb sees of head %v: %v", r["head"], r)
		}
		if r["head"] != string(schemas.TaskEmbedding) && r["hits"].(float64) < bar*n {
			t.Errorf("duckdb sees %v of %v results as the manifest has them", r["hits"], n)
		}
	}
}
