// Package objectstore is the small part of an object store that exactly-once output needs: list names in order, read, and
// create an object only where there is none.
//
// The one strong demand is on [Store.PutIfAbsent]: of any number of writers of one name exactly one succeeds, an object appears
// whole or not at all, and who comes second is told [ErrExists]. An error that is neither ErrExists nor [ErrRefused] says nothing
// about whether the object is there: the request may have landed although its answer was lost. Callers settle that with
// Stat, never by guessing. [CheckConditionalPut] asks a store at start-up whether it keeps the promise, because some servers that
// speak S3 ignore the condition without a word; [CheckRead] asks whether what is written can be read.
//
// Names are slash-separated, relative and clean. List gives them in byte order. Reads see every completed write.
//
// Neighbours: s3store and dirstore implement it for S3 and for a local directory, sinktest.MemStore in memory with
// faults; parquetsink and objectletters write through it. sinktest.RunStore is the conformance suite.
package objectstore
