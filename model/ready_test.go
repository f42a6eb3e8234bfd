package model_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/model"
)

// external is the name of the weight file beside a compiled model.
const external = "linked-0.bin"

// exported makes a directory with a ready-made graph out of a committed case, as an exporter would leave it.
func exported(t *testing.T, name string) string {
	t.Helper()
	g := mustCompile(t, mustOpen(t, copyCase(t, name)), t.TempDir(), model.CompileOptions{})
	dir := t.TempDir()
	write(t, filepath.Join(dir, "config.json"), read(t, filepath.Join(golden, name, "config.json")))
	write(t, filepath.Join(dir, "model.onnx"), read(t, g.Path))
	write(t, filepath.Join(dir, external), read(t, filepath.Join(filepath.Dir(g.Path), external)))
	return dir
}

func TestAReadyMadeGraphLoadsThroughTheSameDoor(t *testing.T) {
	dir := exported(t, "Data2VecTextForSequenceClassification/base")
	s := mustOpen(t, dir)
	g := mustCompile(t, s, "", model.CompileOptions{}) // nothing to cache
	if s.Class != "Data2VecTextForSequenceClassification" || g.Path != filepath.Join(dir, "model.onnx") || digest(t, g) != digest(t, s) {
		t.Errorf("opened %+v, compiled %+v", s, g)
	}
	if in, ok := g.Input("attention_mask"); !ok || in.Type != "int64" || len(in.Shape) != 2 || in.Shape[0] != -1 {
		t.Errorf("inputs %+v", g.Inputs)
	}
	if out, ok := g.Output("logits"); !ok || len(out.Shape) != 2 || out.Shape[1] != 5 {
		t.Errorf("outputs %+v", g.Outputs)
	}
	byPath := mustOpen(t, filepath.Join(dir, "model.onnx"))
	if digest(t, byPath) != digest(t, s) {
		t.Error("the path and the directory have different digests")
	}
	before := digest(t, s)
	must(t, os.Mkdir(filepath.Join(dir, "onnx"), 0o755)) // where optimum puts it
	must(t, os.Rename(filepath.Join(dir, "model.onnx"), filepath.Join(dir, "onnx", "model.onnx")))
	must(t, os.Rename(filepath.Join(dir, external), filepath.Join(dir, "onnx", external)))
	if below := mustOpen(t, filepath.Join(dir, "onnx", "model.onnx")); digest(t, below) != before {
		t.Error("a directory further down it has another digest")
	}
}

func TestTheDigestOfAReadyMadeGraphCoversItsDataFile(t *testing.T) {
	dir := exported(t, "Data2VecTextModel/base")
	before := digest(t, mustOpen(t, dir))
	flip(t, filepath.Join(dir, external))
	if digest(t, mustOpen(t, dir)) == before {
		t.Error("other weights, same digest")
	}
	must(t, os.Remove(filepath.Join(dir, external)))
	if _, err := model.Open(dir); err == nil || !strings.Contains(err.Error(), external) {
		t.Errorf("without its data file: %v", err)
	}
}

func TestAReadyMadeGraphIsRefusedWhenItDoesNotFit(t *testing.T) {
	dir := exported(t, "Data2VecTextModel/base")
	s := mustOpen(t, dir)
	if _, err := s.Compile(t.Context(), "", model.CompileOptions{HFPadding: true}); err == nil || !strings.Contains(err.Error(), "no compile options") {
		t.Errorf("with options: %v", err)
	}
	if _, err := s.Compile(t.Context(), "", model.CompileOptions{Precision: model.Int8}); err == nil || !strings.Contains(err.Error(), "precision int8 takes the checkpoint's weights") {
		t.Errorf("with a precision: %v", err)
	}
	if _, err := s.Compile(t.Context(), "", model.CompileOptions{Packed: true}); err == nil || !strings.Contains(err.Error(), "packing takes the checkpoint's weights") {
		t.Errorf("packed: %v", err)
	}
	_, err := s.Compile(t.Context(), "", model.CompileOptions{Outputs: []string{"hidden_states.1"}})
	if err == nil || !strings.Contains(err.Error(), "has no output hidden_states.1, which is asked for; it has last_hidden_state: export it") {
		t.Errorf("with an output that it lacks: %v", err)
	}
	if _, err := s.Compile(t.Context(), "", model.CompileOptions{Outputs: []string{"last_hidden_state"}}); err != nil {
		t.Errorf("with an output that it has: %v", err)
	}
	write(t, filepath.Join(dir, "config.json"), read(t, filepath.Join(golden, "Data2VecAudioModel/base/config.json")))
	if _, err := mustOpen(t, dir).Compile(t.Context(), "", model.CompileOptions{}); err == nil || !strings.Contains(err.Error(), "no input input_values; it has [input_ids attention_mask]") {
		t.Errorf("of another family: %v", err)
	}
	b := strings.ReplaceAll(string(read(t, filepath.Join(dir, "model.onnx"))), external, "../../aa.bin")
	write(t, filepath.Join(dir, "model.onnx"), []byte(b))
	if _, err := model.Open(dir); err == nil || !strings.Contains(err.Error(), "outside its directory") {
		t.Errorf("with weights elsewhere: %v", err)
	}
	b = strings.ReplaceAll(b, "last_hidden_state", "lost_hidden_state")
	b = strings.ReplaceAll(b, "../../aa.bin", external)
	write(t, filepath.Join(dir, "model.onnx"), []byte(b))
	write(t, filepath.Join(dir, "config.json"), read(t, filepath.Join(golden, "Data2VecTextModel/base/config.json")))
	if _, err := mustOpen(t, dir).Compile(t.Context(), "", model.CompileOptions{}); err == nil || !strings.Contains(err.Error(), "no output logits, start_logits or last_hidden_state; it has [lost_hidden_state]") {
		t.Errorf("without a known output: %v", err)
	}
}

// An export of the question-answering class has two outputs of its own, and neither logits nor states.
func TestAReadyMadeGraphMayGiveSpansAlone(t *testing.T) {
	dir := exported(t, "Data2VecTextForQuestionAnswering/base")
	b := strings.ReplaceAll(string(read(t, filepath.Join(dir, "model.onnx"))), "last_hidden_state", "lost_hidden_state")
	write(t, filepath.Join(dir, "model.onnx"), []byte(b))
	g := mustCompile(t, mustOpen(t, dir), "", model.CompileOptions{})
	if out, ok := g.Output("end_logits"); !ok || len(out.Shape) != 2 {
		t.Errorf("outputs %+v", g.Outputs)
	}
}

func TestWeightsWinOverAReadyMadeGraph(t *testing.T) {
	dir := exported(t, "Data2VecTextModel/base")
	write(t, filepath.Join(dir, "model.safetensors"), read(t, filepath.Join(golden, "Data2VecTextModel/base/model.safetensors")))
	if s := mustOpen(t, dir); s.ONNX != "" {
		t.Errorf("opened %s", s.ONNX)
	}
}
