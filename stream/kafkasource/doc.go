// Package kafkasource delivers the records of a Kafka consumer group. It implements [vecmill/stream.Source] on kafka-go's ConsumerGroup,
// which joins and rejoins, and on the wire protocol below kafka-go's Reader, which fetches.
//
// One generation of the group is one assignment: bounds are looked up, Assigned says where to begin, one goroutine per partition fetches
// and calls Records, and at the generation's end the goroutines stop, Revoked drains and commits, and only then the member rejoins. kafka-go
// waits for us before it rejoins, and the broker accepts commits of the old generation while it prepares the new one. A generation that gives this member
// nothing is no assignment: it is told as Spare.
//
// Heartbeats: kafka-go's stop the moment a rebalance is announced and do not say why. So the assignment sends its own from the first moment to the
// last, also while it drains; they tell a rebalance (drain, then rejoin) from an eviction (Lost, at once). A member that could not reach its coordinator
// for a whole session timeout takes itself for evicted. The broker waits RebalanceTimeout for members to rejoin, hence Validate asks for
// DrainTimeout plus time to notice and to commit to be less than that.
//
// Topics are watched: one with more partitions, or with some that the leader gave to nobody, has the member join anew, one that was deleted ends Run with the error that a start would give. Each commit says with how many partitions the group began with the topic, so
// that a partition which was added since is told from one that nobody has begun yet (Bounds.Added).
//
// Isolation is read_committed: aborted records and control markers are not delivered; the next offset given to Records covers them, as it covers
// compacted offsets. Fetching never jumps: an offset that retention removed moves to the new beginning of the log, with a warning, and an
// offset beyond the end of the log is an error, never a reset.
//
// Transient faults (a broker restarts, a leader moves, the network fails) are retried without end once the source has started; at the
// start it gives up after StartAttempts with a sentence that names the brokers. Config.Told hears of them until they are over. Faults that a person must mend (authorisation,
// settings the broker refuses, a topic that is gone) end Run. A partition without a leader holds up only itself, unless the group has never committed for it. When Run returns, every connection that it opened is closed.
//
// Memory: up to FetchMaxBytes of compressed records per partition, outside the byte budget. Neighbours: stream drives it, internal/wire builds it.
package kafkasource
