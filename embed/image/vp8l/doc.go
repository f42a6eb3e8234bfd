// Package vp8l decodes lossless WebP pictures (RFC 9649, section 3): what a VP8L chunk holds, into pixels of which alpha is left out, as the reference drops it.
//
// A [Decoder] decodes one picture after the other and keeps its buffers: the picture in four bytes a pixel, or fewer where colours have numbers, and the tables of its prefix codes. Colours of numbers, and green that was subtracted, are added
// when the resizer asks for a row.
//
// Files are taken and refused as libwebp does, which decodes for the reference. Two differ: one whose prefix codes take more memory than any encoder has use for is refused (see [Memory]), and one that is cut off is refused even if it is
// shorter than the eight bytes that libwebp reads at once.
package vp8l
