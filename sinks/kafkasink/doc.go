// Package kafkasink produces rows to a Kafka topic, at least once: as JSON (sinks/jsonrow), Avro in Confluent's wire format (sinks/avrorow), or streams of Arrow IPC
// of one row each, which carry their schema (some KB).
//
// The key is the reference's id, so what is made of one reference is in one partition, in order; Java's default partitioner puts the same key into the same one.
// Headers carry the row's identity and lineage (vecmill.*) and the reference's attributes of up to 1 KiB (attribute.*). A deletion is a message without a
// value under the same key. A reference may give several rows (heads, windows): compacting the topic would keep only the last of them.
//
// A batch is acknowledged by all in-sync replicas before its offsets count. kafka-go has neither transactions nor idempotence: what is repeated after an unclear answer,
// or after a crash, is there twice under one vecmill.row_id. Rows larger than the topic's max.message.bytes, which is asked for at start
// and where it may not be is taken for the default, are refused beforehand.
package kafkasink
