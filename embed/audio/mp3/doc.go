// Package mp3 decodes MPEG audio layer III: MPEG 1, 2 and 2.5, every rate, mono, stereo and both kinds of joint stereo, constant, variable and free bit rates. It is
// written after ISO/IEC 11172-3 and 13818-3; the reference where they leave a choice, and for length, is libsndfile (which has libmpg123): its samples to 2e-6, and its number of them.
//
//   - The Xing (Info) frame in front has no sound. If it counts the frames, they are all there are (fewer in the file: it was truncated, and is refused; more: they are
//     not of this recording), and what the encoder and the decoder put in front and behind is cut: LAME's delay and padding and 529. Without it every sample counts. A
//     VBRI frame has no sound either, which is where libsndfile differs: it plays 1,152 samples of silence.
//   - Tags are skipped: ID3v2 and APE in front, ID3v1, APE and Lyrics3 behind. A frame that the end of the file cuts has no sound.
//   - Bytes that are no frame are skipped to the next two frames of the same kind. A frame that cannot be understood, or whose main data began in one that is lost, is
//     silent. More than one in ten damaged is an error. Checksums are not looked at.
//   - The intensity position 7 is none in MPEG 2, too, as libmpg123 has it.
//
// The synthesis window is applied by vector instructions where the processor has AVX2, so the last bits of a sample may differ between processors.
//
// With mixing, the mean of two channels is taken before the synthesis filter, which is linear: half the work.
//
// [Decoder] keeps its scratch, about 60 KiB, and allocates nothing per frame. The neighbour is embed/audio. Layers I and II are refused by name.
package mp3
