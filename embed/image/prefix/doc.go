// Package prefix makes tables for prefix codes that come lowest bit first and are given by the lengths of their codes, as in deflate and in lossless WebP: see [Append].
//
// A table tells what the next bits of a stream mean by one look, or by two for codes that are long.
package prefix
