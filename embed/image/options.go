package image

import "fmt"

// Options bound what a picture may cost. The zero value of a field means its default.
type Options struct {
	MaxPixels int64 // width x height of a picture; 0 is 64 million
	MaxBytes  int64 // of an encoded picture; 0 is 64 MiB
}

const (
	defaultMaxPixels = 64_000_000
	defaultMaxBytes  = 64 << 20

	// maxSide bounds the intermediate picture of the resize, which has the source's height: it is the most that JPEG can say.
	maxSide = 65535
)

// withDefaults fills the zero fields in and names the first that makes no sense.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.MaxPixels < 0:
		return o, fmt.Errorf("max_pixels must not be negative")
	case o.MaxBytes < 0:
		return o, fmt.Errorf("max_bytes must not be negative")
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = defaultMaxPixels
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	return o, nil
}
