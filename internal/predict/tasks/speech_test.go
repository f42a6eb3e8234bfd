package tasks

import (
	"encoding/json"
	"slices"
	"testing"

	"vecmill/embed/heads"
)

func TestTranscriptsCarryTimes(t *testing.T) {
	tok, err := heads.ParseCTCTokenizer([]byte(`{"<pad>":0,"|":1,"A":2,"B":3}`), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	ids := Best([]float32{0, 0, 9, 0, 0, 0, 9, 0, 0, 9, 0, 0, 0, 0, 0, 9}, 4)
	if !slices.Equal(ids, []int{2, 2, 1, 3}) {
		t.Fatalf("best %v", ids)
	}
	for _, c := range []struct {
		timestamps string
		want       []TimedChunk
	}{
		{"", nil},
		{"char", []TimedChunk{{"A", [2]float64{0, 0.4}}, {" ", [2]float64{0.4, 0.6}}, {"B", [2]float64{0.6, 0.8}}}},
		{"word", []TimedChunk{{"A", [2]float64{0, 0.4}}, {"B", [2]float64{0.6, 0.8}}}},
	} {
		got, err := Transcribe(ids, tok, c.timestamps, 10, 2)
		if err != nil || got.Text != "A B" || !slices.Equal(got.Chunks, c.want) {
			t.Errorf("%q gives %+v, %v", c.timestamps, got, err)
		}
	}
	if _, err := Transcribe(ids, tok, "sentence", 10, 2); err == nil {
		t.Error("accepted sentence")
	}
}

// The reference names the chunks of a recording without any text: an empty list, and none if no times were asked for.
func TestARecordingWithoutTextHasNoChunksButTheirName(t *testing.T) {
	tok, err := heads.ParseCTCTokenizer([]byte(`{"<pad>":0,"|":1,"A":2}`), nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for timestamps, want := range map[string]string{"": `{"text":""}`, "word": `{"text":"","chunks":[]}`, "char": `{"text":"","chunks":[]}`} {
		got, err := Transcribe([]int{0, 0, 0}, tok, timestamps, 10, 2)
		if b, _ := json.Marshal(got); err != nil || string(b) != want {
			t.Errorf("%q gives %s, %v", timestamps, b, err)
		}
	}
}
