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

	patience time.Duration // with a role that does not answer while last holds
}

// askAgain is how long a role that did not answer is left alone while its last credentials hold. Whoever asks holds up everybody who wants to sign something.
const askAgain = 10 * time.Second

func newAmbient() *ambient {
	role := &credentials.IAM{}
	if os.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" {
		role.Endpoint = os.Getenv("AWS_ENDPOINT_URL_STS") // as in AWS's own tools; "" is STS of AWS_REGION
	}
	return &ambient{kept: []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}, role: role, patience: 5 * time.Second}
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

// ask asks the role, not for longer than patience while there is something to go on with: minio-go has all other requests wait for the answer, whatever their contexts say.
func (a *ambient) ask(cc *credentials.CredContext) (credentials.Value, error) {
	if !time.Now().Before(a.last.Expiration) {
		return a.role.RetrieveWithCredContext(cc)
	}
	var bounded credentials.CredContext
	if cc != nil {
		bounded = *cc
	}
	if bounded.Context == nil {
		bounded.Context = context.Background()
	}
	ctx, cancel := context.WithTimeout(bounded.Context, a.patience)
	defer cancel()
	bounded.Context = ctx
	return a.role.RetrieveWithCredContext(&bounded)
}

// Retrieve implements credentials.Provider.
func (a *ambient) Retrieve() (credentials.Value, error) { return a.RetrieveWithCredContext(nil) }

// IsExpired implements credentials.Provider.
func (a *ambient) IsExpired() bool {
	if a.current == nil {
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
