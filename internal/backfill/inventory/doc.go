// Package inventory reads S3 inventories: lists of a bucket's objects that the store writes itself, daily or weekly. An inventory is a manifest.json, which [Parse] reads, and the
// files that it names, which [Manifest.Each] reads: CSV compressed with gzip, whose keys are escaped as in a URL's query, or Parquet. ORC is refused.
//
// With versions, only the one that was the latest counts, and a key whose latest is a delete marker is not there.
//
// Neighbours: internal/backfill makes references of what is read, internal/wire opens the files.
package inventory
