package redissink

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

func config(m *miniredis.Miniredis) Config {
	c := NewDefaultConfig()
	c.URL, c.ModelDigest = "redis://"+m.Addr(), "m"
	c.Deliver.BatchAge, c.Deliver.Timeout = 20*time.Millisecond, 5*time.Second
	c.Deliver.Retry = retry.Policy{Attempts: 10, Base: time.Millisecond, Max: 20 * time.Millisecond}
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

// rowOf reads a hash back.
func rowOf(t testing.TB, hash map[string]string) schemas.Row {
	t.Helper()
	object := map[string]any{}
	for _, c := range schemas.Columns(schemas.Tasks()...) {
		v, ok := hash[c.Name]
		switch {
		case !ok || c.Type == schemas.Float16List || c.Name == "vector":
		case c.Type == schemas.String || c.Type == schemas.Timestamp || c.Type == schemas.Binary:
			object[c.Name] = v
		default:
			object[c.Name] = json.RawMessage(v)
		}
	}
	b, err := json.Marshal(object)
	if err != nil {
		t.Fatalf("%v in %q", err, hash)
	}
	row, err := jsonrow.Parse(b)
	if err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	for v := []byte(hash["vector"]); len(v) >= 4; v = v[4:] {
		row.Vector = append(row.Vector, math.Float32frombits(binary.LittleEndian.Uint32(v)))
	}
	for v := []byte(hash["vector_f16"]); len(v) >= 2; v = v[2:] {
		row.Half = append(row.Half, binary.LittleEndian.Uint16(v))
	}
	return row
}

// rows are the rows of a source.
func rows(t testing.TB, m *miniredis.Miniredis, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	for _, key := range m.Keys() {
		if !strings.HasPrefix(key, "vecmill:head:") || m.Type(key) != "hash" {
			continue
		}
		hash := map[string]string{}
		names, err := m.HKeys(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			hash[n] = m.HGet(key, n)
		}
		if row := rowOf(t, hash); row.Topic == src.Topic && row.Partition == src.Partition {
			a.Rows = append(a.Rows, row)
		}
	}
	return a
}

func TestSinkConforms(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"with the defaults":                    func(*Config) {},
		"with tiny batches and a time to live": func(c *Config) { c.Deliver.BatchRows, c.Deliver.InFlight, c.TTL = 3, 2, time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
				m := miniredis.RunT(t)
				return sinktest.Fixture{
					Open: func(t testing.TB) sinks.Sink {
						c := config(m)
						change(&c)
						return open(t, c)
					},
					Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return rows(t, m, src) },
					Chained: true, Splits: true, Upserts: true, Deletes: true,
					Poison: func(r *schemas.Row) { _ = m.Set(Key("vecmill", r.Head, r.Window, r.RefID), "somebody else's") },
					Break: func(n int) {
						left := n
						m.SetError("LOADING Redis is loading the dataset in memory")
						time.AfterFunc(time.Duration(left)*5*time.Millisecond, func() { m.SetError("") })
					},
				}
			})
		})
	}
}

var src = schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}

// write makes rows of one reference durable, all under one offset.
func write(t *testing.T, s *deliver.Sink, src schemas.SourceID, offset int64, change func(*schemas.Row), windows int) {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	var rows []schemas.Row
	for w := range windows {
		r := sinktest.Row(src, offset, w)
		r.RefID = "ref"
		change(&r)
		rows = append(rows, r)
	}
	r := schemas.Range{Source: src, Span: schemas.Span{First: offset, Next: offset + 1}}
	if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func offsets(m *miniredis.Miniredis, windows int) (out []string) {
	for w := range windows {
		out = append(out, m.HGet(Key("vecmill", "head", w, "ref"), "offset"))
	}
	return out
}

func TestANewVersionOfAnObjectReplacesAllWindowsOfTheOld(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, config(m))
	same := func(*schemas.Row) {}
	write(t, s, src, 0, same, 4)
	if got := offsets(m, 4); !slices.Equal(got, []string{"0", "0", "0", "0"}) {
		t.Fatalf("offsets %q", got)
	}
	write(t, s, src, 1, same, 2)
	if got := offsets(m, 4); !slices.Equal(got, []string{"1", "1", "", ""}) {
		t.Errorf("offsets %q", got)
	}
	write(t, s, src, 2, func(r *schemas.Row) { r.Head = "other" }, 1)
	if got := offsets(m, 2); !slices.Equal(got, []string{"1", "1"}) {
		t.Errorf("another head took windows away: %q", got)
	}
}

func TestAnOlderRowNeverReplacesANewerOfItsPartition(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, config(m))
	same := func(*schemas.Row) {}
	write(t, s, src, 7, same, 1)
	again := src
	again.Pipeline = "a second one that begins at the start"
	write(t, s, again, 3, same, 1)
	if got := offsets(m, 1); got[0] != "7" {
		t.Errorf("offset %s", got[0])
	}
	write(t, s, again, 4, func(r *schemas.Row) { r.Partition = 5 }, 1) // another partition's offsets say nothing
	if got := m.HGet(Key("vecmill", "head", 0, "ref"), "offset"); got != "7" && got != "4" {
		t.Errorf("offset %s", got)
	}
}

