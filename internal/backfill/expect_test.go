package backfill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// TestTheExpectedTimeIsThatOfAllObjects draws corpora of three distributions of length; the machine wavers by a tenth.
func TestTheExpectedTimeIsThatOfAllObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("one goroutine reckons with 80,000 objects")
	}
	for name, length := range map[string]func(r *rand.Rand) float64{
		"all alike":       func(*rand.Rand) float64 { return 6 },
		"log-normal":      func(r *rand.Rand) float64 { return math.Exp(1.5 + 0.8*r.NormFloat64()) },
		"short and long":  func(r *rand.Rand) float64 { return []float64{1, 1, 1, 40}[r.IntN(4)] + r.Float64() },
		"without headers": func(*rand.Rand) float64 { return 6 },
	} {
		t.Run(name, func(t *testing.T) {
			of := func(id string) float64 { return length(rand.New(rand.NewPCG(rank(9, id), 1))) }
			waver := rand.New(rand.NewPCG(5, 5))
			const items = 20_000
			truth := 0.0
			var lines values
			for i := range items {
				id := fmt.Sprint(i)
				truth += 0.05 * of(id)
				lines = append(lines, fmt.Sprintf(`{"v":1,"id":"%s","uri":"s3://box/%s"}`, id, id))
			}
			d, err := draft(t, place(t), Lines{lines}, MakeOptions{Sample: 512, Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			probe := func(_ context.Context, it *plan.Item) (Extent, error) {
				s := of(it.Ref.ID)
				if name == "without headers" {
					return Extent{Bytes: int64(32000 * s)}, nil
				}
				return Extent{Bytes: int64(32000 * s), Seconds: s}, nil
			}
			try := func(_ context.Context, items []plan.Item) (Tried, error) {
				tr := Tried{Items: len(items), Rows: int64(len(items)), RowBytes: 100 * int64(len(items))}
				for _, it := range items {
					s := of(it.Ref.ID)
					tr.Wall += time.Duration(0.05 * s * (0.95 + 0.1*waver.Float64()) * float64(time.Second))
					tr.Steps += int64(50 * s)
					tr.Work = append(tr.Work, s)
				}
				tr.CPU = 2 * tr.Wall
				return tr, nil
			}
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Audio, For: 20 * time.Second, AtOnce: 32, Startup: time.Second, Machines: 1})
			if err != nil {
				t.Fatal(err)
			}
			off := (e.Wall.Value-1)/truth - 1
			t.Logf("expected %.0f s (%.0f to %.0f), truth %.0f: %+.1f %%", e.Wall.Value, e.Wall.Low, e.Wall.High, truth, 100*off)
			if math.Abs(off) > 0.15 || e.Wall.Low > e.Wall.Value || e.Wall.High < e.Wall.Value || math.Abs(e.CPU.Value/e.Wall.Value-2) > 0.1 {
				t.Errorf("%+v, want about %.0f s", e, truth)
			}
			if rows := e.Rows / items; math.Abs(rows-1) > 0.15 {
				t.Errorf("%.0f rows for %d items", e.Rows, items)
			}
		})
	}
}

// TestWhatIsNoObjectTakesNoTime has lines that are no references, and deletions, among objects: the time is that of the objects, and each bad line is a dead letter.
func TestWhatIsNoObjectTakesNoTime(t *testing.T) {
	const object, deletion, garbage = `{"v":1,"id":"%d","uri":"s3://box/%[1]d"}`, `{"v":1,"id":"%d","deleted":true}`, "garbage %d"
	probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{Bytes: 100}, nil }
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		return Tried{Items: len(items), Wall: time.Duration(len(items)) * time.Second, Rows: int64(len(items)), Work: ones(len(items))}, nil
	}
	for _, c := range []struct {
		name  string
		lines []string // repeated
		wall  float64
		fail  float64
	}{
		{"objects", []string{object}, 1000, 0},
		{"a quarter is garbage", []string{object, object, object, garbage}, 750, 0.25},
		{"half deletes", []string{object, deletion}, 500, 0},
		{"nothing but garbage", []string{garbage}, 0, 1},
		{"nothing but deletions", []string{deletion}, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lines values
			for i := range 1000 {
				lines = append(lines, fmt.Sprintf(c.lines[i%len(c.lines)], i))
			}
			d, err := draft(t, place(t), Lines{lines}, MakeOptions{Sample: 50, Seed: 3})
			if err != nil {
				t.Fatal(err)
			}
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: time.Second, AtOnce: 10})
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(e.Wall.Value-c.wall) > 1e-6 || math.Abs(e.Rows-c.wall) > 1e-6 || math.Abs(e.FailShare-c.fail) > 1e-9 || e.Items != 1000 {
				t.Errorf("%+v, want %.0f s and %.2f dead", e, c.wall, c.fail)
			}
		})
	}
}

