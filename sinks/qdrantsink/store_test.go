package qdrantsink

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qdrant/go-client/qdrant"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/qdrantsink/qdranttest"
	"vecmill/sinks/sinktest"
	"vecmill/sinks/vectorindex"
)

func config(f *qdranttest.Fake) Config {
	c := NewDefaultConfig()
	c.URL, c.Collection = "http://"+f.Addr, "rows"
	c.Index = vectorindex.Spec{Heads: []string{"head", "other"}, Dimension: 4, Metric: vectorindex.Inner, ModelDigest: "m"}
	c.Deliver.BatchAge, c.Deliver.Timeout = 20*time.Millisecond, 5*time.Second
	c.Deliver.Retry = retry.Policy{Attempts: 100, Base: time.Millisecond, Max: 20 * time.Millisecond}
	return c
}

func open(t testing.TB, c Config) *deliver.Sink {
	t.Helper()
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // for those that crash
	return s
}

// rows are the points of a source, read back as rows.
func rows(t testing.TB, f *qdranttest.Fake, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	f.Held.Lock()
	defer f.Held.Unlock()
	for id, p := range f.Held.Collections["rows"].Points {
		columns := map[string]any{}
		for k, v := range p.GetPayload() {
			columns[k] = unwrapped(v)
		}
		text, err := json.Marshal(columns)
		if err != nil {
			t.Fatal(err)
		}
		row, err := jsonrow.Parse(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if row.Topic != src.Topic || row.Partition != src.Partition {
			continue
		}
		if strings.ReplaceAll(id, "-", "") != row.RowID {
			t.Errorf("row %s is point %s", row.RowID, id)
		}
		v := p.GetVectors().GetVectors().GetVectors()[row.Head].GetDense().GetData()
		if row.Task == schemas.TaskXVector { // which Make gives in half precision
			row.Half = sinktest.Row(src, row.Offset, row.Window).Half
			if want := vectorindex.Vector(&row); !slices.Equal(v, want) {
				t.Errorf("vector %v, want %v", v, want)
			}
		} else {
			row.Vector = v
		}
		a.Rows = append(a.Rows, row)
	}
	return a
}

func unwrapped(v *qdrant.Value) any {
	switch k := v.GetKind().(type) {
	case *qdrant.Value_StructValue:
		out := map[string]any{}
		for name, f := range k.StructValue.GetFields() {
			out[name] = unwrapped(f)
		}
		return out
	case *qdrant.Value_ListValue:
		out := []any{}
		for _, e := range k.ListValue.GetValues() {
			out = append(out, unwrapped(e))
		}
		return out
	case *qdrant.Value_IntegerValue:
		return k.IntegerValue
	case *qdrant.Value_DoubleValue:
		return k.DoubleValue
	case *qdrant.Value_StringValue:
		return k.StringValue
	case *qdrant.Value_BoolValue:
		return k.BoolValue
	}
	return nil
}

func TestSinkConforms(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"with the defaults":                       func(*Config) {},
		"with tiny batches and the cosine metric": func(c *Config) { c.Deliver.BatchRows, c.Deliver.InFlight, c.Index.Metric = 3, 2, vectorindex.Cosine },
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
				f := qdranttest.Start(t)
				return sinktest.Fixture{
					Open: func(t testing.TB) sinks.Sink {
						c := config(f)
						change(&c)
						return open(t, c)
					},
					Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return rows(t, f, src) },
					Upserts: true, Deletes: true,
					Poison: func(r *schemas.Row) { r.Attributes = map[string]string{"poison": "yes"} },
					Break: func(n int) {
						f.Held.Lock()
						defer f.Held.Unlock()
						f.Held.Away = n
					},
				}
			})
		})
	}
}

func TestACollectionIsMadeAsTheRowsNeedIt(t *testing.T) {
	f := qdranttest.Start(t)
	open(t, config(f))
	c := f.Held.Collections["rows"].Config
	for _, head := range []string{"head", "other"} {
		v := c.GetParams().GetVectorsConfig().GetParamsMap().GetMap()[head]
		if v.GetSize() != 4 || v.GetDistance() != qdrant.Distance_Dot {
			t.Errorf("vector %s is %v", head, v)
		}
	}
	if c.GetMetadata()[digestKey].GetStringValue() != "m" || f.Held.Indexed["ref_id"] != qdrant.FieldType_FieldTypeKeyword || f.Held.Indexed["offset"] != qdrant.FieldType_FieldTypeInteger {
		t.Errorf("metadata %v, indexes %v", c.GetMetadata(), f.Held.Indexed)
	}
	open(t, config(f)) // and taken as it is the next time
}

