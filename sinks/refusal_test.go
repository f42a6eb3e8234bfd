package sinks_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
)

// stub gives one answer to everything, and refuses rows of one model beforehand.
type stub struct {
	sinks.Sink
	err    error
	refuse string
}

func (s stub) Write(_ context.Context, _ schemas.Range, _ []schemas.Row, done func(error)) error {
	done(s.err)
	return nil
}

func (s stub) Resume(context.Context, schemas.SourceID, int64) (int64, bool, error) {
	return 0, false, nil
}

func (s stub) Check(r *schemas.Row) error {
	if r.ModelDigest == s.refuse {
		return errors.New("another model's")
	}
	return nil
}

func refusal(offsets ...int64) error {
	e := &sinks.RefusedError{}
	for _, o := range offsets {
		e.Offsets = append(e.Offsets, sinks.RefusedOffset{Offset: o, Err: errors.New("no")})
	}
	return e
}

func TestATeeJoinsWhatItsMembersRefuse(t *testing.T) {
	fault := errors.New("the disk is full")
	for _, c := range []struct {
		name string
		a, b error
		want string
	}{
		{"one refuses", nil, refusal(4), "offset 4 was refused: no"},
		{"the other refuses", refusal(4), nil, "offset 4 was refused: no"},
		{"both refuse", refusal(4, 9), refusal(2, 9), "offset 2 was refused, and 2 more: no"},
		{"a fault outweighs a refusal", refusal(4), fault, "the disk is full"},
		{"a fault stays before a refusal", fault, refusal(4), "the disk is full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := tee(t, nil, sinks.Member{Name: "a", Sink: stub{err: c.a}}, sinks.Member{Name: "b", Sink: stub{err: c.b}})
			reports := write(t, s, 0, 10)
			if len(*reports) != 1 || (*reports)[0] == nil || (*reports)[0].Error() != c.want {
				t.Errorf("%v, want %s", *reports, c.want)
			}
		})
	}
}

func TestADeletionThatIsRefusedStaysKnownBesideRowsOfItsOffset(t *testing.T) {
	got := sinks.RefusedOnce([]sinks.RefusedOffset{{Offset: 7}, {Offset: 4}, {Offset: 9}, {Offset: 4, Deletion: true}, {Offset: 7}, {Offset: 9, Deletion: true}})
	if want := []sinks.RefusedOffset{{Offset: 4, Deletion: true}, {Offset: 7}, {Offset: 9, Deletion: true}}; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// TestABestEffortMemberThatRefusesRowsGoesOn has a member that refuses an offset of every range: each is observed, which one that was left out would not be.
func TestABestEffortMemberThatRefusesRowsGoesOn(t *testing.T) {
	seen := 0
	s := tee(t, func(_ string, err error) {
		if sinks.AsRefused(err) != nil {
			seen++
		}
	}, sinks.Member{Name: "a", Sink: stub{}}, sinks.Member{Name: "b", Sink: stub{err: refusal(1)}, BestEffort: true})
	resume(t, s)
	for range 2 {
		if reports := write(t, s, 0, 10); len(*reports) != 1 || (*reports)[0] != nil {
			t.Errorf("%v, want nil: a refusal of a best-effort member holds nothing up", *reports)
		}
	}
	if seen != 2 {
		t.Errorf("observed %d refusals, want 2", seen)
	}
}

func TestATeeChecksRowsForItsRequiredMembers(t *testing.T) {
	s := tee(t, nil, sinks.Member{Name: "a", Sink: stub{refuse: "x"}}, sinks.Member{Name: "b", Sink: stub{refuse: "y"}, BestEffort: true})
	for digest, refused := range map[string]bool{"x": true, "y": false, "z": false} {
		err := s.Check(&schemas.Row{Lineage: schemas.Lineage{ModelDigest: digest}})
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "sink a: another model's") {
			t.Errorf("digest %s: %v", digest, err)
		}
	}
}
