package schemas

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"
)

// Row is one result: what one head made of one window of one referenced object, with the lineage that says where it came
// from and what computed it. Column names, types and meanings are in [Columns].
type Row struct {
	Lineage
	Payload
}

// Lineage is where a row came from and what made it.
type Lineage struct {
	RowID       string   // see RowID
	RefID       string   // the reference's id
	URI         string   // the reference's Place: with #bytes=first-last where it means a range; InlinePlace for inline data
	ETag        string   // as the store gave it, without quotes; empty for inline data
	Version     string   // object version, where the store has versions
	ContentHash string   // sha256 of the fetched bytes, hex
	Modality    Modality // audio, image or text

	Model            string // name in the configuration
	ModelDigest      string // weights and graph
	PreprocessDigest string // decoding and preprocessing options and their implementation
	Head             string // name in the configuration; the task where it has none
	Task             Task   // which fields of the payload are set

	Topic     string // of the record; of a plan or list manifest: and its name
	Partition int    // of the topic; of a list its share, from 0
	Offset    int64  // of the record; of a list the number of its line or row, from 0

	Window      int     // 0-based; 0 for an object that is one window
	WindowStart float64 // seconds for audio, tokens for text, 0 for images
	WindowEnd   float64 // likewise
	Truncated   bool    // the input was longer than the model takes and the policy was to cut it

	CreatedAt  time.Time         // UTC, microseconds
	Timings    Timings           // where its time went
	Attributes map[string]string // the reference's own, headers that the configuration names (input.headers), and notes of preprocessing (IsNote)
}

// Timings say where a record's time went. Each is wall time of one stage for this record or for the batch it rode in.
type Timings struct {
	Fetch, Preprocess, Queue, Infer time.Duration // in the order of the stages; queue is from being preprocessed until the batch ran
}

// Payload is a head's result. Which fields are set follows from the task.
type Payload struct {
	Vector []float32 // TaskEmbedding: as many numbers as the model's states are wide; TaskXVector: as its x-vector. Of length 1 (Euclidean), unless the head is told to leave it (normalize: false); a vector of zeros stays one
	Half   []uint16  // in place of Vector where the head is told so: the same in IEEE 754 binary16, as bits

	Text  string // TaskTranscript; TaskAnswers: the best answer
	Words []Word // TaskTranscript
	Chars []Word // TaskTranscript, decoded greedily: each character (token), a word's end as the character that stands for it; none with beams

	Label  string       // TaskLabels: the best label
	Score  float32      // TaskTranscript: mean frame probability of the emitted tokens; TaskLabels: of Label; TaskAnswers, TaskChoice: of the best
	Labels []LabelScore // TaskLabels: best first

	Segments []Segment // TaskFrames: in time; without gaps where each frame has its best label, overlapping where it may have several
	Entities []Entity  // TaskTokens: in the text's order
	Areas    []Area    // TaskMasks: classes that are somewhere in the picture, by number; the shares add up to 1
	Mask     Mask      // TaskMasks

	Fillings   []Filling  // TaskFill: by mask, the best of each first; none if the text has no mask
	Likelihood Likelihood // TaskPerplexity
	Answers    []Answer   // TaskAnswers: best first; at least one, unless the text is empty

	Choice        int       // TaskChoice: number of the best of the reference's choices, from 0
	Probabilities []float32 // TaskChoice: of the reference's choices, in their order; they add up to 1
}

// Word is one word of a transcript with its times in seconds from the start of the object.
type Word struct {
	Word       string  // the word, or the character
	Start, End float64 // seconds
	Score      float32 // mean probability of the frames that emitted it
}

// LabelScore is one label with its score.
type LabelScore struct {
	Label string  // of id2label
	Score float32 // by the head's function: softmax, a probability among all labels, which add up to 1 (kept ones to less); sigmoid, a probability of its own; none, the logit
}

