package schemas

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
)

// Column is one column of the output: its name and type are a contract, its Doc is the reference.
type Column struct {
	Name     string
	Type     ColumnType
	Nullable bool
	Doc      string
}

// LineageColumns are in every file, in this order.
func LineageColumns() []Column {
	return []Column{
		{"row_id", String, false, "deterministic id of the row: same object, model, preprocessing, head and window, same id"},
		{"ref_id", String, false, "id of the reference"},
		{"uri", String, false, "where the object was fetched from; inline: for inline data"},
		{"etag", String, true, "entity tag of the fetched object"},
		{"version", String, true, "object version, where the store has versions"},
		{"content_hash", String, false, "SHA-256 of the fetched bytes, hex"},
		{"modality", String, false, "audio, text or image"},
		{"model", String, false, "name of the model in the configuration"},
		{"model_digest", String, false, "digest of weights and graph"},
		{"preprocess_digest", String, false, "digest of decoding and preprocessing"},
		{"head", String, false, "name of the head"},
		{"task", String, false, "what the head makes: embedding, transcript, classification, frames, xvector, tokens or masks"},
		{"topic", String, false, "source topic, or manifest"},
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

// PayloadColumns are the columns that a task adds, all nullable because rows of several tasks may share a file.
func PayloadColumns(t Task) []Column {
	switch t {
	case TaskEmbedding:
		return []Column{{"vector", Float32List, true, "the embedding"}}
	case TaskTranscript:
		return []Column{
			{"text", String, true, "the transcript"},
			{"words", WordList, true, "its words with start and end in seconds"},
			{"score", Float32, true, "mean probability of the emitted frames, or of the best label"},
		}
	case TaskLabels:
		return []Column{
			{"label", String, true, "the best label"},
			{"score", Float32, true, "mean probability of the emitted frames, or of the best label"},
			{"labels", LabelList, true, "labels with scores, best first"},
		}
	case TaskFrames:
		return []Column{{"segments", SegmentList, true, "stretches of one label with start and end in seconds, and its mean probability there"}}
	case TaskXVector:
		return []Column{{"vector", Float32List, true, "the embedding"}}
	case TaskTokens:
		return []Column{{"entities", EntityList, true, "labelled stretches of the text; start and end in code points of the whole text"}}
	case TaskMasks:
		return []Column{
			{"areas", AreaList, true, "classes in the picture with their share of its pixels"},
			{"mask_width", Int32, true, "width of the picture and its map of classes, pixels"},
			{"mask_height", Int32, true, "height of the picture and its map of classes, pixels"},
			{"mask_runs", RunList, true, "the map of classes, run-length encoded row by row; numbers are those of areas"},
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
