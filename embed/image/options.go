package image

import "fmt"

// Options bound what a picture may cost. The zero value of a field means its default.
type Options struct {
	MaxPixels int64 // width x height of a picture; 0 is 67,108,864, as in a pipeline
	MaxBytes  int64 // of an encoded picture; 0 is 256 MiB, as in a pipeline

	// Height and Width are the size of a sample in place of the processor's: that of its crop if it crops, and the resize before it grows along.
	Height, Width int

	// Orientation is what is done about the Exif and XMP tags that say how a picture is to be turned; "" is Exif.
	Orientation Orientation

	// Draft decodes JPEG at a reduced size where the resize makes pictures smaller by two or more, as Pillow's draft mode does: much faster, other values.
	Draft bool

	// Libraries says whether JPEG is decoded by the machine's libturbojpeg; "" is Off. The pixels are the same, and the digest says which it was.
	Libraries Libraries
}

// Orientation is what is done about pictures that are stored turned.
type Orientation string

// The policies for pictures that are stored turned.
const (
	Exif   Orientation = "exif"   // they are turned upright, by Exif or else XMP, as the reference's pipelines do (load_image with exif_transpose)
	Ignore Orientation = "ignore" // they stay as they are stored, as with PIL.Image.open alone: TIFF, which Pillow turns as it reads it, is upright all the same
)

// Libraries is what to do about libraries of the machine.
type Libraries string

// The policies for libraries of the machine.
const (
	Off     Libraries = "off"     // built-in decoders alone
	Auto    Libraries = "auto"    // a library that is there and does the same is used
	Require Libraries = "require" // a missing one is an error at start
)

const (
	defaultMaxPixels = 64 << 20
	defaultMaxBytes  = 256 << 20

	// maxSide bounds the intermediate picture of the resize, which has the source's height: it is the most that JPEG can say.
	maxSide = 65535

	// A picture that decodes to more than plainBytes, at three bytes a pixel, and to more than maxRatio times its own bytes is a bomb: what PNG's compression
	// reaches at most is 1,032 times, and of JPEG less; only lossless WebP can do more, with a large picture that has nothing in it.
	plainBytes = 60_000_000
	maxRatio   = 2000
)

// Validate names the first option that makes no sense. It accepts the zero value.
func (o Options) Validate() error {
	_, err := o.withDefaults()
	return err
}

// withDefaults fills the zero fields in and names the first that makes no sense.
func (o Options) withDefaults() (Options, error) {
	switch {
	case o.MaxPixels < 0:
		return o, fmt.Errorf("max_pixels must not be negative")
	case o.MaxBytes < 0:
		return o, fmt.Errorf("max_bytes must not be negative")
	case (o.Height == 0) != (o.Width == 0) || o.Height < 0 || o.Width < 0 || o.Height > maxTarget || o.Width > maxTarget:
		return o, fmt.Errorf("height %d and width %d must go together and be at most %d", o.Height, o.Width, maxTarget)
	}
	switch o.Orientation {
	case "":
		o.Orientation = Exif
	case Exif, Ignore:
	default:
		return o, fmt.Errorf("orientation %q is not one of exif, ignore", o.Orientation)
	}
	switch o.Libraries {
	case "":
		o.Libraries = Off
	case Off, Auto, Require:
	default:
		return o, fmt.Errorf("libraries %q is not one of auto, off, require", o.Libraries)
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = defaultMaxPixels
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	return o, nil
}

// sized is a recipe for samples of another size.
func (r *recipe) sized(height, width int) *recipe {
	s := *r
	if s.crop {
		s.height = max((r.height*height+r.cropHeight/2)/r.cropHeight, 1)
		s.width = max((r.width*width+r.cropWidth/2)/r.cropWidth, 1)
		s.cropHeight, s.cropWidth = height, width
		return &s
	}
	s.height, s.width = height, width
	return &s
}
