package predict

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Input is one thing to predict: a line of JSON, a text or a file.
type Input struct {
	File     string   `json:"file"`
	Text     *string  `json:"text"`
	TextPair *string  `json:"text_pair"`
	Question *string  `json:"question"`
	Context  *string  `json:"context"`
	Prompt   *string  `json:"prompt"`
	Choices  []string `json:"choices"`

	shown any // how it is named in the output
}

// maxLine is the longest line of JSON that is read, and maxFile the largest file, in bytes.
const (
	maxLine = 64 << 20
	maxFile = 1 << 30
)

// OfText is an input of a text.
func OfText(text string) Input { return Input{Text: &text, shown: text} }

// OfFile is an input of a file: audio, a picture, or a text.
func OfFile(path string) Input { return Input{File: path, shown: path} }

// ReadLines calls each for every line of JSON; empty lines are none. Its errors name the line.
func ReadLines(r io.Reader, each func(Input) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		in, err := parseLine(line)
		if err == nil {
			err = each(in)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return fault(fmt.Errorf("reading lines of JSON: %w", err))
	}
	return nil
}

func parseLine(line []byte) (Input, error) {
	in := Input{shown: json.RawMessage(bytes.Clone(line))}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, faultf("not an input: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in, faultf("there is more than one JSON value")
	}
	return in, nil
}

// blob reads the input's file.
func (in *Input) blob() ([]byte, error) {
	if in.File == "" {
		return nil, faultf("the model takes files, and the input has none")
	}
	st, err := os.Stat(in.File)
	switch {
	case err != nil:
		return nil, fault(err)
	case st.IsDir() || st.Size() > maxFile:
		return nil, faultf("%s is a directory, or larger than %d bytes", in.File, maxFile)
	}
	b, err := os.ReadFile(in.File)
	return b, fault(err)
}

// text is the input's text, or its file's without the line feed at the end.
func (in *Input) text() (string, error) {
	if in.Text != nil {
		return *in.Text, nil
	}
	if in.File == "" {
		return "", faultf("the model takes texts, and the input has none")
	}
	b, err := in.blob()
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), err
}
