package wire

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/minio/minio-go/v7/pkg/credentials"

	"vecmill/stream/blobfetch"
)

// ambient are the credentials that a process finds where it runs: in variables and the shared file of AWS, or by the role of its pod, task or machine. It is a credentials.Provider. minio-go's chain
// of the same providers takes every fault of a role for there being none, and asks the store without a name: the store denies what it has, and objects would be dead letters.
type ambient struct {
	kept    []credentials.Provider // what is written down
	role    credentials.Provider
	last    credentials.Value    // of the role
	current credentials.Provider // who answered the last time; nil: nobody
	again   time.Time            // when a role that did not answer is asked again; last serves until then
	pending *question            // put to the role, and its answer not heard yet; nil if there is none
	silence struct {             // what became of a question that took long
		err   error
		until time.Time // for so long it is everybody's answer
	}

	patience time.Duration // with a role that does not answer while last holds; twice as much when it does not
	quiet    time.Duration // after a question that took long
}

// question is one request for the role's credentials, whoever waits for its answer.
type question struct {
	began time.Time
	done  chan struct{} // closed when the rest is there
	ended time.Time
	value credentials.Value
	err   error
}

// askAgain is how long a role that did not answer is left alone while its last credentials hold. Whoever asks holds up everybody who wants to sign something.
const askAgain = 10 * time.Second

func newAmbient() *ambient {
	role := &credentials.IAM{}
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		role.Endpoint = os.Getenv("AWS_ENDPOINT_URL_STS") // as in AWS's own tools; "" is STS of AWS_REGION
	}
	return &ambient{kept: []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}, role: role, patience: 5 * time.Second, quiet: time.Second}
}

// RetrieveWithCredContext implements credentials.Provider. A role that does not answer is asked again after askAgain while its last answer holds, which serves meanwhile, and with the next request when it does not.
func (a *ambient) RetrieveWithCredContext(cc *credentials.CredContext) (credentials.Value, error) {
	for _, p := range a.kept {
		if v, err := p.RetrieveWithCredContext(cc); err == nil && v.AccessKeyID != "" && v.SecretAccessKey != "" {
			a.current = p
			return v, nil
		}
	}
	v, err := a.ask(cc)
	switch of := namedRole(); {
	case err == nil:
		a.current, a.last = a.role, v
		return v, nil
	case time.Now().Before(a.last.Expiration):
		if a.current, a.again = nil, time.Now().Add(askAgain); a.again.After(a.last.Expiration) {
			a.again = a.last.Expiration
		}
		return a.last, nil
	case of != "" || a.last.AccessKeyID != "":
		return credentials.Value{}, &blobfetch.StoreFault{Err: fmt.Errorf("getting credentials of %s: %w", cmp.Or(of, "the machine's role"), err)}
	}
	return credentials.Value{SignerType: credentials.SignatureAnonymous}, nil // nobody has given us any: public buckets can be read
}

// ask asks the role. minio-go has all who want to sign something come one after the other, some of them with contexts that do not end, so all of them share one question: who leaves leaves it to the next one; and if it
// was long before it failed, those who waited meanwhile get that answer, too, and nobody asks again until it has been quiet.
func (a *ambient) ask(cc *credentials.CredContext) (credentials.Value, error) {
	var bounded credentials.CredContext
	if cc != nil {
		bounded = *cc
	}
	if bounded.Context == nil {
		bounded.Context = context.Background()
	}
	if time.Now().Before(a.silence.until) {
		return credentials.Value{}, a.silence.err
	}
	if a.pending == nil || a.pending.stale(a.quiet) {
		a.pending = a.put(bounded)
	}
	q := a.pending
	select {
	case <-q.done:
	case <-bounded.Context.Done():
		return credentials.Value{}, bounded.Context.Err()
	}
	a.pending = nil
	if q.err != nil && q.ended.Sub(q.began) >= a.patience/5 {
		a.silence.err, a.silence.until = q.err, q.ended.Add(a.quiet)
	}
	return q.value, q.err
}

// put puts a question to the role, which nobody but its goroutine touches until it has answered. It ends by itself.
func (a *ambient) put(cc credentials.CredContext) *question {
	patience := a.patience
	if !time.Now().Before(a.last.Expiration) {
		patience *= 2
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(cc.Context), patience)
	cc.Context = ctx
	q := &question{began: time.Now(), done: make(chan struct{})}
	go func() {
		defer cancel()
		q.value, q.err = a.role.RetrieveWithCredContext(&cc)
		q.ended = time.Now()
		close(q.done)
	}()
	return q
}

// stale says whether the question was answered too long ago to be heard: everybody had left.
func (q *question) stale(after time.Duration) bool {
	select {
	case <-q.done:
		return time.Since(q.ended) > after
	default:
		return false
	}
}

// Retrieve implements credentials.Provider.
func (a *ambient) Retrieve() (credentials.Value, error) { return a.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (a *ambient) IsExpired() bool {
	switch {
	case a.pending != nil && (a.current == nil || a.current == a.role):
		return true // there is an answer to hear; and the role is its question's until then
	case a.current == nil:
		return !time.Now().Before(a.again)
	}
	return a.current.IsExpired()
}

// namedRole is the role that the environment says this process has, "" if none.
func namedRole() string {
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		return "the role " + os.Getenv("AWS_ROLE_ARN")
	}
	if os.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI") != "" || os.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") != "" {
		return "the container's role"
	}
	return ""
}
