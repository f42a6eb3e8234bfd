package rpc

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestEveryCodeHasOneMeaning: what is refused for a row's sake becomes its dead letter, so that nothing may be called so that is the server's fault, or the configuration's.
func TestEveryCodeHasOneMeaning(t *testing.T) {
	const passing, refused, lasting = "passing", "refused", "lasting"
	means := map[codes.Code]string{
		codes.OK: passing, codes.Canceled: passing, codes.Unknown: passing, codes.DeadlineExceeded: passing, codes.AlreadyExists: passing, codes.ResourceExhausted: passing,
		codes.Aborted: passing, codes.Internal: passing, codes.Unavailable: passing, codes.DataLoss: passing,
		codes.InvalidArgument: refused, codes.OutOfRange: refused,
		codes.NotFound: lasting, codes.PermissionDenied: lasting, codes.FailedPrecondition: lasting, codes.Unimplemented: lasting, codes.Unauthenticated: lasting,
	}
	check := func(err error, want string) {
		t.Helper()
		if Refused(err) != (want == refused) || Lasting(err) != (want == lasting) {
			t.Errorf("%v: refused %t, lasting %t, want %s", err, Refused(err), Lasting(err), want)
		}
	}
	for c := codes.OK; c <= codes.Unauthenticated; c++ {
		want, known := means[c]
		if !known {
			t.Errorf("nothing is said of %v", c)
		}
		check(status.Error(c, "a word"), want)
		check(fmt.Errorf("putting: %w", status.Error(c, "a word")), want)
	}
	check(status.Error(codes.ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"), refused)
	check(errors.New("connection refused"), passing)
}
