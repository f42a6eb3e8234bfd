// Package jpeg decodes JPEG to exactly the pixels of libjpeg-turbo at its defaults, the decoder behind Pillow: its accurate
// integer inverse DCT, its triangle ("fancy") chroma upsampling for 2:1 horizontally and 2:1 in both directions (and vertically),
// replication for every other ratio, its fixed-point YCbCr conversion. Go's own image/jpeg differs in each of these, by up
// to 117 levels where chroma is subsampled, and its pixels have changed between releases of Go.
//
// Baseline, extended Huffman and progressive files of 8 bits are read, with one (grey), three (YCbCr, RGB) or four (CMYK, YCCK)
// components and any integral sampling ratio. Refused by name, with [ErrUnsupported]: arithmetic coding, lossless and hierarchical
// processes, 12 bits, and progressive files that never send all of a picture (libjpeg would invent the rest by smoothing).
// Refused as damaged, with [ErrFormat]: files that end before their end marker, as Pillow refuses them, and also
// entropy-coded data with a bad code or a missing restart marker, where libjpeg goes on with grey or shifted blocks. Refusing
// what would be guessed is on purpose: a record in the dead letters is better than an embedding of rubbish.
//
// Colour is converted as Pillow's convert("RGB") does: four-component files are taken to be inverted, as Adobe writes them.
// EXIF orientation is not applied.
//
// A [Decoder] keeps its buffers and is for one goroutine at a time. [ReadHeader] looks at dimensions without decoding and says how
// much memory decoding takes.
package jpeg
