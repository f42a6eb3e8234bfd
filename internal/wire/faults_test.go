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

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"

	"vecmill/embed/embedtest"
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
		want := status.Fault{Output: "outputs[0]", Class: status.FaultSlow, Message: "context deadline exceeded", Advice: status.FaultAdvice("outputs[0]", status.FaultSlow), Tries: 3, Since: began, Last: now()}
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
		second(1, nil) // what came meanwhile lacks for good, whatever another request does
		if all := f.last(); len(all) != 3 || all[1].Output != "outputs[1]" || all[1].Until != 0 {
			t.Errorf("%+v, want that of the output that is left out as it was", all)
		}
		f.leftOut("outputs[1]", nil)
		if all := f.last(); len(all) != 3 || all[2].Output != "outputs[1]" || all[2].Until != now() {
			t.Errorf("%+v, want that of the output that is not full any more as over", all)
		}
	})
}

// TestBrokersThatFailAreATroubleOfThePipelineUntilTheyDoNot has a worker that reads one of two partitions: the other has no leader.
func TestBrokersThatFailAreATroubleOfThePipelineUntilTheyDoNot(t *testing.T) {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(2, "texts"))
	if err != nil {
		t.Fatal(err)
	}
	defer brokers.Close()
	down := brokers.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "texts", Partitions: []int32{1}, Err: kerr.LeaderNotAvailable, Count: -1})
	out := t.TempDir()
	cfg, p := pipelineFor(t, textModel(t), fmt.Sprintf(`    topics: [texts]
    heads: [{task: embedding}]
    dead_letters: {url: "file://%s/dead"}`, out))
	cfg.Kafka.Brokers, p.Outputs[0].Parquet.URL = brokers.ListenAddrs(), "file://"+out+"/rows"
	w, err := Open(t.Context(), cfg, Options{Log: slog.New(slog.DiscardHandler), Models: Models{described(t, cfg, p, embedtest.Config{})}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	fault := func(over bool) (f status.Fault) {
		for range 3000 {
			if all := w.Status().Pipelines[0].Faults; len(all) > 0 {
				if f = all[0]; (f.Until != 0) == over {
					return f
				}
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("over: %v never comes; the last is %+v", over, f)
		return f
	}
	if f := fault(false); f.Output != status.PlaceKafka || f.Class != status.FaultAnswer || f.Tries == 0 || !strings.Contains(f.Message, "Leader Not Available") || f.Advice != status.FaultAdvice(status.PlaceKafka, f.Class) {
		t.Errorf("%+v", f)
	}
	down.Remove()
	fault(true)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
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
		if got := faultClass(err); got != c.want || status.FaultAdvice("outputs[0]", got) == "" {
			t.Errorf("%v is %q, want %q; advice %q", err, got, c.want, status.FaultAdvice("outputs[0]", got))
		}
	}
}

func TestRowsThatABestEffortOutputRefusesAreNoTroubleThatLasts(t *testing.T) {
	f := newFaults(slog.New(slog.DiscardHandler), "speech")
	no := fmt.Errorf("writing p/t/0: %w", &sinks.RefusedError{Offsets: []sinks.RefusedOffset{{Offset: 7, Err: errors.New("too long")}}})
	f.leftOut("outputs[1]", no)
	if all := f.last(); len(all) != 1 || all[0].Class != status.FaultRefused || all[0].Until == 0 || all[0].Until != all[0].Since || all[0].Advice == "" || all[0].Message != no.Error() {
		t.Errorf("%+v, want what is over", all)
	}
	f.leftOut("outputs[1]", errors.New("gone"))
	f.leftOut("outputs[1]", no)
	if all := f.last(); len(all) != 1 || all[0].Class != status.FaultAnswer || all[0].Until != 0 {
		t.Errorf("%+v, want what lasts", all)
	}
}

func TestFilesThatGoOnWithAnotherModelAreToldOnceAndShown(t *testing.T) {
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	f := newFaults(log, "speech")
	tell := otherModel(log, "new", func(err error) { f.once("outputs[0]", status.FaultNewModel, err) })
	for _, name := range []string{"p/t/0/7.parquet", "p/t/1/9.parquet"} {
		tell(parquetsink.FileInfo{Name: name, Metadata: map[string]string{"model-digest": "old"}})
	}
	if lines := strings.Count(b.String(), "\n"); lines != 1 || !strings.Contains(b.String(), "last=p/t/0/7.parquet was=old is=new") {
		t.Errorf("%d lines:\n%s", lines, b.String())
	}
	if all := f.last(); len(all) != 1 || all[0].Output != "outputs[0]" || all[0].Class != status.FaultNewModel || all[0].Tries != 0 || all[0].Until == 0 || all[0].Until != all[0].Since || !strings.Contains(all[0].Message, "p/t/0/7.parquet has rows of model old, and this is model new") {
		t.Errorf("%+v", all)
	}
}
