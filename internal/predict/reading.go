package predict

import (
	"context"
	"maps"
	"strings"

	"vecmill/embed/audio"
	"vecmill/embed/image"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

// How files are read: the options that a pipeline's configuration has under audio, text and image, with the modality in front of their names. Every task of a modality takes them.

// take decodes the options that there is a place for, and returns the others. null leaves the default.
func (o Options) take(places map[string]any) (rest Options, err error) {
	rest = maps.Clone(o)
	for _, name := range sorted(places) {
		raw, ok := o[name]
		if !ok {
			continue
		}
		if err := decode(raw, places[name]); err != nil {
			return nil, faultf("option %s: %w", name, err)
		}
		delete(rest, name)
	}
	return rest, nil
}

// newAudio takes the options of reading, and leaves the task's own.
func newAudio(spec *model.Spec, o Options) (*audio.Preprocessor, Options, error) {
	return newSounds(spec, o, audio.Options{})
}

// newSounds is newAudio with what a task asks of the preprocessor.
func newSounds(spec *model.Spec, o Options, opts audio.Options) (*audio.Preprocessor, Options, error) {
	opts.MaxSeconds, opts.MaxDecodedSeconds, opts.Libraries = longest, longest, audio.LibrariesAuto
	rest, err := o.take(map[string]any{
		"audio_decoder": &opts.Decoder, "audio_decoder_program": &opts.Program, "audio_libraries": &opts.Libraries,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := opts.Validate(); err != nil {
		return nil, nil, faultf("option audio_%w", err)
	}
	pre, err := audio.New(spec, opts)
	return pre, rest, err
}

// newPictures is newAudio for pictures.
func newPictures(spec *model.Spec, o Options) (pictures, Options, error) {
	opts := image.Options{MaxBytes: maxFile, Libraries: image.Auto}
	rest, err := o.take(map[string]any{
		"image_orientation": &opts.Orientation, "image_draft": &opts.Draft, "image_libraries": &opts.Libraries, "image_max_pixels": &opts.MaxPixels,
	})
	if err != nil {
		return pictures{}, nil, err
	}
	if err := opts.Validate(); err != nil {
		return pictures{}, nil, faultf("option image_%w", err)
	}
	pre, err := image.New(spec, opts)
	return pictures{pre}, rest, err
}

// reader makes text of a file's bytes, and says in which character set it was where that was to be found out.
type reader func(ctx context.Context, blob []byte) (s, charset string, err error)

// newReader takes the options of reading text, of a task that reads files of it. What is not asked for is nil: a file is UTF-8 as it is.
func newReader(spec *model.Spec, t *task, o Options) (reader, Options, error) {
	if spec.Modality != schemas.Text || !strings.Contains(t.keys, "file") {
		return nil, o, nil
	}
	var opts text.Options
	rest, err := o.take(map[string]any{
		"text_format": &opts.Format, "text_field": &opts.Field, "text_charset": &opts.Charset, "text_invalid_utf8": &opts.InvalidUTF8,
	})
	if err != nil || len(rest) == len(o) {
		return nil, o, err
	}
	r, err := text.NewReader(opts)
	if err != nil {
		return nil, nil, faultf("option text_%w", err)
	}
	return r.Text, rest, nil
}
