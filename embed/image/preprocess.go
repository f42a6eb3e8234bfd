package image

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"vecmill/embed"
	"vecmill/embed/image/resize"
	"vecmill/embed/image/turbojpeg"
	"vecmill/model"
	"vecmill/schemas"
)

// implementation names the decoders and what follows them in Digest. It is raised whenever the same bytes may give other values.
const implementation = "vecmill image 4: libjpeg-turbo islow fancy, libwebp fancy, pillow 13 resize"

// Size is a picture's size in pixels, turned upright, as it was before any resize or crop: the Tag of its sample.
type Size struct {
	Width, Height int // at least 1
}

// Pixels is the size: a Size is an [embed.Picture].
func (s Size) Pixels() (width, height int) { return s.Width, s.Height }

// Preprocessor makes the pixel_values of one model's pictures. It is safe for concurrent use.
type Preprocessor struct {
	recipe    *recipe
	options   Options
	digest    string
	patch     model.HW
	onlyModel model.HW           // without resize and crop: the only size that the model takes; zero otherwise
	library   *turbojpeg.Library // nil: not used
	scratch   sync.Pool
	floats    embed.Floats // of samples
}

// scratch is what one picture needs besides its sample; it goes back to the pool with its buffers.
type scratch struct {
	reader
	resizer resize.Resizer
	pix     []byte
}

// New reads the image processor's settings beside the checkpoint (preprocessor_config.json in spec.Dir). The error says which file or
// setting is wrong.
func New(spec *model.Spec, o Options) (*Preprocessor, error) {
	if spec.Vision == nil {
		return nil, fmt.Errorf("model %s takes no pictures", spec.Class)
	}
	r, err := readRecipe(spec.Dir)
	if err != nil {
		return nil, err
	}
	return assemble(r, spec.Vision, o)
}

func assemble(r *recipe, vision *model.VisionConfig, o Options) (*Preprocessor, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("image options: %w", err)
	}
	switch {
	case vision.NumChannels != 3:
		return nil, fmt.Errorf("the model takes %d channels: pictures give 3", vision.NumChannels)
	case min(vision.PatchSize.H, vision.PatchSize.W) < 1:
		return nil, fmt.Errorf("the model's patch_size is %dx%d", vision.PatchSize.H, vision.PatchSize.W)
	}
	size := vision.ImageSize
	if o.Height > 0 {
		size = model.HW{H: o.Height, W: o.Width}
		r = r.sized(o.Height, o.Width)
	}
	p := &Preprocessor{recipe: r, options: o, patch: vision.PatchSize}
	if !r.resize && !r.crop {
		p.onlyModel = size // samples of one batch must agree in size
	}
	if o.Libraries != Off {
		if p.library, err = turbojpeg.Open(); err != nil && o.Libraries == Require {
			return nil, fmt.Errorf("image options: libraries are required: %w", err)
		}
	}
	w, h := p.OutputSize()
	if w < p.patch.W || h < p.patch.H {
		return nil, fmt.Errorf("%s makes pictures of %d x %d, the model's patches are %d x %d", configFile, w, h, p.patch.W, p.patch.H)
	}
	p.digest = p.settings()
	return p, nil
}

// newScratch makes what one picture after the other needs. A decoder that the library does not give is done without: the built-in one does the same.
func (p *Preprocessor) newScratch() *scratch {
	s := new(scratch)
	s.stored = p.options.Orientation == Ignore
	if p.library != nil {
		s.library, _ = p.library.NewDecoder()
	}
	if p.options.Draft && p.recipe.resize {
		s.draft = Size{Width: p.recipe.width, Height: p.recipe.height}
	}
	return s
}

// Library says which library of the machine decodes pictures where options allow it, and the file it was loaded from; the error says why there is none.
func Library() (name, path string, err error) {
	l, err := turbojpeg.Open()
	if err != nil {
		return "", "", err
	}
	return "libturbojpeg", l.Path(), nil
}

// Decoders says in one line what decodes.
func (p *Preprocessor) Decoders() string {
	jpeg := "built in"
	if p.library != nil {
		jpeg = "libturbojpeg (" + p.library.Path() + ")"
	}
	return "jpeg: " + jpeg + "; png, gif, bmp, tiff, webp: built in"
}

