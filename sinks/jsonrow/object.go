package jsonrow

import (
	"time"

	"vecmill/schemas"
)

// object is a row as JSON. Its field names are those of schemas.Columns.
type object struct {
	RowID            string            `json:"row_id"`
	RefID            string            `json:"ref_id"`
	URI              string            `json:"uri"`
	ETag             string            `json:"etag,omitempty"`
	Version          string            `json:"version,omitempty"`
	ContentHash      string            `json:"content_hash"`
	Modality         schemas.Modality  `json:"modality"`
	Model            string            `json:"model"`
	ModelDigest      string            `json:"model_digest"`
	PreprocessDigest string            `json:"preprocess_digest"`
	Head             string            `json:"head"`
	Task             schemas.Task      `json:"task"`
	Topic            string            `json:"topic"`
	Partition        int               `json:"partition"`
	Offset           int64             `json:"offset"`
	Window           int               `json:"window"`
	WindowStart      number64          `json:"window_start"`
	WindowEnd        number64          `json:"window_end"`
	Truncated        bool              `json:"truncated"`
	CreatedAt        time.Time         `json:"created_at"`
	FetchMS          number64          `json:"fetch_ms"`
	PreprocessMS     number64          `json:"preprocess_ms"`
	QueueMS          number64          `json:"queue_ms"`
	InferMS          number64          `json:"infer_ms"`
	Attributes       map[string]string `json:"attributes,omitempty"`

	Vector        vector    `json:"vector,omitempty"`
	VectorF16     halves    `json:"vector_f16,omitempty"`
	Text          *string   `json:"text,omitempty"`
	Words         []word    `json:"words,omitempty"`
	Chars         []word    `json:"chars,omitempty"`
	Label         *string   `json:"label,omitempty"`
	Score         *number32 `json:"score,omitempty"`
	Labels        []label   `json:"labels,omitempty"`
	Segments      []segment `json:"segments,omitempty"`
	Entities      []entity  `json:"entities,omitempty"`
	Areas         []area    `json:"areas,omitempty"`
	MaskWidth     *int      `json:"mask_width,omitempty"`
	MaskHeight    *int      `json:"mask_height,omitempty"`
	MaskRuns      []run     `json:"mask_runs,omitempty"`
	MaskPNG       []byte    `json:"mask_png,omitempty"`
	Fillings      []filling `json:"fillings,omitempty"`
	Tokens        *int      `json:"tokens,omitempty"`
	NLL           *number64 `json:"nll,omitempty"`
	Perplexity    *number64 `json:"perplexity,omitempty"`
	Answers       []answer  `json:"answers,omitempty"`
	Choice        *int      `json:"choice,omitempty"`
	Probabilities vector    `json:"probabilities,omitempty"`
}

type word struct {
	Word  string   `json:"word"`
	Start number64 `json:"start"`
	End   number64 `json:"end"`
	Score number32 `json:"score"`
}

type label struct {
	Label string   `json:"label"`
	Score number32 `json:"score"`
}

type segment struct {
	Label string   `json:"label"`
	Start number64 `json:"start"`
	End   number64 `json:"end"`
	Score number32 `json:"score"`
}

type entity struct {
	Label string   `json:"label"`
	Text  string   `json:"text"`
	Start int      `json:"start"`
	End   int      `json:"end"`
	Score number32 `json:"score"`
}

type area struct {
	Class int      `json:"class"`
	Label string   `json:"label"`
	Share number64 `json:"share"`
}

type run struct {
	Class  int `json:"class"`
	Length int `json:"length"`
}

type filling struct {
	Mask     int      `json:"mask"`
	Token    int      `json:"token"`
	Text     string   `json:"text"`
	Sequence string   `json:"sequence"`
	Score    number32 `json:"score"`
}

type answer struct {
	Text  string   `json:"text"`
	Start int      `json:"start"`
	End   int      `json:"end"`
	Score number32 `json:"score"`
}
