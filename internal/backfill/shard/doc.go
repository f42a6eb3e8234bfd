// Package shard finds the members of tar files, such as WebDataset's shards, without reading what is in them: a member of a tar file that is not compressed is a range of its bytes.
//
// A [window] over the file is read from, and moved over the members; it is small where they are large, and grows where they are small and it is cheaper to read on.
//
// Neighbours: internal/backfill makes references of members, internal/wire opens the files.
package shard
