// Package backfill proves a backfill against a real S3 server, under the build tag integration: thousands of small objects are planned, one changes and one is removed behind the
// plan, and the run is killed (SIGKILL) at points that a seed chooses, until one is left to finish. Then every reference has one fate, by the audit and by our own count of the rows, and the next plan has what changed and
// nothing else.
//
// CI runs a short version, `make backfill` the long one: VECMILL_BACKFILL_OBJECTS (200,000), VECMILL_BACKFILL_KILLS (20), from VECMILL_BACKFILL_SEED.
//
// What it does not prove: the loss of the machine that the run is on, whose page cache the store shares here; Kafka, which integration/crash is about.
package backfill
