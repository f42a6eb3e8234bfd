// Package resize scales 8-bit RGB pictures exactly as Pillow's Image.resize does, bit for bit.
//
// A filter wider than nearest is applied in two passes, the width first or, for tall sources that shrink, the height, each with weights in fixed point (22 bits) and each
// rounded and clipped to bytes: that is the published algorithm of Pillow's Resample.c, and since the rounding of the first pass
// shows in the result, nothing else gives the same pixels. Nearest walks both axes in steps of double precision, as
// Pillow's affine transform does. The tests hold every filter to Pillow's own output.
//
// A [Source] hands rows over one by one, in ascending order, so that a decoder need not keep a whole RGB picture. Memory is
// one intermediate picture of the target's width and the source's height, or a few rows if the height goes first: see [Workspace]. A [Resizer] owns these buffers and
// is for one goroutine at a time.
//
// Two source rows travel through the first pass in the halves of one 64-bit word: a weight times a pixel needs 31 bits and
// a sign, so the halves do not disturb each other beyond one borrow, which is undone at the end.
package resize
