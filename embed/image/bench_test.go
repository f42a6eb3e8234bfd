package image

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"vecmill/embed/image/jpeg"
	"vecmill/schemas"
)

const recipe224 = `{"size": {"height": 224, "width": 224}, "do_center_crop": false}`

// The same picture is timed with Pillow by testdata/bench.py.
func BenchmarkPreprocess(b *testing.B) {
	blob := benchPicture(b)
	p := newPreprocessor(b, recipe224, Options{})
	b.ReportAllocs()
	defer reportCPU(b, cpuTime(b))
	for b.Loop() {
		samples, err := p.Preprocess(b.Context(), schemas.Ref{}, blob)
		if err != nil {
			b.Fatal(err)
		}
		p.Recycle(&samples[0])
	}
}

// BenchmarkPreprocessFormats takes 1500 x 1100 pixels of each format.
func BenchmarkPreprocessFormats(b *testing.B) {
	p := newPreprocessor(b, recipe224, Options{})
	all := allLargePictures(b)
	slices.SortFunc(all, func(x, y largePicture) int { return strings.Compare(x.name, y.name) })
	for _, c := range all {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				samples, err := p.Preprocess(b.Context(), schemas.Ref{}, c.blob)
				if err != nil {
					b.Fatal(err)
				}
				p.Recycle(&samples[0])
			}
		})
	}
}

func BenchmarkPreprocessDraft(b *testing.B) {
	blob := benchPicture(b)
	p := newPreprocessor(b, recipe224, Options{Draft: true})
	b.ReportAllocs()
	defer reportCPU(b, cpuTime(b))
	for b.Loop() {
		samples, err := p.Preprocess(b.Context(), schemas.Ref{}, blob)
		if err != nil {
			b.Fatal(err)
		}
		p.Recycle(&samples[0])
	}
}

func BenchmarkDecodeJPEG(b *testing.B) {
	blob := benchPicture(b)
	var d jpeg.Decoder
	row := make([]byte, 3*1024)
	b.ReportAllocs()
	defer reportCPU(b, cpuTime(b))
	for b.Loop() {
		p, err := d.Decode(b.Context(), blob)
		if err != nil {
			b.Fatal(err)
		}
		for y := range 768 {
			p.Row(row, y)
		}
	}
}

func benchPicture(b *testing.B) []byte {
	blob, err := os.ReadFile("testdata/bench.jpg")
	if err != nil {
		b.Fatal(err)
	}
	return blob
}

// cpuTime is what the process has used so far, garbage collection included: on a machine that is busy with other things it is
// what can be compared.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, before time.Duration) {
	b.ReportMetric(float64(cpuTime(b)-before)/float64(time.Millisecond)/float64(b.N), "cpu-ms/op")
}
