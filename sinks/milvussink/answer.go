package milvussink

import (
	"errors"
	"fmt"

	"github.com/milvus-io/milvus-proto/go-api/v2/commonpb"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
	"vecmill/sinks/rpc"
)

// fault is what a server says in an answer.
type fault struct {
	code      int32 // since Milvus 2.3; before that a number of its own
	reason    string
	retriable bool
}

func (f fault) Error() string { return fmt.Sprintf("the server says: %s (code %d)", f.reason, f.code) }

// Codes that are looked at: those of Milvus 2.3 and later, and the older numbers beside them that milvus-lite gives.
const (
	codeNoCollection     = 100
	codeNotLoaded        = 101
	codeNoDatabase       = 800
	codeParameterInvalid = 1100 // and the next 99: of what was sent
	codeNotAuthenticated = 1400
	codeNotPermitted     = 1401
	codeIllegalArgument  = 6 // milvus-lite
)

// answered is what came of a request: s and err are its answer's.
func answered(s *commonpb.Status, err error) error {
	if err != nil {
		return err
	}
	code := s.GetCode()
	if code == 0 {
		code = int32(s.GetErrorCode()) //nolint:staticcheck // servers before 2.3 have nothing else
	}
	if code == 0 {
		return nil
	}
	return fault{code, s.GetReason(), s.GetRetriable()}
}

// refused says whether the server will never take what was sent, for its own sake.
func refused(err error) bool {
	if f, ok := errors.AsType[fault](err); ok {
		return !f.retriable && (f.code == codeIllegalArgument || f.code >= codeParameterInvalid && f.code < codeParameterInvalid+100)
	}
	return rpc.Refused(err)
}

// lasting says whether the server will answer so again, whatever the rows.
func lasting(err error) bool {
	if f, ok := errors.AsType[fault](err); ok {
		switch f.code {
		case codeNoCollection, codeNotLoaded, codeNoDatabase, codeNotAuthenticated, codeNotPermitted:
			return !f.retriable
		default:
			return false
		}
	}
	return rpc.Lasting(err) || schemas.Unfit(err)
}

// classify is a request's error as deliver has it.
func classify(err error) error {
	switch {
	case refused(err):
		return deliver.Refused(err)
	case lasting(err):
		return deliver.Final(err)
	}
	return err
}
