package webhooksink

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

const secret = "whsec"

// poison is the label of rows that the receiver refuses.
const poison = "poison"

// receiver is an endpoint that keeps rows by id, checks signatures, and answers a key that it knows without looking at the body.
type receiver struct {
	t  testing.TB
	mu struct {
		sync.Mutex
		away int
		seen map[string]bool
		rows []schemas.Row
		reqs []http.Header
	}
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	if err := Verify([]byte(secret), body, req.Header.Get(SignatureHeader), time.Now(), time.Minute); err != nil || req.Header.Get("Authorization") != "Bearer token" {
		r.t.Errorf("%v, headers %v", err, req.Header)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.reqs = append(r.mu.reqs, req.Header)
	if r.mu.away > 0 {
		if r.mu.away--; r.mu.away%2 == 0 {
			w.Header().Set("Retry-After", "0")
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		panic(http.ErrAbortHandler)
	}
	key := req.Header.Get(IdempotencyHeader)
	if r.mu.seen[key] {
		return
	}
	var b struct {
		Version   int
		Rows      []json.RawMessage
		Deletions []struct {
			RefID   string `json:"ref_id"`
			Deleted bool
			Offset  int64
		}
	}
	if err := json.Unmarshal(body, &b); err != nil || b.Version != 1 {
		r.t.Errorf("%v in %s", err, body)
	}
	var rows []schemas.Row
	for _, raw := range b.Rows {
		row, err := jsonrow.Parse(raw)
		if err != nil {
			r.t.Error(err)
		}
		if row.Label == poison {
			http.Error(w, "row "+row.RowID+"\nis poison", http.StatusUnprocessableEntity)
			return
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		r.mu.rows = append(slices.DeleteFunc(r.mu.rows, func(x schemas.Row) bool { return x.RowID == row.RowID }), row)
	}
	for _, d := range b.Deletions {
		r.mu.rows = slices.DeleteFunc(r.mu.rows, func(x schemas.Row) bool { return d.Deleted && x.RefID == d.RefID && x.Offset < d.Offset })
	}
	r.mu.seen[key] = true
	w.WriteHeader(http.StatusNoContent)
}

func newReceiver(t testing.TB) (*receiver, string) {
	r := &receiver{t: t}
	r.mu.seen = map[string]bool{}
	s := httptest.NewServer(r)
	s.Config.ErrorLog = nil
	t.Cleanup(s.Close)
	return r, s.URL + "/rows?key=in-the-query"
}

func open(t testing.TB, url string) *deliver.Sink {
	t.Helper()
	c := NewDefaultConfig()
	c.URL, c.Secret, c.Token = url, secret, "token"
	c.Deliver.BatchAge = 20 * time.Millisecond
	c.Deliver.Retry = retry.Policy{Attempts: 8, Base: time.Millisecond, Max: 10 * time.Millisecond}
	transport := &http.Transport{}
	c.Transport = transport
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) }) // for those that crash
	return s
}

func TestSinkConforms(t *testing.T) {
	sinktest.Run(t, sinktest.Options{}, func(t testing.TB) sinktest.Fixture {
		r, url := newReceiver(t)
		return sinktest.Fixture{
			Open: func(t testing.TB) sinks.Sink { return open(t, url) },
			Read: func(_ testing.TB, src schemas.SourceID) (a sinktest.Account) {
				r.mu.Lock()
				defer r.mu.Unlock()
				for _, row := range r.mu.rows {
					if row.Topic == src.Topic && row.Partition == src.Partition {
						a.Rows = append(a.Rows, row)
					}
				}
				return a
			},
			Upserts: true, Deletes: true,
			Poison: func(r *schemas.Row) { r.Label = poison },
			Break: func(n int) {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.mu.away = n
			},
		}
	})
}

var src = schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}

// post delivers the row of offset 0 and gives what done was told.
func post(t *testing.T, s *deliver.Sink) (verdict error) {
	t.Helper()
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(src, 0, 1)
	if err := s.Write(t.Context(), r, rows, func(err error) { verdict = err }); err != nil {
		t.Fatal(err)
	}
	_ = s.Flush(t.Context()) // the verdict says it
	return verdict
}

