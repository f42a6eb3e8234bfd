package schemas

import "fmt"

// Modality is the kind of payload that a reference points to.
type Modality string

// The modalities. An empty modality in a Ref means: whatever the pipeline that takes it expects.
const (
	Audio Modality = "audio"
	Text  Modality = "text"
	Image Modality = "image"
)

// Modalities lists every modality, in the order in which documentation shows them.
func Modalities() []Modality { return []Modality{Audio, Text, Image} }

// Valid says whether m is one of the listed modalities.
func (m Modality) Valid() bool { return m == Audio || m == Text || m == Image }

// Task is what a head makes of a model's output. It decides which payload columns of a Row are set.
type Task string

// The tasks.
const (
	TaskEmbedding  Task = "embedding"      // Row.Vector or Row.Half
	TaskTranscript Task = "transcript"     // Row.Text, Row.Words, Row.Chars, Row.Score
	TaskLabels     Task = "classification" // Row.Label, Row.Score, Row.Labels
	TaskFrames     Task = "frames"         // Row.Segments
	TaskXVector    Task = "xvector"        // Row.Vector or Row.Half
	TaskTokens     Task = "tokens"         // Row.Entities
	TaskMasks      Task = "masks"          // Row.Areas, Row.Mask
	TaskFill       Task = "fill"           // Row.Fillings
	TaskPerplexity Task = "perplexity"     // Row.Likelihood
	TaskAnswers    Task = "answers"        // Row.Answers, Row.Text, Row.Score
	TaskChoice     Task = "choice"         // Row.Choice, Row.Score, Row.Probabilities
)

// Tasks lists every task, in the order in which documentation shows them.
func Tasks() []Task {
	return []Task{
		TaskEmbedding, TaskTranscript, TaskLabels, TaskFrames, TaskXVector, TaskTokens, TaskMasks, TaskFill, TaskPerplexity, TaskAnswers, TaskChoice,
	}
}

// SourceID names one ordered, gapless stream of offsets as one pipeline sees it: a Kafka topic partition, or a manifest.
// Output is chained per SourceID.
type SourceID struct {
	Pipeline  string // name in the configuration
	Topic     string // of a plan or list manifest: and its name
	Partition int    // of a list its share, from 0
}

// String is "pipeline/topic/partition".
func (s SourceID) String() string { return fmt.Sprintf("%s/%s/%d", s.Pipeline, s.Topic, s.Partition) }

// Span is a half-open interval of offsets, [First, Next).
type Span struct {
	First, Next int64 // none where they are equal
}

// Len is the number of offsets in the span.
func (s Span) Len() int64 { return s.Next - s.First }

// Range is a contiguous stretch [First, Next) of one source with the fate of every offset in it: an offset is in Dead (its
// dead letter is durable), in Skipped (filtered out, a tombstone, or never a record), in Lost (the log's retention removed it
// before it was read), or it has one or more rows. Ranges reach a sink in order, each beginning where the one before ended.
type Range struct {
	Source  SourceID   // that the offsets are of
	Span               // offsets covered
	Dead    []Span     // ascending, disjoint, inside Span
	Skipped []Span     // likewise, disjoint from the others
	Lost    []Span     // likewise
	Deletes []Deletion // by ascending offset; of a record of several references, one offset may have several, and rows too
}

// Deletion says that the object of a reference is gone: a store that can takes away what the source's earlier offsets gave of it. Rows of later offsets
// stay, in the same range too, and so do those of its own offset: a record of several references may delete an object and bring its successor. A reference and its deletion come to one partition, as they do where the record's key is the reference's id.
type Deletion struct {
	Offset int64  // of the record that says so
	RefID  string // id of the reference whose object is gone
}

// DeletionBytes is about what deletions take in memory.
func DeletionBytes(all []Deletion) int64 {
	n := int64(0)
	for _, d := range all {
		n += 24 + int64(len(d.RefID))
	}
	return n
}

// ClipDeletions is the part of ascending deletions that lies in [first, next).
func ClipDeletions(all []Deletion, first, next int64) []Deletion {
	var out []Deletion
	for _, d := range all {
		if d.Offset >= first && d.Offset < next {
			out = append(out, d)
		}
	}
	return out
}

// AppendOffset adds one offset to a list of spans that is built in ascending order, extending the last span where it can.
func AppendOffset(spans []Span, offset int64) []Span {
	if n := len(spans); n > 0 && spans[n-1].Next == offset {
		spans[n-1].Next++
		return spans
	}
	return append(spans, Span{First: offset, Next: offset + 1})
}
