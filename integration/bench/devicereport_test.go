package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"vecmill/model"
	"vecmill/schemas"
)

// deviceReport is what tools/gpu-check.sh writes.
type deviceReport struct {
	machine
	provider, version string
	layers            int
	proved            []proved
	timed             []timed
	worked            []worked
	faults            []string
	ended             bool // the check came to its end
}

// machine is what a report says of where it was made.
type machine struct{ device, driver, commit string }

// proved are the reference cases in one way.
type proved struct {
	device              int
	way                 string
	cases, runs, missed int
}

// timed is a bare session.
type timed struct {
	modality schemas.Modality
	way      string
	batches  int     // of a run
	items    float64 // a second
	realtime float64 // seconds of audio a second
	padding  float64
	flops    float64 // of useful work, a second
	mfu      float64 // of the device's peak; 0: that is not known
}

// worked is the worker around that session, in a second pass over the corpus.
type worked struct {
	modality         schemas.Modality
	way              string
	batches, samples int           // of that pass
	wall             time.Duration // from the first record of it that is taken in to the last file that is closed
	whole            time.Duration // with start, join and first pass
	items            float64       // a second of wall
	share            float64       // of the bare session's, on each device
	padding          float64
}

// enough is how many batches a rate is of, at least: below it the first and the last batch, which nothing runs beside, are much of the time.
const enough = 10

// String is the report in Markdown.
func (r *deviceReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Device check: %s on %s\n\n", r.provider, r.device)
	fmt.Fprintf(&b, "ONNX Runtime %s, driver %s, commit %s. Models of base width, %d layers, random weights; the median of %d runs of a bare session, one device.\n\n",
		r.version, cmp.Or(r.driver, "none"), cmp.Or(r.commit, "unknown"), r.layers, rounds)
	if !r.ended {
		b.WriteString("**The check has not come to its end**: this is what it had found.\n\n")
	}
	b.WriteString("| device | | reference cases | runs | missed |\n| --- | --- | --- | --- | --- |\n")
	for _, p := range r.proved {
		fmt.Fprintf(&b, "| %d | %s | %d | %d | %d |\n", p.device, p.way, p.cases, p.runs, p.missed)
	}
	few := false
	b.WriteString("\n| bare session | | batches | items/s | RTFx | padding | useful TFLOP/s | MFU |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for _, t := range r.timed {
		few = few || t.batches < enough
		fmt.Fprintf(&b, "| %s | %s | %d | %.1f | %s | %.2f | %.3f | %s |\n", t.modality, t.way, t.batches, t.items, some("%.0f", t.realtime), t.padding, t.flops/1e12, some("%.3f", t.mfu))
	}
	b.WriteString("\n| worker, second pass | | batches | s | items/s | of the bare session's | padding |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, w := range r.worked {
		few = few || w.batches < enough
		fmt.Fprintf(&b, "| %s | %s | %d | %.2f | %.1f | %.2f | %.2f |\n", w.modality, w.way, w.batches, w.wall.Seconds(), w.items, w.share, w.padding)
	}
	if few {
		fmt.Fprintf(&b, "\nRates of fewer than %d batches say little: set VECMILL_BENCH_TEXTS, VECMILL_BENCH_CLIPS and VECMILL_BENCH_PICTURES higher.\n", enough)
	}
	for _, f := range r.faults {
		fmt.Fprintf(&b, "\n* FAIL %s", f)
	}
	if len(r.faults) > 0 {
		b.WriteString("\n")
	}
	return b.String()
}

// some is a number, or a dash for none.
func some(format string, v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

// peaks are a device's floating-point operations a second in matrix products, as its maker gives them, without sparsity.
type peaks struct{ single, half float64 }

func (p *peaks) of(precision model.Precision) float64 {
	if precision == model.Half {
		return p.half
	}
	return p.single
}

// peaksOf finds a device by its name in nvidia-smi; nil if it is none of these. A device has every word of its entry, and the first entry counts. fp32 is without TF32, which sessions do not
// use; fp16 is with tensor cores.
func peaksOf(device string) *peaks {
	words := strings.FieldsFunc(device, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if slices.Contains(words, "MIG") { // a slice has part of it
		return nil
	}
	for _, d := range []struct {
		name         string // the cards of a chip before the chip on a board of its own (SXM)
		single, half float64
	}{
		{"H200 NVL", 60, 835},
		{"H200", 67, 989},
		{"H100 NVL", 60, 835},
		{"H100 PCIe", 51, 756},
		{"H100 HBM3", 67, 989},
		{"A100", 19.5, 312}, // card and board
		{"L40S", 91.6, 362},
		{"L40", 90.5, 181},
		{"L4", 30.3, 121},
		{"A10G", 31.5, 70},
		{"A10", 31.2, 125},
		{"V100 PCIE", 14, 112},
		{"V100 SXM2", 15.7, 125},
		{"T4", 8.1, 65},
	} {
		if !slices.ContainsFunc(strings.Fields(d.name), func(w string) bool { return !slices.Contains(words, w) }) {
			return &peaks{d.single * 1e12, d.half * 1e12}
		}
	}
	return nil
}

func TestPeaksAreOfTheDeviceNamed(t *testing.T) {
	for device, half := range map[string]float64{
		"NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H100 PCIe": 756e12, "NVIDIA H100 NVL": 835e12, "NVIDIA H200": 989e12, "NVIDIA H200 NVL": 835e12,
		"NVIDIA L40S": 362e12, "NVIDIA L40": 181e12, "NVIDIA L4": 121e12, "NVIDIA A100-SXM4-80GB": 312e12, "NVIDIA A100 80GB PCIe": 312e12, "NVIDIA A100-PCIE-40GB": 312e12,
		"NVIDIA A10": 125e12, "NVIDIA A10G": 70e12, "Tesla T4": 65e12, "Tesla V100-PCIE-16GB": 112e12, "Tesla V100-SXM2-32GB": 125e12,
	} {
		if p := peaksOf(device); p == nil || p.of(model.Half) != half {
			t.Errorf("%s: %+v, want %g", device, p, half)
		}
	}
	for _, device := range []string{"NVIDIA GeForce GTX 1080", "NVIDIA RTX A1000", "NVIDIA T400", "NVIDIA T400 4GB", "NVIDIA RTX A4000", "NVIDIA GH200 480GB", "NVIDIA A30", "NVIDIA H100 64GB", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", ""} {
		if p := peaksOf(device); p != nil {
			t.Errorf("%s: %+v, want none", device, p)
		}
	}
}
