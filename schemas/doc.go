// Package schemas says what the bytes mean: the reference that arrives ([Ref]), the row that leaves ([Row]) and the words
// that both ends share ([Range], [Reason], [Task], [Modality]).
//
// It imports the standard library only, so every other room may use it and none needs to know another. Ref is versioned
// JSON: [ParseRef] is strict and names the field it refuses, ref.v1.schema.json is the same contract for other languages,
// and testdata holds golden bytes per version that must parse for ever. Row is a Go struct; [Columns] is the table that
// gives each of its fields a column name, a type and a meaning, from which the sinks build their storage schema.
package schemas
