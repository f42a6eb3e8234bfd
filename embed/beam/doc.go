// Package beam decodes the logits of a CTC model by beam search, with an n-gram language model and hot words: the texts, word frames and
// scores of pyctcdecode 0.5, which transformers' Wav2Vec2ProcessorWithLM and its speech pipeline use.
//
// A [Decoder] joins an [Alphabet] and, if there is one, a [LanguageModel]. Language models are ARPA files, plain or gzip, and
// KenLM binaries: probing tables and tries, quantised and array-compressed ones as well. Binaries are memory-mapped and never read
// whole; what a damaged one points to is checked before it is followed. [Open] reads the layout of a checkpoint with a
// language model: alphabet.json, language_model/{attrs.json,unigrams.txt,*.arpa or *.bin}.
//
// Equality goes as far as the order in which CPython's sets are walked, because that order breaks ties and decides which beam the break
// behind a token that is bounded on both sides falls to. Scores are natural logarithms, summed in float64 over log-probabilities in
// float32; against the reference they differ by rounding alone (1e-4 over hundreds of frames is tested). Beams
// whose scores are equal but for the last bit of numpy's exp may change places. Times of words are the reference's: of some path that reads so, not always of the
// likeliest; [Decoder.Confidence] looks at the likeliest. Labels that
// hold a space beside other characters are refused, and so are language models of order 1, as KenLM does.
//
// Text that is grown is kept as a tree of words, so a step costs the same at the end of an hour as at its beginning; branches that no
// beam stands on are dropped from time to time. Decoders and models are safe for concurrent use and keep nothing between calls.
//
// Neighbours: embed/heads makes transcripts with it, internal/predict offers it by the reference's option names. It knows nothing of tensors
// beyond rows of logits.
package beam
