// Package inflate undoes the compression of zlib (RFC 1950 and 1951) for pixels, whose length is known before: from all of the compressed bytes into all of their room. It does so in half to a third of
// the time of compress/zlib, which takes bytes from a reader one by one, and allocates nothing once a [Decoder] has its tables; see docs/adr/20261129-own-png.md.
//
// It is held to compress/zlib by a fuzz target: what that takes, this takes, with the same bytes. It never reads outside of the source nor writes outside of the room, whatever the source says.
package inflate
