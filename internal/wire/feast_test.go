package wire

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/config"
)

// TestAPushSourceTakesVectorsOfOneModel at the start of a worker, before anything is pushed: Feast's server does not say what it has.
func TestAPushSourceTakesVectorsOfOneModel(t *testing.T) {
	w := newInputWorld(t, "live")
	feast := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer feast.Close()
	const refused = "pipeline q: outputs[0]: feast push source rows: it does not fit: pipeline p pushes vectors of model "
	for name, x := range map[string]struct{ precision, head, settings, want string }{
		"another model":              {"int8", "embedding", "", refused},
		"the same model":             {"fp32", "embedding", "", ""},
		"another head":               {"int8", "other", "", ""},
		"a head that is not pushed":  {"int8", "embedding", ", heads: [other]", ""},
		"another source":             {"int8", "embedding", ", source: others", ""},
		"columns without the vector": {"int8", "embedding", ", columns: [ref_id, created_at]", ""},
		"the other store":            {"int8", "embedding", ", to: offline", ""},
		"both stores":                {"int8", "embedding", ", to: online_and_offline", refused},
	} {
		source := ", source: rows"
		if strings.Contains(x.settings, "source") {
			source = ""
		}
		text := fmt.Sprintf(`telemetry: {listen: ""}
kafka: {brokers: [%q]}
runtime: {cache_dir: %q}
pipelines:
- name: p
  topics: [live]
  model: {path: %[3]q, threads: 1}
  heads: [{task: embedding}]
  outputs: [{feast: {url: %[4]q, source: rows}}]
- name: q
  topics: [live]
  model: {path: %[3]q, threads: 1, precision: %[5]s}
  heads: [{task: embedding, name: %[6]s}]
  outputs: [{feast: {url: "%[4]s/"%[7]s%[8]s}}]
`, w.kafka.ListenAddrs()[0], filepath.Join(w.dir, "cache"), w.model, feast.URL, x.precision, x.head, source, x.settings)
		c, err := config.Parse([]byte(text), func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		worker, err := Open(t.Context(), c, Options{Log: quiet})
		if err == nil {
			err = worker.Close(t.Context())
		}
		if (err == nil) != (x.want == "") || err != nil && !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}