// TestOfNothingButDeadLettersTheTimeIsNotKnown has a sample none of which can be read, or computed: that objects are at fault is no fault of the plan.
func TestOfNothingButDeadLettersTheTimeIsNotKnown(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 40, Unreadable: 10, Bytes: 3000}}
	for i := range 3 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}, Size: 100})
	}
	damaged, gone := schemas.Rejectf(schemas.ReasonDecode, "no frames"), schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
	away := schemas.Rejectf(schemas.ReasonFetchFailed, "no route to host")
	for _, c := range []struct {
		name            string
		probed, tried   error // of each object
		stated          *Rate
		headers         int
		refused, failed string
	}{
		{"no header is one", damaged, nil, nil, 0, "none of the 3 objects of the sample could be read; one of them: decode: no frames", ""},
		{"none is there", gone, nil, nil, 0, "none of the 3 objects of the sample could be read; one of them: fetch-missing: gone", ""},
		{"none can be computed", nil, damaged, nil, 3, "none of the objects of the sample that were tried could be computed; one of the sample: decode: no frames", ""},
		{"nor by another machine", damaged, nil, &Rate{1, Objects}, 0, "none of the 3 objects of the sample could be read; one of them: decode: no frames", ""},
		{"nor by another machine, as tried", nil, damaged, &Rate{1, Objects}, 3, "none of the objects of the sample that were tried could be computed; one of the sample: decode: no frames", ""},
		{"the store is away", away, nil, nil, 0, "", "no route to host"},
		{"the store goes away", nil, away, nil, 0, "", "no route to host"},
		{"it is not the objects", errors.New("no credentials"), nil, nil, 0, "", "no credentials"},
		{"it is not the objects that are tried", nil, errors.New("no model"), nil, 0, "", "no model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{Bytes: 100, Seconds: 2}, c.probed }
			try := func(_ context.Context, items []plan.Item) (Tried, error) {
				return Tried{Items: len(items), Failed: len(items), Wall: time.Second, Work: make([]float64, len(items)), Refused: c.tried}, nil
			}
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Audio, For: time.Second, AtOnce: 2, Devices: 1, Startup: time.Second, Price: 5, Stated: c.stated})
			if c.failed != "" {
				if err == nil || !strings.Contains(err.Error(), c.failed) {
					t.Errorf("%+v, %v", e, err)
				}
				return
			}
			if err != nil || e.Refused != c.refused || e.FailShare != 1 || e.Probed != c.headers || e.Tried != 0 || e.Items != 40 || e.Bytes != 3000 || e.Rows != 0 {
				t.Fatalf("%+v, %v", e, err)
			}
			b, err := json.Marshal(e)
			if said := string(b); err != nil || !strings.Contains(said, `"wall_seconds":null,"cpu_seconds":null,"output_bytes":0`) || strings.Contains(said, `"gpu_seconds"`) || strings.Contains(said, `"price"`) {
				t.Errorf("%s, %v", said, err)
			}
			if c.headers > 0 && math.Abs(e.Seconds-60) > 1e-9 {
				t.Errorf("%v seconds of audio", e.Seconds)
			}
		})
	}
}

