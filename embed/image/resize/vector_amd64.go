//go:build !purego

package resize

import "golang.org/x/sys/cpu"

//go:noescape
func sumRowsAVX2(dst, rows *byte, n int, k *int32, taps int)

var hasAVX2 = cpu.X86.HasAVX2

// sumRows writes to dst the sum of as many rows of its length, one behind the other, as there are weights, each times its own. By vector instructions where the processor has them: the same
// integers.
func (r *Resizer) sumRows(dst, rows []byte, weights []int32) {
	n := len(dst)
	if !hasAVX2 || n < 32 || len(weights) == 0 {
		r.sumRowsPlain(dst, rows, weights)
		return
	}
	rows = rows[:n*len(weights)]
	sumRowsAVX2(&dst[0], &rows[0], n, &weights[0], len(weights))
}

//go:noescape
func pairAVX2(upper, lower *byte, src *[3]uint64, first, count *int, weight *int32, stride, outputs int)

// pair is pairPlain by vector instructions where the processor has them: the same integers.
func (t *taps) pair(upper, lower []byte, src [][3]uint64) {
	n := len(t.first)
	if !hasAVX2 || n == 0 {
		t.pairPlain(upper, lower, src)
		return
	}
	if len(lower) == 0 {
		lower = upper
	}
	_, _ = upper[3*n-1], lower[3*n-1]
	_, _ = src[t.first[n-1]+t.count[n-1]], t.weight[n*t.stride-1] // a pixel more than is looked at: windows move to the right only
	pairAVX2(&upper[0], &lower[0], &src[0], &t.first[0], &t.count[0], &t.weight[0], t.stride, n)
}
