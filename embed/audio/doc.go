// Package audio turns encoded audio into samples for a Data2Vec audio model, equal to Wav2Vec2FeatureExtractor: decode,
// mix to mono by the mean of the channels, resample to the rate of preprocessor_config.json, cut into windows, normalise each
// window to zero mean and unit variance (population variance + 1e-7).
//
// Formats are recognised by their first bytes, never by a name. WAV is parsed here (PCM of 8 to 32 bits, float 32 and 64,
// mu-law, A-law, extensible, RF64), FLAC by mewkiz/flac. Every other format is refused by its name with a [schemas.Rejection] of class
// decode, and so is data that is damaged or shorter than its header declares.
//
// Decoding is a pull of blocks through the resampler into one buffer of the model's rate, which becomes the samples: memory is
// the blob, that buffer and some fixed scratch, whatever the rate and the channels of the file. [Preprocessor.Footprint]
// gives that bound from a header alone.
//
// The resampler is a polyphase FIR, a Kaiser window of 120 dB on a sinc, flat to 0.9136 of the lower Nyquist frequency and down at it,
// which are the figures of soxr's HQ recipe; delay is compensated and n samples become exactly ceil(n*out/in). On
// the speech of testdata the difference to python-soxr 1.1 HQ is -81 to -86 dB of the signal behind the first 50 samples, where soxr starts up
// otherwise (at 8, 11.025, 22.05, 44.1, 44.101 and 48 kHz to 16 kHz). The tests also hold it to 0.001 dB of ripple with
// phase and delay, 115 dB of alias and image rejection, and 1e-6 for direct current.
//
// Long audio is refused, cut short, or taken in windows. Those of [Overlap] are the chunks of the reference's pipelines: each shares context with
// its neighbours and carries an [embed.Chunk] that says how much of it does not count. They are copies, which the footprint includes. Heads of
// transcripts and frames throw the context away and join what is left to one result of the object; embeddings, labels and speaker vectors are of
// each window with its context.
//
// It does no I/O beyond reading the checkpoint's preprocessor configuration in [New], starts no goroutine, and knows nothing of
// the graph but the number of frames for a number of samples. The neighbours are embed, whose Preprocessor it
// implements, and model, whose AudioConfig counts the frames.
package audio
