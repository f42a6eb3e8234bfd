// Package jsonlsink appends rows to a file, or writes them to standard output, as lines of JSON (sinks/jsonrow), at least once.
//
// A batch is one write of whole lines and an fsync. What a write left half done is cut off again: after a failed one at once, after a crash at the next start.
// One process writes a file at a time; a lock on the file refuses the second. A file that was renamed (rotation) is written on until the worker restarts.
// Rows that were not committed before a crash are there twice: readers keep the last line of a row_id. A deletion is a line of its own.
package jsonlsink
