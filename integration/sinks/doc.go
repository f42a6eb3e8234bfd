// Package sinks proves outputs on real servers, under the build tag integration: redis-server of the distribution, killed while it is written to, and read back by
// redis-cli, which also searches one with the module for it; milvus-lite, read by pymilvus; a node of OpenSearch, asked by its own search; a Flight server of pyarrow; and Kafka, read by librdkafka with Confluent's, Arrow's and Python's own libraries for the formats.
package sinks
