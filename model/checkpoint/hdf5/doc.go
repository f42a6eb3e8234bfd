// Package hdf5 reads the part of HDF5 that Keras and h5py write: files of superblock 0 to 3, groups (symbol tables, and links in the object
// header or in a fractal heap), attributes of strings, and datasets that lie compact, in one piece, or in chunks under any of HDF5's indexes, with
// deflate, shuffle, fletcher32 and lzf. Other filters, external data, committed types, soft links and user blocks are refused with an error that names them.
//
// A [File] aliases the bytes it was opened on and copies names, strings and chunks only. Every address, count and size is checked against
// the file before it is used; a structure that refers to itself ends at a limit. Damage is an error, never a panic, and memory
// stays below a small multiple of the file, whatever its chunks claim to unpack to.
//
// The layouts follow the HDF5 File Format Specification, versions 3.0 and 4.0.
package hdf5
