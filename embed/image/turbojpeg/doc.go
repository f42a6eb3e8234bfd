// Package turbojpeg decodes JPEG by the machine's libturbojpeg, loaded at run time: the same pixels as package jpeg, faster.
//
// [Open] finds the library, and takes it only if it makes of a built-in picture, at each scale, exactly what package jpeg makes of it: a
// library that rounds in another way is refused by name. A [Decoder] keeps one of its handles and is for one goroutine at a time.
//
// C code is not Go code: a fault in it ends the process, and no deadline stops it. So the library sees no byte before its caller has held the file's
// header to its limits and walked its segments ([jpeg.Decoder.Check]); it gets a buffer of the size that the header says and writes no more; it stops at its first
// warning. Grey pictures and those of three components are decoded, the rest is left to package jpeg.
package turbojpeg
