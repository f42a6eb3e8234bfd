package objectletters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"vecmill/schemas"
	"vecmill/sinks"
)

// version is the version of the JSON that this package writes.
const version = 1

// wireLetter is the JSON of a letter. Byte slices are base64; null is an absent key or a tombstone.
type wireLetter struct {
	V         int          `json:"v"`
	Pipeline  string       `json:"pipeline"`
	Topic     string       `json:"topic"`
	Partition int          `json:"partition"`
	Offset    int64        `json:"offset"`
	Reason    string       `json:"reason"`
	Message   string       `json:"message"`
	Attempts  int          `json:"attempts"`
	Key       []byte       `json:"key"`
	Value     []byte       `json:"value"`
	ValueText string       `json:"value_text,omitempty"` // for people; Value is what counts
	Headers   []wireHeader `json:"headers,omitempty"`
}

type wireHeader struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
}

// format is the object of a letter.
func format(l *sinks.Letter) ([]byte, error) {
	w := wireLetter{
		V: version, Pipeline: l.Source.Pipeline, Topic: l.Source.Topic, Partition: l.Source.Partition, Offset: l.Offset,
		Reason: string(l.Reason), Message: l.Message, Attempts: l.Attempts, Key: l.Key, Value: l.Value,
	}
	if utf8.Valid(l.Value) {
		w.ValueText = string(l.Value)
	}
	for _, h := range l.Headers {
		w.Headers = append(w.Headers, wireHeader(h))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(&w)
	return b.Bytes(), err
}

// Parse reads a letter's object. Fields that it does not know are passed over; another version than 1 is an error.
func Parse(body []byte) (sinks.Letter, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	var w wireLetter
	if err := d.Decode(&w); err != nil {
		return sinks.Letter{}, fmt.Errorf("reading dead letter: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return sinks.Letter{}, fmt.Errorf("reading dead letter: trailing data after the JSON object")
	}
	switch {
	case w.V != version:
		return sinks.Letter{}, fmt.Errorf("reading dead letter: version %d; this build reads version %d", w.V, version)
	case w.Offset < 0 || w.Partition < 0:
		return sinks.Letter{}, fmt.Errorf("reading dead letter: negative position %d of partition %d", w.Offset, w.Partition)
	}
	l := sinks.Letter{
		Source: schemas.SourceID{Pipeline: w.Pipeline, Topic: w.Topic, Partition: w.Partition}, Offset: w.Offset,
		Reason: schemas.Reason(w.Reason), Message: w.Message, Attempts: w.Attempts, Key: w.Key, Value: w.Value,
	}
	for _, h := range w.Headers {
		l.Headers = append(l.Headers, sinks.Header(h))
	}
	return l, nil
}
