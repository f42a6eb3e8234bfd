// Package soak proves that limits hold for as long as one likes, under the build tag integration: one worker with a pipeline for each
// modality works through an adversarial mix of objects while its resident memory, file descriptors and goroutines are watched.
//
// The mix is drawn from a seed (VECMILL_SOAK_SEED): recordings of a hundredth of a second and of ten minutes, texts of one
// token and of the longest there may be, pictures of one pixel and of fifty million, and what has to be refused: too large, cut off, not what it says,
// not there, not allowed, not a reference. Budgets are small, so that large objects wait for each other.
//
// The worker must not end by itself, hold more bytes or records than its settings say, nor grow: the slope of the resident set by least
// squares after the warm-up stays within a stated bound, and descriptors and goroutines are afterwards, idle, what they were before.
// SOAK_MINUTES sets how long; the half minute of `make integration` is too short to tell a slope and holds the rest alone. `make soak`
// takes thirty.
//
// What it does not prove: anything about GPU memory, or about models larger than the bundled ones.
package soak
