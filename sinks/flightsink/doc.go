// Package flightsink sends rows to a server of Arrow Flight by DoPut, at least once.
//
// A batch is one stream under the path [name]: the columns of docs/rows.md for the tasks of the pipeline, one record. Its deletions are a stream under the path
// [name, "deletions"] with ref_id, topic, partition and offset: rows of the reference and partition with smaller offsets are gone. A batch counts once the server has
// ended its answer without an error; what is repeated after an unclear answer, or after a crash, is there twice under one row_id.
package flightsink
