package jsonrow

import (
	"encoding/json"
	"fmt"
	"time"

	"vecmill/schemas"
)

// Append appends a row as one line of JSON, without a newline.
func Append(b []byte, r *schemas.Row) ([]byte, error) {
	out, err := json.Marshal(objectOf(r))
	if err != nil {
		return b, fmt.Errorf("row %s as JSON: %w", r.RowID, err)
	}
	return append(b, out...), nil
}

// AppendDeletion appends a deletion.
func AppendDeletion(b []byte, src schemas.SourceID, d schemas.Deletion) ([]byte, error) {
	out, err := json.Marshal(struct {
		RefID     string `json:"ref_id"`
		Deleted   bool   `json:"deleted"`
		Pipeline  string `json:"pipeline"`
		Topic     string `json:"topic"`
		Partition int    `json:"partition"`
		Offset    int64  `json:"offset"`
	}{d.RefID, true, src.Pipeline, src.Topic, src.Partition, d.Offset})
	if err != nil {
		return b, fmt.Errorf("deletion of %s as JSON: %w", d.RefID, err)
	}
	return append(b, out...), nil
}

// Parse reads a row that Append wrote, of any version of Vecmill: fields that it does not know are passed over.
func Parse(b []byte) (schemas.Row, error) {
	var o object
	if err := json.Unmarshal(b, &o); err != nil {
		return schemas.Row{}, fmt.Errorf("reading a row from JSON: %w", err)
	}
	if o.CreatedAt = o.CreatedAt.UTC(); o.CreatedAt.Year() < 0 || o.CreatedAt.Year() > 9999 { // such as an evening in the west on the last day of 9999
		return schemas.Row{}, fmt.Errorf("reading a row from JSON: created_at is of the year %d in UTC", o.CreatedAt.Year())
	}
	return o.row(), nil
}

// Check says why a row cannot be JSON: a number of its vector is not finite.
func Check(r *schemas.Row) error {
	for i, v := range r.Vector {
		if v-v != 0 {
			return fmt.Errorf("number %d of the vector by head %s is %v; only finite numbers can be stored", i, r.Head, v)
		}
	}
	for i, v := range r.Half {
		if v&0x7c00 == 0x7c00 {
			return fmt.Errorf("number %d of the vector by head %s is %v; only finite numbers can be stored", i, r.Head, Float(v))
		}
	}
	return nil
}

func ms(d time.Duration) number64 { return number64(float64(d) / float64(time.Millisecond)) }

func objectOf(r *schemas.Row) *object {
	o := &object{
		RowID: r.RowID, RefID: r.RefID, URI: r.URI, ETag: r.ETag, Version: r.Version, ContentHash: r.ContentHash, Modality: r.Modality,
		Model: r.Model, ModelDigest: r.ModelDigest, PreprocessDigest: r.PreprocessDigest, Head: r.Head, Task: r.Task,
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Window: r.Window, WindowStart: number64(r.WindowStart), WindowEnd: number64(r.WindowEnd),
		Truncated: r.Truncated, CreatedAt: r.CreatedAt.UTC(), FetchMS: ms(r.Timings.Fetch), PreprocessMS: ms(r.Timings.Preprocess),
		QueueMS: ms(r.Timings.Queue), InferMS: ms(r.Timings.Infer), Attributes: r.Attributes,
	}
	score := number32(r.Score)
	switch r.Task {
	case schemas.TaskEmbedding, schemas.TaskXVector:
		o.Vector, o.VectorF16 = r.Vector, r.Half
	case schemas.TaskTranscript:
		o.Text, o.Score = &r.Text, &score
		o.Words, o.Chars = each(r.Words, wordOf), each(r.Chars, wordOf)
	case schemas.TaskLabels:
		o.Label, o.Score = &r.Label, &score
		o.Labels = each(r.Labels, func(l schemas.LabelScore) label { return label{l.Label, number32(l.Score)} })
	case schemas.TaskFrames:
		o.Segments = each(r.Segments, func(s schemas.Segment) segment {
			return segment{s.Label, number64(s.Start), number64(s.End), number32(s.Score)}
		})
	case schemas.TaskTokens:
		o.Entities = each(r.Entities, func(e schemas.Entity) entity { return entity{e.Label, e.Text, e.Start, e.End, number32(e.Score)} })
	case schemas.TaskMasks:
		o.Areas = each(r.Areas, func(a schemas.Area) area { return area{a.Class, a.Label, number64(a.Share)} })
		o.MaskRuns = each(r.Mask.Runs, func(x schemas.Run) run { return run(x) })
		o.MaskWidth, o.MaskHeight, o.MaskPNG = &r.Mask.Width, &r.Mask.Height, r.Mask.PNG
	case schemas.TaskFill:
		o.Fillings = each(r.Fillings, func(f schemas.Filling) filling {
			return filling{f.Mask, f.Token, f.Text, f.Sequence, number32(f.Score)}
		})
	case schemas.TaskPerplexity:
		nll, perplexity := number64(r.Likelihood.NLL), number64(r.Likelihood.Perplexity)
		o.Tokens, o.NLL, o.Perplexity = &r.Likelihood.Tokens, &nll, &perplexity
	case schemas.TaskAnswers:
		o.Text, o.Score = &r.Text, &score
		o.Answers = each(r.Answers, func(a schemas.Answer) answer { return answer{a.Text, a.Start, a.End, number32(a.Score)} })
	case schemas.TaskChoice:
		o.Choice, o.Score, o.Probabilities = &r.Choice, &score, r.Probabilities
	}
	return o
}

