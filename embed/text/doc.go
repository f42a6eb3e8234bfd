// Package text turns UTF-8 text into token ids for a Data2Vec text model, equal to the `tokenizers` library with a RoBERTa
// tokenizer: byte-level BPE from tokenizer.json, or from vocab.json and merges.txt.
//
// An object's bytes become text by Options.Format and Options.Charset: plain UTF-8, or a string in JSON, or what is left of HTML or Markdown, in any character set; nothing is
// guessed unless that is asked for. The way of a text: added tokens are cut out (the longest at the leftmost place, with their strip rules), the rest is split by
// GPT-2's pattern, followed by hand with the letters and numbers of Unicode 16 as the reference has them, each word's bytes are merged by rank,
// and the checkpoint's special tokens go around the result. Offsets are in code points of the text, trimmed as the
// reference trims them, and ride along in the sample's tag ([Tokens]).
//
// Text longer than the model takes is refused, truncated and flagged, or cut into overlapping windows, by [Options]. Special
// tokens spelled out in a text are special tokens, as in the reference; Options.SpecialTokens makes them ordinary text, which is what
// untrusted text needs. Bytes that are not UTF-8 are refused, or replaced the way Python replaces them.
//
// A [Tokenizer] is read-only after loading, apart from a cache of words of fixed size whose entries are replaced
// atomically. Memory is bounded by the length of the text ([Preprocessor.Footprint]), time by n log n of its longest word.
// There are no normalizers here: a RoBERTa tokenizer has none, and a file with one is refused at loading.
//
// What a reference carries beside its text makes a pair of it: a question before the text, whose windows keep it whole; a second text behind it, the longer
// giving way first, or the one that [Truncation] names; choices, one row of a sample each. A class that does not take it refuses it. [Tokenizer.Encode] gives a text's own tokens,
// without the special tokens around them, for those who build pairs themselves. The neighbours are embed, whose Preprocessor it implements, and
// model, whose TextConfig bounds the length.
package text
