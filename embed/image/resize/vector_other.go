//go:build !amd64 || purego

package resize

// sumRows writes to dst the sum of as many rows of its length, one behind the other, as there are weights, each times its own.
func (r *Resizer) sumRows(dst, rows []byte, weights []int32) { r.sumRowsPlain(dst, rows, weights) }

func (t *taps) pair(upper, lower []byte, src [][3]uint64) { t.pairPlain(upper, lower, src) }
