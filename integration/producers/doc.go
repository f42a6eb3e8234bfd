// Package producers proves that references are read as other people's software writes them, under the build tag integration: the CloudEvents SDK of Python, and the Avro
// and Protobuf serializers of confluent-kafka with a schema registry. The registry is a fake in the process; the messages are the bytes that these libraries hand
// to a Kafka client, so no broker is needed.
package producers
