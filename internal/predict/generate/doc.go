// Package generate writes texts with a language model as GenerationMixin.generate of transformers 4.55 does: greedy, sampled, and by beam search, with the
// processors of scores that a [Config] asks for. It is arithmetic on tokens and logits: a [Model] computes those, with a cache or without; results are the same.
//
// Names and defaults are GenerationConfig's. Scores are float32, as there, and change in the reference's order: biases and penalties first, then what
// bans tokens, then (when sampling) temperature, top_k, top_p and the rest. Ties go to the lower token id.
//
// Greedy and beam search give the reference's tokens. Sampling draws from the same distribution with a generator of its own: a seed gives the same text each
// time, but not torch's. Each text returned has its own stream, so it does not depend on how many there are.
//
// Not here: contrastive and assisted search, groups of beams, constraints, watermarks. Package predict refuses their options by name.
package generate