// settings covers the recipe and the implementation. The limits are not part of it: they refuse pictures and change none.
func (p *Preprocessor) settings() string {
	d, r := sha256.New(), p.recipe
	fmt.Fprintf(d, "%s\nresize %t %d x %d %s\ncrop %t %d x %d\n", implementation,
		r.resize, r.width, r.height, r.filter, r.crop, r.cropWidth, r.cropHeight)
	for ch := range r.table {
		fmt.Fprintf(d, "%x\n", r.table[ch])
	}
	if p.options.Orientation == Ignore {
		fmt.Fprintln(d, "as stored")
	}
	if p.options.Draft {
		fmt.Fprintln(d, "JPEG at a reduced size")
	}
	if p.library != nil {
		fmt.Fprintln(d, "JPEG by libturbojpeg")
	}
	return hex.EncodeToString(d.Sum(nil))
}

// Digest identifies the settings and the decoders: sha256, hex.
func (p *Preprocessor) Digest() string { return p.digest }

// OutputSize is the width and height of every sample's pixel_values.
func (p *Preprocessor) OutputSize() (width, height int) {
	return p.recipe.output(p.onlyModel.W, p.onlyModel.H)
}

// ImageSize is what a graph for these samples is compiled with (model.CompileOptions): their size where it is not the checkpoint's own, zero where it is.
func (p *Preprocessor) ImageSize(spec *model.Spec) model.HW {
	width, height := p.OutputSize()
	if size := (model.HW{H: height, W: width}); size != spec.Vision.ImageSize {
		return size
	}
	return model.HW{}
}

// Footprint bounds the memory of an object: its bytes, its decoded form, the resize's work and the sample. Where head does
// not reach the picture's size (a JPEG whose metadata is longer), the largest picture allowed is assumed.
func (p *Preprocessor) Footprint(_ schemas.Ref, head []byte, size int64) (int64, error) {
	if size > p.options.MaxBytes {
		return 0, p.tooManyBytes(size)
	}
	if size == 0 {
		return 0, errEmpty()
	}
	h, err := p.expect(head, size)
	if err != nil {
		return 0, err
	}
	if size < 0 {
		size = p.options.MaxBytes
	}
	return size + p.decoding(h, size) + p.sample(h), nil
}

// expect is the header of an object of which head is there, or one as expensive as it may be.
func (p *Preprocessor) expect(head []byte, size int64) (header, error) {
	whole := size >= 0 && int64(len(head)) >= size
	h, err := sniff(head)
	switch {
	case err == nil:
		return h, p.checkSize(h, size)
	case !whole && (len(head) < minHead || errors.Is(err, errHeaderShort)):
		return p.largest(h.format), nil
	}
	return h, schemas.Reject(schemas.ReasonDecode, err)
}

// decoding bounds what is taken from an object's bytes to its sample, and free again then.
func (p *Preprocessor) decoding(h header, size int64) int64 {
	n := h.decoded + p.work(h)
	if h.format == formatPNG {
		n += cmp.Or(min(size, h.joined), size) // its chunks of pixels, joined
	}
	if p.library != nil && h.format == formatJPEG {
		n += 3*h.pixels() + 1<<20 // its picture is RGB, and it has buffers of its own
	}
	return n
}

// Extent is one window, and as many steps as the picture has pixels, which is what maps of classes are made of: see [embed.Extender].
func (p *Preprocessor) Extent(_ schemas.Ref, head []byte, size int64) (windows, pixels int64) {
	h, err := p.expect(head, size)
	if err != nil {
		return 1, 0
	}
	return 1, min(h.pixels(), p.options.MaxPixels)
}

// Clears counts what decoding takes: see [embed.Clearer].
func (p *Preprocessor) Clears(_ schemas.Ref, head []byte, size int64) int64 {
	h, err := p.expect(head, size)
	if err != nil {
		return 0
	}
	return p.decoding(h, max(size, 0))
}

// minHead is how many bytes tell every format.
const minHead = 12

// largest is a header as expensive as the limits allow.
func (p *Preprocessor) largest(f format) header {
	h := header{format: f, height: maxSide}
	h.width = int(p.options.MaxPixels/maxSide) + 1
	perPixel := int64(27) // 16-bit TIFF, the most expensive
	if f == formatJPEG {
		perPixel = 12 // progressive with four full planes
	}
	h.decoded = perPixel*p.options.MaxPixels + 16<<20
	return h
}

// sample bounds what a sample takes.
func (p *Preprocessor) sample(h header) int64 {
	w, down := p.recipe.output(h.width, h.height)
	return embed.FloatsBytes(3 * int64(w) * int64(down))
}

