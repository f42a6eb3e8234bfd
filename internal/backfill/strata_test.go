package backfill

import (
	"context"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// TestATextsWorkIsNotItsSize draws texts of which a model reads 512 tokens at most, and looks at what samples of 256 say of 20,000: nearly all within 15 %, and as many within their intervals as these promise.
func TestATextsWorkIsNotItsSize(t *testing.T) {
	const items, sampled, draws = 20_000, 256, 60
	for name, length := range map[string]func(r *rand.Rand) float64{
		"all alike":  func(*rand.Rand) float64 { return 100 },
		"log-normal": func(r *rand.Rand) float64 { return math.Exp(3.2 + 0.8*r.NormFloat64()) },
		"heavy tail": func(r *rand.Rand) float64 { return 8 * math.Pow(r.Float64(), -1/1.2) },
		"two kinds":  func(r *rand.Rand) float64 { return []float64{10, 10, 10, 5000}[r.IntN(4)] + r.Float64() },
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(7, 7))
			near, within := 0, 0
			for range draws {
				d, truth := &Draft{}, 0.0
				tokens := func(it *plan.Item) float64 { return min(float64(it.Size)/6, 512) }
				for i := range items {
					it := plan.Item{Ref: schemas.Ref{ID: strconv.Itoa(i)}, Size: int64(6 * length(r))}
					d.Planned++
					d.Bytes += it.Size
					d.Sizes[sizeOf(it.Size)]++
					truth += tokens(&it) / 1000
					if i < sampled {
						d.Sample = append(d.Sample, it)
					}
				}
				try := func(_ context.Context, items []plan.Item) (tr Tried, err error) {
					tr.Items = len(items)
					for i := range items {
						n := tokens(&items[i])
						tr.Work = append(tr.Work, n)
						tr.Wall += time.Duration(n * float64(time.Millisecond))
					}
					return tr, nil
				}
				probe := func(_ context.Context, it *plan.Item) (Extent, error) { return Extent{Bytes: it.Size}, nil }
				e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: time.Hour, AtOnce: 128})
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(e.Wall.Value/truth-1) < 0.15 {
					near++
				}
				if e.Wall.Low-1e-6 <= truth && truth <= e.Wall.High+1e-6 {
					within++
				}
			}
			t.Logf("of %d samples %d were within 15 %%, and %d within their intervals", draws, near, within)
			if near < draws*95/100 || within < draws*85/100 {
				t.Errorf("of %d samples %d were within 15 %%, and %d within their intervals", draws, near, within)
			}
		})
	}
}

func TestAPartOfADraftIsThatOfEachSize(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 1100, Bytes: 1_100_000}}
	d.Sizes[sizeOf(10)], d.Sizes[sizeOf(1000)], d.Sizes[sizeOf(1<<20)] = 1000, 96, 4
	for i := range 100 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: strconv.Itoa(i)}, Size: 10})
	}
	for i := range 8 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: strconv.Itoa(i), Route: "long"}, Size: 1000})
	}
	long := func(ref *schemas.Ref) bool { return ref.Route == "long" }
	if p := d.Part(long); p.Planned != 96 || len(p.Sample) != 8 { // 8 of 108 of the four that the sample has none of round to none
		t.Errorf("%d references planned of %d in the sample, want the 96 of their size", p.Planned, len(p.Sample))
	}
	if p := d.Part(func(*schemas.Ref) bool { return true }); p.Planned != d.Planned || p.Bytes != d.Bytes || p.Sizes != d.Sizes {
		t.Errorf("all of it: %+v", p.Counts)
	}
	d.Sizes = Sizes{}
	if p := d.Part(long); p.Planned != 81 { // 1,100 x 8/108
		t.Errorf("%d references planned, where sizes were not counted", p.Planned)
	}
}
