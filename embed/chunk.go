package embed

import (
	"fmt"
	"math"
)

// Chunk is a stretch [Start, End) of a recording, in samples, of which Left and Right samples at the edges are there for context only: what
// comes of them does not count. It is the Tag of an audio sample that overlaps its neighbours.
type Chunk struct {
	Start, End  int // from the start of the recording
	Left, Right int // 0 at the ends of the recording
}

// Chunking is how long recordings are cut into chunks that overlap, in seconds; Rate is samples per second, Ratio samples per frame of the model.
type Chunking struct {
	Length, Left, Right float64 // seconds: of a chunk, and of its edges that are context
	Rate, Ratio         int     // samples: a second, a frame
}

// Chunks cuts n samples as the reference's speech recognition pipeline does: lengths are rounded to frames, half to even; the first chunk has no left
// stride, the last no right one; a last chunk within the left stride is dropped.
func (c Chunking) Chunks(n int) ([]Chunk, error) {
	length, left, right, err := c.Samples()
	if err != nil {
		return nil, err
	}
	var out []Chunk
	for at := 0; at < n; at += length - left - right {
		part := Chunk{Start: at, End: min(at+length, n), Left: left, Right: right}
		if at == 0 {
			part.Left = 0
		}
		last := at+length >= n
		if last {
			part.Right = 0
		}
		if part.End-part.Start > part.Left {
			out = append(out, part)
		}
		if last {
			break
		}
	}
	return out, nil
}

// Samples are the lengths, rounded to frames.
func (c Chunking) Samples() (length, left, right int, err error) {
	round := func(seconds float64) int {
		return int(math.RoundToEven(seconds*float64(c.Rate)/float64(c.Ratio)) * float64(c.Ratio))
	}
	length, left, right = round(c.Length), round(c.Left), round(c.Right)
	if left < 0 || right < 0 || length-left-right <= 0 {
		return 0, 0, 0, fmt.Errorf("chunk_length_s %v leaves nothing between the strides %v and %v", c.Length, c.Left, c.Right)
	}
	return length, left, right, nil
}

// Growth is how many samples all chunks have together for each of the recording's; 0 if the strides leave nothing.
func (c Chunking) Growth() float64 {
	length, left, right, err := c.Samples()
	if err != nil {
		return 0
	}
	return float64(length) / float64(length-left-right)
}

// Keep are the frames [from, to) of a chunk's output that count, of `frames` there are.
func (c Chunk) Keep(ratio, frames int) (from, to int) {
	n := float64(c.End - c.Start)
	total := math.RoundToEven(n * (1 / float64(ratio)))
	left, right := int(math.RoundToEven(float64(c.Left)/n*total)), int(math.RoundToEven(float64(c.Right)/n*total))
	from = min(left, frames)
	return from, max(from, min(int(total)-right, frames)) // total may be more than there is: slicing clips
}
