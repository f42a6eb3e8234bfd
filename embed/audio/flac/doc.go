// Package flac decodes FLAC streams of 4 to 24 bits and up to eight channels, every block size, predictor and kind of residual, written after RFC 9639. The samples are exact: the
// reference for what is refused is libFLAC.
//
//   - STREAMINFO comes first, other metadata is skipped. An ID3v2 tag in front is the caller's to cut off.
//   - Both checksums of each frame are verified, and its rate, channels and bits are STREAMINFO's: a change inside a stream is an error. So are reserved codes,
//     and any byte between frames that is none. MD5 is not looked at, since the checksums cover every sample.
//   - If STREAMINFO counts the samples, there must be just as many, and what follows them (tags, as a rule) is not looked at. A cut between two frames leaves every checksum
//     right: only the count tells.
//
// [Decoder] keeps the channels of one frame, at most 65,535 samples each, and allocates nothing per frame once they have grown. It never panics and takes time in proportion to
// what it gives. The neighbour is embed/audio, which also takes frames out of Ogg. 25 to 32 bits are refused.
package flac
