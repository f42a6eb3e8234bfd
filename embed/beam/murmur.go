package beam

import "encoding/binary"

// murmur is MurmurHash64A with seed 0, by which KenLM knows words.
func murmur(s string) uint64 {
	const m, r = 0xc6a4a7935bd1e995, 47
	h := uint64(len(s)) * m
	for ; len(s) >= 8; s = s[8:] {
		k := binary.LittleEndian.Uint64([]byte(s[:8]))
		k *= m
		k ^= k >> r
		k *= m
		h = (h ^ k) * m
	}
	if len(s) > 0 {
		for i := len(s) - 1; i >= 0; i-- {
			h ^= uint64(s[i]) << (8 * i)
		}
		h *= m
	}
	h ^= h >> r
	h *= m
	return h ^ h>>r
}
