package tasks

import "vecmill/embed/heads"

// Answer is one entry of question-answering. Start and End are code points of the context.
type Answer = heads.FoundAnswer

// Span is one window of a context behind its question.
type Span = heads.Span

// Reader picks answers; the head for pipelines has it, too.
type Reader = heads.Reader
