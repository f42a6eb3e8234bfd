// Package milvussink writes the vectors of rows to a collection of Milvus, at least once: a row that comes again replaces itself.
//
// A row with a vector is an entity whose key is the row's id; rows without one (labels, transcripts) are passed over, since an entity of Milvus cannot be without.
// The fields are row_id, vector, those that deletions and people look for (vectorindex.Needed), and the other columns of docs/rows.md as dynamic fields. The collection
// is made if it is not there, with an index of the metric, and loaded.
//
//	M1 A batch is upserted and then its deletions are carried out at the strong level of consistency, so they see what was upserted. A deletion takes entities of
//	   its reference and partition with smaller offsets, so the order inside the batch does not matter.
//	M2 A collection of another model, dimension or metric is refused at start. The model's digest is among the collection's properties; a collection that has none
//	   is asked for an entity of another model.
//
// The requests are those of Milvus's own protobuf module: its Go client would bring its storage and configuration packages into the worker (docs/adr).
package milvussink
