// Package ledger knows what has been computed already, from the outputs themselves: there is no database beside them that could say something else.
//
// A [Work] is one head of one model on one object, in the output of a pipeline: URI, entity tag, digests of model and preprocessing, head and its options, and what went beside a text. Inline data has neither URI nor tag: its id and the hash of its bytes take their places. Rows say all of it but the
// options, which the files' metadata says. A [Set] is asked for the kinds of work that a configuration has, and keeps of each object 91 bits of a hash and a byte that says which of these kinds are known: 12.6 to 13.4 bytes an object of up to eight heads, however many rows it has, so that 100 million fit in
// less than 2 GB, most of it beside Go's heap, and take no more while outputs are read. An object that has only some of its heads is not complete, whatever it lacks: a run that ended between them, or a head that was added. With that many known, the
// chance that a new one is taken for a known one is 4 in 10^20 for each look-up. [Seen] does the same for texts, while they come by; [Repeats] says how far behind itself a text comes again, and keeps a fair sample where there are many; [Sieve] has very many texts in a fixed size, and is seldom wrong about others.
//
// Neighbours: internal/backfill leaves known references out of a plan; internal/wire gives it the outputs.
package ledger
