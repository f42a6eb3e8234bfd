// Package simulate plays the whole worker in virtual time, with every fault and every schedule from one seed, and proves the invariants of
// vecmill/stream from the outside. `worker simulate` and `make sim` run it; `make test` plays a thousand seeds.
//
// A world ([Stage.Run]) is a testing/synctest bubble. What is real in it: stream.Pipeline and Tracker, blobfetch, the embed engine over an arithmetic session,
// parquetsink, pgvectorsink above its transactions (in a quarter of the worlds), icebergsink above its catalog (in a fifth), Tee, objectletters (kafkaletters in half of
// the worlds over kafka), s3store and minio-go, composed as internal/wire composes them. What is not: the database (locks that are waited for in turn, time-outs, COMMITs
// that land without an answer, late, or never), the catalog (a compare-and-swap, 409, commits that land likewise), the S3 (cloud: strong consistency, conditional PUTs, listings in pages), the way to it (network: latency, 503, resets and hangs whose request did land, now or minutes later, 409, 412,
// truncated and damaged bodies, expired credentials, refusals, a full disk), and the broker, at one of two seams:
//
//   - scripted ([Scripted]): a stream.Source and a coordinator with Kafka's classic protocol, generations, evictions and fences. A seed repeats itself to the
//     nanosecond, on any machine, however busy: every random choice follows from the seed and from what it is for (draws), every request leaves, arrives and returns at an
//     instant of its own, and goroutines that become ready in one instant run on one processor in their order, which real time does not change ([Stage]). The trace's hash
//     shows it, and a run knows whether anything came between ([Result].Disturbed): then it is an honest run, though not the seed's own. [Stage.Exactly] plays until nothing has;
//     `worker simulate --seed N` and what a failing seed prints use it. Off Linux nobody can tell, and runs may differ when the machine is busy.
//   - kafka ([Kafka]): stream/kafkasource and kafka-go over franz-go's kfake on a virtual network. kafka-go draws its own jitter, so this seam
//     is breadth: a seed gives the same world, and nearly the same schedule.
//
// Processes ([Step]) crash between and in the middle of effects, pause, wake as zombies, are cut off from the broker, are terminated and started again. The
// oracle judges each file and each commit the moment it lands (I1, I2, I3, one writer per offset), memory when a process ends (I4), and at the end
// everything that is stored, record by record (I5, I7, I8), with what tombstones took away gone from tables; a scenario of restarts in good order counts what is read twice (I6); bubbles notice goroutines that stay, and worlds must come to an end once they are calm.
//
// Incidents of comparable systems are [Scenarios] by name. The tests also lay bugs over the sources, build, and show that each of them is caught.
//
// What it does not prove: that kfake, the cloud here and the real servers agree (integration/crash is for that), nor anything about time that does not
// pass in steps: a pause stops a process at the next request, not between two instructions, and the wall clock is never set back.
package simulate
