package heads_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/embed/heads"
	"vecmill/model"
	"vecmill/schemas"
)

// reading is a checkpoint directory with all that heads read, and a language model beside it.
func reading(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{
		"vocab.json", "tokenizer_config.json", "alphabet.json", "preprocessor_config.json",
		"language_model/attrs.json", "language_model/unigrams.txt", "language_model/lm.arpa", "more/other.arpa", "more/words",
	} {
		write(t, filepath.Join(dir, name), name)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// readers are heads of every kind, by name.
func readers(dir string) map[string]heads.Config {
	all := map[string]heads.Config{}
	for _, task := range schemas.Tasks() {
		all[string(task)] = heads.Config{Task: task}
	}
	all["transcript"] = heads.Config{Task: schemas.TaskTranscript}
	all["beam"] = heads.Config{Task: schemas.TaskTranscript, Decoding: heads.NewBeamDecoding()}
	named := heads.NewBeamDecoding()
	named.LanguageModel = filepath.Join(dir, "more", "other.arpa")
	all["named"] = heads.Config{Task: schemas.TaskTranscript, Decoding: named}
	named.Unigrams = filepath.Join(dir, "more", "words")
	all["words"] = heads.Config{Task: schemas.TaskTranscript, Decoding: named}
	return all
}

// digests are those of all heads.
func digests(t *testing.T, all map[string]heads.Config, dir string) map[string]string {
	t.Helper()
	names := slices.Sorted(maps.Keys(all))
	var cfgs []heads.Config
	for _, name := range names {
		cfgs = append(cfgs, all[name])
	}
	id, err := heads.Identify(cfgs, &model.Spec{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	sums, err := id.Digests(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for i, name := range names {
		out[name] = sums[i]
	}
	return out
}

// TestAHeadIsAnotherOneWithOtherFiles changes one file after another under its name, and has the heads that read it, and no others, be new ones.
func TestAHeadIsAnotherOneWithOtherFiles(t *testing.T) {
	for file, want := range map[string]string{
		"vocab.json":                  "transcript",
		"tokenizer_config.json":       "transcript",
		"special_tokens_map.json":     "transcript", // which was not there
		"added_tokens.json":           "transcript", // likewise
		"alphabet.json":               "beam named words",
		"language_model/attrs.json":   "beam",
		"language_model/unigrams.txt": "beam",
		"language_model/lm.arpa":      "beam",
		"more/other.arpa":             "named words",
		"more/words":                  "words",
		"preprocessor_config.json":    "", // of the preprocessing's digest
	} {
		t.Run(file, func(t *testing.T) {
			dir := reading(t)
			all := readers(dir)
			before := digests(t, all, dir)
			write(t, filepath.Join(dir, file), strings.Repeat("x", len(file)))
			var changed []string
			for name, sum := range digests(t, all, dir) {
				if sum != before[name] {
					changed = append(changed, name)
				}
			}
			slices.Sort(changed)
			if got := strings.Join(changed, " "); got != want {
				t.Errorf("%q are others, want %q", got, want)
			}
		})
	}
	dir := reading(t)
	if err := os.Remove(filepath.Join(dir, "alphabet.json")); err != nil {
		t.Fatal(err)
	}
	before := digests(t, readers(dir), dir)
	write(t, filepath.Join(dir, "vocab.json"), "other")
	if after := digests(t, readers(dir), dir); after["beam"] == before["beam"] || after["words"] == before["words"] {
		t.Error("an alphabet that is made of the vocabulary is the same with another one")
	}
}

// TestFilesThatAreNotReadAreNoPartOfAHead has an older save's tokens beside a configuration that lists them all.
func TestFilesThatAreNotReadAreNoPartOfAHead(t *testing.T) {
	dir := reading(t)
	write(t, filepath.Join(dir, "tokenizer_config.json"), `{"added_tokens_decoder": {}}`)
	all := map[string]heads.Config{"": {Task: schemas.TaskTranscript}}
	before := digests(t, all, dir)
	write(t, filepath.Join(dir, "added_tokens.json"), `{"<s>": 5}`)
	if after := digests(t, all, dir); !maps.Equal(before, after) {
		t.Errorf("%v, then %v", before, after)
	}
}

// TestAHeadIsTheSameWhereverItsFilesLie compares two copies of all files.
func TestAHeadIsTheSameWhereverItsFilesLie(t *testing.T) {
	a, b := reading(t), reading(t)
	of := digests(t, readers(a), a)
	if copied := digests(t, readers(b), b); !maps.Equal(of, copied) {
		t.Errorf("%v\n%v", of, copied)
	}
	if of["beam"] == of["named"] || of["named"] == of["words"] {
		t.Error("two searches are one")
	}
}

// TestAHeadWithoutFilesIsItsOptionsAlone holds digests that rows were written with before they covered files: rows of a lake stay known.
func TestAHeadWithoutFilesIsItsOptionsAlone(t *testing.T) {
	dir := reading(t)
	all := readers(dir)
	for name, sum := range digests(t, all, dir) {
		b, err := json.Marshal(all[name])
		if err != nil {
			t.Fatal(err)
		}
		options := sha256.Sum256(b)
		if same := sum == hex.EncodeToString(options[:]); same != (all[name].Task != schemas.TaskTranscript) {
			t.Errorf("%s: its options alone: %v", name, same)
		}
	}
}

// TestFilesThatChangeBeforeTheyAreHashedAreFoundOut has a vocabulary replaced when the head may have read it already.
func TestFilesThatChangeBeforeTheyAreHashedAreFoundOut(t *testing.T) {
	dir := reading(t)
	id, err := heads.Identify([]heads.Config{{Task: schemas.TaskTranscript}}, &model.Spec{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "vocab.json"), "another size")
	if sums, err := id.Digests(t.Context()); err == nil || !strings.Contains(err.Error(), "vocab.json has changed") {
		t.Errorf("%v, %v", sums, err)
	}
}

// TestTranscriptsBehindAnAdapterAreOthers has those whose times were the encoder's computed again, and nothing else.
func TestTranscriptsBehindAnAdapterAreOthers(t *testing.T) {
	dir := reading(t)
	adapted := &model.AudioConfig{ConvKernel: []int{2}, ConvStride: []int{2}, AddAdapter: true, NumAdapterLayers: 1, AdapterStride: 2, AdapterKernelSize: 3}
	plain := *adapted
	plain.AddAdapter = false
	cfgs := []heads.Config{{Task: schemas.TaskTranscript}, {Task: schemas.TaskEmbedding}}
	var sums [2][]string
	for i, audio := range []*model.AudioConfig{adapted, &plain} {
		id, err := heads.Identify(cfgs, &model.Spec{Dir: dir, Audio: audio})
		if err != nil {
			t.Fatal(err)
		}
		if sums[i], err = id.Digests(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if known := digests(t, map[string]heads.Config{"": cfgs[0]}, dir)[""]; sums[0][0] == known || sums[1][0] != known || sums[0][1] != sums[1][1] {
		t.Errorf("%v, a transcript was %s", sums, known)
	}
}

// TestSecondsOfAnotherRateAreOtherRows is of a checkpoint whose rate stands in processor_config.json alone, and was taken for 16 kHz.
func TestSecondsOfAnotherRateAreOtherRows(t *testing.T) {
	dir := t.TempDir()
	of := func() (sums []string) {
		id, err := heads.Identify([]heads.Config{{Task: schemas.TaskTranscript}, {Task: schemas.TaskFrames}, {Task: schemas.TaskEmbedding}}, &model.Spec{Dir: dir, Audio: &model.AudioConfig{}})
		if err != nil {
			t.Fatal(err)
		}
		if sums, err = id.Digests(t.Context()); err != nil {
			t.Fatal(err)
		}
		return sums
	}
	before := of()
	write(t, filepath.Join(dir, "processor_config.json"), `{"feature_extractor": {"sampling_rate": 16000}}`)
	if usual := of(); !slices.Equal(usual, before) {
		t.Errorf("%v, then %v", before, usual)
	}
	write(t, filepath.Join(dir, "processor_config.json"), `{"feature_extractor": {"sampling_rate": 8000}}`)
	if other := of(); other[0] == before[0] || other[1] == before[1] || other[2] != before[2] {
		t.Errorf("%v, then %v", before, other)
	}
	write(t, filepath.Join(dir, "preprocessor_config.json"), `{"sampling_rate": 8000}`)
	if usual := of(); !slices.Equal(usual, before) {
		t.Errorf("%v, then %v", before, usual)
	}
}
