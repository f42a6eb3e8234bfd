package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// TestAStatedRateNeedsNoTrial has 1000 recordings, a tenth of which is gone, of 4 s or 6 s.
func TestAStatedRateNeedsNoTrial(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 1000}}
	for i := range 100 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(_ context.Context, it *plan.Item) (Extent, error) {
		if strings.HasSuffix(it.Ref.ID, "7") {
			return Extent{}, schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
		}
		return Extent{Bytes: 100, Seconds: 4 + 2*float64(it.Ref.ID[0]%2)}, nil
	}
	tried := 0
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		tried += len(items)
		return Tried{Items: len(items), Wall: time.Hour, CPU: time.Hour, Rows: int64(len(items)), Steps: 50, Work: ones(len(items))}, nil
	}
	for _, c := range []struct {
		name                  string
		rate                  Rate
		try                   Trial
		wall, cpu, gpu, price float64
	}{
		{"objects", Rate{10, Objects}, nil, 900 / 10. / 3, 900 / 10. * 16, 900 / 10. * 2, 900 / 10. / 3600 * 1.2},
		{"seconds of audio", Rate{45, AudioSeconds}, nil, 4580 / 45. / 3, 4580 / 45. * 16, 4580 / 45. * 2, 4580 / 45. / 3600 * 1.2},
		{"with a trial, which says what comes of it", Rate{10, Objects}, try, 900 / 10. / 3, 900 / 10. * 16, 900 / 10. * 2, 900 / 10. / 3600 * 1.2},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Expect(t.Context(), d, probe, c.try, ExpectOptions{
				Modality: schemas.Audio, For: time.Second, AtOnce: 10, Startup: time.Hour, Machines: 3, Devices: 2, CPUs: 16, Price: 1.2, Stated: &c.rate, Machine: "this one",
			})
			if err != nil {
				t.Fatal(err)
			}
			for name, x := range map[string]struct {
				got  Interval
				want float64
			}{"wall": {*e.Wall, c.wall}, "CPU": {*e.CPU, c.cpu}, "GPU": {e.GPU, c.gpu}, "price": {e.Price, c.price}} {
				if math.Abs(x.got.Value/x.want-1) > 1e-9 || !(x.got.Low < x.got.Value && x.got.Value < x.got.High) {
					t.Errorf("%s is %+v, want %v", name, x.got, x.want)
				}
			}
			if *e.Stated != c.rate || e.Machine != "" || e.Startup != 0 || e.Machines != 3 || math.Abs(e.FailShare-0.1) > 1e-9 {
				t.Errorf("%+v", e)
			}
			if (e.Tried > 0) != (c.try != nil) || (e.Rows > 0) != (c.try != nil) {
				t.Errorf("%d objects were computed: %+v", e.Tried, e)
			}
			if b, err := json.Marshal(e); err != nil || !strings.Contains(string(b), `"stated_rate":{"per_second"`) {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
	if tried == 0 {
		t.Error("nothing was tried")
	}
}

// TestAPartOfAPlanIsOfOneMachineOrOfAll takes apart what three machines take that load for ten seconds each.
func TestAPartOfAPlanIsOfOneMachineOrOfAll(t *testing.T) {
	e := &Expectation{Machines: 3, Startup: 10, StartupCPU: 20, Wall: &Interval{Value: 110}, CPU: &Interval{Value: 660}}
	for part, want := range map[float64][3]float64{1: {310, 620, 100}, 0.5: {160, 320, 50}, 0: {10, 20, 0}} {
		wall, cpu := e.OfOne(part)
		if all := e.OfAll(part); wall != want[0] || cpu != want[1] || all != want[2] {
			t.Errorf("%v of it is %v s and %v s of processors for one machine, %v s for all, want %v", part, wall, cpu, all, want)
		}
	}
	old := &Expectation{Wall: &Interval{Value: 110}, CPU: &Interval{Value: 600}} // of an earlier build, which did not say
	if wall, cpu := old.OfOne(0.5); wall != 55 || cpu != 300 {
		t.Errorf("of an earlier build's it is %v s, %v s of processors", wall, cpu)
	}
}
