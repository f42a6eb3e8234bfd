package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
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
	Labels    []string // id2label in order of id: LABEL_0, LABEL_1 where the file is silent, as in the reference; none if it is empty
	Audio     *Audio
	Text      *Text
	Vision    *Vision
}

type header struct {
	ModelType     string            `json:"model_type"`
	Architectures []string          `json:"architectures"`
	ID2Label      map[string]string `json:"id2label"`
	NumLabels     *int              `json:"num_labels"`
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
	if c.Labels, err = labels(h); err != nil {
		return nil, err
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

// labels are id2label ordered by id. The ids must run from 0 without a gap, because they index the logits.
func labels(h header) ([]string, error) {
	n := len(h.ID2Label)
	if h.ID2Label == nil {
		n = 2 // the reference's default, which it does not write to the file; it writes an empty map for none
		if h.NumLabels != nil {
			n = *h.NumLabels
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
	for key, label := range h.ID2Label {
		id, err := strconv.Atoi(key)
		if err != nil || id < 0 || id >= n || seen[id] {
			return nil, fmt.Errorf("id2label has %d entries but the id %q: ids must run from 0 to %d", n, key, n-1)
		}
		out[id], seen[id] = label, true
	}
	return out, nil
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
