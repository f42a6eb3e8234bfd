package encoder

import (
	"cmp"
	"fmt"
	"runtime"

	"vecmill/embed"
	"vecmill/embed/audio"
	"vecmill/embed/heads"
	"vecmill/embed/image"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

// Options say how a checkpoint is opened. The zero value gives what a pipeline without settings of its own gives: the mean over an input's states, of length 1.
type Options struct {
	Pooling   heads.Pooling   // how the states of an input become one vector; default heads.Mean. heads.CLS is for texts and pictures
	Raw       bool            // leave the vector as pooling gives it, in place of scaling it to length 1
	Precision model.Precision // of the encoder's products; default model.Single

	// How inputs are read; the two of other modalities are ignored. Libraries of the system are used where they are there (default Auto here), as by a worker. Limits are the packages' own.
	Text  text.Options  // Long: Fail or Truncate
	Audio audio.Options // Long: Fail or Truncate
	Image image.Options // has no Long: a picture is one window

	Batch   embed.BatcherConfig // what a batch may be; default embed.UsualBatch. An input on an idle machine waits for Linger (5 or 10 ms) for others
	Threads int                 // of ONNX Runtime; default one for each processor that Go may use (GOMAXPROCS)
	Library string              // path of libonnxruntime; default where ortsession.Library looks, VECMILL_ORT_LIB first
	Cache   string              // directory of compiled graphs, made if it is not there; default [model.UserCache]
}

// preprocessor is the one of the checkpoint's modality.
func (o Options) preprocessor(spec *model.Spec) (embed.Preprocessor, error) {
	switch spec.Modality {
	case schemas.Audio:
		o.Audio.Libraries = cmp.Or(o.Audio.Libraries, audio.LibrariesAuto)
		if l := o.Audio.Long; l == audio.Window || l == audio.Speech || l == audio.Overlap {
			return nil, several(string(l))
		}
		return audio.New(spec, o.Audio)
	case schemas.Text:
		if o.Text.Long == text.Window {
			return nil, several(string(o.Text.Long))
		}
		return text.New(spec, o.Text)
	case schemas.Image:
		o.Image.Libraries = cmp.Or(o.Image.Libraries, image.Auto)
		return image.New(spec, o.Image)
	}
	return nil, fmt.Errorf("no preprocessor for modality %q", spec.Modality)
}

func several(long string) error {
	return fmt.Errorf("long %s makes several vectors of one input, and an encoder gives one: take fail or truncate, or an embed.Engine", long)
}

// batch are the bounds of batches.
func (o Options) batch(m schemas.Modality) embed.BatcherConfig {
	return cmp.Or(o.Batch, embed.UsualBatch(m, cmp.Or(o.Threads, runtime.GOMAXPROCS(0))))
}
