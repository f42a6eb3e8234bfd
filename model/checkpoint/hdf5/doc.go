// Package hdf5 reads the part of HDF5 that Keras writes: files of superblock 0 to 3, groups (symbol tables, and links in the object
// header), attributes of strings, and datasets that lie compact, in one piece, or in chunks under a tree of version 1, with deflate, shuffle and
// lzf. Other indexes and filters, external data, dense groups, committed types, soft links and user blocks are refused with an error that names them.
//
// A [File] aliases the bytes it was opened on and copies names, strings and chunks only. Every address, count and size is checked against
// the file before it is used; a structure that refers to itself ends at a limit. Damage is an error, never a panic, and memory
// stays below a small multiple of the file, whatever its chunks claim to unpack to.
//
// The layouts follow the HDF5 File Format Specification, version 3.0.
package hdf5
