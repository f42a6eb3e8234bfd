package blobfetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/minio/minio-go/v7"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
)

// StoreFault is a fault of the object store or of our access to it, which has outlasted the retries. It says nothing about the object.
type StoreFault struct{ Err error }

// Error says what to look at.
func (e *StoreFault) Error() string {
	return "object store: " + e.Err.Error() + "; check the endpoint, the credentials and the machine's clock"
}

// Unwrap gives the cause.
func (e *StoreFault) Unwrap() error { return e.Err }

// busy is a fault of the store as a whole that passes by itself: nobody answers there, or it throttles. Records that wait for it lose nothing, where as letters they would be lost
// to whoever does not replay them.
type busy struct{ err error }

func (e *busy) Error() string { return e.err.Error() }
func (e *busy) Unwrap() error { return e.err }

// refusal is reserve's error, which ends Fetch as it is.
type refusal struct{ err error }

func (e *refusal) Error() string { return e.err.Error() }
func (e *refusal) Unwrap() error { return e.err }

// final says whether another attempt makes no sense.
func final(err error) bool {
	if _, ok := errors.AsType[*refusal](err); ok {
		return true
	}
	_, rejected := schemas.Rejected(err)
	return rejected
}

// outcome is what Fetch returns for the error of its last attempt.
func outcome(ctx context.Context, err error, tries int) error {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.err
	}
	if _, rejected := schemas.Rejected(err); rejected {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, ok := errors.AsType[*StoreFault](err); ok {
		return fmt.Errorf("%w (tried %d times)", err, tries)
	}
	return &schemas.Rejection{Reason: schemas.ReasonFetchFailed, Err: fmt.Errorf("%w (tried %d times)", err, tries), Attempts: tries}
}

// ours are the S3 codes that are about us, not about the object.
var ours = map[string]bool{
	"ExpiredToken": true, "ExpiredTokenException": true, "TokenRefreshRequired": true, "InvalidToken": true, "RequestTimeTooSkewed": true,
	"RequestExpired": true, "InvalidAccessKeyId": true, "SignatureDoesNotMatch": true, "InvalidClientTokenId": true, "AuthorizationHeaderMalformed": true,
}

// absent are the S3 codes of objects that are not there although their status is not 404.
var absent = map[string]bool{
	"NoSuchKey": true, "NoSuchVersion": true, "NoSuchBucket": true, "MethodNotAllowed": true, // a delete marker answers so
	"InvalidArgument": true, "InvalidBucketName": true, "XMinioInvalidObjectName": true, "KeyTooLongError": true,
}

// allPass are the statuses of a store that is asked too much, or that a gateway does not reach.
var allPass = map[int]bool{http.StatusTooManyRequests: true, http.StatusBadGateway: true, http.StatusServiceUnavailable: true, http.StatusGatewayTimeout: true}

// s3Fault sorts an error of the store.
func s3Fault(what string, err error) error {
	wrapped := fmt.Errorf("fetching %s: %w", what, err)
	res, ok := errors.AsType[minio.ErrorResponse](err)
	switch {
	case !ok && away(err):
		return &StoreFault{&busy{wrapped}}
	case !ok && untrusted(err):
		return &StoreFault{wrapped}
	case !ok:
		return wrapped
	case ours[res.Code]:
		return &StoreFault{wrapped}
	case objectstore.Throttling(res.Code), allPass[res.StatusCode]:
		return &busy{wrapped}
	case objectstore.Passing(res.Code):
		return wrapped
	case absent[res.Code]:
		return schemas.Reject(schemas.ReasonFetchMissing, wrapped)
	}
	return statusFault(res.StatusCode, wrapped)
}

// statusFault sorts an HTTP status that is not a success. err names the object.
func statusFault(status int, err error) error {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return schemas.Reject(schemas.ReasonFetchMissing, err)
	case status == http.StatusPreconditionFailed:
		return schemas.Rejectf(schemas.ReasonFetchMissing, "%w: the object has another ETag than the reference asks for", err)
	case status == http.StatusRequestedRangeNotSatisfiable:
		return schemas.Rejectf(schemas.ReasonFetchMissing, "%w: the range lies outside the object", err)
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired || status == http.StatusUnavailableForLegalReasons:
		return schemas.Reject(schemas.ReasonFetchDenied, err)
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly || status == http.StatusTooManyRequests || status >= 500 || status == 0:
		return err
	}
	return schemas.Reject(schemas.ReasonFetchFailed, err) // repeating what the server does not understand does not help
}

// away says whether nobody answers where the store should be.
func away(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	_, ok := errors.AsType[*net.DNSError](err)
	return ok
}

// untrusted says whether who answers is not whom we trust, or speaks no TLS.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.UnknownAuthorityError](err)
	return ok
}
