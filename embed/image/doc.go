// Package image makes the pixel_values of a Data2Vec vision model from the bytes of a picture, equal to what Hugging Face's BeitImageProcessor
// (the slow class of transformers 4.55.4, on Pillow 13.0.0) makes of a picture that its pipelines
// have loaded: Image.open, ImageOps.exif_transpose, convert("RGB").
//
// A [Preprocessor] tells the format by its first bytes, checks the picture's size against its [Options] before anything is allocated,
// decodes, and runs the recipe of preprocessor_config.json: resize, centre crop, rescale, normalise. One picture is
// one sample: pixel_values [3, height, width], its [Size] as the Tag, a cost of 1 + patches.
//
// What is read: JPEG (package jpeg, or the machine's library by package turbojpeg), PNG, GIF and WebP (the first frame of either), BMP and TIFF in the variants
// that Pillow reads, but for those that are refused by name. Pixels and values are equal bit for bit: 127 files that Pillow and ffmpeg wrote, each by two recipes, 392 of other
// software and by hand (tools/pictures), and 216 resizes. What the reference does is kept where it surprises: alpha is dropped, not composited; 16-bit
// grey is cut off at 255, so that most of it is white. Pictures are turned upright by their Exif, else by their XMP, as Pillow finds them
// (JPEG, PNG, WebP), and TIFF by its own tag.
//
// Where this package differs from the reference, on purpose:
//   - A picture 1 or 3 pixels high is taken for what it is. The reference guesses its axes, takes such an array for channels first,
//     and fails or gives noise. So a picture of 1 x 1 works here as any other.
//   - Damaged entropy-coded JPEG data are refused, where libjpeg guesses (see package jpeg); so are PNG files without their end chunk, without a palette or
//     with a header of more than 13 bytes, lossless WebP that is cut off by a few bytes or has prefix codes of no use (see package vp8l), and some variants of TIFF. All by name, as a Rejection of class decode.
//   - No side may be over 65,535 pixels.
//
// Releases of Pillow before 13 scale the width first, always; since then tall pictures that become small are scaled the other way round, and
// differ from the older result by one level here and there. This package does as Pillow 13.
//
// How fast that is beside Pillow is in docs/benchmarks.md. Besides the sample (602 KB at 224 x 224), whose memory is given back, a picture allocates 1 KB or less once a reader has had one as large; of lossy WebP what it has in
// bytes, since x/image copies them.
package image