// TestAFaultOfTheStoreOrOfAccessIsNoneOfTheObjects has three objects of which none can be read, or computed: whichever of them the store does not give, a plan that has been made would say for good that they are broken.
func TestAFaultOfTheStoreOrOfAccessIsNoneOfTheObjects(t *testing.T) {
	damaged, gone := schemas.Rejectf(schemas.ReasonDecode, "no frames"), schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
	away, denied := schemas.Rejectf(schemas.ReasonFetchFailed, "busy"), schemas.Rejectf(schemas.ReasonFetchDenied, "not yours")
	for _, c := range []struct {
		name           string
		probed, tried  [3]error // tried: of those whose header was read
		atOnce         int
		refused, wrong string
	}{
		{"all are damaged or gone", [3]error{damaged, gone, damaged}, [3]error{}, 1, "one of them: decode: no frames", ""},
		{"none may be read", [3]error{denied, denied, denied}, [3]error{}, 1, "", "fetch-denied: not yours"},
		{"the first may not be read", [3]error{denied, damaged, gone}, [3]error{}, 1, "", "fetch-denied: not yours"},
		{"the last may not be read", [3]error{damaged, gone, denied}, [3]error{}, 1, "", "fetch-denied: not yours"},
		{"the first was not given", [3]error{away, damaged, damaged}, [3]error{}, 1, "", "fetch-failed: busy"},
		{"the last was not given", [3]error{damaged, damaged, away}, [3]error{}, 1, "", "fetch-failed: busy"},
		{"all are damaged, as tried", [3]error{}, [3]error{damaged, damaged, damaged}, 1, "one of the sample: decode: no frames", ""},
		{"the first was not given, as tried", [3]error{}, [3]error{away, damaged, damaged}, 2, "", "fetch-failed: busy"},
		{"the last was not given, as tried", [3]error{}, [3]error{damaged, damaged, away}, 2, "", "fetch-failed: busy"},
		{"the others may not be read", [3]error{denied, nil, nil}, [3]error{nil, damaged, damaged}, 1, "", "fetch-denied: not yours"},
		{"the others are gone", [3]error{gone, nil, nil}, [3]error{nil, damaged, damaged}, 1, "one of the sample: decode: no frames", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Draft{Counts: Counts{Planned: 3}}
			for i := range 3 {
				d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
			}
			probe := func(_ context.Context, it *plan.Item) (Extent, error) {
				return Extent{Bytes: 100}, c.probed[it.Ref.ID[0]-'0']
			}
			try := func(_ context.Context, items []plan.Item) (Tried, error) {
				tr := Tried{Items: len(items), Failed: len(items), Wall: time.Millisecond, Work: make([]float64, len(items))}
				for i := range items {
					tr.Refused = Graver(tr.Refused, c.tried[items[i].Ref.ID[0]-'0'])
				}
				return tr, nil
			}
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: time.Second, AtOnce: c.atOnce})
			switch {
			case c.wrong != "":
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("%+v, %v; want %s", e, err, c.wrong)
				}
			case err != nil || !strings.HasSuffix(e.Refused, c.refused) || e.Wall != nil || e.FailShare != 1:
				t.Errorf("%+v, %v", e, err)
			}
		})
	}
}

func ones(n int) []float64 { return slices.Repeat([]float64{1}, n) }

func TestTrialsAreAsLargeAsTheTimeAndTheWindowAllow(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 1000}}
	for i := range 600 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{Bytes: 100}, nil }
	for _, c := range []struct {
		name string
		item time.Duration // that one takes
		want []int
	}{
		{"a window, if there is time for it", time.Millisecond, []int{32, 256, 256, 88}},
		{"half of what there is time for", 50 * time.Millisecond, []int{32, 100, 100}},
		{"as before, if there is none", time.Second, []int{32, 32, 32}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sizes []int
			try := func(_ context.Context, items []plan.Item) (Tried, error) {
				sizes = append(sizes, len(items))
				return Tried{Items: len(items), Wall: c.item * time.Duration(len(items)), Work: ones(len(items))}, nil
			}
			if _, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: 10 * time.Second, AtOnce: 32, Window: 256}); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(sizes, c.want) {
				t.Errorf("the trials had %d items, want %d", sizes, c.want)
			}
		})
	}
}

