// Package icebergcatalog is tables of Iceberg catalogs for icebergsink, on apache/iceberg-go: REST catalogs, and SQL catalogs in PostgreSQL or SQLite.
//
// [Open] finds the table, makes it if it is told to, adds the columns that are missing, and refuses by name what does not fit: rows of another model, a column
// of another type, a required column that rows have no value for, partition fields that it cannot compute, another format version. [OpenReader] opens a
// table for an audit, and changes nothing.
//
// The library's own retries are not used: they would put a commit on a snapshot that the protocol has not seen. Every commit demands that the table's
// branch is where it was when it was loaded, and is tried once; icebergsink does the rest.
//
// The library reads and writes metadata through [icebergsink.Store] like data files, with the worker's own S3 settings; the schemes s3 and file are
// registered for that with the library when a catalog is first opened. Credentials that a REST catalog hands out are not used.
//
// Neighbours: icebergsink has the protocol and the sink; internal/wire gives the stores.
package icebergcatalog
