// Package s3store is an object store in one bucket of an S3-compatible service: objectstore.Store and objectstore.Putter on minio-go.
//
// PutIfAbsent is one PUT with If-None-Match: * and never a multipart upload: servers differ in whether they honour the condition when a
// multipart upload completes, and agree on the single PUT (up to 5 GB). Metadata travels as user metadata (x-amz-meta-*).
//
// Retries belong to the callers, who know what an ambiguous answer means for them; give minio-go MaxRetries 1 so that they are
// not repeated underneath. With more it stays correct: a repeated conditional PUT ends in ErrExists, which callers settle.
//
// Pin and ReadPinned read an object as it was when it was looked at, or say that it has changed.
//
// Neighbours: internal/wire makes the client with its credentials; parquetsink and objectletters write through the store.
package s3store
