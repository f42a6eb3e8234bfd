// Package registry reads Avro and Protobuf records in Confluent's wire format: a zero byte, the id of the writer's schema in a registry, for Protobuf the
// message's place in its file, and the encoded message.
//
// A record is decoded by the schema that it was written with, whatever its fields are: those with a reference's names are taken, as ref.v1.avsc and
// ref.v1.proto of package schemas have them, or an expression makes references of all of it.
//
// Schemas never change under an id and are kept. One that is not known yet is asked for when its first record comes. A registry that does not answer, or answers that it is
// in trouble, is asked again without end, and the record waits; an id that it does not know, and a schema that cannot be parsed, make the record a dead letter
// (schema); an answer that a person must mend (401, 403) ends the pipeline.
//
// Neighbours: refcodec turns fields into references; internal/wire gives the client its address and secrets. The client is franz-go's sr, the parsers are
// hamba/avro and protocompile.
package registry
