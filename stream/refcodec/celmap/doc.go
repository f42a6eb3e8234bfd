// Package celmap makes references of any message, and says which of them a pipeline takes, by expressions in CEL (the Common Expression Language).
//
// A [Mapping] sees value, key, headers, topic, timestamp and event, and gives a map with the fields of a reference, a list of such maps, or skip for nothing
// (a null that fits every type: CEL's own does not fit beside a map).
// A [Filter] sees ref besides, without value and event, and gives a bool. Both are checked when they are compiled, where a fault is one sentence with its line and column; what only
// a message can show (a key that is not there, a number where a string belongs) is a Rejection of class schema. An expression's cost is bounded, so that no
// message can hold a worker up.
//
// Neighbours: refcodec decodes messages and turns fields into references; internal/wire compiles what the configuration says.
package celmap
