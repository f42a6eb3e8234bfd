// Package crash proves exactly-once against real servers, under the build tag integration: the worker's own process is killed,
// frozen, revived and replaced while it works, the broker and the store are killed or hidden behind a bad wire, and afterwards every offset of
// the topic has exactly one fate: by our own account of the files, by pyarrow and duckdb, and by `backfill audit`.
//
//   - Kills: SIGKILL at seeded points, then a new worker on the same output. Some points are exact: the worker dies when a file's
//     PUT has reached the proxy but not the store, or the store but not the worker, or likewise a dead letter; some are a random
//     time after its start or its assignment.
//   - A zombie: a worker is frozen with a file's PUT on its way, another takes its partitions over, and then the PUT arrives and the
//     worker wakes. Sleepers: a worker is frozen while the group rebalances, and wakes during that or after it.
//   - Rolling restarts of three workers, and three workers to one and back, while records arrive. The share of work that was done
//     twice (the redo ratio) is printed and held to a bound.
//   - Outages: the broker or the store is killed and comes back with its data, at once or after longer than a session.
//   - Bad wires (toxiproxy, and a relay for half-closed connections) to the broker and to the store: latency, little bandwidth, resets,
//     answers that are cut off or lost, half-closed connections, a black hole for longer than a session.
//   - A storm: what is above in pairs, drawn from a seed.
//   - A silent replica: a topic of two brokers, one of them frozen, and an append that is in the log and not shown.
//
// CI runs a short version, `make crash` the long one: VECMILL_CRASH_POINTS kills (200), VECMILL_CRASH_ROUNDS of everything that has a
// fixed course (3), VECMILL_CRASH_ACTS of the storm (40), from VECMILL_CRASH_SEED.
//
// What it does not prove: workers on a cluster of several brokers, the loss of a disk, and schedules inside the process; stream's own tests go
// through those by the thousand with simulated crashes.
package crash
