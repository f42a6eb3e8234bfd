package embed_test

import (
	"slices"
	"strings"
	"testing"

	"vecmill/embed"
)

func TestLongAudioIsCutAsThePipelineCutsIt(t *testing.T) {
	for _, c := range []struct {
		name    string
		cut     embed.Chunking
		samples int
		want    []embed.Chunk
	}{
		{"shorter than a chunk: one, without strides", embed.Chunking{Length: 10, Left: 2, Right: 2, Rate: 10, Ratio: 10}, 60, []embed.Chunk{{0, 60, 0, 0}}},
		{"three chunks: strides only inside", embed.Chunking{Length: 10, Left: 2, Right: 2, Rate: 10, Ratio: 10}, 220, []embed.Chunk{{0, 100, 0, 20}, {60, 160, 20, 20}, {120, 220, 20, 0}}},
		{"a tail within the left stride is dropped", embed.Chunking{Length: 10, Left: 2, Rate: 10, Ratio: 10}, 101, []embed.Chunk{{0, 100, 0, 0}, {80, 101, 20, 0}}},
		{"a tail of just the left stride, too", embed.Chunking{Length: 4, Left: 2, Rate: 10, Ratio: 10}, 41, []embed.Chunk{{0, 40, 0, 0}, {20, 41, 20, 0}}},
		{"lengths are rounded to frames, half to even", embed.Chunking{Length: 2.5, Left: 0.5, Right: 0.5, Rate: 1, Ratio: 1}, 3, []embed.Chunk{{0, 2, 0, 0}, {2, 3, 0, 0}}},
		{"no audio", embed.Chunking{Length: 10, Left: 2, Right: 2, Rate: 10, Ratio: 10}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.cut.Chunks(c.samples)
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
	for _, c := range []embed.Chunking{{Length: 1, Left: 0.5, Right: 0.5, Rate: 10, Ratio: 1}, {Length: 1, Left: 2, Rate: 10, Ratio: 1}, {Length: 1, Left: -1, Rate: 10, Ratio: 1}} {
		if _, err := c.Chunks(100); err == nil || !strings.Contains(err.Error(), "leaves nothing") {
			t.Errorf("%+v gives %v", c, err)
		}
	}
}

func TestStridesAreThrownAway(t *testing.T) {
	for _, c := range []struct {
		name     string
		chunk    embed.Chunk
		frames   int
		from, to int
	}{
		{"both sides", embed.Chunk{End: 100, Left: 20, Right: 10}, 10, 2, 9},
		{"the model gives a frame less than the ratio says", embed.Chunk{End: 100}, 9, 0, 9},
		{"a right stride counts from the ratio's end", embed.Chunk{End: 100, Right: 10}, 9, 0, 9},
		{"padding behind the chunk", embed.Chunk{End: 100}, 15, 0, 10},
		{"fewer frames than the left stride", embed.Chunk{End: 100, Left: 90}, 5, 5, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			if from, to := c.chunk.Keep(10, c.frames); from != c.from || to != c.to {
				t.Errorf("keeps [%d, %d), want [%d, %d)", from, to, c.from, c.to)
			}
		})
	}
}
