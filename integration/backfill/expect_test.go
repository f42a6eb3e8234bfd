//go:build integration

package backfill

import (
	"fmt"
	"math/rand/v2"
	"path"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"vecmill/integration/fixture"
	"vecmill/internal/backfill"
	"vecmill/internal/config"
	"vecmill/internal/progress"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// TestAPlanSaysWhatMemoryAndWhatFilesARunTakes compares a plan of each modality with its run, which is another process.
func TestAPlanSaysWhatMemoryAndWhatFilesARunTakes(t *testing.T) {
	l := newLake(t, 0)
	r := rand.New(rand.NewPCG(8, 6))
	for _, c := range []struct {
		modality schemas.Modality
		objects  int
		body     func(i int) []byte
	}{
		{schemas.Text, 3000, func(i int) []byte { return []byte(text(i)) }},
		{schemas.Audio, 300, func(int) []byte { return fixture.WAV(16000, 1, 2, 32000*(1+r.IntN(6))) }},
	} {
		t.Run(string(c.modality), func(t *testing.T) {
			name := string(c.modality)
			for i := range c.objects {
				l.Put(t, fmt.Sprintf("%s/%05d", name, i), c.body(i))
			}
			p := l.Pipeline(t, name, c.modality, "unused")
			p.Outputs[0].Parquet.RollRows, p.Outputs[0].Parquet.RollAge = c.objects*2/3, config.Duration(time.Hour)
			l.c.Pipelines = []config.Pipeline{p}
			out := l.command(t, "plan-"+name, "plan", "--source", "s3://"+fixture.Bucket+"/in/"+name+"/", "--out", planAt(name), "--try", "2s", "--json")
			var said struct {
				Expected []backfill.Expectation
				Memory   wire.Memory
			}
			if err := lastJSON(out, &said); err != nil || len(said.Expected) != 1 {
				t.Fatalf("the plan says %s: %v", out, err)
			}
			var end progress.Report
			if err := lastJSON(l.command(t, "run-"+name, "run", "--plan", planAt(name), "--json"), &end); err != nil || end.Planned != said.Memory.Peak {
				t.Fatalf("the run says %+v: %v", end, err)
			}
			files, bytes := int64(0), 0.0
			for o := range l.S3.Client().ListObjectsIter(t.Context(), fixture.Bucket, minio.ListObjectsOptions{Prefix: fixture.OutputPrefix + "/" + name + "/", Recursive: true}) {
				if o.Err == nil && path.Ext(o.Key) == ".parquet" {
					files, bytes = files+1, bytes+float64(o.Size)
				}
			}
			x := &said.Expected[0]
			t.Logf("memory %d MiB (planned %d, of which %d to compute, at most %d), %.0f bytes (planned %.0f) in %d files (planned %d)", end.Memory>>20, end.Planned>>20, said.Memory.Computing>>20, said.Memory.Most>>20, bytes, x.FileBytes, files, x.Files)
			if off := float64(end.Planned) / float64(end.Memory); off < 0.6 || off > 1.9 || end.Memory > said.Memory.Most {
				t.Errorf("the plan says %d bytes of memory, at most %d, and the run had %d", end.Planned, said.Memory.Most, end.Memory)
			}
			if off := x.FileBytes / bytes; off < 0.8 || off > 1.25 || files < x.Files-1 || files > x.Files+1 {
				t.Errorf("the plan says %.0f bytes in %d files, and there are %.0f in %d", x.FileBytes, x.Files, bytes, files)
			}
		})
	}
}
