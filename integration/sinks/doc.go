// Package sinks proves outputs on real servers, under the build tag integration: redis-server of the distribution, killed while it is written to, and read back by
// redis-cli.
package sinks
