// Package exported runs graphs that torch exported, as people have them: a test that every class loads through model.Open and gives torch's
// own numbers, on small ones made by tools/exports; and a benchmark of our own graphs against them at base width. It has no code of its own.
package exported
