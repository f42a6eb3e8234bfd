package schemas

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"
)

// RefVersion is the newest version of Ref that this package writes.
const RefVersion = 1

// MaxInline is the largest inline payload, in decoded bytes. Larger payloads belong in the object store.
const MaxInline = 1 << 20

// Ref is a reference to one object to enrich: the value of a Kafka record, or a line of a manifest. Exactly one of URI and
// Inline is set. The JSON names are in ref.v1.schema.json.
type Ref struct {
	ID          string            // the caller's own id; row identity starts from it
	URI         string            // s3://bucket/key, https://host/path or file:///path
	Inline      []byte            // small payloads carried in the message itself
	Modality    Modality          // "" means: what the pipeline expects
	Route       string            // "" means: any pipeline of this topic that takes the modality
	ETag        string            // if set, the object must have exactly this entity tag
	Version     string            // if set, this object version is fetched
	ContentType string            // a hint; the bytes decide
	Range       *ByteRange        // if set, only these bytes of the object are the payload
	Attributes  map[string]string // passed through to every row
	Deleted     bool              // the object is gone: a tombstone; only ID, Modality and Route count then

	// What goes beside a text, for the classes that take more than one; at most one of the three.
	TextPair *string  // a second text behind the object's: sequence classification and embeddings of pairs
	Question string   // which the object's text answers: question answering
	Choices  []string // of which one goes on from the object's text: multiple choice
}

// MaxID is the length of the longest id of a reference, in bytes.
const MaxID = 1024

// MaxChoices is the largest number of choices of a reference.
const MaxChoices = 256

// IDOf is the id that a reference gets from its URI where nobody gave it another.
func IDOf(uri string) string {
	return uri[max(0, len(uri)-MaxID):] // the end tells more names apart
}

// ByteRange is n bytes from off on.
type ByteRange struct {
	Off int64 `json:"off"` // from 0
	N   int64 `json:"n"`   // at least 1
}

// FieldError is a fault in one field of a reference.
type FieldError struct {
	Field string // JSON path, "" for the document as a whole
	Msg   string // a sentence without a full stop
}

// Error names the field and the fault.
func (e *FieldError) Error() string {
	if e.Field == "" {
		return "reference: " + e.Msg
	}
	return "reference field " + e.Field + ": " + e.Msg
}

