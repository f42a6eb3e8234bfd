package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// maxHeader is the limit of the reference reader on the JSON header of a safetensors file, in bytes.
const maxHeader = 100_000_000

// header is what a safetensors file says of itself.
type header struct {
	entries  []entry
	metadata map[string]string
}

// savedByTensorFlow says whether the tensors have Keras' names and layouts: the reference marks such files.
func (h *header) savedByTensorFlow() bool { return h.metadata["format"] == "tf" }

// splitSafetensors reads the header of a whole safetensors file. The layout is u64 header length, JSON header
// {name: {dtype, shape, data_offsets}}, tensor bytes without gaps.
func splitSafetensors(data []byte) (h header, body []byte, err error) {
	if len(data) < 8 {
		return h, nil, fmt.Errorf("the file has %d bytes, too few for a safetensors header", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	if n > maxHeader || n > uint64(len(data)-8) {
		return h, nil, fmt.Errorf("the header claims %d bytes of a file of %d: truncated, or not a safetensors file", n, len(data))
	}
	h, err = parseHeader(data[8 : 8+n])
	return h, data[8+n:], err
}

// parseSafetensors returns the tensors of a whole safetensors file as they are stored; they alias data.
func parseSafetensors(data []byte) ([]Tensor, error) {
	h, body, err := splitSafetensors(data)
	if err != nil {
		return nil, err
	}
	return h.tensors(body)
}

// parseWeights returns the tensors of a whole safetensors file under torch's names and in torch's layouts; they alias data.
func parseWeights(data []byte) ([]Tensor, error) {
	h, body, err := splitSafetensors(data)
	if err != nil {
		return nil, err
	}
	tensors, err := h.tensors(body)
	if err != nil || !h.savedByTensorFlow() {
		return tensors, err
	}
	return fromKerasNames(tensors)
}

// tensors are those of body, the bytes behind the header.
func (h *header) tensors(body []byte) ([]Tensor, error) {
	entries := h.entries
	slices.SortFunc(entries, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]))
	})
	tensors := make([]Tensor, 0, len(entries))
	var next int64
	for _, e := range entries {
		if e.Offsets[0] != next {
			return nil, fmt.Errorf("weight %s begins at byte %d of the data where %d is expected: tensors overlap or leave a hole", e.name, e.Offsets[0], next)
		}
		if err := e.check(int64(len(body))); err != nil {
			return nil, err
		}
		next = e.Offsets[1]
		tensors = append(tensors, Tensor{Name: e.name, DType: e.DType, Shape: e.Shape, raw: body[e.Offsets[0]:next:next]})
	}
	if next != int64(len(body)) {
		return nil, fmt.Errorf("the tensors end at byte %d of %d bytes of data: the file has bytes that belong to none", next, len(body))
	}
	return tensors, nil
}

type entry struct {
	name    string
	DType   DType   `json:"dtype"`
	Shape   []int   `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// check compares an entry's claims with each other and with the bytes there are.
func (e *entry) check(have int64) error {
	begin, end := e.Offsets[0], e.Offsets[1]
	if begin < 0 || end < begin || end > have {
		return fmt.Errorf("weight %s claims bytes %d to %d of %d bytes of data: truncated, or the header lies", e.name, begin, end, have)
	}
	want := e.DType.size()
	if want == 0 {
		return fmt.Errorf("weight %s has the unknown element type %q", e.name, e.DType)
	}
	for _, d := range e.Shape {
		if d < 0 || (d > 0 && want > (1<<62)/int64(d)) {
			return fmt.Errorf("weight %s has the impossible shape %v", e.name, e.Shape)
		}
		want *= int64(d)
	}
	if want != end-begin {
		return fmt.Errorf("weight %s of shape %v and type %s needs %d bytes, its offsets span %d", e.name, e.Shape, e.DType, want, end-begin)
	}
	return nil
}

// parseHeader decodes the JSON object token by token, because encoding/json would let a second entry of one name win silently.
func parseHeader(b []byte) (h header, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return h, errors.New("the header is not a JSON object: not a safetensors file")
	}
	seen := map[string]bool{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return h, fmt.Errorf("reading the header: %w", err)
		}
		name, _ := key.(string) // inside an object Token yields string keys only
		if seen[name] {
			return h, fmt.Errorf("the header names %s twice", name)
		}
		seen[name] = true
		if name == "__metadata__" {
			if err := d.Decode(&h.metadata); err != nil {
				return h, fmt.Errorf("reading the header's metadata: %w", err)
			}
			continue
		}
		e := entry{name: name}
		if err := d.Decode(&e); err != nil {
			return h, fmt.Errorf("reading the header's entry of %s: %w", name, err)
		}
		if len(e.Offsets) != 2 {
			return h, fmt.Errorf("weight %s has %d data offsets, want 2", name, len(e.Offsets))
		}
		h.entries = append(h.entries, e)
	}
	if _, err := d.Token(); err != nil {
		return h, fmt.Errorf("reading the header: %w", err)
	}
	return h, nil
}
