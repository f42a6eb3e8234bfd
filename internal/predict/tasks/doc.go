// Package tasks makes of a model's raw outputs what the Hugging Face pipelines (transformers 4.55) give: one file per task, with the
// pipeline's shapes and field names. Functions are pure: numbers and tokens in, results that encode to JSON out. Package predict feeds them.
//
// Scores are computed in float64; the reference computes in float32, so they agree to about 1e-6. Ties go to the first.
package tasks
