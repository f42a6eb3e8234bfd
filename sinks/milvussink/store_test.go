package milvussink

import (
	"math"
	"strings"
	"testing"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

// The conformance suite runs against a real server: integration/sinks, TestMilvus. What does not need one is here.

func config() Config {
	c := NewDefaultConfig()
	c.URL, c.Collection = "http://127.0.0.1:19530", "rows"
	c.Index = vectorindex.Spec{Heads: []string{"head"}, Dimension: 4, Metric: vectorindex.L2, ModelDigest: "m"}
	return c
}

func TestRowsBecomeColumnsOfOneLength(t *testing.T) {
	s := &store{cfg: config()}
	src := schemas.SourceID{Topic: "t"}
	var rows []*schemas.Row
	for o := range int64(50) {
		row := sinktest.Row(src, o, 0)
		rows = append(rows, &row)
	}
	c, err := s.columns(rows)
	if err != nil {
		t.Fatal(err)
	}
	if c.rows == 0 || c.rows == 50 || len(c.vectors) != 4*int(c.rows) || len(c.rest) != int(c.rows) {
		t.Fatalf("%d rows, %d numbers, %d rests; rows without vectors have no place", c.rows, len(c.vectors), len(c.rest))
	}
	if got := len(c.fields()); got != len(vectorindex.Needed())+2 {
		t.Errorf("%d fields", got)
	}
	for _, f := range c.fields()[2:] {
		if n := len(f.GetScalars().GetStringData().GetData()) + len(f.GetScalars().GetLongData().GetData()); n != int(c.rows) {
			t.Errorf("field %s has %d values, want %d", f.GetFieldName(), n, c.rows)
		}
	}
	if strings.Contains(string(c.rest[0]), "ref_id") || !strings.Contains(string(c.rest[0]), `"uri":"s3://bucket/`) {
		t.Errorf("dynamic fields %s", c.rest[0])
	}
}

func TestADeletionIsAnExpressionThatNoNameBreaks(t *testing.T) {
	d := &deliver.Deletion{Source: schemas.SourceID{Topic: `t"`, Partition: 3}, Deletion: schemas.Deletion{Offset: 7, RefID: "a\\\"\n\xff"}}
	if got, want := earlier(d), `ref_id == "a\\\"\n`+"\uFFFD"+`" and topic == "t\"" and partition == 3 and offset < 7`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAnAnswerIsAVerdict(t *testing.T) {
	const again, never, over = "another try", "refused", "final"
	for name, c := range map[string]struct {
		status *commonpb.Status
		err    error
		want   string
	}{
		"a dropped collection":            {status: &commonpb.Status{Code: 100}, want: over},
		"a wrong password":                {err: status.Error(codes.Unauthenticated, "auth check failure"), want: over},
		"an invalid parameter":            {status: &commonpb.Status{Code: 1100}, want: never},
		"milvus-lite's illegal argument":  {status: &commonpb.Status{Code: 6}, want: never},
		"a message that is too long":      {err: status.Error(codes.ResourceExhausted, "grpc: received message larger than max"), want: never},
		"a server that is not ready":      {status: &commonpb.Status{Code: 1, Retriable: true}, want: again},
		"a limit of requests":             {status: &commonpb.Status{Code: 8, Retriable: true}, want: again},
		"a server that is away":           {err: status.Error(codes.Unavailable, "connection refused"), want: again},
		"an error that nobody knows":      {status: &commonpb.Status{Code: 65535}, want: again},
		"a code of before 2.3":            {status: &commonpb.Status{ErrorCode: commonpb.ErrorCode_UnexpectedError}, want: again}, //nolint:staticcheck // old servers
		"a collection that is loaded yet": {status: &commonpb.Status{Code: 101, Retriable: true}, want: again},
	} {
		err := answered(c.status, c.err)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		got := again
		switch {
		case refused(err):
			got = never
		case lasting(err):
			got = over
		}
		if got != c.want {
			t.Errorf("%s: %v is %s, want %s", name, err, got, c.want)
		}
	}
	if err := answered(&commonpb.Status{}, nil); err != nil {
		t.Errorf("success is %v", err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"url: not http://":     func(c *Config) { c.URL = "h:19530" },
		"collection: missing":  func(c *Config) { c.Collection = "" },
		"dimension: Milvus":    func(c *Config) { c.Index.Dimension = 40000 },
		`metric: "dot"`:        func(c *Config) { c.Index.Metric = "dot" },
		"heads: none gives":    func(c *Config) { c.Index.Heads = nil },
		"model_digest: missin": func(c *Config) { c.Index.ModelDigest = "" },
	} {
		c := config()
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestRowsThatCannotBeStoredAreRefusedBeforehand(t *testing.T) {
	s := &store{cfg: config()}
	for want, change := range map[string]func(*schemas.Row){
		"a row of model n, and collection rows has rows of model m": func(r *schemas.Row) { r.ModelDigest = "n" },
		"a vector of 5 numbers":  func(r *schemas.Row) { r.Vector = make([]float32, 5) },
		"number 1 of the vector": func(r *schemas.Row) { r.Vector[1] = float32(math.NaN()) },
		"ref_id has 65536 bytes": func(r *schemas.Row) { r.RefID = strings.Repeat("x", 65536) },
	} {
		row := sinktest.Row(schemas.SourceID{Topic: "t"}, 0, 0)
		if err := s.Check(&row); err != nil {
			t.Fatal(err)
		}
		change(&row)
		if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
