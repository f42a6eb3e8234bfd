// Package backfill makes plans: it writes down what there is to compute, leaves out what has been computed, and says what the rest will cost.
//
// A [Source] enumerates references: a bucket's keys, by listing it or by its inventory, members of its tar files, a file's or a table's rows, or what an output's rows came from; [Make] writes them to a plan, resumable, and keeps a sample that depends on the seed and the
// references alone, not on the order in which they came. [Expect] looks at the headers of the sample's objects and computes a few of them, as a worker would,
// and extrapolates.
//
// Neighbours: internal/backfill/listing, inventory, shard, plan and ledger do the parts; internal/wire brings buckets, models and outputs; internal/cli prints.
package backfill
