// Package progress says how far a run over a bounded list has come: a [Meter] makes rates, shares and an expected end of what a worker's live page knows at two
// moments, and a [Report] is that as JSON, as one line and as a block of lines for a terminal, which a [Screen] rewrites in place.
//
// Nothing here has a clock or a goroutine: whoever shows the progress decides when.
//
// Neighbours: internal/page has the stages and totals, internal/cli the ticker and the flags.
package progress
