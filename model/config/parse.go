package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Model types of the three families.
const (
	TypeAudio  = "data2vec-audio"
	TypeText   = "data2vec-text"
	TypeVision = "data2vec-vision"
)

// maxDimension bounds every size in a config: far above any checkpoint, low enough that products of two fit an int64.
const maxDimension = 1 << 24

// Config is a parsed config.json. Exactly one of Audio, Text and Vision is set.
type Config struct {
	ModelType string
	Class     string   // the first entry of architectures
	Labels    []string // of a class that has them, id2label in order of id: LABEL_0, LABEL_1 where the file is silent, as in the reference; none if it is empty
	Audio     *Audio
	Text      *Text
	Vision    *Vision
}

type header struct {
	ModelType     string          `json:"model_type"`
	Architectures []string        `json:"architectures"`
	ID2Label      json.RawMessage `json:"id2label"`   // read only of
	NumLabels     json.RawMessage `json:"num_labels"` // classes that have labels
}

// Parse reads the bytes of config.json. Unknown fields are left alone (the file carries training options); wrong types and
// values that no graph can have are errors that name the field.
func Parse(b []byte) (*Config, error) {
	var h header
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, fault(err)
	}
	if len(h.Architectures) == 0 || h.Architectures[0] == "" {
		return nil, errors.New("field architectures is missing or empty: it must name the class, for example [\"Data2VecAudioForCTC\"]")
	}
	c := &Config{ModelType: h.ModelType, Class: h.Architectures[0]}
	var err error
	if hasLabels(c.Class) {
		if c.Labels, err = labels(h); err != nil {
			return nil, err
		}
	}
	switch h.ModelType {
	case TypeAudio:
		c.Audio = defaultAudio()
		err = read(b, c.Audio)
	case TypeText:
		c.Text = defaultText()
		err = read(b, c.Text)
	case TypeVision:
		c.Vision = defaultVision()
		err = read(b, c.Vision)
	case "":
		err = fmt.Errorf("field model_type is missing: it must be %s, %s or %s", TypeAudio, TypeText, TypeVision)
	default:
		err = fmt.Errorf("model_type is %q; this build reads %s, %s and %s", h.ModelType, TypeAudio, TypeText, TypeVision)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func read[T interface{ finish() error }](b []byte, into T) error {
	if err := json.Unmarshal(b, into); err != nil {
		return fault(err)
	}
	return into.finish()
}

// fault names the field that encoding/json stumbled over.
func fault(err error) error {
	if t, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && t.Field != "" {
		return fmt.Errorf("field %s is a JSON %s, want %s", t.Field, t.Value, t.Type)
	}
	return fmt.Errorf("not a JSON object: %w", err)
}

// hasLabels says whether a class's logits are indexed by id2label.
func hasLabels(class string) bool {
	for _, kind := range []string{"Classification", "Segmentation"} { // frame and token classification included
		if strings.HasSuffix(class, kind) {
			return true
		}
	}
	return strings.HasSuffix(class, "XVector") // its logits are not, but the checkpoint names speakers
}

// labels are id2label ordered by id. The ids must run from 0 without a gap, because they index the logits.
func labels(h header) ([]string, error) {
	var names map[string]json.RawMessage
	if err := readField("id2label", h.ID2Label, &names); err != nil {
		return nil, err
	}
	n := len(names)
	if names == nil {
		n = 2 // the reference's default, which it does not write to the file; it writes an empty map for none
		if err := readField("num_labels", h.NumLabels, &n); err != nil {
			return nil, err
		}
		if n < 0 || n > maxDimension {
			return nil, fmt.Errorf("num_labels is %d", n)
		}
		out := make([]string, n)
		for i := range out {
			out[i] = "LABEL_" + strconv.Itoa(i)
		}
		return out, nil
	}
	out := make([]string, n)
	seen := make([]bool, n)
	for key, name := range names {
		id, err := strconv.Atoi(key)
		if err != nil || id < 0 || id >= n || seen[id] {
			return nil, fmt.Errorf("id2label has %d entries but the id %q: ids must run from 0 to %d", n, key, n-1)
		}
		if out[id], err = label(name); err != nil {
			return nil, fmt.Errorf("field id2label: the label of %s: %w", key, err)
		}
		seen[id] = true
	}
	return out, nil
}

// readField decodes a field that is there.
func readField(name string, raw json.RawMessage, into any) error {
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("field %s: %w", name, err)
	}
	return nil
}

// label is a name, empty for null, or a number as it is written.
func label(raw json.RawMessage) (string, error) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return name, nil
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String(), nil
	}
	return "", fmt.Errorf("%.60s is neither a name nor a number", raw)
}

type field struct {
	name  string
	value int
}

func positive(fields ...field) error {
	for _, f := range fields {
		if f.value < 1 || f.value > maxDimension {
			return fmt.Errorf("%s is %d, want 1 to %d", f.name, f.value, maxDimension)
		}
	}
	return nil
}

func counts(fields ...field) error {
	for _, f := range fields {
		if f.value < 0 || f.value > maxDimension {
			return fmt.Errorf("%s is %d, want 0 to %d", f.name, f.value, maxDimension)
		}
	}
	return nil
}

func divides(hidden, heads int) error {
	if hidden%heads != 0 {
		return fmt.Errorf("hidden_size %d is not divisible by num_attention_heads %d", hidden, heads)
	}
	return nil
}
