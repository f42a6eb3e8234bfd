// Package docs has no code. Its tests hold the documents against the programs: every command of a console block is run, or stands in a table with the test
// that does what it does by its words (kubectl, docker and kill of prose, too); every command, flag, make target, script and test that prose names exists; blocks of other kinds are understood by what reads them; every link of a document leads somewhere; the map of architecture.md names every package, and decisions have their four parts; every configuration in examples is valid,
// and runs on a broker, an object store and a Redis server in the process, with the bundled models in place of large ones.
package docs
