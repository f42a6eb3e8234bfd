package flightsink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/arrowrow"
	"vecmill/sinks/deliver"
	"vecmill/sinks/sinktest"
)

// server is Arrow's own server of Flight, which keeps the last row under each id and carries deletions out.
type server struct {
	flight.BaseFlightServer
	addr string
	mu   struct {
		sync.Mutex
		away   int   // so many requests fail
		denies error // what every request is answered; nil: what it deserves
		tokens []string
		rows   map[string]schemas.Row
	}
}

func start(t testing.TB) *server {
	t.Helper()
	f := &server{}
	f.mu.rows = map[string]schemas.Row{}
	s := flight.NewServerWithMiddleware(nil, grpc.MaxRecvMsgSize(64<<20))
	if err := s.Init("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.RegisterFlightService(f)
	f.addr = s.Addr().String()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve()
	}()
	t.Cleanup(func() {
		s.Shutdown()
		<-ended
	})
	return f
}

// DoPut implements flight.FlightServer.
func (f *server) DoPut(stream flight.FlightService_DoPutServer) error {
	r, err := flight.NewRecordReader(stream)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	defer r.Release()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.away > 0 {
		f.mu.away--
		return status.Error(codes.Unavailable, "away")
	}
	if f.mu.denies != nil {
		return f.mu.denies
	}
	md, _ := metadata.FromIncomingContext(stream.Context())
	f.mu.tokens = append(f.mu.tokens, md.Get("authorization")...)
	for r.Next() {
		if err := f.takeLocked(r); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return stream.Send(&flight.PutResult{})
}

func (f *server) takeLocked(r *flight.Reader) error {
	rec := r.Record()
	switch path := r.LatestFlightDescriptor().GetPath(); {
	case slices.Equal(path, []string{"rows"}):
		rows, err := arrowrow.Rows(rec)
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		for i := range rows {
			if rows[i].Attributes["poison"] != "" {
				return status.Error(codes.InvalidArgument, "poison")
			}
		}
		for _, row := range rows {
			f.mu.rows[row.RowID] = row
		}
	case slices.Equal(path, []string{"rows", "deletions"}):
		for i := range int(rec.NumRows()) {
			ref, topic := rec.Column(0).(*array.String).Value(i), rec.Column(1).(*array.String).Value(i)
			for id, row := range f.mu.rows {
				if row.RefID == ref && row.Topic == topic && row.Partition == int(rec.Column(2).(*array.Int32).Value(i)) && row.Offset < rec.Column(3).(*array.Int64).Value(i) {
					delete(f.mu.rows, id)
				}
			}
		}
	default:
		return status.Errorf(codes.NotFound, "nothing is known of %v", path)
	}
	return nil
}

func config(f *server) Config {
	c := NewDefaultConfig()
	c.URL, c.Tasks = "http://"+f.addr, schemas.Tasks()
	c.Deliver.BatchAge, c.Deliver.Timeout = 20*time.Millisecond, 10*time.Second
	c.Deliver.Retry = retry.Policy{Attempts: 100, Base: time.Millisecond, Max: 20 * time.Millisecond}
	return c
}

func open(t testing.TB, c Config) *deliver.Sink {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // for those that crash
	return s
}

func TestSinkConforms(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		f := start(t)
		return sinktest.Fixture{
			Open: func(t testing.TB) sinks.Sink { return open(t, config(f)) },
			OpenFewer: func(t testing.TB) sinks.Sink {
				c := config(f)
				c.Tasks = []schemas.Task{schemas.TaskEmbedding}
				return open(t, c)
			},
			Read: func(_ testing.TB, src schemas.SourceID) (a sinktest.Account) {
				f.mu.Lock()
				defer f.mu.Unlock()
				for _, row := range f.mu.rows {
					if row.Topic == src.Topic && row.Partition == src.Partition {
						a.Rows = append(a.Rows, row)
					}
				}
				return a
			},
			Upserts: true, Deletes: true,
			Poison: func(r *schemas.Row) { r.Attributes = map[string]string{"poison": "yes"} },
			Break: func(n int) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.mu.away = n
			},
		}
	})
}

func write(t *testing.T, s *deliver.Sink, src schemas.SourceID, first, next int64) error {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(src, first, next)
	if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	return s.Flush(t.Context())
}

func TestTheTokenIsSent(t *testing.T) {
	f := start(t)
	c := config(f)
	c.Token = "abc"
	if err := write(t, open(t, c), schemas.SourceID{Topic: "t"}, 0, 2); err != nil || !slices.Equal(f.mu.tokens, []string{"Bearer abc"}) {
		t.Errorf("%v, tokens %q", err, f.mu.tokens)
	}
}

func TestAServerThatDoesNotKnowThePathEndsThePipelineAtOnce(t *testing.T) {
	c := config(start(t))
	c.Name = "others"
	err := write(t, open(t, c), schemas.SourceID{Topic: "t"}, 0, 2)
	if err == nil || !strings.Contains(err.Error(), "nothing is known of [others]") || strings.Contains(err.Error(), "tries") {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatDeniesARequestEndsThePipelineAtOnce(t *testing.T) {
	for _, code := range []codes.Code{codes.Unauthenticated, codes.PermissionDenied} {
		f := start(t)
		f.mu.denies = status.Error(code, "not you")
		err := write(t, open(t, config(f)), schemas.SourceID{Topic: "t"}, 0, 2)
		if err == nil || !strings.Contains(err.Error(), "not you") || strings.Contains(err.Error(), "tries") {
			t.Errorf("%v: got %v", code, err)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	f := start(t)
	for want, change := range map[string]func(*Config){
		"url: not http://":         func(c *Config) { c.URL = "grpc://h:1" },
		"a name and tasks":         func(c *Config) { c.Name = "" },
		"batch_rows: must be more": func(c *Config) { c.Deliver.BatchRows = 0 },
	} {
		c := config(f)
		change(&c)
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	s := open(t, config(f))
	row := sinktest.Row(schemas.SourceID{}, 0, 0)
	row.Task = "other"
	if err := s.Check(&row); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("a row of task %q", "other")) {
		t.Errorf("a task without columns: %v", err)
	}
}