func wordOf(w schemas.Word) word {
	return word{w.Word, number64(w.Start), number64(w.End), number32(w.Score)}
}

func each[A, B any](in []A, f func(A) B) []B {
	if in == nil {
		return nil
	}
	out := make([]B, len(in))
	for i := range in {
		out[i] = f(in[i])
	}
	return out
}

func (o *object) row() schemas.Row {
	span := func(n number64) time.Duration { return time.Duration(float64(n)*float64(time.Millisecond) + 0.5) }
	r := schemas.Row{Lineage: schemas.Lineage{
		RowID: o.RowID, RefID: o.RefID, URI: o.URI, ETag: o.ETag, Version: o.Version, ContentHash: o.ContentHash, Modality: o.Modality,
		Model: o.Model, ModelDigest: o.ModelDigest, PreprocessDigest: o.PreprocessDigest, Head: o.Head, Task: o.Task,
		Topic: o.Topic, Partition: o.Partition, Offset: o.Offset, Window: o.Window, WindowStart: float64(o.WindowStart), WindowEnd: float64(o.WindowEnd),
		Truncated: o.Truncated, CreatedAt: o.CreatedAt, Attributes: o.Attributes,
		Timings: schemas.Timings{Fetch: span(o.FetchMS), Preprocess: span(o.PreprocessMS), Queue: span(o.QueueMS), Infer: span(o.InferMS)},
	}}
	r.Vector, r.Half, r.Probabilities = o.Vector, o.VectorF16, o.Probabilities
	r.Text, r.Label, r.Score = value(o.Text), value(o.Label), float32(value(o.Score))
	wordOf := func(w word) schemas.Word {
		return schemas.Word{Word: w.Word, Start: float64(w.Start), End: float64(w.End), Score: float32(w.Score)}
	}
	r.Words, r.Chars = each(o.Words, wordOf), each(o.Chars, wordOf)
	r.Labels = each(o.Labels, func(l label) schemas.LabelScore {
		return schemas.LabelScore{Label: l.Label, Score: float32(l.Score)}
	})
	r.Segments = each(o.Segments, func(s segment) schemas.Segment {
		return schemas.Segment{Label: s.Label, Start: float64(s.Start), End: float64(s.End), Score: float32(s.Score)}
	})
	r.Entities = each(o.Entities, func(e entity) schemas.Entity {
		return schemas.Entity{Label: e.Label, Text: e.Text, Start: e.Start, End: e.End, Score: float32(e.Score)}
	})
	r.Areas = each(o.Areas, func(a area) schemas.Area {
		return schemas.Area{Class: a.Class, Label: a.Label, Share: float64(a.Share)}
	})
	r.Mask = schemas.Mask{Width: value(o.MaskWidth), Height: value(o.MaskHeight), PNG: o.MaskPNG}
	r.Mask.Runs = each(o.MaskRuns, func(x run) schemas.Run { return schemas.Run(x) })
	r.Fillings = each(o.Fillings, func(f filling) schemas.Filling {
		return schemas.Filling{Mask: f.Mask, Token: f.Token, Text: f.Text, Sequence: f.Sequence, Score: float32(f.Score)}
	})
	r.Likelihood = schemas.Likelihood{Tokens: value(o.Tokens), NLL: float64(value(o.NLL)), Perplexity: float64(value(o.Perplexity))}
	r.Answers = each(o.Answers, func(a answer) schemas.Answer {
		return schemas.Answer{Text: a.Text, Start: a.Start, End: a.End, Score: float32(a.Score)}
	})
	r.Choice = value(o.Choice)
	return r
}

func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
