package model

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"vecmill/model/onnx"
)

// Where a file cannot be linked, say across file systems, its weights are copied into the data file.
func TestWeightsThatCannotBeLinkedAreCopied(t *testing.T) {
	const dir = "golden/Data2VecAudioForCTC/base"
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.weights.files {
		s.weights.files[i].name = "unknown" // to link nothing
	}
	g, err := s.Compile(t.Context(), t.TempDir(), CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(g.Path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := onnx.Describe(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.External) != 1 || d.External[0] != dataFile {
		t.Errorf("weights are in %v", d.External)
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(g.Path), dataFile))
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if last := source[len(source)-256:]; !bytes.Contains(data, last) {
		t.Error("the last weights of the checkpoint are not in the data file")
	}
}
