package pgvectorsink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
)

func config() Config {
	c := NewDefaultConfig()
	c.DSN, c.Table, c.Tasks, c.Dimension, c.ModelDigest = "postgres://127.0.0.1/none", "rows", schemas.Tasks(), 4, "m"
	c.Deliver.Retry = retry.Policy{Attempts: 8, Base: 10 * time.Millisecond, Max: time.Second}
	return c
}

func open(t testing.TB, c Config, s Server) *Sink {
	t.Helper()
	sink, err := OpenOn(c, s)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func fixture(fault int, change func(*Config)) sinktest.Fixture {
	db := newFake(fault)
	return sinktest.Fixture{
		Open: func(t testing.TB) sinks.Sink {
			c := config()
			change(&c)
			return open(t, c, db)
		},
		Read: func(_ testing.TB, src schemas.SourceID) (a sinktest.Account) {
			db.mu.Lock()
			defer db.mu.Unlock()
			for _, b := range db.mu.stored[src] {
				a.Rows = append(a.Rows, b.rows...)
				a.Dead, a.Skipped, a.Lost = append(a.Dead, b.r.Dead...), append(a.Skipped, b.r.Skipped...), append(a.Lost, b.r.Lost...)
			}
			return a
		},
		Chained: true, Splits: true, RecordsFates: true,
	}
}

func TestSinkConforms(t *testing.T) {
	for _, c := range []struct {
		name   string
		fault  int
		change func(*Config)
	}{
		{"with the defaults", 0, func(*Config) {}},
		{"with tiny batches and buffers", 0, func(c *Config) { c.Deliver.BatchRows, c.Deliver.MaxBuffered = 3, 4096 }},
		{"with every second answer lost", 2, func(c *Config) { c.Deliver.BatchRows = 2 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			sinktest.Run(t, sinktest.Options{Bubble: true}, func(testing.TB) sinktest.Fixture { return fixture(c.fault, c.change) })
		})
	}
}

func TestRangesAreCommittedWhenTheFirstIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newFake(0)
		s := open(t, config(), db)
		src := schemas.SourceID{Pipeline: "p", Topic: "t"}
		if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
			t.Fatal(err)
		}
		var waited []time.Duration
		for o := range int64(3) {
			began := time.Now()
			r, rows := sinktest.Make(src, o, o+1)
			if err := s.Write(t.Context(), r, rows, func(error) { waited = append(waited, time.Since(began)) }); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(waited) != 3 || waited[0] != 5*time.Second || db.mu.puts != 1 {
			t.Errorf("ranges waited %v in %d transactions, want three of them, the first 5 s, in one", waited, db.mu.puts)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestARowThatTheTableDoesNotTakeIsRefusedWithASentence(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*schemas.Row)
		want   string
	}{
		{"another dimension", func(r *schemas.Row) { r.Vector = make([]float32, 5) }, "offset 0: a vector of 5 numbers by head head, and table rows takes 4"},
		{"another dimension in half precision", func(r *schemas.Row) { r.Vector, r.Half = nil, make([]uint16, 3) }, "a vector of 3 numbers"},
		{"not a number", func(r *schemas.Row) { r.Vector[2] = float32(math.NaN()) }, "number 2 of the vector by head head is NaN"},
		{"infinite", func(r *schemas.Row) { r.Vector[1] = float32(math.Inf(1)) }, "number 1 of the vector by head head is +Inf"},
		{"infinite in half precision", func(r *schemas.Row) { r.Vector, r.Half = nil, []uint16{0, 0, 0, 0xfc00} }, "number 3 of the vector by head head is -Inf"},
		{"another model", func(r *schemas.Row) { r.ModelDigest = "n" }, "a row of model n, and table rows has rows of model m"},
		{"a task without columns", func(r *schemas.Row) { r.Task = "other" }, `a row of task "other"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, config(), newFake(0))
			src := schemas.SourceID{Pipeline: "p", Topic: "t"}
			if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
				t.Fatal(err)
			}
			r, rows := sinktest.Make(src, 0, 1)
			c.change(&rows[0])
			err := s.Write(t.Context(), r, rows, func(error) { t.Error("done was called") })
			rejection, ok := errors.AsType[*schemas.Rejection](err)
			if !ok || rejection.Reason != schemas.ReasonSinkReject || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a sink-reject with %q", err, c.want)
			}
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestValidateNamesTheField(t *testing.T) {
	if c := config(); c.Validate() != nil {
		t.Fatal(c.Validate())
	}
	for want, change := range map[string]func(*Config){
		"table: ":        func(c *Config) { c.Table = `rows"; DROP TABLE rows; --` },
		"tasks: ":        func(c *Config) { c.Tasks = nil },
		"dimension: ":    func(c *Config) { c.Dimension = 0 },
		"metric: \"cos":  func(c *Config) { c.Metric = "cos" },
		"more than 4000": func(c *Config) { c.Metric, c.Dimension = Cosine, 4001 },
		"no vector":      func(c *Config) { c.Metric, c.Tasks = Cosine, []schemas.Task{schemas.TaskLabels} },
		"model_digest: ": func(c *Config) { c.ModelDigest = "" },
		"batch_rows: ":   func(c *Config) { c.Deliver.BatchRows = 0 },
		"timeout: ":      func(c *Config) { c.Deliver.Timeout = -1 },
	} {
		c := config()
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestEveryColumnIsFilled(t *testing.T) {
	c := config()
	fields := c.fields("p")
	row := sinktest.Row(schemas.SourceID{Topic: "t"}, 0, 0)
	for _, f := range fields {
		if f.put == nil {
			t.Errorf("column %s is not filled", f.name)
			continue
		}
		if b, err := f.put(nil, &schemas.Row{}); err != nil || len(b) < 4 || !f.null && b[0] == 0xff {
			t.Errorf("column %s of an empty row: % x, %v", f.name, b, err)
		}
	}
	if data, err := copyRows(fields, []schemas.Row{row}); err != nil || len(data) < 400 || !strings.HasPrefix(string(data), "PGCOPY\n\xff\r\n\x00") {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	row.WindowEnd, row.Window = 0, math.MaxInt32+1
	if _, err := copyRows(fields, []schemas.Row{row}); err == nil || !strings.Contains(err.Error(), "column window of row") {
		t.Errorf("a window that does not fit gives %v", err)
	}
}

func TestAServerThatIsNoPrimaryAnyMoreIsAskedAgain(t *testing.T) {
	for code, final := range map[string]bool{"25006": false, "57P01": false, "40001": false, "42501": true, "28P01": true} {
		if got := permanent(fmt.Errorf("writing: %w", &pgconn.PgError{Code: code})); got != final {
			t.Errorf("%s is permanent: %v, want %v", code, got, final)
		}
	}
}
