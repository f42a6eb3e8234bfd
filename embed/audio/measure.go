package audio

import "vecmill/embed"

// Measure implements embed.Measurer: the length that the header says, 0 where it does not.
func (p *Preprocessor) Measure(head []byte, size int64) (embed.Extent, error) {
	if size < 0 {
		size = max(int64(len(head))+1, 1<<30) // more than is there, so that head counts as a part
	}
	h, err := p.peek(head, size)
	if err != nil {
		return embed.Extent{}, err
	}
	if err := p.checkLength(h); err != nil {
		return embed.Extent{}, err
	}
	if h.frames < 0 || h.rate <= 0 {
		return embed.Extent{}, nil
	}
	return embed.Extent{Seconds: float64(h.frames) / float64(h.rate)}, nil
}
