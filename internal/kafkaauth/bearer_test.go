package kafkaauth

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTheFirstMessageHoldsTheToken(t *testing.T) {
	state, first, err := New(Static("ey.J-_~+/=")).Start(t.Context())
	if err != nil || string(first) != "n,,\x01auth=Bearer ey.J-_~+/=\x01\x01" {
		t.Fatalf("%q, %v", first, err)
	}
	if done, _, err := state.Next(t.Context(), nil); !done || err != nil {
		t.Errorf("an empty challenge: done %v, %v", done, err)
	}
	if done, _, err := state.Next(t.Context(), []byte(`{"status":"invalid_token"}`)); done || err == nil || !strings.Contains(err.Error(), "invalid_token") {
		t.Errorf("a refusal: done %v, %v", done, err)
	}
}

func TestWhatIsNoTokenIsNotSentAndNotQuoted(t *testing.T) {
	for name, token := range map[string]string{
		"an empty one": "", "one that would end its field": "hunter2\x01user=root", "one with a line break": "hunter2\n", "one that is too long": strings.Repeat("hunter2", maxToken),
	} {
		_, first, err := New(Static(token)).Start(t.Context())
		if err == nil || first != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %.50q, %v", name, first, err)
		}
	}
}

func TestATokenFileIsReadForEveryConnection(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(path, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := File(path).Token(t.Context()); err != nil || got != token {
			t.Errorf("%q, %v", got, err)
		}
	}
	if _, err := File(path + "x").Token(t.Context()); err == nil {
		t.Error("a file that is not there gives a token")
	}
}

// endpoint is a token endpoint that counts its calls.
func endpoint(t *testing.T, h http.HandlerFunc) (*ClientCredentials, *atomic.Int32) {
	t.Helper()
	var calls atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	return NewClientCredentials(CredentialsConfig{
		URL: srv.URL + "/token", ClientID: "me & you", ClientSecret: "hunter2", Scope: "kafka read", Transport: srv.Client().Transport,
	}), &calls
}

func TestManyConnectionsShareOneTokenUntilItIsNearlyOver(t *testing.T) {
	c, calls := endpoint(t, func(w http.ResponseWriter, r *http.Request) {
		user, pass, _ := r.BasicAuth()
		if r.Method != http.MethodPost || user != "me+%26+you" || pass != "hunter2" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka read" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"access_token":"abc","token_type":"Bearer","expires_in":100}`)
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if got, err := c.Token(context.Background()); got != "abc" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if calls.Load() != 1 {
		t.Errorf("%d requests for one token", calls.Load())
	}
	if left := time.Until(c.fresh); left < 70*time.Second || left > 80*time.Second {
		t.Errorf("a token of 100 s is used for %v", left)
	}
	c.fresh = time.Now()
	if _, err := c.Token(t.Context()); err != nil || calls.Load() != 2 {
		t.Errorf("an old token: %v, %d requests", err, calls.Load())
	}
}

func TestWhatTheEndpointRefusesIsSaidWithoutTheSecret(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"a wrong secret", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"no"}`)
		}, "invalid_client"},
		{"an error page", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusBadGateway) }, "status 502"},
		{"an answer that is not JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hunter2") }, "not the JSON"},
		{"an answer without a token", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }, "no access_token"},
		{"a token of another type", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"access_token":"hunter2","token_type":"mac"}`)
		}, "not Bearer"},
		{"a redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example/token", http.StatusTemporaryRedirect)
		}, "status 307"},
	} {
		t.Run(c.name, func(t *testing.T) {
			creds, _ := endpoint(t, c.handler)
			_, err := creds.Token(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(200, []byte(`{"access_token":"a","token_type":"bearer","expires_in":"3600"}`))
	f.Add(400, []byte(`{"error":"x"}`))
	f.Add(200, []byte(`{"access_token":"a","expires_in":-1e300}`))
	f.Add(200, []byte(`{"access_token":"a","expires_in":1e-300}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		token, life, err := parseToken(status, body)
		if err == nil && (token == "" || life <= 0) {
			t.Fatalf("%q for %v", token, life)
		}
	})
}
