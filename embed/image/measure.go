package image

import (
	"errors"

	"vecmill/embed"
	"vecmill/schemas"
)

// Measure implements embed.Measurer: the picture's pixels as its header says, 0 where metadata hides it behind head.
func (p *Preprocessor) Measure(head []byte, size int64) (embed.Extent, error) {
	h, err := sniff(head)
	switch {
	case err == nil:
		return embed.Extent{Pixels: int64(h.width) * int64(h.height)}, p.checkSize(h, size)
	case (size < 0 || int64(len(head)) < size) && (len(head) < minHead || errors.Is(err, errHeaderShort)):
		return embed.Extent{}, nil
	}
	return embed.Extent{}, schemas.Reject(schemas.ReasonDecode, err)
}
