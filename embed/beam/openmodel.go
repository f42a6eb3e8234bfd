package beam

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"vecmill/model/mapped"
)

// OpenModel opens a language model by its first bytes: a KenLM binary, which is mapped and not read, or an ARPA file, plain or gzip, which
// is read into memory. The file must not be changed while the model is open.
func OpenModel(path string) (*Model, error) {
	data, unmap, err := mapped.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the language model: %w", err)
	}
	m, err := parseModel(data)
	if err != nil {
		_ = unmap() // the fault of the file is what matters
		return nil, fmt.Errorf("reading the language model %s: %w", path, err)
	}
	if isBinary(data) {
		m.close = unmap
		return m, nil
	}
	return m, unmap()
}

func parseModel(data []byte) (*Model, error) {
	if isBinary(data) {
		return ParseBinary(data)
	}
	var r io.Reader = bytes.NewReader(data)
	if len(data) > 2 && data[0] == 0x1f && data[1] == 0x8b {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = z
	}
	return ReadARPA(r)
}
