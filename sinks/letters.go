package sinks

import (
	"context"
	"time"

	"vecmill/schemas"
)

// Origin is the letter's identity.
func (l *Letter) Origin() schemas.Origin { return schemas.Origin{Source: l.Source, Offset: l.Offset} }

// StoredLetter is a letter as it lies in a dead-letter store.
type StoredLetter struct {
	Letter
	Place   string    // the object's name, or topic, partition and offset of the message
	Written time.Time // zero where the store does not say
	Err     error     // it cannot be read as a letter: Place alone is set
}

// LetterReader reads dead letters back, and remembers which of them were replayed. Safe for concurrent use.
type LetterReader interface {
	// Letters calls each for every letter of the store. One that was put twice may come twice. The error of each ends it.
	Letters(ctx context.Context, each func(StoredLetter) error) error

	// Replayed are the letters that were marked.
	Replayed(ctx context.Context) (map[schemas.Origin]bool, error)

	// MarkReplayed marks letters, durably. Marking one again changes nothing.
	MarkReplayed(ctx context.Context, of []schemas.Origin) error
}
