package config

import (
	"fmt"
	"strings"
	"testing"
)

const outputYAML = `
pipelines:
  - name: p
    topics: [t]
    model: {path: .}
    heads: [{task: embedding}]
    outputs: [OUTPUT]
`

func parseOutput(output string) (*Config, error) {
	return Parse([]byte(strings.Replace(outputYAML, "OUTPUT", output, 1)), func(string) (string, bool) { return "", false })
}

func TestTheCatalogOfSourcesIsReadLikeThatOfAnOutput(t *testing.T) {
	for _, c := range []struct{ catalog, want string }{
		{"{name: lake}", "catalog.uri: missing; want https://host/path, postgres://... or sqlite:///file"},
		{"{uri_file: /nowhere}", "catalog.uri_file: reading the secret"},
		{"{uri: 'postgres://u:pw@h/d'}", "catalog.warehouse: "},
		{"{uri: 'https://h', token: t}", ""},
	} {
		got, err := Parse([]byte(strings.Replace(outputYAML, "OUTPUT", "{parquet: {url: 'file:///a'}}", 1)+"catalog: "+c.catalog), func(string) (string, bool) { return "", false })
		if c.want == "" && (err != nil || got.Catalog.Name != "vecmill" || got.Catalog.URI.Reveal() != "https://h") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.catalog, err, c.want)
		}
	}
}

func TestMistakesInOutputsAreNamed(t *testing.T) {
	for _, c := range []struct{ output, want string }{
		{"{}", "outputs[0]: names no kind of output, or several; this build has parquet, arrow, postgres, "},
		{"{jsonl: {path: a}, parquet: {url: 'file:///b'}}", "outputs[0]: names no kind of output, or several"},
		{"{arrow: {url: 'file:///a', compression: snappy}}", `outputs[0].arrow.compression: "snappy" is not one of lz4, zstd, none`},
		{"{arrow: {url: 'ftp://a', layout: tree}}", `outputs[0].arrow.layout: "tree" is not one of plain, hive`},
		{"{jsonl: {}}", "outputs[0].jsonl.path: missing; want a file, or - for standard output"},
		{"{jsonl: {path: a, batch: {rows: -1}}}", "outputs[0].jsonl.batch: rows, bytes, age, in_flight, max_buffered and timeout must be positive"},
		{"{kafka: {compression: best}}", "outputs[0].kafka.topic: missing"},
		{"{kafka: {compression: best}}", `outputs[0].kafka.compression: "best" is not one of none, gzip`},
		{"{kafka: {topic: t, format: xml}}", `outputs[0].kafka.format: "xml" is not one of json, avro, arrow`},
		{"{kafka: {topic: t, format: avro}}", "outputs[0].kafka.registry.urls: missing; avro records"},
		{"{kafka: {topic: t, registry: {urls: ['http://r']}}}", "outputs[0].kafka.registry: has no effect with format json"},
		{"{kafka: {topic: t, format: avro, registry: {urls: ['http://r'], token_file: /nowhere}}}", "outputs[0].kafka.registry.token_file: reading the secret"},
		{"{webhook: {url: 'ftp://h/p', secret: s}}", `outputs[0].webhook.url: "ftp://h/p" is not https://host/path`},
		{"{webhook: {url: 'https://h/p'}}", "outputs[0].webhook.secret: missing"},
		{"{webhook: {url: 'https://h/p', secret_file: /nowhere}}", "pipelines[p].outputs[0].webhook.secret_file: reading the secret: open /nowhere"},
		{"{redis: {url: 'http://u:pw@h'}}", "outputs[0].redis.url: missing, or not redis://host:port/db"},
		{"{redis: {url: 'redis://h', ttl: -1s}}", "outputs[0].redis.ttl: must not be negative"},
		{"{redis: {url: 'redis://h', index: ivf}}", `outputs[0].redis.index: "ivf" is not one of none, hnsw, flat`},
		{"{redis: {url: 'redis://h', index: hnsw}}", "outputs[0].redis.dimension: missing; how many numbers has a vector of the model?"},
		{"{redis: {url: 'redis://h', index: flat, dimension: 4, metric: dot}}", `outputs[0].redis.metric: "dot" is not one of cosine, l2, ip`},
		{"{milvus: {url: 'http://u:pw@h', collection: c, dimension: 4}}", "outputs[0].milvus.url: missing, or not https://host:port"},
		{"{milvus: {url: 'http://h', collection: c, dimension: 4, token_file: /nowhere}}", "outputs[0].milvus.token_file: reading the secret"},
		{"{flight: {url: 'grpc://h:1'}}", "outputs[0].flight.url: missing, or not https://host:port"},
		{"{flight: {url: 'http://h', token_file: /nowhere}}", "outputs[0].flight.token_file: reading the secret"},
		{"{opensearch: {url: 'https://u:pw@h:9200', index: i, dimension: 4}}", "outputs[0].opensearch.url: missing, or not https://host:port"},
		{"{opensearch: {url: 'http://h'}}", "outputs[0].opensearch.index: missing"},
		{"{opensearch: {url: 'http://h', index: i}}", "outputs[0].opensearch.dimension: missing"},
		{"{opensearch: {url: 'http://h', index: i, dimension: 4, replicas: -1}}", "outputs[0].opensearch: shards and replicas"},
		{"{opensearch: {url: 'http://h', index: i, dimension: 4, password_file: /nowhere}}", "outputs[0].opensearch.password_file: reading the secret"},
		{"{feast: {source: s, url: 'h:6566'}}", "outputs[0].feast.url: missing, or not https://host:port"},
		{"{feast: {url: 'http://h'}}", "outputs[0].feast.source: missing"},
		{"{feast: {url: 'http://h', source: s, to: lake}}", `outputs[0].feast.to: "lake" is not one of online, offline`},
		{"{feast: {url: 'http://h', source: s, token_file: /nowhere}}", "outputs[0].feast.token_file: reading the secret"},
		{"{qdrant: {url: 'h:6334'}}", "outputs[0].qdrant.url: missing, or not https://host:port"},
		{"{qdrant: {url: 'http://h'}}", "outputs[0].qdrant.collection: missing"},
		{"{qdrant: {url: 'http://h', collection: c}}", "outputs[0].qdrant.dimension: missing"},
		{"{qdrant: {url: 'http://h', collection: c, dimension: 4, metric: dot}}", `outputs[0].qdrant.metric: "dot" is not one of cosine, l2, ip`},
	} {
		if _, err := parseOutput(c.output); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.output, err, c.want)
		}
	}
}

