// Package manifestsource reads references from a file, one JSON object a line: a bounded source for backfills.
//
// The file is one partition, {"manifest:<name>", 0}, and a line's number, counted from 0, is its offset; so a manifest must not change between
// runs that share a name. Blank lines are skipped. Its committer keeps nothing: where a run goes on is asked of the output's own chain,
// which is the truth, and an interrupted run that is started again computes only what is missing.
//
// The file is read in chunks and never held in memory; a sparse index of line starts finds any offset.
package manifestsource