// TestEachMachineLoadsTheModels shares 100 objects of a second each among some machines.
func TestEachMachineLoadsTheModels(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 100}}
	for i := range 10 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{}, nil }
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		took := time.Second * time.Duration(len(items))
		return Tried{Items: len(items), Wall: took, CPU: 2 * took, Rows: int64(len(items)), Work: ones(len(items))}, nil
	}
	for machines, want := range map[int][2]float64{0: {107, 207}, 1: {107, 207}, 5: {27, 235}} {
		e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Image, For: time.Second, AtOnce: 2, Startup: 7 * time.Second, StartupCPU: 7 * time.Second, Machines: machines})
		if err != nil || math.Abs(e.Wall.Value-want[0]) > 1e-9 || math.Abs(e.CPU.Value-want[1]) > 1e-9 {
			t.Errorf("%d machines: wall %v, CPU %v, want %v: %v", machines, e.Wall, e.CPU, want, err)
		}
	}
}

func TestObjectsThatAreGoneAreExpectedToFail(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 100}}
	for i := range 10 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(_ context.Context, it *plan.Item) (Extent, error) {
		if it.Ref.ID < "5" {
			return Extent{}, schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
		}
		return Extent{}, nil
	}
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		return Tried{Items: len(items), Wall: time.Second * time.Duration(len(items)), Rows: int64(len(items)), Work: ones(len(items))}, nil
	}
	o := ExpectOptions{Modality: schemas.Image, For: time.Second, AtOnce: 2}
	e, err := Expect(t.Context(), d, probe, try, o)
	if err != nil || math.Abs(e.FailShare-0.5) > 1e-9 || math.Abs(e.Wall.Value-50) > 1e-9 || math.Abs(e.Rows-50) > 1e-9 {
		t.Errorf("%+v, %v", e, err)
	}
	gone := func(context.Context, *plan.Item) (Extent, error) {
		return Extent{}, schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
	}
	if e, err := Expect(t.Context(), d, gone, try, o); err != nil || e.FailShare != 1 {
		t.Errorf("all are gone: %+v, %v", e, err)
	}
	if e, err := Expect(t.Context(), &Draft{}, nil, nil, o); err != nil || e.Wall.Value != 0 {
		t.Errorf("an empty plan: %+v, %v", e, err)
	}
	var back Expectation
	if b, err := json.Marshal(e); err != nil || json.Unmarshal(b, &back) != nil {
		t.Error(err)
	}
}

// TestTextsThatWereNotTriedAreAsThoseThatWere has a sample of 500 texts, 50 of which are gone, and time for 30 of the others: nine tenths of 1000 are computed, a tenth of a second each.
func TestTextsThatWereNotTriedAreAsThoseThatWere(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 1000}}
	for i := range 500 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(_ context.Context, it *plan.Item) (Extent, error) {
		if strings.HasSuffix(it.Ref.ID, "7") {
			return Extent{}, schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
		}
		return Extent{Bytes: 100}, nil
	}
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		return Tried{Items: len(items), Wall: 100 * time.Millisecond * time.Duration(len(items)), Rows: int64(len(items)), Work: ones(len(items))}, nil
	}
	for limit, tried := range map[time.Duration]int{3 * time.Second: 30, time.Hour: 450} {
		e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: limit, AtOnce: 10})
		if err != nil || e.Tried != tried || math.Abs(e.Wall.Value-90) > 1e-9 || math.Abs(e.Rows-900) > 1e-9 || math.Abs(e.FailShare-0.1) > 1e-9 {
			t.Errorf("%+v, %v", e, err)
		}
	}
}

