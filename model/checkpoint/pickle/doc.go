// Package pickle reads Python pickles as data. Nothing in a pickle is ever run or imported: what a pickle would import is a [Global], and a
// [Resolver] of the caller says which globals exist, what calling one of them gives, and what a persistent id stands for. Any other
// global is refused by name.
//
// Opcodes of the protocols 0 to 5 are known, as far as they describe data. Values are nil, bool, int64, *big.Int (beyond int64), float64,
// string, []byte, [Tuple], *[List], *[Dict], and whatever the resolver gives.
//
// Memory is bounded: the number of opcodes and the bytes of all strings are limited, and shared values (the memo) are shared in
// memory too, so nothing grows faster than the input. Values may contain themselves, as Python's may; Decode does not walk
// them, and a caller that does must expect it.
package pickle
