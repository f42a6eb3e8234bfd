// Package memory proves that the worker's memory is what memory_budget says, under the build tag integration: objects of 200 MB
// through a store that takes seconds for every file, and a resident set that stays below what the idle worker takes, plus the
// budget, plus a constant that the test states.
//
// The baseline is measured in the same process: models, runtime and a few small objects first, large ones then. What it does not
// prove: that the budget is well used, and anything about memory inside ONNX Runtime beyond these models.
package memory
