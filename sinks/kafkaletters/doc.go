// Package kafkaletters keeps dead letters in a Kafka topic.
//
// A message's value is the record's value exactly as it arrived, so that replay is a copy; its key is the letter's identity,
// "pipeline/topic/partition/offset", so that a compacted topic keeps one of each. What Vecmill has to say is in headers that begin with
// "vecmill." and the record's own headers follow, in their order, each with "source." before its name. [Parse] turns a message back into a letter.
//
// A letter is larger than its record by its headers: 300 to 800 bytes with a short error, and the error itself up to 16 KiB. If the broker refuses it
// as too large, it is put again with the error cut to 256 bytes. The topic's max.message.bytes is to be that of the source's topic and 4 KiB, or
// a record at the source's limit cannot be kept, which stops the pipeline.
//
// A message whose header "vecmill.kind" is "replayed" is no letter but says of one, by its value, that `worker dlq replay` has put it back
// into its topic ([Mark]).
//
// Put returns when all in-sync replicas have the message. Kafka's own client cannot tell whether a timed-out produce landed, so a letter may
// be there twice; readers take the last one of a key.
//
// Neighbours: stream puts letters through sinks.DeadLetters. This is the one room outside stream that produces to Kafka; it knows nothing of consumer groups.
package kafkaletters