func TestWhatDoesNotFitIsRefusedAtStart(t *testing.T) {
	f := qdranttest.Start(t)
	f.APIKey = "right"
	right := config(f)
	right.APIKey = "right"
	open(t, right)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, c := range []struct {
		name, want string
		change     func(*Config)
	}{
		{"another model", "has rows of model m, and this is model n", func(c *Config) { c.Index.ModelDigest = "n" }},
		{"another dimension", "its vector head has 4 numbers, and the model gives 5", func(c *Config) { c.Index.Dimension = 5 }},
		{"another metric", "its vector head has the metric Dot, and metric is l2", func(c *Config) { c.Index.Metric = vectorindex.L2 }},
		{"another head", "it has no vector named third", func(c *Config) { c.Index.Heads = []string{"third"} }},
		{"a wrong key", "Invalid API key", func(c *Config) { c.APIKey = "wrong" }},
		{"no server", "connection refused", func(c *Config) { c.URL = "http://127.0.0.1:1" }},
		{"no url", "url: not http://", func(c *Config) { c.URL = "127.0.0.1:6334" }},
		{"a metric that is none", `metric: "dot"`, func(c *Config) { c.Index.Metric = "dot" }},
		{"a column that is none", `columns: "vektor"`, func(c *Config) { c.Index.Columns = []string{"vektor"} }},
		{"no vectors", "heads: none gives vectors", func(c *Config) { c.Index.Heads = nil }},
		{"no collection", "collection: missing", func(c *Config) { c.Collection = "" }},
	} {
		cfg := config(f)
		cfg.APIKey = "right"
		c.change(&cfg)
		_, err := Open(ctx, cfg)
		sinktest.CheckClass(t, c.name, err)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestACollectionWithoutMetadataIsJudgedByItsPoints(t *testing.T) {
	f := qdranttest.Start(t)
	f.Old = true
	s := open(t, config(f))
	open(t, config(f)) // empty: anybody's
	write(t, s, schemas.SourceID{Pipeline: "p", Topic: "t"}, 0, 3)
	open(t, config(f))
	c := config(f)
	c.Index.ModelDigest = "n"
	if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), "has rows of model m, and this is model n") {
		t.Errorf("another model: %v", err)
	}
	f.Held.Collections["rows"].Points["x"] = &qdrant.PointStruct{Id: qdrant.NewIDUUID("x")}
	f.Held.Collections["rows"].Points["0"] = f.Held.Collections["rows"].Points["x"]
	if _, err := Open(t.Context(), config(f)); err == nil || !strings.Contains(err.Error(), "points that are not rows of Vecmill") {
		t.Errorf("somebody else's points: %v", err)
	}
}

func write(t *testing.T, s *deliver.Sink, src schemas.SourceID, first, next int64) {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(src, first, next)
	if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestRowsThatCannotBeStoredAreRefusedBeforehand(t *testing.T) {
	s := open(t, config(qdranttest.Start(t)))
	for want, change := range map[string]func(*schemas.Row){
		"a row of model n, and collection rows has rows of model m": func(r *schemas.Row) { r.ModelDigest = "n" },
		"a vector of 5 numbers by head head":                        func(r *schemas.Row) { r.Vector = make([]float32, 5) },
		"a vector by head third":                                    func(r *schemas.Row) { r.Head = "third" },
		"number 1 of the vector":                                    func(r *schemas.Row) { r.Vector[1] = float32(math.Inf(1)) },
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

func TestOnlyTheColumnsThatAreAskedForAreInThePayload(t *testing.T) {
	f := qdranttest.Start(t)
	c := config(f)
	c.Index.Columns = []string{"uri"}
	write(t, open(t, c), schemas.SourceID{Pipeline: "p", Topic: "t"}, 0, 1)
	for _, p := range f.Held.Collections["rows"].Points {
		var names []string
		for name := range p.GetPayload() {
			names = append(names, name)
		}
		want := append(vectorindex.Needed(), "uri")
		if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(want))) {
			t.Errorf("payload %v, want %v", names, want)
		}
	}
}

func TestACollectionThatIsDroppedOrAKeyThatIsTakenAwayEndsThePipelineAtOnce(t *testing.T) {
	for want, change := range map[string]func(*qdranttest.Fake){
		"Collection `rows` doesn't exist": func(f *qdranttest.Fake) { delete(f.Held.Collections, "rows") },
		"Invalid API key":                 func(f *qdranttest.Fake) { f.APIKey = "another" },
	} {
		f := qdranttest.Start(t)
		s := open(t, config(f))
		src := schemas.SourceID{Pipeline: "p", Topic: "t"}
		write(t, s, src, 0, 3)
		f.Held.Lock()
		change(f)
		f.Held.Unlock()
		r, rows := sinktest.Make(src, 3, 6)
		if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "tries") {
			t.Errorf("flush gives %v, want %q", err, want)
		}
	}
}

func TestABatchThatIsTooLargeForTheWayIsHalved(t *testing.T) {
	f := qdranttest.StartLimited(t, 20_000)
	s := open(t, config(f))
	src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
	write(t, s, src, 0, 200)
	a := rows(t, f, src)
	if err := a.Audit(src, 0, 200, false); err != nil {
		t.Error(err)
	}
}
