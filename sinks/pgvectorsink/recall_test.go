package pgvectorsink

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/sinktest"
)

func TestWhatIsStoredIsRecalledWithinASpan(t *testing.T) {
	db := newFake(0)
	c := config()
	c.Deliver.BatchRows = 2
	s := open(t, c, db)
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	for o := int64(0); o < 30; o += 3 {
		r, rows := sinktest.Make(src, o, o+3)
		if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := schemas.Span{First: 4, Next: 26}
	var got sinktest.Account
	at := want.First
	if err := s.Recall(t.Context(), src, want, func(r schemas.Range, rows []schemas.Row) error {
		if r.First != at {
			t.Errorf("a range begins at %d, want %d", r.First, at)
		}
		at = r.Next
		got.Rows = append(got.Rows, rows...)
		got.Dead, got.Skipped, got.Lost = append(got.Dead, r.Dead...), append(got.Skipped, r.Skipped...), append(got.Lost, r.Lost...)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := got.Audit(src, want.First, want.Next, true); err != nil {
		t.Error(err)
	}
	err := s.Recall(t.Context(), src, schemas.Span{First: 4, Next: 31}, func(schemas.Range, []schemas.Row) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "covers offsets up to 30, not 31") {
		t.Errorf("more than there is gives %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestARowThatATombstoneTookIsRecalledAsSkipped(t *testing.T) {
	db := newFake(0)
	s := open(t, config(), db)
	src := schemas.SourceID{Pipeline: "p", Topic: "t"}
	if _, _, err := s.Resume(t.Context(), src, 0); err != nil {
		t.Fatal(err)
	}
	r := schemas.Range{Source: src, Span: schemas.Span{First: 0, Next: 4}, Skipped: []schemas.Span{{First: 2, Next: 4}}, Deletes: []schemas.Deletion{{Offset: 2, RefID: "b"}}}
	// Offset 3 has a row, and is skipped by what a build before wrote.
	rows := []schemas.Row{sinktest.Row(src, 0, 0), sinktest.Row(src, 0, 1), sinktest.Row(src, 1, 0), sinktest.Row(src, 1, 1), sinktest.Row(src, 3, 0)}
	db.gone = map[string]bool{rows[1].RowID: true, rows[2].RowID: true, rows[3].RowID: true} // offset 0 is of two references, of which one is gone
	if err := s.Write(t.Context(), r, rows, func(error) {}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Recall(t.Context(), src, r.Span, func(got schemas.Range, rows []schemas.Row) error {
		if want := []schemas.Span{{First: 1, Next: 3}}; !reflect.DeepEqual(got.Skipped, want) || !reflect.DeepEqual(got.Deletes, r.Deletes) {
			t.Errorf("skipped %v and deleted %v, want %v and %v", got.Skipped, got.Deletes, want, r.Deletes)
		}
		if len(rows) != 2 || rows[0].Offset != 0 || rows[1].Offset != 3 {
			t.Errorf("%d rows, want those of offsets 0 and 3", len(rows))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestHalfIsExactForEveryBinary16(t *testing.T) {
	for u := range 1 << 16 {
		exponent, mantissa := u>>10&31, float64(u&1023)
		v := math.Ldexp(mantissa, -24)
		if exponent > 0 {
			v = math.Ldexp(1024+mantissa, exponent-25)
		}
		if u>>15 == 1 {
			v = -v
		}
		if exponent < 31 && half(float32(v)) != uint16(u) {
			t.Fatalf("%v is %#04x, want %#04x", v, half(float32(v)), u)
		}
	}
}

// FuzzParseRow proves that nothing that a table may hold, or somebody may have put there, makes the reading of it panic.
func FuzzParseRow(f *testing.F) {
	f.Add([]byte(`{"row_id":"r","offset":3,"window_end":1.5,"created_at":"2026-11-28T20:00:00.000001+00:00","vector":"[0,-0.5,0.25]","vector_f16":"[65504,-6e-08]",` +
		`"mask_png":"\\x8950","attributes":{"a":"b"},"words":[{"word":"hi","start":0.5,"end":1,"score":0.25}],"perplexity":"Infinity","probabilities":[0.5,"NaN"]}`))
	f.Add([]byte(`{"vector":null,"vector_f16":null,"mask_png":null,"score":null,"labels":null}`))
	f.Add([]byte(`{"vector":"[1e39]","vector_f16":"[1e30,0]","mask_png":"x","fetch_ms":1e300}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if r, err := parseRow(text); err == nil && len(r.Half)+len(r.Vector)+len(r.Mask.PNG) > len(text) {
			t.Fatalf("%d numbers from %d bytes", len(r.Half)+len(r.Vector), len(text))
		}
	})
}
