package tasks

import (
	"slices"
	"strings"
	"testing"

	"vecmill/embed/heads"
)

func TestLongAudioIsCutAsThePipelineCutsIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		cut     Chunking
		samples int
		want    []Chunk
	}{
		{"shorter than a chunk: one, without strides", Chunking{10, 2, 2, 10, 10}, 60, []Chunk{{0, 60, 0, 0}}},
		{"three chunks: strides only inside", Chunking{10, 2, 2, 10, 10}, 220, []Chunk{{0, 100, 0, 20}, {60, 160, 20, 20}, {120, 220, 20, 0}}},
		{"a tail within the left stride is dropped", Chunking{10, 2, 0, 10, 10}, 101, []Chunk{{0, 100, 0, 0}, {80, 101, 20, 0}}},
		{"a tail of just the left stride, too", Chunking{4, 2, 0, 10, 10}, 41, []Chunk{{0, 40, 0, 0}, {20, 41, 20, 0}}},
		{"lengths are rounded to frames, half to even", Chunking{2.5, 0.5, 0.5, 1, 1}, 3, []Chunk{{0, 2, 0, 0}, {2, 3, 0, 0}}},
		{"no audio", Chunking{10, 2, 2, 10, 10}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.cut.Chunks(c.samples)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
	for _, c := range []Chunking{{1, 0.5, 0.5, 10, 1}, {1, 2, 0, 10, 1}, {1, -1, 0, 10, 1}} {
		if _, err := c.Chunks(100); err == nil || !strings.Contains(err.Error(), "leaves nothing") {
			t.Errorf("%+v gives %v", c, err)
		}
	}
}

func TestStridesAreThrownAway(t *testing.T) {
	for _, c := range []struct {
		name     string
		chunk    Chunk
		frames   int
		from, to int
	}{
		{"both sides", Chunk{0, 100, 20, 10}, 10, 2, 9},
		{"the model gives a frame less than the ratio says", Chunk{0, 100, 0, 0}, 9, 0, 9},
		{"a right stride counts from the ratio's end", Chunk{0, 100, 0, 10}, 9, 0, 9},
		{"padding behind the chunk", Chunk{0, 100, 0, 0}, 15, 0, 10},
		{"fewer frames than the left stride", Chunk{0, 100, 90, 0}, 5, 5, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			if from, to := c.chunk.Keep(10, c.frames); from != c.from || to != c.to {
				t.Errorf("keeps [%d, %d), want [%d, %d)", from, to, c.from, c.to)
			}
		})
	}
}

func TestTranscriptsCarryTimes(t *testing.T) {
	tok, err := heads.ParseCTCTokenizer([]byte(`{"<pad>":0,"|":1,"A":2,"B":3}`), nil, nil)
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
