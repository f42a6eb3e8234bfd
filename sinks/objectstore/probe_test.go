package objectstore_test

import (
	"context"
	"errors"
	"testing"

	"vecmill/sinks/objectstore"
	"vecmill/sinks/sinktest"
)

func TestTheProbeTellsStoresApart(t *testing.T) {
	down := sinktest.NewMemStore()
	down.Faults = func(sinktest.Op) sinktest.Fault { return sinktest.Fault{Err: sinktest.ErrFault} }
	used := sinktest.NewMemStore()
	if err := objectstore.CheckConditionalPut(t.Context(), used, "out"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		store objectstore.Store
		want  error
	}{
		{"an empty store that honours the condition passes", sinktest.NewMemStore(), nil},
		{"a store that was asked before passes", used, nil},
		{"a store that overwrites is refused", overwriting{sinktest.NewMemStore()}, objectstore.ErrUnconditional},
		{"a store that is down gives its own error", down, sinktest.ErrFault},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := objectstore.CheckConditionalPut(t.Context(), c.store, "out"); !errors.Is(err, c.want) {
				t.Errorf("it gives %v, want %v", err, c.want)
			}
		})
	}
}

// overwriting ignores the condition, as some servers do.
type overwriting struct{ *sinktest.MemStore }

func (o overwriting) PutIfAbsent(ctx context.Context, name string, body []byte, _ map[string]string) error {
	return o.Put(ctx, name, body, "")
}

func TestTheProbeIsReadAgain(t *testing.T) {
	for _, prefix := range []string{"", "out"} {
		s := sinktest.NewMemStore()
		if err := objectstore.CheckRead(t.Context(), s, prefix); !errors.Is(err, objectstore.ErrNotFound) {
			t.Errorf("before it is written it gives %v", err)
		}
		if err := objectstore.CheckConditionalPut(t.Context(), s, prefix); err != nil {
			t.Fatal(err)
		}
		if err := objectstore.CheckRead(t.Context(), s, prefix); err != nil {
			t.Error(err)
		}
		for _, op := range []sinktest.OpKind{sinktest.OpStat, sinktest.OpRead} {
			s.Faults = func(o sinktest.Op) sinktest.Fault {
				if o.Kind == op {
					return sinktest.Fault{Err: objectstore.ErrRefused}
				}
				return sinktest.Fault{}
			}
			if err := objectstore.CheckRead(t.Context(), s, prefix); !errors.Is(err, objectstore.ErrRefused) {
				t.Errorf("where %s is refused it gives %v", op, err)
			}
			if err := objectstore.CheckFound(t.Context(), s, prefix); errors.Is(err, objectstore.ErrRefused) != (op == sinktest.OpStat) {
				t.Errorf("where %s is refused the metadata give %v", op, err)
			}
		}
	}
}
