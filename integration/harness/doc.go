// Package harness starts the real things that integration tests talk to, and takes them down again: an Apache Kafka in
// KRaft mode from its Maven jars ([StartKafka]), an S3 server on a directory ([StartS3]), a PostgreSQL with pgvector
// ([StartPostgres]), the worker's own binary as a child process ([StartWorker]), and Python's readers of Parquet as judges of what was written ([ReadParquet]).
//
// Contract
//
//   - Everything listens on loopback, on ports below the ephemeral range, and keeps its port over a restart.
//   - Everything is killed when the test ends. Children are in process groups of their own, and on Linux the kernel
//     kills them when the test binary dies, so a panic, a timeout or an interrupt leaves nothing running.
//   - Kill is SIGKILL and keeps the data; Restart brings the same data back on the same port; Pause and Resume are
//     SIGSTOP and SIGCONT.
//   - A [Proxy] makes the wire to a server bad and good again: toxiproxy's faults, and half-closed connections. A broker's [Listener] can
//     advertise a proxy's address, so that its clients never find the way around it, and can speak TLS and SASL with the certificates of an
//     [Authority].
//   - When a test fails, the end of every child's log is in its output.
//   - What is missing on the machine is named, with the command that installs it: the test is skipped, or fails where
//     CI=true, so that a green CI run has really run everything.
//
// Functions take the testing.TB of the test that calls them and fail it; they return only what worked. A server belongs
// to the test that started it: share one among subtests, since a broker takes some seconds to start.
//
// Neighbours: tools/fetch-*.sh say where the programs are (versions live there and nowhere else), integration/readers
// holds the Python scripts, and the tests beside this package prove the harness itself under the build tag integration.
package harness