func TestRowsEndWithTheirTimeToLive(t *testing.T) {
	m := miniredis.RunT(t)
	c := config(m)
	c.TTL = time.Hour
	s := open(t, c)
	write(t, s, src, 0, func(*schemas.Row) {}, 2)
	m.FastForward(59 * time.Minute)
	if got := offsets(m, 2); !slices.Equal(got, []string{"0", "0"}) {
		t.Errorf("offsets %q before the time", got)
	}
	m.FastForward(2 * time.Minute)
	if got := offsets(m, 2); !slices.Equal(got, []string{"", ""}) || m.Exists("vecmill:ref:ref") {
		t.Errorf("offsets %q after the time", got)
	}
	if next, known, err := s.Resume(t.Context(), src, 0); next != 1 || !known || err != nil {
		t.Errorf("resumes at %d, %v, %v: progress does not end", next, known, err)
	}
}

func TestColumnsThatAreNotAskedForAreNotStored(t *testing.T) {
	m := miniredis.RunT(t)
	c := config(m)
	c.Columns = []string{"vector", "score"}
	write(t, open(t, c), src, 0, func(*schemas.Row) {}, 1)
	names, err := m.HKeys(Key("vecmill", "head", 0, "ref"))
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"head", "offset", "partition", "row_id", "topic", "vector"}) {
		t.Errorf("%q, %v", names, err)
	}
}

func TestAServerThatHasLostWritesIsASentenceAndThenGoesOn(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, config(m))
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	put := func(first, next int64) error {
		r, rows := sinktest.Make(src, first, next)
		if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
			return err
		}
		return s.Flush(t.Context())
	}
	if err := put(0, 10); err != nil {
		t.Fatal(err)
	}
	if err := m.Set("vecmill:next:p/t/1", "4"); err != nil { // as a log that was cut leaves it
		t.Fatal(err)
	}
	if err := put(10, 20); err == nil || !strings.Contains(err.Error(), "the server ends at offset 4 of p/t/1") {
		t.Errorf("got %v", err)
	}
	if next, known, err := s.Resume(t.Context(), src, 10); next != 4 || !known || err != nil {
		t.Fatalf("resumes at %d, %v, %v", next, known, err)
	}
	if err := put(4, 20); err != nil {
		t.Fatal(err)
	}
	a := rows(t, m, src)
	if err := a.Audit(src, 0, 20, false); err != nil {
		t.Error(err)
	}
}

func TestWhatDoesNotFitIsRefusedAtStart(t *testing.T) {
	m := miniredis.RunT(t)
	open(t, config(m))
	m.RequireUserAuth("vecmill", "right")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for _, c := range []struct {
		name, want string
		change     func(*Config)
	}{
		{"another model", "hold rows of model m, and this is model n", func(c *Config) { c.ModelDigest = "n" }},
		{"a wrong password", "WRONGPASS", func(c *Config) { c.URL = "redis://vecmill:wr0ng@" + m.Addr() }},
		{"no server", "connection refused", func(c *Config) { c.URL = "redis://127.0.0.1:1" }},
		{"no url", "the url is not redis://", func(c *Config) { c.URL = "http://user:hidden@h" }},
		{"a prefix with a colon", `prefix: "a:b"`, func(c *Config) { c.Prefix = "a:b" }},
		{"a column that is none", `columns: "vektor"`, func(c *Config) { c.Columns = []string{"vektor"} }},
		{"a time to live in the past", "ttl: ", func(c *Config) { c.TTL = -1 }},
		{"no model", "model_digest: missing", func(c *Config) { c.ModelDigest = "" }},
	} {
		cfg := config(m)
		cfg.URL = "redis://vecmill:right@" + m.Addr()
		c.change(&cfg)
		_, err := Open(ctx, cfg)
		sinktest.CheckClass(t, c.name, err)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestRowsThatCannotBeStoredAreRefusedBeforehand(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, config(m))
	for want, change := range map[string]func(*schemas.Row){
		"a row of model n, and the keys vecmill:* hold": func(r *schemas.Row) { r.ModelDigest = "n" },
		`head "a:b" has a colon`:                        func(r *schemas.Row) { r.Head = "a:b" },
		`head "ref" has the name of a key`:              func(r *schemas.Row) { r.Head = "ref" },
		"number 1 of the vector":                        func(r *schemas.Row) { r.Vector = []float32{0, float32(math.Inf(1))} },
	} {
		row := sinktest.Row(src, 0, 0)
		if err := s.Check(&row); err != nil {
			t.Fatal(err)
		}
		change(&row)
		if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestLargeOffsetsKeepTheirDigits(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, config(m))
	const offset = 1<<53 - 2
	write(t, s, src, offset, func(*schemas.Row) {}, 1)
	if got, err := m.Get("vecmill:next:p/t/1"); err != nil || got != strconv.Itoa(offset+1) {
		t.Errorf("next is %s, %v", got, err)
	}
}
