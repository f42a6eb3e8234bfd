package docs

import (
	"os"
	"strings"
	"testing"

	"vecmill/schemas"
)

// TestCommandsDoInAPodWhatTheyAreFor runs what documents, and the chart's notes, give to kubectl behind --, where a worker has run and left one letter. That a pod has the configuration is a test of kubectl's commands;
// tools/image-steps.sh calls the programs in the image.
func TestCommandsDoInAPodWhatTheyAreFor(t *testing.T) {
	prints := map[string]string{
		"worker dlq list": "fetch-missing", "worker dlq replay": "1 replayed", "backfill audit": `"faults":0`, "worker doctor": "everything a worker needs is there",
	}
	image, err := os.ReadFile("../deploy/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"ENV PATH=/opt/vecmill:$PATH", "COPY --from=build /out/ /opt/vecmill/"} { // by which a name is found
		if !strings.Contains(string(image), part) {
			t.Errorf("the image has no %s", part)
		}
	}
	s := newSite(t)
	s.pipeline("SPEECH", "audio-ctc")
	s.env["VECMILL_PIPELINES_SPEECH_OUTPUTS_0_PARQUET_ROLL_AGE"] = "300ms"
	dir := s.clone(t, document{})
	s.topic(t, "audio-references", 3)
	s.topic(t, "audio-dead-letters", 3)
	s.letters = 1
	s.publish(t, "audio-references", s.upload(t, schemas.Audio, "calls", "2026/")[0], schemas.Ref{ID: "gone", URI: "s3://calls/not-there.wav", Modality: schemas.Audio})
	if out, err := s.run(t, dir, "bin/worker run --config vecmill.yaml"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var all []string
	for _, d := range documents(t) {
		all = append(all, begins(d, "kubectl ")...)
	}
	for _, c := range clusters(t) {
		all = append(all, c.notes...)
	}
	given := map[string]bool{}
	for _, command := range all {
		_, inside, _ := strings.Cut(command, " -- ")
		_, file, err := inPod(inside)
		if err != nil || given[inside] { // a program of the system's
			continue
		}
		given[inside] = true
		name := commandOf(inside)
		want, ok := prints[name]
		out, err := s.run(t, dir, "bin/"+strings.Replace(inside, file, "vecmill.yaml", 1))
		if err != nil || !ok || !strings.Contains(out, want) {
			t.Errorf("%s: %v, want %q in\n%s", command, err, want, out)
		}
		given[name] = true
	}
	for name := range prints {
		if !given[name] {
			t.Errorf("nobody is told how to give %s in a cluster", name)
		}
	}
}
