package tasks

import (
	"fmt"

	"vecmill/embed/heads"
)

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
	Chunks []TimedChunk `json:"chunks,omitzero"`
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
