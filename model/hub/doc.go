// Package hub turns a model reference into a local checkpoint directory: hf://owner/name[@revision] from a Hugging Face Hub, and
// s3://bucket/prefix from an object store. What it returns is a path for [vecmill/model.Open].
//
// [Client.Fetch] asks the Hub which commit the revision is and which files it has, chooses what a checkpoint needs
// (config.json, the tokenizer's and the preprocessor's files, one format of weights in the order in which model/checkpoint prefers
// them, else a ready-made .onnx), and puts them into the Hub's standard cache, so that transformers and Vecmill share downloads (either uses
// what the other has fetched, tried with huggingface_hub 0.36.2 against one server):
//
//	models--owner--name/blobs/<etag>              contents; <etag>.incomplete while under way
//	models--owner--name/snapshots/<commit>/<file> relative links to blobs
//	models--owner--name/refs/<revision>           the commit
//	.locks/models--owner--name/<etag>.lock        one downloader at a time, in any process (flock)
//
// Promises. A blob has its final name only when it is complete and its checksum is the one announced (sha256 for large files, git's
// blob id for the others). A broken transfer is resumed where it stopped, also by a later process. config.json is linked last and
// the revision recorded after it, so a snapshot that we left unfinished is never taken for a complete one. The token goes to the
// Hub's own address and nowhere else: redirects to storage hosts are followed without it. With HF_HUB_OFFLINE nothing is asked;
// if the Hub cannot be reached, a complete cached snapshot is used and logged.
//
// [FetchObjects] does the same for a prefix of an object store behind the small [Objects] interface. Its directory is named
// by a digest of names, sizes and ETags and every read is pinned to the ETag of the listing, so a model that is replaced
// meanwhile is never mixed. It appears by one rename. ETags are no checksums there: sizes are checked, contents are not.
//
// Errors say what to do: set HF_TOKEN, ask for access, free the disk. Nothing here is retried for ever.
package hub
