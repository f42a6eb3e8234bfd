// Package cli is the command lines of worker and backfill: flags, signals, exit codes, and the sentences that people read. What
// a command does lives in wire, demo and audit; here is only how it is asked for.
//
// Exit codes: 0 done, 1 a fault while running, 64 a fault of the command line or the configuration (2 of worker predict, also for its inputs).
package cli
