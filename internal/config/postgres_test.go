package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const postgresYAML = `
pipelines:
  - name: p
    topics: [t]
    model: {path: .}
    heads: [{task: embedding}]
    outputs: [{postgres: {url_file: FILE, table: rows, dimension: 8MORE}}]
`

func parsePostgres(t *testing.T, more string) (*Config, error) {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(secret, []byte("postgres://u:pw@h/db\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("FILE", secret, "MORE", more).Replace(postgresYAML)
	return Parse([]byte(text), func(string) (string, bool) { return "", false })
}

func TestATableHasDefaultsAndItsAddressFromAFile(t *testing.T) {
	c, err := parsePostgres(t, "")
	if err != nil {
		t.Fatal(err)
	}
	o := c.Pipelines[0].Outputs[0].Postgres
	if string(o.URL) != "postgres://u:pw@h/db" || o.Metric != "none" || o.BatchRows != 5000 || o.Connections != 4 {
		t.Errorf("got %+v", o)
	}
}

func TestATablesMistakesAreNamed(t *testing.T) {
	_, err := parsePostgres(t, ", metric: cos, connections: -1")
	if err == nil || !strings.Contains(err.Error(), `outputs[0].postgres.metric: "cos" is not one of`) || !strings.Contains(err.Error(), "connections must be positive") {
		t.Errorf("got %v", err)
	}
}
