// Package audio turns encoded audio into samples for a Data2Vec audio model, equal to Wav2Vec2FeatureExtractor: decode,
// mix to mono by the mean of the channels, resample to the rate of preprocessor_config.json, cut into windows, normalise each
// window to zero mean and unit variance (population variance + 1e-7).
//
// Formats are recognised by their first bytes, never by a name. WAV is parsed here (PCM of 8 to 32 bits, float 32 and 64,
// mu-law, A-law, extensible, RF64), FLAC (in Ogg, too), MP3 and Vorbis by the packages flac, mp3 and vorbis below, Opus of one or two channels by pion/opus behind our own walk through Ogg
// and Matroska (WebM; live recordings of unknown length, laced blocks). Opus is decoded at 48 kHz; what the head, the last page or the
// last block throws away is thrown away, so the length is libsndfile's (Ogg) and ffmpeg's (Matroska) to the sample. The sound of CELT is libopus's to -65 dB
// (what 16 bits show); that of SILK and hybrid to -45 dB, -48 dB or better on what was tried.
//
// Vorbis in Ogg has libsndfile's samples to 1e-6. The positions of pages cut it to the sample at the end, and in front: there, where a first page's position is less than its packets hold, libvorbisfile
// and the specification throw away, and libsndfile does not. Streams behind each other in one file are refused.
//
// With [FFmpeg] the system's program reads MP4 and AAC, AMR and some more, a process for each object that ends with the call: it is told
// the format, gets the bytes by a pipe, has no protocol but that (MP4: and its own temporary copy of the pipe), no environment and one thread, and what it writes is
// read only to the limit. The length of AAC is
// what the program gives, up to a block of 1,024 longer than the source. Its version is in the digest. The format is refused by its name without it, as are all others, with a
// [schemas.Rejection] of class decode, and so is data that is damaged or shorter than its header declares.
//
// With [LibrariesAuto] or [LibrariesRequire] libraries of the system, loaded by embed/syslib, take part: libsndfile decodes Opus (libopus's own samples), AIFF, AU, CAF and Wave64; what the built-in parsers find
// wrong with Ogg is refused all the same. libsoxr's HQ recipe resamples, to ceil(n*out/in) samples, of which the last may be an added zero. Their versions are in the digest, [Preprocessor.Decoders] names them, and [SystemLibraries]
// tells what this machine has. They parse untrusted bytes in this process.
//
// Decoding is a pull of blocks through the resampler. What is one sample goes into one buffer of the model's rate, which becomes the sample; of what is taken apart no more than a window is held, and
// [Preprocessor.Stream] hands windows over as they come. [Preprocessor.Footprint] gives the bound from a header alone, whatever the rate and the channels of the file.
//
// The resampler is a polyphase FIR, a Kaiser window of 120 dB on a sinc, flat to 0.9136 of the lower Nyquist frequency and down at it,
// which are the figures of soxr's HQ recipe; delay is compensated and n samples become exactly ceil(n*out/in). Against python-soxr 1.1 HQ, on white noise in the pass band, it differs by
// -123 to -130 dB (8, 24, 32, 48, 96 kHz to 16 kHz) and by -72 dB (11.025, 22.05, 44.1 kHz, where soxr is late by 2e-4 samples); on speech, all of it, by -90 dB or less behind the first samples, where soxr starts up
// otherwise. The tests also hold it to 0.001 dB of ripple with phase and delay, 115 dB of alias and image rejection, and 1e-6 for direct current. Its products are added up by vector
// instructions where the processor has AVX2, so the last bits of a sample may differ between processors.
//
// Long audio is refused, cut short, or taken in windows. Those of [Speech] are stretches of speech: frames of 20 ms that are 10 dB over the noise begin one, half a second without any that is 6 dB over it ends it, 0.2 s are kept on both sides, and where speech
// goes on for longer than a window it is cut at its quietest moment. The noise is the lowest level lately. That is energy and no more: music is speech to it. Those of [Overlap] are the chunks of the reference's pipelines: each shares context with
// its neighbours and carries an [embed.Chunk] that says how much of it does not count. Heads of
// transcripts and frames throw the context away and join what is left to one result of the object; embeddings, labels and speaker vectors are of
// each window with its context.
//
// It does no I/O beyond reading the checkpoint's preprocessor configuration in [New] and the pipes of [FFmpeg], starts no goroutine without that, and knows nothing of
// the graph but the number of frames for a number of samples. The neighbours are embed, whose Preprocessor it
// implements, and model, whose AudioConfig counts the frames.
package audio
