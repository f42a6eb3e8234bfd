package dlq

import (
	"time"
	"unicode/utf8"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Shown is a letter for a person or a program.
type Shown struct {
	Letter    string         `json:"letter"`
	Store     string         `json:"store"`
	Place     string         `json:"place"` // where in the store
	Written   *time.Time     `json:"written,omitempty"`
	Pipeline  string         `json:"pipeline"`
	Topic     string         `json:"topic"`
	Partition int            `json:"partition"`
	Offset    int64          `json:"offset"`
	Reason    schemas.Reason `json:"reason"`
	Error     string         `json:"error"`
	Attempts  int            `json:"attempts"`
	Replayed  bool           `json:"replayed"`
	Key       *Content       `json:"key"`
	Value     *Content       `json:"value"` // the reference as it arrived
	Headers   []ShownHeader  `json:"headers,omitempty"`
}

// Content is bytes: as text where they are UTF-8, else as base64.
type Content struct {
	Text   *string `json:"text,omitempty"`
	Base64 []byte  `json:"base64,omitempty"`
}

// ShownHeader is a header of the record.
type ShownHeader struct {
	Key   string   `json:"key"`
	Value *Content `json:"value"`
}

// Show prepares a letter for printing.
func Show(store string, l *sinks.StoredLetter, replayed bool) Shown {
	s := Shown{
		Letter: l.Origin().String(), Store: store, Place: l.Place, Pipeline: l.Source.Pipeline, Topic: l.Source.Topic, Partition: l.Source.Partition,
		Offset: l.Offset, Reason: l.Reason, Error: l.Message, Attempts: l.Attempts, Replayed: replayed, Key: content(l.Key), Value: content(l.Value),
	}
	if !l.Written.IsZero() {
		at := l.Written.UTC()
		s.Written = &at
	}
	for _, h := range l.Headers {
		s.Headers = append(s.Headers, ShownHeader{h.Key, content(h.Value)})
	}
	return s
}

func content(b []byte) *Content {
	if b == nil {
		return nil
	}
	if utf8.Valid(b) {
		s := string(b)
		return &Content{Text: &s}
	}
	return &Content{Base64: b}
}
