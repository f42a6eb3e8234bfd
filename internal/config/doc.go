// Package config is the one configuration of both commands: a YAML file, overridden by environment variables, validated as
// a whole before anything starts.
//
// The structs are the reference: every field carries its documentation in a doc tag, `worker config reference` prints
// them with their paths, types and defaults, and a test fails on a field without. Unknown fields are errors with their line. Validate lists
// every fault with its path, so that a file is mended in one go. Secrets are of type [Secret], come from the file, the
// environment or a file of their own, and never print.
//
// The environment variable of a field is VECMILL_ and its path in capitals with underscores: kafka.brokers is VECMILL_KAFKA_BROKERS,
// and inside pipelines the name of the pipeline takes the place of the index: VECMILL_PIPELINES_SPEECH_MEMORY_BUDGET.
package config
