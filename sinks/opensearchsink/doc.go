// Package opensearchsink writes rows as documents of an index of OpenSearch with its k-NN plugin, by the bulk API, at least once, one document for each row.
//
// A document's _id is the row's id. Its vector, of whichever head, is the field vector (knn_vector); the columns of docs/rows.md beside it have the mapping of [Config.mapping]: what one filters
// and searches by is indexed (attributes as texts, attribute_pairs: "tenant=acme"), the rest is only kept. Rows without a vector are documents without the field: texts and labels are there to be searched for.
//
//	O1 The index is made if it is not there, for the dimension and metric of the settings. One that is there has to fit, or is refused with a sentence.
//	O2 Its _meta says of which model its vectors are; one without _meta is asked for documents of another model.
//	O3 Of a bulk each document is answered for. One that is refused for its own sake makes the batch refused, and halving finds it; what was too much for the server is repeated, and so is all
//	   of the batch, under the same ids.
//	O4 A deletion takes away documents of the reference and topic partition with smaller offsets. It searches, so the index is refreshed first.
package opensearchsink
