package pgvectorsink

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"vecmill/schemas"
)

// Ranges implements Server.
func (d *database) Ranges(ctx context.Context, src schemas.SourceID, span schemas.Span) ([]schemas.Range, error) {
	rows, err := d.pool.Query(ctx, `SELECT first_offset, next_offset, dead, skipped, lost, tombstone_offsets, tombstone_refs FROM `+d.n.ranges+`
		WHERE pipeline = $1 AND topic = $2 AND partition = $3 AND next_offset > $4 AND first_offset < $5 ORDER BY first_offset`,
		src.Pipeline, src.Topic, src.Partition, span.First, span.Next)
	if err != nil {
		return nil, err
	}
	var out []schemas.Range
	var s schemas.Span
	var dead, skipped, lost pgtype.Multirange[pgtype.Range[pgtype.Int8]]
	var at []int64
	var refs []string
	_, err = pgx.ForEachRow(rows, []any{&s.First, &s.Next, &dead, &skipped, &lost, &at, &refs}, func() error {
		r := schemas.Range{Source: src, Span: s, Dead: spans(dead), Skipped: spans(skipped), Lost: spans(lost)}
		for i := range min(len(at), len(refs)) {
			r.Deletes = append(r.Deletes, schemas.Deletion{Offset: at[i], RefID: refs[i]})
		}
		out = append(out, r)
		return nil
	})
	return out, err
}

// Rows implements Server.
func (d *database) Rows(ctx context.Context, r schemas.Range) (out []schemas.Row, gone []int64, err error) {
	rows, err := d.pool.Query(ctx, `WITH claim AS (SELECT unnest(row_ids) AS id, unnest(row_offsets) AS at FROM `+d.n.ranges+`
			WHERE pipeline = $1 AND topic = $2 AND partition = $3 AND first_offset = $4)
		SELECT c.at, to_jsonb(t) FROM claim c LEFT JOIN `+d.n.table+` t ON t.row_id = c.id ORDER BY c.at, t."window", t.head`,
		r.Source.Pipeline, r.Source.Topic, r.Source.Partition, r.First)
	if err != nil {
		return nil, nil, err
	}
	var at int64
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&at, &text}, func() error {
		if text == nil {
			gone = append(gone, at)
			return nil
		}
		row, err := parseRow(text)
		if err != nil {
			return fmt.Errorf("the row of offset %d: %w", at, err)
		}
		row.Topic, row.Partition, row.Offset = r.Source.Topic, r.Source.Partition, at
		out = append(out, row)
		return nil
	})
	return out, slices.Compact(gone), err
}

// storedRow is a row as the server's to_jsonb writes it. Lists are decoded by their fields' names, in any case.
type storedRow struct {
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
	Window           int
	WindowStart      number `json:"window_start"`
	WindowEnd        number `json:"window_end"`
	Truncated        bool
	CreatedAt        time.Time `json:"created_at"`
	FetchMS          number    `json:"fetch_ms"`
	PreprocessMS     number    `json:"preprocess_ms"`
	QueueMS          number    `json:"queue_ms"`
	InferMS          number    `json:"infer_ms"`
	Attributes       map[string]string

	Vector        vector
	VectorF16     vector `json:"vector_f16"`
	Text, Label   string
	Score         number
	Words, Chars  []schemas.Word
	Labels        []schemas.LabelScore
	Segments      []schemas.Segment
	Entities      []schemas.Entity
	Areas         []schemas.Area
	MaskWidth     int           `json:"mask_width"`
	MaskHeight    int           `json:"mask_height"`
	MaskRuns      []schemas.Run `json:"mask_runs"`
	MaskPNG       bytea         `json:"mask_png"`
	Fillings      []schemas.Filling
	Tokens        int
	NLL           number
	Perplexity    number
	Answers       []schemas.Answer
	Choice        int
	Probabilities []number
}

func parseRow(text []byte) (schemas.Row, error) {
	var j storedRow
	if err := json.Unmarshal(text, &j); err != nil {
		return schemas.Row{}, err
	}
	r := schemas.Row{
		Lineage: schemas.Lineage{
			RowID: j.RowID, RefID: j.RefID, URI: j.URI, ETag: j.ETag, Version: j.Version, ContentHash: j.ContentHash, Modality: j.Modality,
			Model: j.Model, ModelDigest: j.ModelDigest, PreprocessDigest: j.PreprocessDigest, Head: j.Head, Task: j.Task,
			Window: j.Window, WindowStart: float64(j.WindowStart), WindowEnd: float64(j.WindowEnd), Truncated: j.Truncated, CreatedAt: j.CreatedAt.UTC(),
			Timings:    schemas.Timings{Fetch: j.FetchMS.span(), Preprocess: j.PreprocessMS.span(), Queue: j.QueueMS.span(), Infer: j.InferMS.span()},
			Attributes: j.Attributes,
		},
		Payload: schemas.Payload{
			Vector: j.Vector, Text: j.Text, Words: j.Words, Chars: j.Chars, Label: j.Label, Score: float32(j.Score), Labels: j.Labels, Segments: j.Segments,
			Entities: j.Entities, Areas: j.Areas, Mask: schemas.Mask{Width: j.MaskWidth, Height: j.MaskHeight, Runs: j.MaskRuns, PNG: j.MaskPNG},
			Fillings: j.Fillings, Likelihood: schemas.Likelihood{Tokens: j.Tokens, NLL: float64(j.NLL), Perplexity: float64(j.Perplexity)},
			Answers: j.Answers, Choice: j.Choice,
		},
	}
	for _, f := range j.VectorF16 {
		r.Half = append(r.Half, half(f))
	}
	for _, f := range j.Probabilities {
		r.Probabilities = append(r.Probabilities, float32(f))
	}
	return r, nil
}

// number is a real or double precision: what is not finite is a string in JSON.
type number float64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	switch text := string(b); text {
	case "null":
	case `"NaN"`:
		*n = number(math.NaN())
	case `"Infinity"`:
		*n = number(math.Inf(1))
	case `"-Infinity"`:
		*n = number(math.Inf(-1))
	default:
		return json.Unmarshal(b, (*float64)(n))
	}
	return nil
}

// span is a number of milliseconds.
func (n number) span() time.Duration { return time.Duration(float64(n) * float64(time.Millisecond)) }

// vector is pgvector's, whose text is that of a list in JSON.
type vector []float32

// UnmarshalJSON implements json.Unmarshaler.
func (v *vector) UnmarshalJSON(b []byte) error {
	var text *string
	if err := json.Unmarshal(b, &text); err != nil || text == nil {
		return err
	}
	return json.Unmarshal([]byte(*text), (*[]float32)(v))
}

// bytea is binary in hex.
type bytea []byte

// UnmarshalJSON implements json.Unmarshaler.
func (v *bytea) UnmarshalJSON(b []byte) error {
	var text *string
	err := json.Unmarshal(b, &text)
	if err != nil || text == nil {
		return err
	}
	*v, err = hex.DecodeString(strings.TrimPrefix(*text, `\x`))
	return err
}

// half is the binary16 nearest to f, which is one: nothing is rounded.
func half(f float32) uint16 {
	sign := uint16(math.Float32bits(f) >> 16 & 0x8000)
	fraction, exponent := math.Frexp(math.Abs(float64(f))) // fraction in [0.5, 1)
	switch {
	case fraction == 0:
		return sign
	case exponent < -13: // subnormal: in units of 2^-24
		return sign | uint16(math.Ldexp(fraction, exponent+24))
	}
	return sign | uint16(exponent+14)<<10 | uint16(math.Ldexp(fraction, 11))&0x3ff
}
