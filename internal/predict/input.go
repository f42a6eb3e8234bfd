package predict

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// Input is one thing to predict: a line of JSON, a text or a file.
type Input struct {
	File     string   `json:"file"`
	FilePair string   `json:"file_pair"`
	Text     *string  `json:"text"`
	TextPair *string  `json:"text_pair"`
	Question *string  `json:"question"`
	Context  *string  `json:"context"`
	Prompt   *string  `json:"prompt"`
	Choices  []string `json:"choices"`
	Words    []string `json:"words"`

	shown any    // how it is named in the output
	line  int    // of the lines that were read; 0: none
	data  []byte // what the file holds, if that has been read
	fault error  // why it is no input

	read    func([]byte) (string, error) // makes text of what the file holds; nil: it is text
	charset string                       // that read has found
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

// OfData is an input of a file's contents, under a name.
func OfData(name string, data []byte) Input {
	return Input{File: name, shown: name, data: append([]byte{}, data...)}
}

// ReadLines calls each for every line of JSON, also for those that are no input: who predicts such an input gets the reason. Empty lines are none. Its
// errors name the line.
func ReadLines(r io.Reader, each func(Input) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLine)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 {
			continue
		}
		in, err := parseLine(line)
		if err != nil {
			in = Input{shown: string(line), fault: err}
		}
		in.line = n
		if err := each(in); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return fault(fmt.Errorf("reading lines of JSON: %w", err))
	}
	return nil
}

func parseLine(line []byte) (Input, error) {
	if !utf8.Valid(line) {
		return Input{}, faultf("not an input: the line is not UTF-8")
	}
	in := Input{shown: json.RawMessage(bytes.Clone(line))}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, faultf("not an input: %w", plainly(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return in, faultf("there is more than one JSON value")
	}
	return in, nil
}

// keys are the names of what the input has.
func (in *Input) keys() (names []string) {
	for _, f := range []struct {
		name  string
		given bool
	}{
		{"file", in.File != ""},
		{"file_pair", in.FilePair != ""},
		{"text", in.Text != nil},
		{"text_pair", in.TextPair != nil},
		{"question", in.Question != nil},
		{"context", in.Context != nil},
		{"prompt", in.Prompt != nil},
		{"choices", in.Choices != nil},
		{"words", in.Words != nil},
	} {
		if f.given {
			names = append(names, f.name)
		}
	}
	return names
}

// blob reads the input's file.
func (in *Input) blob() ([]byte, error) {
	switch {
	case in.data != nil:
		return in.data, nil
	case in.File == "":
		return nil, faultf("the model takes files, and the input has none")
	}
	return readFile(in.File)
}

func readFile(path string) ([]byte, error) {
	if strings.HasPrefix(path, "http://") || strings.HasPrefix(path, "https://") {
		return nil, faultf("%s is an address; inputs are files of this machine", path)
	}
	st, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fault(err)
	case st.IsDir():
		return nil, faultf("%s is a directory; name its files", path)
	case st.Size() > maxFile:
		return nil, faultf("%s is larger than %d bytes", path, maxFile)
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return nil, fault(err)
	}
	b, err := readAtMost(f, maxFile, st.Size()) // a device or a pipe tells no size before
	return b, errors.Join(err, f.Close())
}

// ReadFile reads a file from a stream, up to the largest size.
func ReadFile(r io.Reader) ([]byte, error) { return readAtMost(r, maxFile, 0) }

// readAtMost reads r, of about size bytes: a buffer that grows to a large file would take several times as much.
func readAtMost(r io.Reader, most, size int64) ([]byte, error) {
	var buf bytes.Buffer
	buf.Grow(int(min(size, most)) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(r, most+1))
	b := buf.Bytes()
	switch {
	case err != nil:
		return nil, fault(fmt.Errorf("reading the input: %w", err))
	case int64(len(b)) > most:
		return nil, faultf("the input is larger than %d bytes", most)
	}
	return b, nil
}

// text is the input's text, or its file's without the line feed at the end.
func (in *Input) text() (string, error) {
	if in.fault != nil {
		return "", in.fault
	}
	if in.Text != nil {
		return *in.Text, nil
	}
	if in.File == "" {
		return "", faultf("the model takes texts, and the input has none")
	}
	b, err := in.blob()
	if err != nil {
		return "", err
	}
	s := string(b)
	if in.read != nil {
		if s, err = in.read(b); err != nil {
			return "", err
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(s, "\n"), "\r"), nil
}
