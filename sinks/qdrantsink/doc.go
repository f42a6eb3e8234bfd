// Package qdrantsink writes rows to a collection of Qdrant, at least once: a row that comes again is the same point.
//
// A row is a point. Its id is the row's, as a UUID; its vector is named after the head; its payload is the columns of docs/rows.md. A row without a vector is a
// point without one. The collection is made if it is not there, with a vector for each head that gives some, and indexes for the fields that deletions look at.
//
//	Q1 A batch is upserted and then its deletions are carried out, each waited for. A deletion takes points of its reference and partition with smaller
//	   offsets, so the order inside the batch does not matter.
//	Q2 A collection of another model, dimension or metric is refused at start. The model's digest is in the collection's metadata; a collection that has
//	   none (an older server, somebody else's) is asked for a point of another model.
//
// Qdrant stores vectors of the cosine metric at length 1.
package qdrantsink
