// Package dirstore is an object store in a local directory: objectstore.Store and objectstore.Putter on a file system.
//
// An object is published by link(2): its bytes go to a temporary file beside the tree, are synced to disk, and the finished file is linked
// to its name, which fails if the name is taken. So a reader never sees a part of a file, of two writers one wins, and
// a crash leaves at most a temporary file, never a broken object. [Open] removes temporary files that no live writer can still be using.
//
// It keeps no metadata; callers read what they need from the file itself. It works across processes on one machine; on a network file system it is as good as that
// system's link and fsync.
//
// Neighbours: parquetsink and objectletters write through it; nothing here knows Parquet.
package dirstore
