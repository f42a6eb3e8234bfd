// Package vorbis decodes the packets of Vorbis I, written after its specification: floors of type 1, residues of every type, codebooks of every kind, coupling, block switching, up to 255
// channels. What comes of it is libvorbis's to 1e-6. Floors of type 0, which encoders left before the format was final, are refused by name.
//
// The container is not its matter: the caller takes packets out of Ogg pages, hands the first to [ParseHead], the third to [New], and the others in order to [Decoder.Decode], whose
// samples it cuts by the pages' positions. [Lengths] tells how many a packet makes without decoding it.
//
// With mixing, the mean of the channels is taken of their spectra, which is linear: one transform instead of one for each channel.
//
// A packet that ends early is right up to there, as the specification has it. Codebooks are bounded to what encoders use many times over (2^18 entries, 2^20 values in
// all), before they are allocated. Decoding allocates nothing once its scratch has grown. The neighbour is embed/audio.
package vorbis
