package sinktest

import (
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Fixture is one empty store and the sink on top of it.
type Fixture struct {
	// Open makes a sink on the store as a new process would. The suite closes it, or drops it as a crash does.
	Open func(t testing.TB) sinks.Sink
	// OpenFewer is Open for rows of embeddings alone, where a sink's schema follows from the tasks; nil where it does not.
	OpenFewer func(t testing.TB) sinks.Sink
	// Read gives what a reader of the store finds of src now.
	Read func(t testing.TB, src schemas.SourceID) Account
	// IDs says that Read knows rows by their ids alone, and makes the rest of them up.
	IDs bool
	// Chained says that the sink keeps its own progress and every offset exactly once: Resume knows, gaps are refused, zombies lose.
	Chained bool
	// Splits says that a store's request may hold part of a range, and that its progress may so stand within one.
	Splits bool
	// RecordsFates says that dead and skipped offsets can be read back.
	RecordsFates bool
	// Upserts says that rows with one id are one row in the store, the last that was written.
	Upserts bool
	// Deletes says that deletions take rows away.
	Deletes bool
	// Poison, if there is one, spoils a row so that Check passes it and the store refuses it.
	Poison func(row *schemas.Row)
	// Break, if there is one, lets the next n requests fail as those to a server that is away do.
	Break func(n int)
}

// Options are how Run runs.
type Options struct {
	Bubble bool // each case in a testing/synctest bubble; the fixture must then do no real I/O
}

// Run holds a sink to the contract of sinks.Sink. open makes a fresh fixture for each case.
func Run(t *testing.T, o Options, open func(t testing.TB) Fixture) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			if o.Bubble {
				synctest.Test(t, func(t *testing.T) { c.run(t, open(t)) })
				return
			}
			before := goleak.IgnoreCurrent()
			t.Cleanup(func() { goleak.VerifyNone(t, before) }) // first in, so it looks after the fixture's own clean-up
			c.run(t, open(t))
		})
	}
}

// testCase is one sentence about sinks; cases that need a chain return early on other sinks.
type testCase struct {
	name string
	run  func(t *testing.T, f Fixture)
}

func cases() []testCase {
	return []testCase{
		{"an unknown source resumes as unknown", unknownSource},
		{"flushed ranges read back equal", readBack},
		{"every range is reported once and in order", reportedInOrder},
		{"flush returns after every done", flushWaits},
		{"flush with nothing outstanding returns at once", flushNothing},
		{"a new process resumes where the durable output ends", resumeAfterCrash},
		{"a hint inside, at or beyond the end does not change where to resume", hints},
		{"offsets that are durable already are dropped and reported durable", repeatedOffsets},
		{"a range without rows advances the source", emptyRanges},
		{"a range of one large row is written", largeRow},
		{"a range that leaves a gap is refused", gapRefused},
		{"two owners of a source write every offset once", twoOwners},
		{"a zombie that wakes late adds nothing twice", zombie},
		{"forgotten ranges are reported forgotten and can be written again", forget},
		{"forgetting an unknown source does nothing", forgetUnknown},
		{"sources do not disturb each other", independentSources},
		{"a done may call the sink", reentrantDone},
		{"a cancelled flush returns, and flushing again finishes", cancelledFlush},
		{"close makes everything durable, and may be called twice", closeTwice},
		{"close without any write succeeds", closeUnused},
		{"a closed sink takes nothing", writeAfterClose},
		{"a store that is away for some requests loses nothing", storeAway},
		{"of a thousand rows the one that is refused is named and the others are durable", oneRefused},
		{"a row that comes again under its id is one row", sameID},
		{"a deletion takes earlier rows away and leaves later ones", deletion},
		{"a cancelled write is taken whole or not at all", cancelledWrite},
		{"rows with tasks and attributes that come later stand beside the old ones", schemaChange},
	}
}
