package backfill

// The units of stated rates.
const (
	Objects      = "objects"
	AudioSeconds = "audio_seconds"
)

// Rate is what a machine is said to compute in a second: another one's, which cannot be measured here.
type Rate struct {
	PerSecond float64 `json:"per_second"`
	Unit      string  `json:"unit"` // objects or audio_seconds
}

// stated fills in the times by a rate. Their interval is what the sample leaves open of the amount, and knows nothing of the rate; processors and GPUs are those that are held, not used.
func (x *looked) stated(e *Expectation, d *Draft, o ExpectOptions) {
	of := func(*Extent) float64 { return 1 }
	if o.Stated.Unit == AudioSeconds {
		of = func(e *Extent) float64 { return e.Seconds }
	}
	amount, spread := d.total(x.measures(of))
	e.Stated = o.Stated
	wall := interval(amount/o.Stated.PerSecond/float64(e.Machines), spread)
	cpu := wall.times(float64(e.Machines * o.CPUs))
	e.Wall, e.CPU = &wall, &cpu
	e.GPU = e.Wall.times(float64(e.Machines * o.Devices))
}
