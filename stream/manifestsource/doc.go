// Package manifestsource delivers the references of a manifest: a file with one reference, as JSON, per line, or a table as CSV or Parquet (Open). It implements
// [vecmill/stream.Source] for bounded work (backfill).
//
// A manifest is one partition, "manifest:<name>" number 0, and a line's or row's number from 0 is its offset. Blank lines are tombstones, so that numbers are
// the file's own. The file is never in memory as a whole: one pass counts its lines and keeps the place of every 1024th, and Parquet has row groups, so that reading begins
// anywhere. Lines are cut at MaxLine bytes, which no valid reference reaches.
//
// A row of a table becomes a reference as JSON; one that does not is a [vecmill/schemas.NoRef] with its line or row, which a decoder refuses: it is a dead letter
// with its place and not the end of the run. A list may also come from elsewhere (NewList): a backfill's plan.
//
// A list's bytes come from a [Place]: a file of this machine, or an object of a store that internal/wire opens. It is opened, read through and read again, so a [File] is the same bytes as long as it is open: a file that is edited in its place ends the reading, unless the list has a name that is a promise (no Sum).
//
// There are no commits: the output's chain is the truth about what is done, and a run that is repeated resumes at its end. So the manifest must
// not change between runs under the same name, except by lines that are appended; New takes the name, and a changed manifest needs a new one. A name that has the file's Sum in it changes with the
// manifest. Whoever appends may be in the middle of a line: what may be half written at the end of a list without a Sum is not delivered, unless the output has it already.
//
// Neighbours: stream drives it, internal/wire builds it.
package manifestsource
