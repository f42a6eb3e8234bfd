package wire

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/stream/blobfetch"
)

// cloud is who a role's credentials are had of, by STS's protocol and by that of containers, and a store that serves whoever signs with the last ones.
type cloud struct {
	sts, store *httptest.Server
	token      string // the file of what proves who we are
	mu         sync.Mutex
	refuses    bool
	silent     atomic.Bool   // who asks for credentials hears nothing
	heard      atomic.Int64  // those who did so
	holds      time.Duration // how long credentials do
	issued     int
	proofs     []string // that were shown
	unsigned   int      // requests that the store got without a name
	faults     []string // what was wrong with the others
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{holds: time.Hour, token: filepath.Join(t.TempDir(), "token")}
	c.rotate(t, "proof-1")
	c.sts = httptest.NewServer(http.HandlerFunc(c.issue))
	t.Cleanup(c.sts.Close)
	backend := s3mem.New()
	if err := backend.CreateBucket("box"); err != nil {
		t.Fatal(err)
	}
	if _, err := backend.PutObject("box", "a.txt", map[string]string{"Last-Modified": time.Now().UTC().Format(http.TimeFormat)}, strings.NewReader("hello"), 5, nil); err != nil {
		t.Fatal(err)
	}
	fake := gofakes3.New(backend).Server()
	c.store = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.admits(r) {
			fake.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>not for you</Message></Error>")
	}))
	t.Cleanup(c.store.Close)
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_ENDPOINT_URL_STS", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	return c
}

func (c *cloud) rotate(t *testing.T, proof string) {
	t.Helper()
	if err := os.WriteFile(c.token, []byte(proof), 0o600); err != nil {
		t.Fatal(err)
	}
}

// key, secret and session of the nth credentials.
func nth(kind string, n int) string { return fmt.Sprintf("%s-%d", kind, n) }

