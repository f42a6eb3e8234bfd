// Package sinktest is how a sink proves that it is one: the conformance suite of sinks.Sink ([Run]), that of objectstore.Store
// ([RunStore]), an in-memory store with faults ([MemStore]), and rows and ranges made from a seed-free rule ([Make]).
//
// A sink's test gives a [Fixture]: how to open the sink on a store that outlives it, and how to read the store back. The suite drives
// it through order, exactly-once reporting, crashes, zombies, drains and cancellation, and compares what a reader finds with
// what was written: every offset exactly one of rows, dead, skipped.
//
// With Fixture.Bubble each case runs in a testing/synctest bubble, where time is virtual and a leaked goroutine fails the test; without, goleak looks for leaks.
//
// The suite does not prove that a store keeps its promises under power loss, nor anything about speed.
package sinktest
