// Package vp8l decodes lossless WebP pictures (RFC 9649, section 3): what a VP8L chunk holds, into pixels of which alpha is left out, as the reference drops it.
//
// A [Decoder] decodes one picture after the other and keeps its buffers: the picture in four bytes a pixel, or fewer where colours have numbers, and the tables of its prefix codes. Colours of numbers, and green that was subtracted, are added
// when the resizer asks for a row.
//
// Files are taken and refused as libwebp does, which decodes for the reference. Two kinds differ: those whose prefix codes take more memory than any encoder has use for are refused (see [Memory]), and so are all that are cut off, of which
// libwebp takes some with zeros in place of their last bytes.
package vp8l
