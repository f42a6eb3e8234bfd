// Package decode measures decoding and preprocessing against the libraries that the reference stands on, side by side in one run:
// `make bench-decode`. Pictures against Pillow, text against the Rust tokenizers library, recordings against soundfile and soxr.
//
// Each benchmark runs contestants in turn, some items at a time, round after round: ours in this process with one processor (GOMAXPROCS), theirs in
// a Python process that one thread is enough for (peer.py, pinned by tools/fetch-decode-peers.sh). What is compared is CPU time, garbage collection
// included, and the ratio is the median over the rounds of theirs over ours: above 1 we are faster. What else the machine does falls on both.
//
// These are benchmarks, never tests: nothing here fails because a machine is slow. Results are kept in docs/benchmarks.md.
package decode