type wireRef struct {
	V           int               `json:"v"`
	ID          string            `json:"id"`
	URI         string            `json:"uri,omitempty"`
	Inline      *string           `json:"inline,omitempty"`
	InlineText  *string           `json:"inline_text,omitempty"`
	Modality    string            `json:"modality,omitempty"`
	Route       string            `json:"route,omitempty"`
	ETag        string            `json:"etag,omitempty"`
	Version     string            `json:"version,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Range       *ByteRange        `json:"range,omitempty"`
	Attributes  map[string]string `json:"attributes,omitempty"`
	Deleted     bool              `json:"deleted,omitempty"`
	TextPair    *string           `json:"text_pair,omitempty"`
	Question    *string           `json:"question,omitempty"`
	Choices     []string          `json:"choices,omitempty"`
}

// ParseRef reads a version 1 reference. It is strict: unknown fields, wrong types, trailing bytes and invalid UTF-8 are
// refused with a [Rejection] of class schema whose cause is a [FieldError].
func ParseRef(b []byte) (Ref, error) {
	r, err := parseRef(b)
	return r, Reject(ReasonSchema, err)
}

func parseRef(b []byte) (Ref, error) {
	if !utf8.Valid(b) {
		return Ref{}, &FieldError{"", "not valid UTF-8"}
	}
	var version struct {
		V   json.RawMessage `json:"v"`
		Why string          `json:"no_ref"` // NoRef's
	}
	if err := json.Unmarshal(b, &version); err != nil {
		return Ref{}, jsonFault(err)
	}
	switch string(version.V) {
	case "1":
	case "", "null":
		if version.Why != "" {
			return Ref{}, &FieldError{"", version.Why}
		}
		return Ref{}, &FieldError{"v", "missing; this build reads version 1"}
	default:
		return Ref{}, &FieldError{"v", fmt.Sprintf("unknown version %.20s; this build reads version 1", version.V)}
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var w wireRef
	if err := d.Decode(&w); err != nil {
		return Ref{}, jsonFault(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return Ref{}, &FieldError{"", "trailing data after the JSON object"}
	}
	return w.ref()
}

// jsonFault turns encoding/json's errors into ones that name the field.
func jsonFault(err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return &FieldError{t.Field, fmt.Sprintf("is a JSON %s, want %s", t.Value, t.Type)}
	}
	return &FieldError{"", "not a JSON reference: " + err.Error()}
}

func (w *wireRef) ref() (Ref, error) {
	r := Ref{
		ID: w.ID, URI: w.URI, Modality: Modality(w.Modality), Route: w.Route, ETag: w.ETag, Version: w.Version,
		ContentType: w.ContentType, Range: w.Range, Attributes: w.Attributes, Deleted: w.Deleted, TextPair: w.TextPair, Choices: w.Choices,
	}
	if len(r.Attributes) == 0 {
		r.Attributes = nil
	}
	if w.Question != nil {
		if r.Question = *w.Question; r.Question == "" {
			return Ref{}, &FieldError{"question", "empty"}
		}
	}
	if w.Choices != nil && len(w.Choices) == 0 {
		return Ref{}, &FieldError{"choices", "empty"}
	}
	if err := w.inline(&r); err != nil {
		return Ref{}, err
	}
	return r, r.Validate()
}

func (w *wireRef) inline(r *Ref) error {
	switch {
	case w.Inline != nil && w.InlineText != nil:
		return &FieldError{"inline_text", "give inline (base64) or inline_text, not both"}
	case w.InlineText != nil:
		r.Inline = []byte(*w.InlineText)
	case w.Inline != nil:
		data, err := base64.StdEncoding.Strict().DecodeString(*w.Inline)
		if err != nil {
			return &FieldError{"inline", "not standard base64: " + err.Error()}
		}
		r.Inline = data
	}
	if r.Inline == nil && (w.Inline != nil || w.InlineText != nil) {
		r.Inline = []byte{} // present but empty: the decoder, not the parser, refuses it
	}
	return nil
}

// Validate checks a reference that was built in Go; ParseRef has done it already.
func (r *Ref) Validate() error {
	switch {
	case r.ID == "":
		return &FieldError{"id", "missing"}
	case len(r.ID) > MaxID:
		return &FieldError{"id", fmt.Sprintf("%d bytes, at most %d", len(r.ID), MaxID)}
	case r.Modality != "" && !r.Modality.Valid():
		return &FieldError{"modality", fmt.Sprintf("%q is not one of audio, text, image", r.Modality)}
	case r.Deleted && r.Inline != nil:
		return &FieldError{"deleted", "makes no sense with inline data"}
	case r.URI == "" && r.Inline == nil && !r.Deleted:
		return &FieldError{"uri", "missing, and there is no inline data"}
	case r.URI != "" && r.Inline != nil:
		return &FieldError{"inline", "give uri or inline data, not both"}
	case len(r.Inline) > MaxInline:
		return &FieldError{"inline", fmt.Sprintf("%d bytes, at most %d", len(r.Inline), MaxInline)}
	case r.Range != nil && r.Inline != nil:
		return &FieldError{"range", "makes no sense with inline data"}
	case r.Range != nil && r.Range.Off < 0:
		return &FieldError{"range.off", "negative"}
	case r.Range != nil && r.Range.N <= 0:
		return &FieldError{"range.n", "must be at least 1"}
	}
	if err := r.validateCompanion(); err != nil {
		return err
	}
	if r.URI == "" {
		return nil
	}
	return validateURI(r.URI)
}

// InlinePlace is the Place of inline data, and so the uri of its rows.
const InlinePlace = "inline:"

// Place is what of the store the reference means: its URI, with #bytes=first-last where it names a range (as HTTP counts), and InlinePlace for inline data.
func (r *Ref) Place() string {
	switch {
	case r.URI == "":
		return InlinePlace
	case r.Range != nil:
		return fmt.Sprintf("%s#bytes=%d-%d", r.URI, r.Range.Off, r.Range.Off+r.Range.N-1)
	}
	return r.URI
}

// PlainETag is an entity tag without quotes and the mark of a weak one, as stores' answers and lists made of them have it, and as rows do.
func PlainETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }

// Notes are attributes of rows that preprocessing found out; all others came with the record. CharsetNote is the character set that was detected. The others are of a reference with something beside its text, which the rows do not have: which field that was, as Companion names it, and its CompanionHash.
const (
	CharsetNote       = "vecmill.charset"
	CompanionNote     = "vecmill.companion"
	CompanionHashNote = "vecmill.companion.hash"
)

// IsNote says whether an attribute of a row is a note.
func IsNote(name string) bool {
	return name == CharsetNote || name == CompanionNote || name == CompanionHashNote
}

// Companion names the field that goes beside the text, "" if there is none.
func (r *Ref) Companion() string {
	switch {
	case r.TextPair != nil:
		return "text_pair"
	case r.Question != "":
		return "question"
	case len(r.Choices) > 0:
		return "choices"
	}
	return ""
}

// CompanionHash tells what goes beside the text from all else: 32 hex digits, "" where nothing does. An empty second text is nothing.
func (r *Ref) CompanionHash() string {
	name := r.Companion()
	if name == "" || r.TextPair != nil && *r.TextPair == "" {
		return ""
	}
	all := append([]string{name, r.Question}, r.Choices...)
	if r.TextPair != nil {
		all = append(all, *r.TextPair)
	}
	h := sha256.New()
	for _, s := range all {
		fmt.Fprintf(h, "%d:%s", len(s), s) // so that no two lists read the same
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (r *Ref) validateCompanion() error {
	name := r.Companion()
	if name == "" {
		return nil
	}
	size := len(r.Question)
	if r.TextPair != nil {
		size += len(*r.TextPair)
	}
	for _, c := range r.Choices {
		size += len(c)
	}
	switch {
	case r.TextPair != nil && (r.Question != "" || len(r.Choices) > 0) || r.Question != "" && len(r.Choices) > 0:
		return &FieldError{name, "give one of text_pair, question and choices"}
	case r.Modality != "" && r.Modality != Text:
		return &FieldError{name, fmt.Sprintf("goes with text, and the modality is %s", r.Modality)}
	case size > MaxInline:
		return &FieldError{name, fmt.Sprintf("%d bytes, at most %d", size, MaxInline)}
	case len(r.Choices) > MaxChoices:
		return &FieldError{name, fmt.Sprintf("%d of them, at most %d", len(r.Choices), MaxChoices)}
	}
	return nil
}

func validateURI(uri string) error {
	if rest, ok := strings.CutPrefix(uri, "s3://"); ok { // a key is taken literally, also where a URL would have it escaped
		if bucket, key, _ := strings.Cut(rest, "/"); bucket == "" || key == "" {
			return &FieldError{"uri", "want s3://bucket/key"}
		}
		return nil
	}
	if scheme, path, ok := strings.Cut(uri, "://"); ok && strings.EqualFold(scheme, "file") { // so is a file's name
		if len(path) < 2 || path[0] != '/' {
			return &FieldError{"uri", "want file:///absolute/path"}
		}
		return nil
	}
	u, err := url.Parse(uri)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URI itself, whose query may be a signature
		}
		return &FieldError{"uri", "not a URI: " + err.Error()}
	}
	switch u.Scheme {
	case "https", "http":
		if u.Host == "" {
			return &FieldError{"uri", "want " + u.Scheme + "://host/path"}
		}
	case "file": // without //
		return &FieldError{"uri", "want file:///absolute/path"}
	case "":
		return &FieldError{"uri", "has no scheme; want s3://, https:// or file://"}
	default:
		return &FieldError{"uri", fmt.Sprintf("scheme %q is not one of s3, https, file", u.Scheme)}
	}
	return nil
}

// MarshalJSON writes the newest version.
func (r Ref) MarshalJSON() ([]byte, error) {
	w := wireRef{
		V: RefVersion, ID: r.ID, URI: r.URI, Modality: string(r.Modality), Route: r.Route, ETag: r.ETag, Version: r.Version,
		ContentType: r.ContentType, Range: r.Range, Attributes: r.Attributes, Deleted: r.Deleted, TextPair: r.TextPair, Choices: r.Choices,
	}
	if r.Question != "" {
		w.Question = &r.Question
	}
	if r.Inline != nil {
		s := base64.StdEncoding.EncodeToString(r.Inline)
		w.Inline = &s
	}
	return json.Marshal(w)
}

// UnmarshalJSON is ParseRef, so that a Ref inside another JSON document is held to the same rules.
func (r *Ref) UnmarshalJSON(b []byte) error {
	got, err := ParseRef(b)
	if err != nil {
		return err
	}
	*r = got
	return nil
}
