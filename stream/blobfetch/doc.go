// Package blobfetch gets the bytes that a reference points to: s3:// through minio-go, https:// from allowed hosts, file:// under allowed
// directories, and inline data. It implements [vecmill/stream.Fetcher].
//
// References come from whoever may write to the topic, so each scheme is closed until its allow-list opens it. A bucket entry is "bucket" or
// "bucket/prefix", whose prefix covers whole segments; keys with "." or ".." segments, percent-encoded or between backslashes too, are refused, since some stores resolve them. A host's addresses are checked when it is dialled, after
// DNS and on every redirect, and the checked address is the one that is dialled: private, loopback and link-local ones are refused unless allowed. A
// file is opened beneath its root by [os.Root], which no symbolic link leaves.
//
// An s3:// key is taken literally: what follows "s3://bucket/", with no percent-decoding and no query, as the AWS tools do.
// So is a file's path. Where there is no such file, the path without its percent-encoding is meant: most programs that make a URI of a name write it so.
//
// What a fault becomes:
//
//	fetch-missing  404, an unknown version, another ETag than asked for (412), a range outside the object
//	fetch-denied   401, 403, and whatever the allow-lists do not allow
//	too-large      over MaxObjectBytes, known before the body is read where the store says the size
//	fetch-failed   5xx, SlowDown, resets, short bodies, checksum mismatches and stalls that outlast the retries
//	StoreFault     not a property of the object: the store refuses or cannot be reached (connection, name, certificate), or takes our credentials
//	               for expired or unknown. Retried, and then no dead letter but an error that stops the pipeline: an outage must not
//	               turn every record into a dead letter
//
// A connection that fails to an https host is that host's own fault, hence fetch-failed; only the S3 store is ours.
//
// Who wants to hear of tries, to tell of a store or host that fails, has a view of the Fetcher of its own ([Fetcher.Telling]).
//
// An object's memory is reserved once, before its body is read: with its first bytes and size, or, when the first attempt failed, with nothing
// known before the wait. The body goes into one allocation of exactly its size. Its length is checked, then its checksum: the store's
// x-amz-checksum where there is one, else the MD5 that an ETag of a plain single-part object is.
package blobfetch
