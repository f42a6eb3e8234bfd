// Package heads makes results of what a model puts out: [New] looks a task up in a table and gives an [embed.Head].
//
//	embedding       pooled over an item's own steps of last_hidden_state, scaled to length 1 unless told otherwise
//	transcript      CTC decoding of logits, greedy or with beams and a language model, with times and scores of words and characters
//	classification  labels with scores from logits, best first
//	frames          the best label of each frame, or all above a threshold, neighbours of one label joined into segments with times ([Framing])
//	xvector         the model's speaker vector, scaled to length 1 unless told otherwise
//	tokens          entities of a text with their offsets, by one of five aggregations ([Tagger])
//	masks           the class of each pixel at the picture's own size, run-length encoded or as PNG, and each class's share
//	fill            proposals for the masks of a text
//	perplexity      how well a causal model foresees a text ([NLL])
//	answers         stretches of a text that answer a question ([Reader])
//	choice          which of several texts goes on from another
//
// tokens, perplexity and answers are of whole objects ([embed.Joiner]); the others of windows.
//
// A head looks only at what belongs to an item: frames, tokens or patches behind its own length are padding of the batch and
// never change a result (I7). It takes that length from the sample's own inputs; where
// a token or a picture is from, and how tokens are spelled, it asks the sample's tag ([embed.Pieces], [embed.Speller], [embed.Picture]). Numbers follow the reference's
// pipelines; sums are taken in float64 and rounded once. Ties go to the lower index, so results are deterministic.
// Outputs that are not finite numbers are errors, never rows.
//
// Which head it is, its options, the files that it reads and its code, is told by a digest ([Identity]): rows are known by it, and not computed again.
//
// To add a head: one file, one line in the table tasks, one golden. Heads are pure: they keep nothing between calls and are safe for concurrent use.
//
// Neighbours: embed defines the seam and calls Apply; model says which outputs a class has and where its files are;
// embed/embedtest holds the suite that every head passes.
package heads