// TestAFileOfLinesHasOneWriter among all pipelines of a configuration; standard output takes any.
func TestAFileOfLinesHasOneWriter(t *testing.T) {
	const two = `
pipelines:
  - name: a
    model: {path: .}
    heads: [{task: embedding}]
    outputs: [{jsonl: {path: %s}}]
  - name: b
    model: {path: .}
    heads: [{task: embedding}]
    outputs: [{jsonl: {path: %s}}, {jsonl: {path: %s}}]
`
	for paths, want := range map[[3]string]string{
		{"x/rows", "x/other", "x/./rows"}: "pipelines[b].outputs[1].jsonl.path: x/./rows is also an output of pipeline a: a file has one writer",
		{"x/rows", "x/other", "x/other"}:  "pipelines[b].outputs[1].jsonl.path: x/other is also an output of pipeline b",
		{"x/rows", "x/other", "x/third"}:  "",
		{`"-"`, `"-"`, "x"}:               "",
	} {
		_, err := Parse(fmt.Appendf(nil, two, paths[0], paths[1], paths[2]), func(string) (string, bool) { return "", false })
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") != 1) {
			t.Errorf("%q: %v, want %q", paths, err, want)
		}
	}
}

// TestEveryOutputSaysWhatItHolds keeps the process's memory limit beside the settings.
func TestEveryOutputSaysWhatItHolds(t *testing.T) {
	all := sampleOutput()
	for _, k := range all.kinds() {
		if k.output.fill(); k.output.buffered() < 1<<20 {
			t.Errorf("%s holds %d bytes", k.name, k.output.buffered())
		}
	}
	if all.Buffered() <= all.Parquet.MaxBuffered {
		t.Errorf("all together hold %d bytes", all.Buffered())
	}
}

func TestOutputsHaveDefaults(t *testing.T) {
	for output, check := range map[string]func(*Output) bool{
		"{jsonl: {path: a}}": func(o *Output) bool { return o.JSONL.Batch.Rows == 500 && o.JSONL.Batch.Timeout == seconds(30) },
		"{arrow: {url: 'file:///a'}}": func(o *Output) bool {
			c, format := o.Files()
			return format == "arrow" && c.Compression == "lz4" && c.Layout == "plain" && c.RollBytes == 128<<20
		},
		"{kafka: {topic: t}}":                                                  func(o *Output) bool { return o.Kafka.Compression == "none" && o.Kafka.Batch.InFlight == 4 },
		"{webhook: {url: 'https://h/p', secret: s}}":                           func(o *Output) bool { return o.Webhook.Batch.Bytes == 8<<20 },
		"{opensearch: {url: 'http://h', index: i, dimension: 4, replicas: 0}}": func(o *Output) bool { return *o.OpenSearch.Replicas == 0 && o.OpenSearch.Shards == 1 },
		"{feast: {url: 'http://h', source: s}}":                                func(o *Output) bool { return o.Feast.To == "online" && len(o.Feast.Columns) == 5 },
		"{redis: {url: 'redis://h'}}": func(o *Output) bool {
			return o.Redis.Prefix == "vecmill" && o.Redis.TTL == 0 && o.Redis.Index == "none" && o.Redis.Metric == "cosine"
		},
		"{qdrant: {url: 'http://h', collection: c, dimension: 4}}": func(o *Output) bool { return o.Qdrant.Metric == "cosine" && o.Qdrant.Batch.Rows == 500 },
	} {
		c, err := parseOutput(output)
		if err != nil {
			t.Errorf("%s: %v", output, err)
			continue
		}
		if o := &c.Pipelines[0].Outputs[0]; !check(o) {
			t.Errorf("%s: got %+v", output, *o)
		}
	}
}
