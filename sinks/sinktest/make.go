package sinktest

import (
	"fmt"
	"time"

	"vecmill/schemas"
)

// Make is a range [first, next) of src with the fate of each offset decided by its number alone, so that any writer of an offset
// writes the same: offsets 3, 10, 17, ... are dead, 5, 16, 27, ... skipped, 36, 73, ... lost, the others have one row or two, of every task in turn.
func Make(src schemas.SourceID, first, next int64) (schemas.Range, []schemas.Row) {
	return MakeOf(schemas.Tasks(), src, first, next)
}

// MakeOf is Make with rows of some tasks only, in turn: files of few tasks have few columns, and cost a fraction of the time.
func MakeOf(tasks []schemas.Task, src schemas.SourceID, first, next int64) (schemas.Range, []schemas.Row) {
	r := schemas.Range{Source: src, Span: schemas.Span{First: first, Next: next}}
	var rows []schemas.Row
	for o := first; o < next; o++ {
		switch {
		case o%7 == 3:
			r.Dead = schemas.AppendOffset(r.Dead, o)
		case o%11 == 5:
			r.Skipped = schemas.AppendOffset(r.Skipped, o)
		case o%37 == 36:
			r.Lost = schemas.AppendOffset(r.Lost, o)
		default:
			for w := range 1 + int(o%3)/2 {
				rows = append(rows, rowOf(tasks, src, o, w))
			}
		}
	}
	return r, rows
}

// Row is the row of one window of one offset: every lineage field set, the payload by the offset's number.
func Row(src schemas.SourceID, offset int64, window int) schemas.Row {
	return rowOf(schemas.Tasks(), src, offset, window)
}

func rowOf(tasks []schemas.Task, src schemas.SourceID, offset int64, window int) schemas.Row {
	r := schemas.Row{Lineage: schemas.Lineage{
		RefID: fmt.Sprintf("ref-%s-%d-%d", src.Topic, src.Partition, offset), URI: fmt.Sprintf("s3://bucket/%d", offset), ETag: "e", Version: "v",
		ContentHash: fmt.Sprintf("%064x", offset), Modality: schemas.Modalities()[offset%3],
		Model: "model", ModelDigest: "m", PreprocessDigest: "p", Head: "head", Task: tasks[offset%int64(len(tasks))],
		Topic: src.Topic, Partition: src.Partition, Offset: offset,
		Window: window, WindowStart: float64(window), WindowEnd: float64(window) + 1.5, Truncated: offset%2 == 0,
		CreatedAt: time.UnixMicro(1_700_000_000_000_000 + offset).UTC(),
		Timings: schemas.Timings{
			Fetch: time.Millisecond, Preprocess: 2 * time.Millisecond, Queue: 4 * time.Millisecond, Infer: 500 * time.Microsecond,
		},
	}}
	if offset%4 == 0 {
		r.Attributes = map[string]string{"tenant": fmt.Sprint(offset % 5), "ünï": "✓"}
	}
	r.Payload = payload(r.Task, offset, window)
	r.RowID = schemas.RowID(&r.Lineage)
	return r
}

// payload sets every field of a task.
func payload(t schemas.Task, offset int64, window int) (r schemas.Payload) {
	switch t {
	case schemas.TaskEmbedding:
		r.Vector = []float32{float32(offset), -0.5, 0.25, float32(window)}
	case schemas.TaskXVector:
		r.Half = []uint16{0x3c00, 0xb800, 0x3400, uint16(window)} // 1, -0.5, 0.25, and next to 0
	case schemas.TaskTranscript:
		r.Text, r.Score = "zwei wörter", 0.5
		r.Words = []schemas.Word{{Word: "zwei", Start: 0.02, End: 0.5, Score: 0.75}, {Word: "wörter", Start: 0.5, End: 1.25, Score: 0.25}}
	case schemas.TaskLabels:
		r.Label, r.Score = "cat", 0.875
		r.Labels = []schemas.LabelScore{{Label: "cat", Score: 0.875}, {Label: "dog", Score: 0.125}}
	case schemas.TaskFrames:
		r.Segments = []schemas.Segment{{Label: "speech", Start: 0, End: 1.5, Score: 0.75}, {Label: "stille", Start: 1.5, End: 2, Score: 0.5}}
	case schemas.TaskTokens:
		r.Entities = []schemas.Entity{{Label: "LOC", Text: "Köln", Start: int(offset), End: int(offset) + 4, Score: 0.875}}
	case schemas.TaskMasks:
		r.Areas = []schemas.Area{{Class: 0, Label: "wall", Share: 0.625}, {Class: 7, Label: "sky", Share: 0.375}}
		r.Mask = schemas.Mask{Width: 4, Height: 2, Runs: []schemas.Run{{Class: 0, Length: 3}, {Class: 7, Length: 3}, {Class: 0, Length: 2}}}
		r.Mask.PNG = []byte{0x89, 'P', 'N', 'G', byte(offset), 0}
	case schemas.TaskFill:
		r.Fillings = []schemas.Filling{{Mask: 0, Token: 17, Text: " süß", Sequence: "Es ist süß.", Score: 0.5}, {Mask: 1, Token: int(offset), Score: 0.25}}
	case schemas.TaskPerplexity:
		r.Likelihood = schemas.Likelihood{Tokens: int(offset) + 1, NLL: 2.5, Perplexity: 12.25}
	case schemas.TaskAnswers:
		r.Text, r.Score = "Köln", 0.75
		r.Answers = []schemas.Answer{{Text: "Köln", Start: 3, End: 7, Score: 0.75}, {Score: 0.125}}
	case schemas.TaskChoice:
		r.Choice, r.Score, r.Probabilities = 1, 0.75, []float32{0.25, 0.75}
	}
	return r
}
