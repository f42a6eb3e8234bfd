package beam

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	alphabetFile = "alphabet.json"
	modelDir     = "language_model"
	weightsFile  = "attrs.json"
	unigramsFile = "unigrams.txt"
	maxJSON      = 64 << 20
	maxUnigrams  = 1 << 30
)

// Present says whether a checkpoint directory holds a decoder: alphabet.json, with or without a language model.
func Present(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, alphabetFile))
	return err == nil
}

// Open reads the decoder of a checkpoint directory: alphabet.json and, if it is there, language_model with attrs.json, unigrams.txt and one
// .arpa, .arpa.gz, .bin or .binary file. Close its language model when done.
func Open(dir string) (*Decoder, error) {
	raw, err := readUpTo(filepath.Join(dir, alphabetFile), maxJSON)
	if err != nil {
		return nil, fmt.Errorf("opening the beam decoder: %w", err)
	}
	a, err := ParseAlphabet(raw)
	if err != nil {
		return nil, fmt.Errorf("opening the beam decoder in %s: %w", dir, err)
	}
	lm, err := openLanguageModel(filepath.Join(dir, modelDir))
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(filepath.Join(dir, modelDir)); errors.Is(missing, fs.ErrNotExist) {
			return NewDecoder(a, nil), nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the language model in %s: %w", dir, err)
	}
	return NewDecoder(a, lm), nil
}

// Files are those of a checkpoint directory that its decoder is made of, relative to it: alphabet.json, and those of its language model, none if it has none.
func Files(dir string) (alphabet string, model []string, err error) {
	files, err := modelFiles(filepath.Join(dir, modelDir))
	if errors.Is(err, fs.ErrNotExist) {
		return alphabetFile, nil, nil
	}
	for _, name := range append(files, weightsFile, unigramsFile) {
		model = append(model, filepath.Join(modelDir, name))
	}
	return alphabetFile, model, err
}

// modelFiles are the names of what lies in a language model's directory beside weights and unigrams.
func modelFiles(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		name := e.Name()
		if !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "__") && name != weightsFile && name != unigramsFile {
			files = append(files, name)
		}
	}
	return files, err
}

func openLanguageModel(dir string) (*LanguageModel, error) {
	files, err := modelFiles(dir)
	if err != nil {
		return nil, err
	}
	if len(files) != 1 || !slices.ContainsFunc([]string{".arpa", ".arpa.gz", ".bin", ".binary"}, func(end string) bool { return strings.HasSuffix(files[0], end) }) {
		return nil, fmt.Errorf("want one .arpa, .arpa.gz, .bin or .binary file beside %s and %s, and there is %v", weightsFile, unigramsFile, files)
	}
	raw, err := readUpTo(filepath.Join(dir, weightsFile), maxJSON)
	if err != nil {
		return nil, err
	}
	w, err := parseWeights(raw)
	if err != nil {
		return nil, err
	}
	raw, err = readUpTo(filepath.Join(dir, unigramsFile), maxUnigrams)
	if err != nil {
		return nil, err
	}
	m, err := OpenModel(filepath.Join(dir, files[0]))
	if err != nil {
		return nil, err
	}
	return NewLanguageModel(m, lines(string(raw)), w), nil
}

// parseWeights reads attrs.json, which must have all four.
func parseWeights(raw []byte) (Weights, error) {
	var doc struct {
		Alpha    *float64 `json:"alpha"`
		Beta     *float64 `json:"beta"`
		Offset   *float64 `json:"unk_score_offset"`
		Boundary *bool    `json:"score_boundary"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return Weights{}, fmt.Errorf("%s: %w", weightsFile, err)
	}
	if doc.Alpha == nil || doc.Beta == nil || doc.Offset == nil || doc.Boundary == nil {
		return Weights{}, fmt.Errorf("%s: want alpha, beta, unk_score_offset and score_boundary", weightsFile)
	}
	return Weights{*doc.Alpha, *doc.Beta, *doc.Offset, *doc.Boundary}, nil
}

// lines is Python's str.splitlines of a file read as text.
func lines(s string) []string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	all := strings.FieldsFunc(s, func(r rune) bool {
		return r >= '\n' && r <= '\r' || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
	})
	return all
}

// readUpTo reads a file of no more than most bytes.
func readUpTo(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > most {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", path, info.Size(), most)
	}
	return os.ReadFile(path)
}