// TestAnObjectThatIsTriedTwiceIsOne has time for a sample as a whole, twice.
func TestAnObjectThatIsTriedTwiceIsOne(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 1000}}
	for i := range 20 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{Bytes: 100}, nil }
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		return Tried{Items: len(items), Wall: time.Millisecond, Work: ones(len(items))}, nil
	}
	e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: time.Hour, AtOnce: 10, Window: 256})
	if err != nil || e.Tried != 20 || e.Probed != 20 {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestObjectsOfAsManyRowsAreCountedExactly has short texts and long ones, of two rows each whatever a model reads of them, and rows by what it reads. A twentieth is gone.
func TestObjectsOfAsManyRowsAreCountedExactly(t *testing.T) {
	for _, c := range []struct {
		name  string
		each  int64 // rows of an object
		more  int64 // that it has in each trial
		last  int64 // bytes of one that there is no time for
		exact bool
	}{
		{"as many", 2, 0, 1000, true},
		{"as many in each trial alone", 5, -1, 1000, false},
		{"others", 0, 0, 1000, false},
		{"a larger one may have more", 2, 0, 100000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &Draft{Counts: Counts{Planned: 3010, Unreadable: 10}}
			d.Sizes[sizeOf(10)], d.Sizes[sizeOf(1000)] = 2000, 925
			d.Sizes[sizeOf(c.last)] += 75
			for i := range 40 {
				d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}, Size: []int64{10, 1000, 1000}[i%3]})
			}
			d.Sample[39].Size = c.last
			probe := func(_ context.Context, it *plan.Item) (Extent, error) {
				if it.Ref.ID == "3" || it.Ref.ID == "4" {
					return Extent{}, schemas.Rejectf(schemas.ReasonFetchMissing, "gone")
				}
				return Extent{Bytes: it.Size}, nil
			}
			trial := int64(0)
			try := func(_ context.Context, items []plan.Item) (Tried, error) {
				tr := Tried{Items: len(items), Wall: time.Second * time.Duration(len(items)), Each: c.each}
				if c.each > 0 {
					tr.Each += trial * c.more
				}
				trial++
				tr.Rows = max(tr.Each, 1) * int64(len(items))
				tr.RowBytes = 100 * tr.Rows
				for i := range items {
					tr.Work = append(tr.Work, float64(items[i].Size))
				}
				return tr, nil
			}
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Text, For: 25 * time.Second, AtOnce: 10})
			if err != nil {
				t.Fatal(err)
			}
			if exact := math.Abs(e.Rows-2*3000*0.95) < 1e-6; exact != c.exact {
				t.Errorf("%.3f rows, exactly: %v", e.Rows, c.exact)
			}
			if math.Abs(e.OutputBytes-100*e.Rows) > 1e-3 {
				t.Errorf("%.0f bytes of %.0f rows", e.OutputBytes, e.Rows)
			}
		})
	}
}

// TestGPUsAreHeldForAllOfTheTime takes an hour a hundred items, on machines with several devices or none.
func TestGPUsAreHeldForAllOfTheTime(t *testing.T) {
	d := &Draft{Counts: Counts{Planned: 200}}
	for i := range 10 {
		d.Sample = append(d.Sample, plan.Item{Ref: schemas.Ref{ID: fmt.Sprint(i)}})
	}
	probe := func(context.Context, *plan.Item) (Extent, error) { return Extent{}, nil }
	try := func(_ context.Context, items []plan.Item) (Tried, error) {
		return Tried{Items: len(items), Wall: 36 * time.Second * time.Duration(len(items)), Work: ones(len(items))}, nil
	}
	for _, c := range []struct {
		name              string
		machines, devices int
		startup           time.Duration
		hours             float64
		said              bool
	}{
		{"a model on the CPU holds none", 4, 0, 0, 0, false},
		{"one device", 1, 1, 0, 2, true},
		{"machines share the work, and hold no more in all", 4, 1, 0, 2, true},
		{"devices that a trial had all of", 1, 8, 0, 16, true},
		{"each is held while its machine loads", 4, 8, time.Hour, 16 + 32, true},
		{"no number of machines is one", 0, 1, 0, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Expect(t.Context(), d, probe, try, ExpectOptions{Modality: schemas.Image, For: time.Second, AtOnce: 2, Startup: c.startup, Machines: c.machines, Devices: c.devices})
			if err != nil || math.Abs(e.GPU.Value/3600-c.hours) > 1e-9 || e.GPU.Low > e.GPU.Value || e.GPU.High < e.GPU.Value {
				t.Errorf("%+v, want %v hours; %v", e.GPU, c.hours, err)
			}
			if b, err := json.Marshal(e); err != nil || strings.Contains(string(b), "gpu_seconds") != c.said {
				t.Errorf("%s, %v", b, err)
			}
		})
	}
}
