package schemas

import "strings"

// ColumnType is the storage type of a column, in words that every store can map.
type ColumnType int

// The column types.
const (
	String      ColumnType = iota // UTF-8
	Int32                         // signed
	Int64                         // signed
	Float32                       // IEEE
	Float64                       // IEEE
	Bool                          //
	Timestamp                     // microseconds since the epoch, UTC
	Float32List                   // list<float32>
	StringMap                     // map<string, string>
	WordList                      // list<struct<word: string, start: float64, end: float64, score: float32>>
	LabelList                     // list<struct<label: string, score: float32>>
	SegmentList                   // list<struct<label: string, start: float64, end: float64, score: float32>>
	EntityList                    // list<struct<label: string, text: string, start: int32, end: int32, score: float32>>
	AreaList                      // list<struct<class: int32, label: string, share: float64>>
	RunList                       // list<struct<class: int32, length: int32>>
	Binary                        // bytes
	Float16List                   // list<float16>
	FillingList                   // list<struct<mask: int32, token: int32, text: string, sequence: string, score: float32>>
	AnswerList                    // list<struct<text: string, start: int32, end: int32, score: float32>>
)

// Column is one column of the output: its name and type are a contract, its Doc is the reference.
type Column struct {
	Name     string     // unique in a file
	Type     ColumnType // in Arrow's terms
	Nullable bool       // rows may have no value in it
	Doc      string     // what it means, with its unit
}

// LineageColumns are in every file, in this order.
func LineageColumns() []Column {
	return []Column{
		{"row_id", String, false, "deterministic id of the row: same object, model, preprocessing, head and window, same id"},
		{"ref_id", String, false, "id of the reference"},
		{"uri", String, false, "where the object was fetched from, with #bytes=first-last where the reference names a range; inline: for inline data"},
		{"etag", String, true, "entity tag of the fetched object"},
		{"version", String, true, "object version, where the store has versions"},
		{"content_hash", String, false, "SHA-256 of the fetched bytes, hex"},
		{"modality", String, false, "audio, text or image"},
		{"model", String, false, "name of the model in the configuration"},
		{"model_digest", String, false, "digest of weights and graph"},
		{"preprocess_digest", String, false, "digest of decoding and preprocessing"},
		{"head", String, false, "name of the head"},
		{"task", String, false, "what the head makes: " + join(Tasks())},
		{"topic", String, false, "source topic; of a plan or list manifest: and its name"},
		{"partition", Int32, false, "source partition"},
		{"offset", Int64, false, "source offset"},
		{"window", Int32, false, "number of the window inside the object, from 0"},
		{"window_start", Float64, false, "start of the window: seconds (audio) or tokens (text)"},
		{"window_end", Float64, false, "end of the window: seconds (audio) or tokens (text)"},
		{"truncated", Bool, false, "the input was longer than the model takes and was cut"},
		{"created_at", Timestamp, false, "when the row was computed"},
		{"fetch_ms", Float32, false, "time to fetch the object, milliseconds"},
		{"preprocess_ms", Float32, false, "time to decode and preprocess it, milliseconds"},
		{"queue_ms", Float32, false, "time its window waited for a batch, milliseconds"},
		{"infer_ms", Float32, false, "time of the batch that it rode in, milliseconds"},
		{"attributes", StringMap, true, "the reference's attributes"},
	}
}

// PayloadColumns are the columns that a task adds, all nullable because rows of several tasks may share a file. They are the same whatever the
// head's settings; those decide which of two forms of a result is there.
func PayloadColumns(t Task) []Column {
	var (
		text  = Column{"text", String, true, "the transcript, or the best answer"}
		score = Column{"score", Float32, true, "of a transcript the mean probability of the emitted frames; else that of the best label, answer or choice"}
	)
	switch t {
	case TaskEmbedding, TaskXVector:
		return []Column{
			{"vector", Float32List, true, "the embedding"},
			{"vector_f16", Float16List, true, "the embedding in half precision, in place of vector (dtype fp16)"},
		}
	case TaskTranscript:
		return []Column{
			text,
			{"words", WordList, true, "its words with start and end in seconds"},
			{"chars", WordList, true, "its characters with start and end in seconds, the space between words as one of them; empty with a beam decoder"},
			score,
		}
	case TaskLabels:
		return []Column{
			{"label", String, true, "the best label"},
			score,
			{"labels", LabelList, true, "labels with scores, best first"},
		}
	case TaskAnswers:
		return []Column{
			text, score,
			{"answers", AnswerList, true, "answers, best first; start and end in code points of the whole text; an empty one means that the text does not tell"},
		}
	case TaskChoice:
		return []Column{
			{"choice", Int32, true, "number of the best of the reference's choices, from 0"},
			score,
			{"probabilities", Float32List, true, "of the reference's choices, in their order"},
		}
	case TaskFill:
		return []Column{{"fillings", FillingList, true, "proposals for each mask of the text, numbered from 0, the best of each first; sequence is the text with that mask filled"}}
	case TaskPerplexity:
		return []Column{
			{"tokens", Int32, true, "tokens of the text that were foreseen from those before them"},
			{"nll", Float64, true, "their mean negative log-likelihood, nats"},
			{"perplexity", Float64, true, "exp(nll)"},
		}
	case TaskFrames:
		return []Column{{"segments", SegmentList, true, "stretches of one label with start and end in seconds, and its mean probability there"}}
	case TaskTokens:
		return []Column{{"entities", EntityList, true, "labelled stretches of the text; start and end in code points of the whole text"}}
	case TaskMasks:
		return []Column{
			{"areas", AreaList, true, "classes in the picture with their share of its pixels"},
			{"mask_width", Int32, true, "width of the picture and its map of classes, pixels"},
			{"mask_height", Int32, true, "height of the picture and its map of classes, pixels"},
			{"mask_runs", RunList, true, "the map of classes, run-length encoded row by row; numbers are those of areas"},
			{"mask_png", Binary, true, "the map of classes as a grey PNG whose values are those numbers (mask png or both)"},
		}
	}
	return nil
}

// Columns are the lineage columns and then, once each, the payload columns of the given tasks.
func Columns(tasks ...Task) []Column {
	cols := LineageColumns()
	seen := map[string]bool{}
	for _, t := range tasks {
		for _, c := range PayloadColumns(t) {
			if !seen[c.Name] {
				seen[c.Name] = true
				cols = append(cols, c)
			}
		}
	}
	return cols
}

// join lists tasks in a sentence.
func join(tasks []Task) string {
	all := make([]string, len(tasks))
	for i, t := range tasks {
		all[i] = string(t)
	}
	return strings.Join(all[:len(all)-1], ", ") + " or " + all[len(all)-1]
}
