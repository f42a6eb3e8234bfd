// Package objectletters keeps dead letters in an object store: one JSON object per letter, named by where the record came from,
//
//	<prefix>/<pipeline>/<topic>/<partition>/<offset, 20 digits>.json
//
// so that putting a letter again replaces it and a letter is found without an index. An object holds the record exactly as it arrived
// (base64), the reference as text where it is UTF-8, for people, and why it was given up. [Parse] reads it back, and [Reader] all of them, for
// `worker dlq`. An empty-handed object beside a letter, with ".replayed" in place of ".json", says that the letter was put back into its topic.
//
// Neighbours: stream puts letters through sinks.DeadLetters; the store is any objectstore.Putter. Put returns only when the store has
// acknowledged the object; a letter is repeated after an unclear answer, which is safe because its name is its identity.
package objectletters
