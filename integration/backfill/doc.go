// Package backfill proves a backfill against a real S3 server, under the build tag integration.
//
//   - Kills: thousands of small objects are planned, and the run is killed (SIGKILL) at points that a seed chooses, until one is left to finish. Behind the plan objects are changed, removed, put again and
//     added, before the run and while it is at work. Every reference has one fate, by the audit and by our own count of the rows and the letters, which say why; the next plan has what changed and nothing else.
//   - Listing: a plan is killed while requests for several ranges of keys are under way, and goes on in these ranges alone.
//   - Versions: a bucket that keeps them is planned as it stands, and a list names versions that were put over or removed.
//   - Names: prefixes and keys with characters that URLs have a meaning for are taken as they are written.
//   - Ranges: members of tar files, and ranges that a list names.
//   - A fleet: a plan is published to a real Kafka's topic that two workers read. The publisher is told to stop, one worker is killed, and the status, which asks the store alone, says how far it all is.
//   - A run straight from the bucket is killed anywhere, also while it lists. So is a recomputation by another pipeline, from what the old rows say.
//   - Lists in the bucket: one that is a manifest and a table of several files are computed through kills; one that is put over while it is read is told, and read to its end where versions are kept.
//
// CI runs a short version, `make backfill` the long one: VECMILL_BACKFILL_OBJECTS (200,000; of the other tests with kills VECMILL_BACKFILL_TIMES, 10, times as many as in CI), VECMILL_BACKFILL_KILLS (20), from VECMILL_BACKFILL_SEED.
//
// What it does not prove: the loss of the machine that the run is on, whose page cache the store shares here.
package backfill
