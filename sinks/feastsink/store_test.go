package feastsink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/deliver"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/sinktest"
)

// server answers as Feast 0.67 does (integration/feast has the real one), and keeps what is pushed under each row id.
type server struct {
	*httptest.Server
	mu struct {
		sync.Mutex
		away  int // so many requests fail
		rows  map[string]map[string]any
		token string
	}
}

func start(t testing.TB) *server {
	t.Helper()
	f := &server{}
	f.mu.rows = map[string]map[string]any{}
	f.Server = httptest.NewServer(http.HandlerFunc(f.push))
	t.Cleanup(f.Close)
	return f
}

func (f *server) push(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.token = r.Header.Get("Authorization")
	body, err := io.ReadAll(r.Body)
	if f.mu.away > 0 || err != nil {
		f.mu.away--
		http.Error(w, "upstream is away", http.StatusBadGateway)
		return
	}
	var ask struct {
		Source string `json:"push_source_name"`
		DF     map[string][]any
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	switch err := d.Decode(&ask); {
	case err != nil || r.URL.Path != "/push":
		http.Error(w, `{"detail":"Not Found"}`, http.StatusNotFound)
	case ask.Source != "rows":
		http.Error(w, `"{\"class\": \"PushSourceNotFoundException\", \"message\": \"Unable to find push source '`+ask.Source+`'.\"}"`, http.StatusUnprocessableEntity)
	case ask.DF["window_end"] == nil:
		http.Error(w, `"\"['window_end'] not in index\""`, http.StatusInternalServerError)
	case slices.Contains(ask.DF["version"], any("poison")):
		http.Error(w, `"Value \"poison\" is of type <class 'str'> not of type <class 'int'>"`, http.StatusInternalServerError)
	default:
		for i, id := range ask.DF["row_id"] {
			row := map[string]any{}
			for name, values := range ask.DF {
				row[name] = values[i]
			}
			f.mu.rows[fmt.Sprint(id)] = row
		}
	}
}

// allColumns are every one that can be pushed.
func allColumns() (out []string) {
	for name := range columns() {
		out = append(out, name)
	}
	return out
}

func config(f *server) Config {
	c := NewDefaultConfig()
	c.URL, c.Source, c.Columns = f.URL, "rows", allColumns()
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

// rows are the rows of a source as they were pushed.
func rows(t testing.TB, f *server, src schemas.SourceID) (a sinktest.Account) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, got := range f.mu.rows {
		plain := map[string]any{}
		for name, v := range got {
			text, isText := v.(string)
			switch kind := columns()[name]; {
			case v == nil:
			case isText && kind != schemas.String && kind != schemas.Timestamp && kind != schemas.Binary:
				plain[name] = json.RawMessage(text)
			default:
				plain[name] = v
			}
		}
		text, err := json.Marshal(plain)
		if err != nil {
			t.Fatal(err)
		}
		row, err := jsonrow.Parse(text)
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if row.Topic == src.Topic && row.Partition == src.Partition {
			a.Rows = append(a.Rows, row)
		}
	}
	return a
}

func TestSinkConforms(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		f := start(t)
		return sinktest.Fixture{
			Open:    func(t testing.TB) sinks.Sink { return open(t, config(f)) },
			Read:    func(t testing.TB, src schemas.SourceID) sinktest.Account { return rows(t, f, src) },
			Upserts: true,
			Poison:  func(r *schemas.Row) { r.Version = "poison" },
			Break: func(n int) {
				f.mu.Lock()
				defer f.mu.Unlock()
				f.mu.away = n
			},
		}
	})
}

// write gives what done is told of two offsets.
func write(t *testing.T, s *deliver.Sink, change func(*schemas.Row)) (told error) {
	t.Helper()
	src := schemas.SourceID{Topic: "t"}
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, of := sinktest.Make(src, 0, 2)
	change(&of[0])
	if err := s.Write(t.Context(), r, of, func(err error) { told = err }); err != nil {
		t.Fatal(err)
	}
	_ = s.Flush(t.Context()) // told says it
	return told
}

func TestTheTokenIsSentAndOnlyTheHeadsRowsArePushed(t *testing.T) {
	f := start(t)
	c := config(f)
	c.Token, c.Heads = "abc", []string{"head"}
	if err := write(t, open(t, c), func(r *schemas.Row) { r.Head = "other" }); err != nil || f.mu.token != "Bearer abc" || len(f.mu.rows) != 1 {
		t.Errorf("%v, token %q, %d rows", err, f.mu.token, len(f.mu.rows))
	}
}

func TestARefusedValueIsOneOffset(t *testing.T) {
	f := start(t)
	err := write(t, open(t, config(f)), func(r *schemas.Row) { r.Version = "poison" })
	no := sinks.AsRefused(err)
	if no == nil || len(no.Offsets) != 1 || no.Offsets[0].Offset != 0 || !strings.Contains(err.Error(), `a value is not of its feature's type: it answers 500 Internal Server Error: "Value \"poison\" is of type`) {
		t.Errorf("got %v", err)
	}
	if len(f.mu.rows) != 1 {
		t.Errorf("%d rows are there", len(f.mu.rows))
	}
}

func TestAColumnThatLacksEndsThePipelineAtOnce(t *testing.T) {
	f := start(t)
	c := config(f)
	c.Columns = []string{"ref_id", "created_at", "row_id"}
	s, err := Open(t.Context(), c)
	if err == nil {
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		err = write(t, s, func(*schemas.Row) {})
	}
	if err == nil || !strings.Contains(err.Error(), "['window_end'] not in index") || sinks.AsRefused(err) != nil {
		t.Errorf("got %v", err)
	}
}

func TestAnUnknownSourceIsFoundAtTheStart(t *testing.T) {
	c := config(start(t))
	c.Source = "nope"
	_, err := Open(t.Context(), c)
	if err == nil || !strings.Contains(err.Error(), "push source nope: it answers 422") || !strings.Contains(err.Error(), "Unable to find push source 'nope'") || !strings.Contains(err.Error(), "(try 1)") {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerIsAVerdict(t *testing.T) {
	c := config(start(t))
	row := sinktest.Row(schemas.SourceID{}, 0, 0)
	row.Vector[1] = float32(math.Inf(1))
	if err := (&store{cfg: c}).Check(&row); err == nil {
		t.Error("an infinite number is taken")
	}
	if err := classify(io.ErrUnexpectedEOF); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a broken connection is %v", err)
	}
}

func TestFractionsAreNeverWhole(t *testing.T) {
	for in, want := range map[string]string{
		"3": "3.0", "0.5": "0.5", "1e+21": "1e+21", "null": "null", "[]": "[]", "[1,-0.25,0,1e-09]": "[1.0,-0.25,0.0,1e-09]", "[null,-7]": "[null,-7.0]",
	} {
		if got := string(fractions([]byte(in))); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

func TestMistakesAreNamed(t *testing.T) {
	f := start(t)
	for want, change := range map[string]func(*Config){
		"url: not https://":      func(c *Config) { c.URL = "h:6566" },
		"source: missing":        func(c *Config) { c.Source = "" },
		`to: "lake" is not`:      func(c *Config) { c.To = "lake" },
		"columns: missing":       func(c *Config) { c.Columns = nil },
		`columns: "wordz" is no`: func(c *Config) { c.Columns = []string{"wordz"} },
	} {
		c := config(f)
		change(&c)
		if _, err := Open(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