// Segment is a stretch of a recording whose frames all have one label, in seconds from the start of the object.
type Segment struct {
	Label      string  // of id2label
	Start, End float64 // seconds
	Score      float32 // mean probability of the label over the frames
}

// Entity is a stretch of a text with a label. Start and End are code points of the object's text; Text is what lies between.
type Entity struct {
	Label      string  // of id2label
	Text       string  // as it stands in the text
	Start, End int     // [Start, End)
	Score      float32 // mean probability over its tokens or words
}

// Area is a class of a picture.
type Area struct {
	Class int     // number in the checkpoint's id2label
	Label string  // of id2label
	Share float64 // of the picture's pixels, above 0
}

// Mask is the class of each pixel of a picture as it was fetched, in one form or both. Runs go row by row from the top left; a run may
// go on in the next row, and the lengths add up to Width * Height. PNG is a grey picture of that size whose values are the
// classes, of 8 bits, or of 16 where the model has more than 256 classes.
type Mask struct {
	Width, Height int    // pixels
	Runs          []Run  // nil where PNG alone is asked for
	PNG           []byte // nil where runs alone are
}

// Run is a number of pixels in a row that have one class.
type Run struct {
	Class  int // number in the checkpoint's id2label
	Length int // pixels, at least 1
}

// Filling is one proposal for one mask of a text.
type Filling struct {
	Mask     int     // number of the mask in the text (in its window), from 0
	Token    int     // id in the vocabulary
	Text     string  // of the token alone
	Sequence string  // the text with this mask filled
	Score    float32 // probability over the whole vocabulary
}

// Likelihood is how well a model foresees a text.
type Likelihood struct {
	Tokens     int     // that have a token before them
	NLL        float64 // mean negative log-likelihood of these, in nats
	Perplexity float64 // exp(NLL)
}

// Answer is a stretch of a text that answers a question. Start and End are code points of the object's text. The answer "" from 0 to 0 means that
// the text does not tell.
type Answer struct {
	Text       string  // as it stands in the text
	Start, End int     // [Start, End)
	Score      float32 // probability
}

// RowID is the deterministic identity of a row: the same object, model, preprocessing, head and window always give the
// same id, so an upserting store collapses repeats. It is the first 16 bytes of a SHA-256 over the length-prefixed parts, in hex.
func RowID(l *Lineage) string {
	h := sha256.New()
	var n []byte
	for _, part := range [...]string{l.RefID, l.ETag, l.Version, l.ModelDigest, l.PreprocessDigest, l.Head, strconv.Itoa(l.Window)} {
		n = append(strconv.AppendInt(n[:0], int64(len(part)), 10), ':')
		h.Write(n)
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Size estimates the memory of the row in bytes: its fixed part with the digests, and what its payload and attributes hold.
func (r *Row) Size() int64 {
	n := 640 + 4*len(r.Vector) + 2*len(r.Half) + 4*len(r.Probabilities) + len(r.URI) + len(r.RefID) + len(r.ETag) + len(r.Version) + len(r.Text) + len(r.Label)
	for k, v := range r.Attributes {
		n += 64 + len(k) + len(v)
	}
	for i := range r.Words {
		n += 40 + len(r.Words[i].Word)
	}
	for i := range r.Chars {
		n += 40 + len(r.Chars[i].Word)
	}
	for i := range r.Labels {
		n += 24 + len(r.Labels[i].Label)
	}
	for i := range r.Segments {
		n += 40 + len(r.Segments[i].Label)
	}
	for i := range r.Entities {
		n += 56 + len(r.Entities[i].Label) + len(r.Entities[i].Text)
	}
	for i := range r.Areas {
		n += 32 + len(r.Areas[i].Label)
	}
	for i := range r.Fillings {
		n += 56 + len(r.Fillings[i].Text) + len(r.Fillings[i].Sequence)
	}
	for i := range r.Answers {
		n += 40 + len(r.Answers[i].Text)
	}
	n += 16*len(r.Mask.Runs) + len(r.Mask.PNG)
	return int64(n)
}