// issue answers AssumeRoleWithWebIdentity, and the GET of a container (amazon-ecs-agent and the pod identity agent).
func (c *cloud) issue(w http.ResponseWriter, r *http.Request) {
	if _ = r.ParseForm(); c.silent.Load() {
		c.heard.Add(1)
		<-r.Context().Done()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	proof := r.Header.Get("Authorization")
	if r.Method == http.MethodPost {
		proof = r.FormValue("WebIdentityToken")
		if r.FormValue("Action") != "AssumeRoleWithWebIdentity" || r.FormValue("RoleArn") != "arn:aws:iam::1:role/lake" || r.URL.RawQuery != "" {
			c.faults = append(c.faults, "STS is asked "+r.Form.Encode())
		}
	}
	c.proofs = append(c.proofs, proof)
	if c.refuses {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>`)
		return
	}
	c.issued++
	until := time.Now().Add(c.holds).UTC().Format(time.RFC3339)
	if r.Method == http.MethodPost {
		fmt.Fprintf(w, `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey><SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`,
			nth("key", c.issued), nth("secret", c.issued), nth("session", c.issued), until)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"AccessKeyId": nth("key", c.issued), "SecretAccessKey": nth("secret", c.issued), "Token": nth("session", c.issued), "Expiration": until})
}

// admits holds a request against the credentials that were given last.
func (c *cloud) admits(r *http.Request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Header.Get("Authorization") == "" {
		c.unsigned++
		return false
	}
	if fault := signedBy(r, nth("key", c.issued), nth("secret", c.issued), nth("session", c.issued)); fault != "" {
		c.faults = append(c.faults, fault)
		return false
	}
	return true
}

// signedBy says what is wrong with a request's signature (AWS Signature Version 4, "Create a signed AWS API request"), "" if nothing.
func signedBy(r *http.Request, key, secret, session string) string {
	parts := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope, ok := strings.CutPrefix(parts["Credential"], key+"/")
	if !ok || r.Header.Get("X-Amz-Security-Token") != session {
		return "signed by " + parts["Credential"] + " with the session " + r.Header.Get("X-Amz-Security-Token")
	}
	names := strings.Split(parts["SignedHeaders"], ";")
	if !slices.Contains(names, "x-amz-security-token") || !slices.Contains(names, "host") {
		return "signed are " + parts["SignedHeaders"]
	}
	canonical := []string{r.Method, r.URL.EscapedPath(), strings.ReplaceAll(r.URL.Query().Encode(), "+", "%20")}
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical = append(canonical, name+":"+value)
	}
	canonical = append(canonical, "", parts["SignedHeaders"], r.Header.Get("X-Amz-Content-Sha256"))
	sum := sha256.Sum256([]byte(strings.Join(canonical, "\n")))
	mac := []byte("AWS4" + secret)
	for _, step := range append(strings.Split(scope, "/"), "AWS4-HMAC-SHA256\n"+r.Header.Get("X-Amz-Date")+"\n"+scope+"\n"+hex.EncodeToString(sum[:])) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(step))
		mac = h.Sum(nil)
	}
	if got := hex.EncodeToString(mac); got != parts["Signature"] {
		return "the signature is " + parts["Signature"] + ", not " + got
	}
	return ""
}

// webIdentity and container are the two ways of the environment to say which role a pod has.
func (c *cloud) webIdentity(t *testing.T) {
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", c.token)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/lake")
	t.Setenv("AWS_ENDPOINT_URL_STS", c.sts.URL)
}

func (c *cloud) container(t *testing.T) {
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", c.sts.URL+"/v1/credentials")
	t.Setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", c.token)
}

// fetcher is a worker's, without keys in its configuration.
func (c *cloud) fetcher(t *testing.T) (fetch func() error, s *stores) {
	t.Helper()
	conf := config.NewDefaultConfig()
	conf.S3 = config.S3{Endpoint: c.store.URL, Region: "us-east-1", PathStyle: true}
	conf.Fetch.Buckets, conf.Fetch.Attempts = []string{"box"}, 1
	s = &stores{cfg: conf}
	f, err := newFetcher(conf, s)
	if err != nil {
		t.Fatal(err)
	}
	return func() error {
		b, err := f.Fetch(t.Context(), schemas.Ref{ID: "a", URI: "s3://box/a.txt"}, func(context.Context, []byte, int64) error { return nil })
		if err == nil && string(b.Data) != "hello" {
			t.Errorf("the object is %q", b.Data)
		}
		return err
	}, s
}

// TestARoleSignsRequests has the two ways in which a pod has a role: IRSA's (a token that STS takes, workload identity of others too) and the pod identity agent's. Credentials are used while they hold and
// asked for again when they do not, with the proof that the file has then.
func TestARoleSignsRequests(t *testing.T) {
	for name, say := range map[string]func(*cloud, *testing.T){"web identity": (*cloud).webIdentity, "container": (*cloud).container} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t)
			say(c, t)
			fetch, _ := c.fetcher(t)
			for range 3 {
				if err := fetch(); err != nil {
					t.Fatal(err, c.faults)
				}
			}
			if !slices.Equal(c.proofs, []string{"proof-1"}) || c.issued != 1 {
				t.Errorf("credentials were asked for with %q", c.proofs)
			}

			c = newCloud(t)
			c.holds = -time.Minute
			say(c, t)
			fetch, _ = c.fetcher(t)
			for n := range 3 {
				c.rotate(t, nth("proof", n))
				if err := fetch(); err != nil {
					t.Fatal(err, c.faults)
				}
			}
			if !slices.Equal(slices.Compact(c.proofs), []string{"proof-0", "proof-1", "proof-2"}) || len(c.faults) > 0 || c.unsigned > 0 {
				t.Errorf("credentials that have expired were asked for with %q; %q, %d unsigned", c.proofs, c.faults, c.unsigned)
			}
		})
	}
}

// TestARoleThatIsRefusedBuriesNothing: the store is not asked without a name, which it would deny object by object, and the fault says whose role it is and what STS says, without the proof.
func TestARoleThatIsRefusedBuriesNothing(t *testing.T) {
	for name, say := range map[string]func(*cloud, *testing.T){"the role arn:aws:iam::1:role/lake": (*cloud).webIdentity, "the container's role": (*cloud).container} {
		refusal := "403"
		if name != "the container's role" {
			refusal = "Not authorized to perform"
		}
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprint(name, later), func(t *testing.T) {
				c := newCloud(t)
				c.holds = -time.Minute
				say(c, t)
				fetch, _ := c.fetcher(t)
				if later {
					if err := fetch(); err != nil {
						t.Fatal(err)
					}
				}
				c.refuses = true
				err := fetch()
				if _, store := errors.AsType[*blobfetch.StoreFault](err); !store || !strings.Contains(err.Error(), "getting credentials of "+name) || !strings.Contains(err.Error(), refusal) {
					t.Errorf("%v", err)
				}
				if reason, rejected := schemas.Rejected(err); rejected || c.unsigned > 0 || strings.Contains(fmt.Sprint(err), "proof") {
					t.Errorf("rejected as %q, %d requests without a name; %v", reason, c.unsigned, err)
				}
				c.refuses = false
				for began := time.Now(); ; time.Sleep(100 * time.Millisecond) { // a refusal that took a second stands for another
					if err := fetch(); err == nil {
						break
					} else if time.Since(began) > time.Minute {
						t.Fatalf("when it is given again: %v", err)
					}
				}
			})
		}
	}
}

// TestCredentialsServeWhileTheyHold: they are asked for before they expire, and an answer that does not come then is no fault yet.
func TestCredentialsServeWhileTheyHold(t *testing.T) {
	c := newCloud(t)
	c.webIdentity(t)
	fetch, s := c.fetcher(t)
	if err := fetch(); err != nil {
		t.Fatal(err)
	}
	c.refuses = true
	s.creds.Expire()
	if err := fetch(); err != nil || len(c.proofs) < 2 {
		t.Errorf("%v, asked with %q", err, c.proofs)
	}
	c.refuses = false
	s.creds.Expire()
	if err := fetch(); err != nil || c.issued != 2 {
		t.Errorf("%v, %d were issued", err, c.issued)
	}
}

// TestASilentRoleHoldsNobodyUp: one request in a while waits for an STS that takes connections and says nothing, and no longer than patience; all others go on with credentials that hold.
func TestASilentRoleHoldsNobodyUp(t *testing.T) {
	c := newCloud(t)
	c.webIdentity(t)
	a := newAmbient()
	a.patience = 50 * time.Millisecond
	creds := credentials.New(a)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // where nothing else ends the wait
	defer cancel()
	cc := &credentials.CredContext{Context: ctx}
	if _, err := creds.GetWithContext(cc); err != nil {
		t.Fatal(err)
	}
	c.silent.Store(true)
	creds.Expire()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if v, err := creds.GetWithContext(cc); err != nil || v.AccessKeyID != nth("key", 1) {
				t.Errorf("%q, %v", v.AccessKeyID, err)
			}
		})
	}
	wg.Wait()
	if n := c.heard.Load(); n != 1 || ctx.Err() != nil {
		t.Errorf("it was asked %d times; %v", n, ctx.Err())
	}
}

// mute is a role that gives credentials for a minute once, which are to be had again after half of it, and then says nothing.
type mute struct {
	credentials.Expiry
	asked int
}

func (m *mute) Retrieve() (credentials.Value, error) { return m.RetrieveWithCredContext(nil) }

func (m *mute) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	if m.asked++; m.asked > 1 {
		<-cc.Context.Done()
		return credentials.Value{}, cc.Context.Err()
	}
	until := time.Now().Add(time.Minute)
	m.SetExpiration(until, 30*time.Second)
	return credentials.Value{AccessKeyID: "key", SecretAccessKey: "secret", Expiration: until}, nil
}

// TestASilentRoleIsAskedAgain has a request each second of its credentials' minute: it is asked, for 5 s, at 31 s and at 46 s, 10 s after the first silence. When they no longer hold, that is a fault.
func TestASilentRoleIsAskedAgain(t *testing.T) {
	newCloud(t)
	synctest.Test(t, func(t *testing.T) {
		m := &mute{}
		a := newAmbient()
		a.role = m
		creds, began := credentials.New(a), time.Now()
		var asked []time.Duration
		for time.Since(began) < time.Minute {
			at, before := time.Since(began), m.asked
			if v, err := creds.GetWithContext(&credentials.CredContext{Context: t.Context()}); err != nil || v.AccessKeyID != "key" {
				t.Fatalf("after %v: %+v, %v", at, v, err)
			}
			if m.asked > before {
				asked = append(asked, at)
			}
			time.Sleep(time.Second)
		}
		if want := []time.Duration{0, 31 * time.Second, 46 * time.Second}; !slices.Equal(asked, want) {
			t.Errorf("it was asked after %v, want %v", asked, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := creds.GetWithContext(&credentials.CredContext{Context: ctx})
		if _, store := errors.AsType[*blobfetch.StoreFault](err); !store {
			t.Errorf("credentials that no longer hold: %v", err)
		}
		time.Sleep(time.Minute) // for the question to end
	})
}

// TestASilentRoleIsAskedOnceForAll: nothing holds any more, and STS takes connections and says nothing. Those who want to sign something wait together, and not one after the other.
func TestASilentRoleIsAskedOnceForAll(t *testing.T) {
	c := newCloud(t)
	c.webIdentity(t)
	c.holds = -time.Minute
	a := newAmbient()
	a.patience, a.quiet = 50*time.Millisecond, time.Hour
	creds := credentials.New(a)
	if _, err := creds.GetWithContext(&credentials.CredContext{Context: t.Context()}); err != nil {
		t.Fatal(err)
	}
	c.silent.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // where nothing else ends the wait
	defer cancel()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, err := creds.GetWithContext(&credentials.CredContext{Context: ctx})
			if _, store := errors.AsType[*blobfetch.StoreFault](err); !store || !strings.Contains(err.Error(), "getting credentials of the role arn:aws:iam::1:role/lake") {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := c.heard.Load(); n != 1 || ctx.Err() != nil {
		t.Errorf("it was asked %d times; %v", n, ctx.Err())
	}
}

// tardy is a role that answers each question after a time, or does not.
type tardy struct {
	credentials.Expiry
	takes time.Duration // 0: it never answers
	asked atomic.Int64
}

func (r *tardy) Retrieve() (credentials.Value, error) { return r.RetrieveWithCredContext(nil) }

func (r *tardy) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	r.asked.Add(1)
	var answer <-chan time.Time
	if r.takes > 0 {
		answer = time.After(r.takes)
	}
	select {
	case <-answer:
	case <-cc.Context.Done():
		return credentials.Value{}, cc.Context.Err()
	}
	until := time.Now().Add(time.Hour)
	r.SetExpiration(until, 0)
	return credentials.Value{AccessKeyID: "key", SecretAccessKey: "secret", Expiration: until}, nil
}

// TestWhoeverWaitsForARoleSharesItsQuestion has requests come one after the other, as minio-go has them: each at a time with a patience of its own.
func TestWhoeverWaitsForARoleSharesItsQuestion(t *testing.T) {
	newCloud(t)
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "somewhere")
	type request struct {
		at, patience time.Duration
		ends         time.Duration // after the beginning
		key          bool          // it got one
		asked        int64         // in all, by then
	}
	for name, c := range map[string]struct {
		takes    time.Duration
		requests []request
	}{
		"who leaves leaves the question to the next": {3 * time.Second, []request{
			{0, time.Second, time.Second, false, 1}, {time.Second, time.Second, 2 * time.Second, false, 1}, {2 * time.Second, time.Minute, 3 * time.Second, true, 1}, {time.Minute, time.Second, time.Minute, true, 1},
		}},
		"an answer that nobody heard in time is asked for again": {3 * time.Second, []request{
			{0, time.Second, time.Second, false, 1}, {10 * time.Second, time.Minute, 13 * time.Second, true, 2},
		}},
		"all who waited hear that there was none, who comes later asks": {0, []request{
			{0, time.Hour, 10 * time.Second, false, 1},
			{10 * time.Second, time.Hour, 10 * time.Second, false, 1},
			{10*time.Second + 999*time.Millisecond, time.Hour, 10*time.Second + 999*time.Millisecond, false, 1},
			{11 * time.Second, time.Hour, 21 * time.Second, false, 2},
		}},
		"a fault that nobody heard is nobody's": {0, []request{
			{0, time.Second, time.Second, false, 1}, {time.Minute, time.Hour, time.Minute + 10*time.Second, false, 2},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				role, a := &tardy{takes: c.takes}, newAmbient()
				a.role = role
				creds, began := credentials.New(a), time.Now()
				for i, r := range c.requests {
					time.Sleep(r.at - time.Since(began))
					ctx, cancel := context.WithTimeout(t.Context(), r.patience)
					v, err := creds.GetWithContext(&credentials.CredContext{Context: ctx})
					cancel()
					if ended := time.Since(began); ended != r.ends || (err == nil && v.AccessKeyID == "key") != r.key || role.asked.Load() != r.asked {
						t.Errorf("request %d ended after %v with %q, %v, and it was asked %d times, want %+v", i, ended, v.AccessKeyID, err, role.asked.Load(), r)
					}
				}
			})
		})
	}
}

// nobody has no credentials.
type nobody struct{ credentials.Expiry }

func (nobody) Retrieve() (credentials.Value, error) {
	return credentials.Value{}, errors.New("no such machine")
}

func (n nobody) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return n.Retrieve()
}

// TestWithoutAnyRolePublicObjectsAreRead: a machine that is none of a cloud has nobody to ask.
func TestWithoutAnyRolePublicObjectsAreRead(t *testing.T) {
	newCloud(t)
	a := newAmbient()
	a.role = &nobody{}
	if v, err := a.Retrieve(); err != nil || v.SignerType != credentials.SignatureAnonymous {
		t.Errorf("%+v, %v", v, err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	if v, err := a.Retrieve(); err != nil || v.AccessKeyID != "key" || v.SignerType == credentials.SignatureAnonymous || a.IsExpired() {
		t.Errorf("%+v, %v", v, err)
	}
}