func TestAnAnswerIsAVerdict(t *testing.T) {
	for _, c := range []struct {
		answers []int
		tries   int
		want    string // in the verdict; "" for durable
		refused bool
	}{
		{[]int{200}, 1, "", false},
		{[]int{202}, 1, "", false},
		{[]int{500, 503, 429, 408, 425, 204}, 6, "", false},
		{[]int{409, 423, 424, 204}, 4, "", false},
		{[]int{409}, 8, "after 8 tries: it answers 409 Conflict: why not", false},
		{[]int{500}, 8, "after 8 tries: it answers 500 Internal Server Error: why not", false},
		{[]int{400}, 1, "it answers 400 Bad Request: why not", true},
		{[]int{413}, 1, "it answers 413", true},
		{[]int{422}, 1, "it answers 422", true},
		{[]int{401}, 1, "it answers 401", false},
		{[]int{403}, 1, "it answers 403", false},
		{[]int{404}, 1, "it answers 404", false},
		{[]int{402}, 1, "it answers 402", false},
		{[]int{406}, 1, "it answers 406", false},
		{[]int{414}, 1, "it answers 414", false},
		{[]int{431}, 1, "it answers 431", false},
		{[]int{451}, 1, "it answers 451", false},
		{[]int{307}, 1, "it answers 307 Temporary Redirect: why not; name the address that it leads to", false},
	} {
		t.Run(fmt.Sprint(c.answers), func(t *testing.T) {
			tries := 0
			var keys []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				code := c.answers[min(tries, len(c.answers)-1)]
				tries++
				keys = append(keys, req.Header.Get(IdempotencyHeader))
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(code)
				if code != http.StatusNoContent {
					fmt.Fprint(w, "why\n\n not")
				}
			}))
			defer server.Close()
			err := post(t, open(t, server.URL+"/p?key=hidden"))
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || tries != c.tries || (sinks.AsRefused(err) != nil) != c.refused {
				t.Errorf("after %d tries: %v; want %d, %q", tries, err, c.tries, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "hidden") {
				t.Errorf("the error tells the key: %v", err)
			}
			if different := slices.Compact(keys); len(different) != 1 || different[0] == "" {
				t.Errorf("idempotency keys %q", different)
			}
		})
	}
}

func TestAnEndpointThatIsNotThereIsWaitedForAndNamedWithoutItsKey(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	err := post(t, open(t, server.URL+"/p?key=hidden"))
	if err == nil || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "webhook "+server.URL+"/p: ") || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
}

// TestASignatureFitsOneBodyOneSecretAndOneTime has a signature that was made by openssl: printf '%s' '1764331200.{"a":1}' | openssl dgst -sha256 -hmac whsec.
func TestASignatureFitsOneBodyOneSecretAndOneTime(t *testing.T) {
	at, body := time.Unix(1764331200, 0), `{"a":1}`
	const sum = "f2c429ce9ea1dc8b020c6b1e2e24af428027ca8d18eaea39ba38702e6997c990"
	header := "t=1764331200,v1=" + sum
	if got := Sign([]byte(secret), []byte(body), at); got != header {
		t.Errorf("signed %s, want %s", got, header)
	}
	for _, c := range []struct {
		name, secret, body, header string
		now                        time.Time
		ok                         bool
	}{
		{"as signed", secret, body, header, at.Add(time.Minute), true},
		{"beside another scheme and another secret's", secret, body, "t=1764331200,v0=00,v1=00ff,v1=" + sum, at, true},
		{"another body", secret, `{"a":2}`, header, at, false},
		{"another secret", "other", body, header, at, false},
		{"another time", secret, body, "t=1764331201,v1=" + sum, at, false},
		{"sent again later", secret, body, header, at.Add(time.Hour), false},
		{"none", secret, body, "", at, false},
	} {
		if err := Verify([]byte(c.secret), []byte(c.body), c.header, c.now, 5*time.Minute); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestTheURLAndTheSecretAreNeeded(t *testing.T) {
	for _, c := range []Config{{}, {URL: "ftp://h/p", Secret: "s"}, {URL: "https:///p", Secret: "s"}, {URL: "https://h/p"}} {
		c.Deliver = deliver.NewDefaultConfig()
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

// TestARequestThatIsStillWorkedOnKeepsItsKey has an endpoint that takes longer than we wait, and answers 409 to the same key until it is done, as the IETF's draft of the header has it.
func TestARequestThatIsStillWorkedOnKeepsItsKey(t *testing.T) {
	var mu sync.Mutex
	asked, did := map[string]int{}, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var b struct{ Rows []json.RawMessage }
		if err := json.NewDecoder(req.Body).Decode(&b); err != nil {
			t.Error(err)
		}
		mu.Lock()
		key := req.Header.Get(IdempotencyHeader)
		asked[key]++
		n := asked[key]
		if n == 1 {
			did += len(b.Rows)
		}
		mu.Unlock()
		switch {
		case n == 1:
			<-req.Context().Done() // until we do not wait any more
		case n < 4:
			w.WriteHeader(http.StatusConflict)
		}
	}))
	defer server.Close()
	c := NewDefaultConfig()
	c.URL, c.Secret, c.Deliver.Timeout = server.URL, secret, 100*time.Millisecond
	c.Deliver.Retry = retry.Policy{Attempts: 8, Base: time.Millisecond, Max: 10 * time.Millisecond}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r, rows := sinktest.Make(src, 0, 10)
	want := len(rows)
	verdict := errors.New("not told")
	if err := s.Write(t.Context(), r, rows, func(err error) { verdict = err }); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Flush(t.Context()), s.Close(t.Context())); err != nil || verdict != nil {
		t.Errorf("%v; the verdict is %v", err, verdict)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) != 1 || did != want {
		t.Errorf("keys and how often they came: %v; %d rows were worked on, want %d", asked, did, want)
	}
}