// work bounds what the resize takes.
func (p *Preprocessor) work(h header) int64 {
	const fixed = 128 << 10 // tables, readers
	r := p.recipe
	if !r.resize {
		return fixed + 3*h.pixels()
	}
	return fixed + 3*int64(r.width)*int64(r.height) + resize.Workspace(h.width, h.height, r.width, r.height)
}

func errEmpty() error { return schemas.Rejectf(schemas.ReasonTooShort, "the picture has no bytes") }

func (p *Preprocessor) tooManyBytes(n int64) error {
	return schemas.Rejectf(schemas.ReasonTooLarge, "picture of %d bytes: at most %d are allowed", n, p.options.MaxBytes)
}

func (p *Preprocessor) checkSize(h header, stored int64) error {
	switch {
	case h.pixels() > p.options.MaxPixels:
		return schemas.Rejectf(schemas.ReasonTooLarge, "%s of %d x %d pixels: at most %d are allowed", h.format, h.width, h.height, p.options.MaxPixels)
	case h.width > maxSide || h.height > maxSide:
		return schemas.Rejectf(schemas.ReasonTooLarge, "%s of %d x %d pixels: no side may be over %d", h.format, h.width, h.height, maxSide)
	case stored >= 0 && 3*h.pixels() > max(plainBytes, maxRatio*stored):
		return schemas.Rejectf(schemas.ReasonTooLarge, "%s of %d x %d pixels in %d bytes: beyond %d million pixels, a byte may stand for %d of a decoded picture",
			h.format, h.width, h.height, stored, plainBytes/3_000_000, maxRatio)
	}
	size := Size{Width: h.width, Height: h.height}
	if p.checkTurned(h.format, Size{Width: size.Height, Height: size.Width}) == nil {
		return nil // if it is to be turned
	}
	return p.checkTurned(h.format, size)
}

// checkTurned refuses an upright picture of a size that the model does not take, if nothing changes it.
func (p *Preprocessor) checkTurned(f format, size Size) error {
	if only := p.onlyModel; only != (model.HW{}) && (size.Width != only.W || size.Height != only.H) {
		return schemas.Rejectf(schemas.ReasonDecode, "%s of %d x %d pixels: %s neither resizes nor crops, and the model takes %d x %d",
			f, size.Width, size.Height, configFile, only.W, only.H)
	}
	return nil
}

// Preprocess decodes a picture and gives its one sample: pixel_values [3, height, width], with a Size as its Tag.
func (p *Preprocessor) Preprocess(ctx context.Context, _ schemas.Ref, blob []byte) ([]embed.Sample, error) {
	if n := int64(len(blob)); n > p.options.MaxBytes {
		return nil, p.tooManyBytes(n)
	}
	if len(blob) == 0 {
		return nil, errEmpty()
	}
	h, err := sniff(blob)
	if err != nil {
		return nil, schemas.Reject(schemas.ReasonDecode, err)
	}
	if err := p.checkSize(h, int64(len(blob))); err != nil {
		return nil, err
	}
	values, out, size, err := p.values(ctx, h, blob)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, schemas.Reject(schemas.ReasonDecode, err)
	}
	return []embed.Sample{{
		Cost:   1 + (out.Width/p.patch.W)*(out.Height/p.patch.H),
		Inputs: []embed.Input{{Name: "pixel_values", Shape: []int{3, out.Height, out.Width}, F32: values}},
		Tag:    size,
	}}, nil
}

// Recycle implements embed.Recycler.
func (p *Preprocessor) Recycle(s *embed.Sample) { p.floats.PutInputs(s) }

// values runs the recipe. A panic of a decoder becomes an error, and its scratch is not used again.
func (p *Preprocessor) values(ctx context.Context, h header, blob []byte) (values []float32, out, size Size, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = schemas.Rejectf(schemas.ReasonPanic, "%s: decoder panicked: %v", h.format, r)
		}
	}()
	s, ok := p.scratch.Get().(*scratch)
	if !ok {
		s = p.newScratch()
	}
	src, size, err := s.decode(ctx, h, blob)
	if err == nil {
		err = p.checkTurned(h.format, size)
	}
	if err == nil {
		values, out.Width, out.Height, err = s.apply(ctx, p.recipe, src, &p.floats)
	}
	if s.bytes() <= maxPooled {
		p.scratch.Put(s)
	}
	return values, out, size, err
}

// maxPooled is how large the buffers may be that wait for the next picture, one set per processor: they are outside of any lease.
// Those of pictures of up to about 8 million pixels fit.
const maxPooled = 32 << 20

func (s *scratch) bytes() int64 { return s.reader.bytes() + s.resizer.Bytes() + int64(cap(s.pix)) }
