// Package crash proves exactly-once against real servers, under the build tag integration: the worker's own process is killed,
// frozen, revived and replaced while it works, and afterwards every offset of the topic has exactly one fate in the files.
//
//   - Kills: SIGKILL at seeded points, then a new worker on the same output. Some points are exact: the worker dies when a file's
//     PUT has reached the proxy but not the store, or the store but not the worker, or likewise a dead letter; some are a random
//     time after its start or its assignment. VECMILL_CRASH_POINTS sets their number, VECMILL_CRASH_SEED the seed.
//   - A zombie: a worker is frozen with a file's PUT on its way, another takes its partitions over, and then the PUT arrives and the
//     worker wakes.
//   - A rolling restart: two workers, each replaced while records arrive.
//
// What it does not prove: crashes of the broker or the store, and schedules inside the process; stream's own tests go through
// those by the thousand with simulated crashes.
package crash
