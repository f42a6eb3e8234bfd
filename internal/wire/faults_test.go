package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"vecmill/internal/status"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/parquetsink"
)

func TestAnOutputThatDoesNotAnswerIsInTheLogAndDoesNotFillIt(t *testing.T) {
	var b strings.Builder
	told := newFaults(slog.New(slog.NewTextHandler(&b, nil)), "speech").tries("outputs[1]")
	for n := 1; n < 60; n++ {
		told(n, errors.New("connection refused"))
	}
	told(60, nil)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 5 || !strings.Contains(lines[0], "tries=2") || !strings.Contains(lines[4], "tries=32") {
		t.Fatalf("%d lines:\n%s", len(lines), b.String())
	}
	for _, want := range []string{"pipeline=speech", "output=outputs[1]", "connection refused", "WARN"} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
}

func TestTheLastFaultOfEachOutputIsKeptWithWhenItBeganAndWhenItWasOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFaults(slog.New(slog.DiscardHandler), "speech")
		now := func() int64 { return time.Now().UnixMilli() }
		first, second, letters := f.tries("outputs[0]"), f.tries("outputs[1]"), f.tries("dead_letters")
		letters(3, nil) // never failed, as far as anybody was told
		if all := f.last(); len(all) != 0 {
			t.Fatalf("%+v", all)
		}
		began := now()
		for n := 1; n <= 3; n++ {
			first(n, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)})
			time.Sleep(time.Second)
		}
		first(1, context.DeadlineExceeded) // another request to the same place
		second(1, errors.New(strings.Repeat("é", faultText)))
		want := status.Fault{Output: "outputs[0]", Class: status.FaultSlow, Message: "context deadline exceeded", Advice: status.FaultAdvice(status.FaultSlow), Tries: 3, Since: began, Last: now()}
		if all := f.last(); len(all) != 2 || all[0] != want || all[1].Class != status.FaultAnswer || len(all[1].Message) > faultText || strings.Trim(all[1].Message, "é") != "" {
			t.Errorf("%+v", all)
		}
		time.Sleep(time.Second)
		first(2, nil)
		over := now()
		time.Sleep(time.Second)
		first(4, nil)
		if all := f.last(); len(all) != 2 || all[0].Output != "outputs[1]" || all[1].Until != over || all[1].Since != began {
			t.Errorf("%+v, want the one that is over last", all)
		}
		first(1, errors.New("again"))
		if all := f.last(); all[0].Output != "outputs[0]" || all[0].Since != now() || all[0].Tries != 1 || all[0].Until != 0 {
			t.Errorf("%+v, want a new one", all)
		}
		f.leftOut("outputs[1]", errors.New("gone"))
		f.stopped(errors.New("the breaker"))
		if all := f.last(); len(all) != 3 || all[1].Tries != 1 || all[2].Output != "" || all[2].Class != status.FaultStopped {
			t.Errorf("%+v", all)
		}
		f.leftOut("outputs[1]", nil)
		if all := f.last(); len(all) != 3 || all[2].Output != "outputs[1]" || all[2].Until != now() {
			t.Errorf("%+v, want that of the output that is not full any more as over", all)
		}
	})
}

// slowly is an error that says that it is one of time.
type slowly struct{ error }

func (slowly) Timeout() bool   { return true }
func (slowly) Temporary() bool { return true }

func TestFaultsOfOutputsHaveAClassAndSayWhatToDo(t *testing.T) {
	_, noName := (&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }}).LookupHost(t.Context(), "lake.invalid")
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, c := range []struct {
		err  error
		want status.FaultClass
	}{
		{refused, "unreachable"},
		{&net.OpError{Op: "dial", Err: slowly{errors.New("i/o timeout")}}, "unreachable"},
		{noName, "unreachable"},
		{grpcstatus.Error(codes.Unavailable, "no connection"), "unreachable"},
		{schemas.OfPlace(schemas.PlaceUnreachable, errors.New("x")), "unreachable"},
		{schemas.Unfitf(schemas.PlaceDimension, "x"), "other-dimension"},
		{context.DeadlineExceeded, "slow"},
		{fmt.Errorf("%w: 12 rows are left out of it", sinks.ErrFull), "slow"},
		{&net.OpError{Op: "read", Err: slowly{errors.New("i/o timeout")}}, "slow"},
		{grpcstatus.Error(codes.DeadlineExceeded, "x"), "slow"},
		{grpcstatus.Error(codes.ResourceExhausted, "quota"), "trouble"},
		{errors.New("503 Slow Down"), "trouble"},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "trouble"},
		{&sinks.RefusedError{Offsets: []sinks.RefusedOffset{{Offset: 7, Err: errors.New("too long")}}}, "refused"},
	} {
		err := fmt.Errorf("writing t-0: %w", c.err)
		if got := faultClass(err); got != c.want || status.FaultAdvice(got) == "" {
			t.Errorf("%v is %q, want %q; advice %q", err, got, c.want, status.FaultAdvice(got))
		}
	}
}

func TestFilesThatGoOnWithAnotherModelAreToldOnceAndShown(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	f := newFaults(log, "speech")
	tell := otherModel(log, "new", f.tries("outputs[0]"))
	for _, name := range []string{"p/t/0/7.parquet", "p/t/1/9.parquet"} {
		tell(parquetsink.FileInfo{Name: name, Metadata: map[string]string{"model-digest": "old"}})
	}
	if lines := strings.Count(b.String(), "\n"); lines != 1 || !strings.Contains(b.String(), "last=p/t/0/7.parquet was=old is=new") {
		t.Errorf("%d lines:\n%s", lines, b.String())
	}
	if all := f.last(); len(all) != 1 || all[0].Output != "outputs[0]" || all[0].Class != "other-model" || all[0].Tries != 0 || all[0].Until != 0 || !strings.Contains(all[0].Message, "p/t/0/7.parquet has rows of model old, and this is model new") {
		t.Errorf("%+v", all)
	}
}
