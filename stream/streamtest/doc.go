// Package streamtest is an in-process world for pipelines: a log with consumer groups that rebalance, lose members and
// keep zombies, a fetcher with faults, processes that crash between any two effects, and the oracle that proves from the
// outside that every offset ended exactly once.
//
// Everything in it works inside testing/synctest bubbles: time is virtual, nothing opens a socket or a file. Faults are drawn
// from a seed. What it does not prove: that kafka-go, the broker and the object store behave as these fakes do; that is integration's part.
package streamtest
