// Package dlq is the work of `worker dlq`: it groups dead letters, shows one, and puts their records back where they came from.
//
// Replay appends the record exactly as it arrived, key, value and headers, to the end of the partition that it was read from (or of another topic),
// with one header more: [schemas.ReplayHeader] names the letter (a second one, [schemas.DeletedHeader], may have come with it). The record has a new offset; a row's identity ([schemas.RowID]) has no offset in it, so the row
// is the one that the first try would have given.
//
// R1 A letter is replayed once. Which letters were, two places know: the marks in the dead-letter store, and the log itself, whose records name
// their letters. Before anything is appended the log is read from behind the oldest letter that has no mark, so that a replay that was killed between
// its append and its mark is found, and skipped, by the next one.
//
// R2 An append whose answer is unclear is settled by reading the log, never by guessing: five seconds after it was given up, so that it has landed if it ever does, and up to an end that is settled, since a record that not all in-sync
// replicas have is in the log and no reading shows it.
//
// R3 A record is marked only when it is in the log.
//
// R4 The outputs decide: a letter whose offset has rows in one, and is dead in none, is of a try that a crash cut off, and its record is not put back.
//
// Not held: a request that Kafka carries out more than five seconds after it was given up, or, of a replay that was killed, after the next one has read.
// Two replays of one letter at the same time are not told apart: the record may be there twice, and its rows have one id. Letters of a manifest have no
// log to go back to; [WriteManifest] makes a manifest of them.
//
// Neighbours: internal/wire joins it to the stores of sinks/kafkaletters and sinks/objectletters and to stream/kafkasource.Log; internal/cli prints.
package dlq
