package tasks

import (
	"fmt"
	"math"

	"vecmill/embed/heads"
)

// Chunk is a stretch [Start, End) of a waveform, in samples, of which the frames at its edges are thrown away.
type Chunk struct {
	Start, End  int
	Left, Right int // samples
}

// Chunking is how long audio is cut, in seconds; Ratio is samples per frame.
type Chunking struct {
	Length, Left, Right float64
	Rate, Ratio         int
}

// Chunks cuts n samples as the speech recognition pipeline does: lengths are rounded to frames, half to even; the first chunk has no left
// stride, the last no right one; a last chunk within the left stride is dropped.
func (c Chunking) Chunks(n int) ([]Chunk, error) {
	samples := func(seconds float64) int {
		return int(math.RoundToEven(seconds*float64(c.Rate)/float64(c.Ratio)) * float64(c.Ratio))
	}
	length, left, right := samples(c.Length), samples(c.Left), samples(c.Right)
	step := length - left - right
	if left < 0 || right < 0 || step <= 0 {
		return nil, fmt.Errorf("chunk_length_s %v leaves nothing between the strides %v and %v", c.Length, c.Left, c.Right)
	}
	var out []Chunk
	for at := 0; at < n; at += step {
		part := Chunk{Start: at, End: min(at+length, n), Left: left, Right: right}
		if at == 0 {
			part.Left = 0
		}
		last := at+length >= n
		if last {
			part.Right = 0
		}
		if part.End-part.Start > part.Left {
			out = append(out, part)
		}
		if last {
			break
		}
	}
	return out, nil
}

// Keep are the frames [from, to) of a chunk's output that count, of `frames` there are.
func (c Chunk) Keep(ratio, frames int) (from, to int) {
	n := float64(c.End - c.Start)
	total := math.RoundToEven(n * (1 / float64(ratio)))
	left, right := int(math.RoundToEven(float64(c.Left)/n*total)), int(math.RoundToEven(float64(c.Right)/n*total))
	from = min(left, frames)
	return from, max(from, min(int(total)-right, frames)) // total may be more than there is: slicing clips
}

// Best is the best token of each frame.
func Best(logits []float32, vocabulary int) []int {
	var ids []int
	for _, row := range rows(logits, vocabulary) {
		ids = append(ids, argmax(row))
	}
	return ids
}

// Transcript is the result of automatic-speech-recognition.
type Transcript struct {
	Text   string       `json:"text"`
	Chunks []TimedChunk `json:"chunks,omitempty"`
}

// TimedChunk is a character or a word and when it is spoken, in seconds.
type TimedChunk struct {
	Text      string     `json:"text"`
	Timestamp [2]float64 `json:"timestamp"`
}

// Transcribe decodes the best tokens of all frames. timestamps is "", "char" or "word".
func Transcribe(ids []int, tok *heads.CTCTokenizer, timestamps string, rate, ratio int) (Transcript, error) {
	d := tok.Decode(ids, heads.DecodeOptions{})
	t := Transcript{Text: d.Text}
	var pieces []heads.Offset
	switch timestamps {
	case "":
		return t, nil
	case "char":
		pieces = d.Chars
	case "word":
		pieces = d.Words
	default:
		return t, fmt.Errorf("return_timestamps %q is not one of \"char\", \"word\"", timestamps)
	}
	t.Chunks = []TimedChunk{}
	for _, p := range pieces {
		at := func(frame int) float64 { return float64(frame*ratio) / float64(rate) }
		t.Chunks = append(t.Chunks, TimedChunk{p.Text, [2]float64{at(p.Start), at(p.End)}})
	}
	return t, nil
}
