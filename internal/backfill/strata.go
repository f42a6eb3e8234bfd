package backfill

import (
	"math"
	"math/bits"

	"vecmill/schemas"
)

// Sizes count objects by the power of two of their size: [n] those of less than 2^n bytes, and not less than half of that; [0] those whose size the source does not say.
type Sizes [64]int64

func sizeOf(size int64) int { return bits.Len64(uint64(max(size, 0))) }

// weighed is an object of the sample, and what is known of it.
type weighed struct {
	size  int64
	value float64
}

// leastOfStratum is how many objects of the sample a stratum has at least.
const leastOfStratum = 8

// total is what the planned objects have of a value in all, and its relative standard error: in each stratum of sizes the sample's mean, times how many objects are planned there. So a sample that has, by
// chance, more long objects than its share does not count for more, and a value that is not proportional to size, as a model reads the beginning of a long text, is not taken for it. Neighbouring strata with few of the sample are one.
func (d *Draft) total(sample []weighed) (total, spread float64) {
	if len(sample) == 0 {
		return 0, 0
	}
	var variance float64
	for _, s := range d.strata(sample) {
		n, all := float64(len(s.values)), float64(s.planned)
		mean := 0.0
		for _, v := range s.values {
			mean += v / n
		}
		total += mean * all
		squares := 0.0
		for _, v := range s.values {
			squares += (v - mean) * (v - mean)
		}
		if n > 1 && all > n { // of a stratum that is in the sample whole nothing is left open
			variance += all * (all - n) * squares / (n - 1) / n
		}
	}
	if total > 0 {
		spread = math.Sqrt(variance) / total
	}
	return total, spread
}

// stratum is a range of sizes.
type stratum struct {
	planned int64
	values  []float64 // of the sample
}

func (d *Draft) strata(sample []weighed) []stratum {
	var values [len(Sizes{})][]float64
	for _, w := range sample {
		values[sizeOf(w.size)] = append(values[sizeOf(w.size)], w.value)
	}
	var all []stratum
	var open stratum
	for i, planned := range d.Sizes {
		open.planned += planned
		open.values = append(open.values, values[i]...)
		if len(open.values) >= leastOfStratum {
			all, open = append(all, open), stratum{}
		}
	}
	if !d.sized() || len(all) == 0 {
		one := stratum{planned: d.objects()}
		for _, w := range sample {
			one.values = append(one.values, w.value)
		}
		return []stratum{one}
	}
	last := &all[len(all)-1]
	last.planned += open.planned
	last.values = append(last.values, open.values...)
	return all
}

// sized says whether sizes were counted: a plan that an earlier build began has none, or not of all.
func (d *Draft) sized() bool {
	var n int64
	for _, planned := range d.Sizes {
		n += planned
	}
	return n == d.objects()
}

// Part is what is left of a draft with those references alone that take says; the part of each size is that of its share of the sample.
func (d *Draft) Part(take func(*schemas.Ref) bool) *Draft {
	out := &Draft{Counts: d.Counts, Deletions: d.Deletions, Sizes: d.Sizes, copies: d.copies, near: d.near}
	var all, taken Sizes
	var bytes, takenBytes int64
	for _, it := range d.Sample {
		all[sizeOf(it.Size)]++
		bytes += max(it.Size, 0)
		if take(&it.Ref) {
			out.Sample = append(out.Sample, it)
			taken[sizeOf(it.Size)]++
			takenBytes += max(it.Size, 0)
		}
	}
	if len(out.Sample) == len(d.Sample) {
		return out
	}
	out.Unreadable, out.Deletions = 0, 0 // whose they are is not known
	out.Bytes = d.Bytes * takenBytes / max(bytes, 1)
	share := float64(len(out.Sample)) / float64(len(d.Sample))
	out.Copied = d.Copied.part(share)
	for i, n := range d.near {
		out.near[i] = int64(math.Round(float64(n) * share))
	}
	if !d.sized() {
		out.Planned = int64(math.Round(float64(d.objects()) * share))
		return out
	}
	out.Planned = 0
	for i, n := range d.Sizes {
		of := share
		if all[i] > 0 {
			of = float64(taken[i]) / float64(all[i])
		}
		out.Sizes[i] = int64(math.Round(float64(n) * of))
		out.copies[i] = int64(math.Round(float64(d.copies[i]) * of))
		out.Planned += out.Sizes[i]
	}
	return out
}
