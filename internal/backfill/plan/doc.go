// Package plan keeps a list of references that is to be computed: a backfill's plan. It is a directory or a prefix of a bucket with
//
//	part-<first offset, 12 digits>-<8 digits of its SHA-256>.parquet   some references each: columns ref (as JSON), id, uri, etag, size
//	plan.json                                                          the parts, what was counted, what is expected; written last
//	progress.json                                                      while it is being made: where it stands
//	files-<16 digits>.json                                             of a table that is several files: their names, sizes and entity tags when the plan was begun
//	shares.json                                                        how it is computed: as a whole, in so many shares, or by the workers of topics; created once
//	took-<partition>-<8 letters>.json                                  what a run of it, or of a share, has taken so far: each run's own
//
// An offset is a reference's number in the plan, from 0. It never changes: the output's chain is in these numbers, so the references of a plan that is complete are never written
// again: what its maker adds may be, as an estimate. Of several planners at one place, as a pod that was cut off and its replacement, one finishes: plan.json is created once, and no planner writes over another's parts, of which
// some may lie there that are not the plan's. Parts are immutable and small enough to be held in memory one at a time; plan.json says their digests, and a part that does not have its own is refused.
//
// Neighbours: internal/backfill makes plans, stream/manifestsource reads references out of them, internal/wire knows where they lie.
package plan
