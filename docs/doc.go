// Package docs has no code. Its tests hold the documents against the programs: every command of a console block, and every command of our programs in prose, is run, or a table names the test that does what it does by its words (kubectl, docker, kill); make
// targets and tests are those that CI runs; what nothing runs stands in a table with the reason, and has to find the scripts, packages, benchmarks and flags that it names. Blocks of other kinds are understood by what reads them; every link of a document leads
// somewhere; the map of architecture.md names every package, and decisions have their four parts; every configuration in examples is valid, and runs on a broker, an object store and a Redis server in the process, with the bundled models in place of large ones.
package docs
