// Package embedtest is for tests of embed and of what stands on it: a [Session] that is plain arithmetic, with faults to inject, and
// the conformance suites [TestSession] and [TestHead] that every implementation of embed.Session and embed.Head passes.
//
// The fake computes a known, exact function of its inputs that respects lengths and masks, so a test can say what a
// row must hold without a model, and it can be told to fail, to panic or to take (virtual) time on chosen values: it is a
// session with behaviour, not a mock.
//
// What the suites do not prove: that a session computes the right numbers (the goldens of model do), and that it is fast
// (its benchmarks do).
package embedtest
