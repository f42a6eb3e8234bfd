//go:build integration

package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/pgvectorsink"
	"vecmill/sinks/sinktest"
)

// jsonRow is a row as the server's to_jsonb writes it. Lists are decoded by their fields' names, in any case.
type jsonRow struct {
	RowID            string `json:"row_id"`
	RefID            string `json:"ref_id"`
	URI              string
	ETag             string
	Version          string
	ContentHash      string `json:"content_hash"`
	Modality         schemas.Modality
	Model            string
	ModelDigest      string `json:"model_digest"`
	PreprocessDigest string `json:"preprocess_digest"`
	Head             string
	Task             schemas.Task
	Topic            string
	Partition        int
	Offset           int64
	Window           int
	WindowStart      float64 `json:"window_start"`
	WindowEnd        float64 `json:"window_end"`
	Truncated        bool
	CreatedAt        time.Time `json:"created_at"`
	FetchMS          float64   `json:"fetch_ms"`
	PreprocessMS     float64   `json:"preprocess_ms"`
	QueueMS          float64   `json:"queue_ms"`
	InferMS          float64   `json:"infer_ms"`
	Attributes       map[string]string

	Vector        string
	VectorF16     string `json:"vector_f16"`
	Text, Label   string
	Score         float32
	Words, Chars  []schemas.Word
	Labels        []schemas.LabelScore
	Segments      []schemas.Segment
	Entities      []schemas.Entity
	Areas         []schemas.Area
	MaskWidth     int           `json:"mask_width"`
	MaskHeight    int           `json:"mask_height"`
	MaskRuns      []schemas.Run `json:"mask_runs"`
	MaskPNG       string        `json:"mask_png"`
	Fillings      []schemas.Filling
	Tokens        int
	NLL           float64
	Perplexity    float64
	Answers       []schemas.Answer
	Choice        int
	Probabilities []float32
}

func (j *jsonRow) row(t testing.TB) schemas.Row {
	ms := func(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }
	png, err := hex.DecodeString(strings.TrimPrefix(j.MaskPNG, `\x`))
	if err != nil {
		t.Fatal(err)
	}
	if len(png) == 0 {
		png = nil
	}
	r := schemas.Row{
		Lineage: schemas.Lineage{
			RowID: j.RowID, RefID: j.RefID, URI: j.URI, ETag: j.ETag, Version: j.Version, ContentHash: j.ContentHash, Modality: j.Modality,
			Model: j.Model, ModelDigest: j.ModelDigest, PreprocessDigest: j.PreprocessDigest, Head: j.Head, Task: j.Task,
			Topic: j.Topic, Partition: j.Partition, Offset: j.Offset,
			Window: j.Window, WindowStart: j.WindowStart, WindowEnd: j.WindowEnd, Truncated: j.Truncated, CreatedAt: j.CreatedAt.UTC(),
			Timings:    schemas.Timings{Fetch: ms(j.FetchMS), Preprocess: ms(j.PreprocessMS), Queue: ms(j.QueueMS), Infer: ms(j.InferMS)},
			Attributes: j.Attributes,
		},
		Payload: schemas.Payload{
			Text: j.Text, Words: j.Words, Chars: j.Chars, Label: j.Label, Score: j.Score, Labels: j.Labels, Segments: j.Segments, Entities: j.Entities,
			Areas: j.Areas, Mask: schemas.Mask{Width: j.MaskWidth, Height: j.MaskHeight, Runs: j.MaskRuns, PNG: png},
			Fillings: j.Fillings, Likelihood: schemas.Likelihood{Tokens: j.Tokens, NLL: j.NLL, Perplexity: j.Perplexity},
			Answers: j.Answers, Choice: j.Choice, Probabilities: j.Probabilities,
		},
	}
	r.Vector = numbers(t, j.Vector)
	for _, f := range numbers(t, j.VectorF16) {
		r.Half = append(r.Half, half(t, f))
	}
	return r
}

// numbers reads the text form of a vector, which is that of a JSON list.
func numbers(t testing.TB, text string) (out []float32) {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatalf("the vector %q: %v", text, err)
	}
	return out
}

// half is the binary16 that has exactly the value f.
func half(t testing.TB, f float32) uint16 {
	for u := range 1 << 16 {
		exponent, mantissa := u>>10&31, float64(u&1023)
		v := math.Ldexp(mantissa, -24)
		if exponent > 0 {
			v = math.Ldexp(1024+mantissa, exponent-25)
		}
		if u>>15 == 1 {
			v = -v
		}
		if exponent < 31 && v == float64(f) {
			return uint16(u)
		}
	}
	t.Fatalf("%v is no binary16", f)
	return 0
}

// read is what the server has of a source.
func read(t testing.TB, s *harness.Postgres, table string, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, s.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT to_jsonb(t) FROM `+table+` t WHERE pipeline = $1 AND topic = $2 AND partition = $3`, src.Pipeline, src.Topic, src.Partition)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	if _, err := pgx.ForEachRow(rows, []any{&text}, func() error {
		var j jsonRow
		if err := json.Unmarshal(text, &j); err != nil {
			return err
		}
		a.Rows = append(a.Rows, j.row(t))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	q, err := pgvectorsink.OpenReader(ctx, s.DSN(), table)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Ranges(ctx, src, func(r pgvectorsink.Stored) error {
		a.Dead, a.Skipped, a.Lost = append(a.Dead, r.Range.Dead...), append(a.Skipped, r.Range.Skipped...), append(a.Lost, r.Range.Lost...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return a
}
