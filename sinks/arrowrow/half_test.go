package arrowrow

import (
	"math"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"vecmill/schemas"
)

func TestEveryHalfIsWidenedAndBack(t *testing.T) {
	for h := range 1 << 16 {
		f := widen(uint16(h))
		exp, frac := h>>10&0x1f, float64(h&0x3ff)
		want := math.Ldexp(1+frac/1024, exp-15) // the definition of binary16
		switch exp {
		case 0:
			want = math.Ldexp(frac/1024, -14)
		case 0x1f:
			want = math.Inf(1)
		}
		if h>>15 == 1 {
			want = -want
		}
		if nan := exp == 0x1f && frac != 0; nan != (f != f) || !nan && float64(f) != want {
			t.Fatalf("%#04x is widened to %v, want %v", h, f, want)
		}
		if back := narrow(f); int(back) != h {
			t.Fatalf("%#04x comes back as %#04x", h, back)
		}
	}
	for f, want := range map[float32]uint16{1e30: 0x7c00, -1e30: 0xfc00, 1e-30: 0} {
		if got := narrow(f); got != want {
			t.Errorf("%v is %#04x, want %#04x", f, got, want)
		}
	}
}

func TestHalvesAreFloatsInTheWideSchema(t *testing.T) {
	b, err := NewWideBuilder(memory.DefaultAllocator, schemas.TaskXVector)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release()
	row := schemas.Row{Lineage: schemas.Lineage{Task: schemas.TaskXVector}, Payload: schemas.Payload{Half: []uint16{0x3c00, 0xb800, 1}}}
	if err := b.Append(&row); err != nil {
		t.Fatal(err)
	}
	rec := b.NewRecord()
	defer rec.Release()
	i := rec.Schema().FieldIndices("vector_f16")[0]
	got := rec.Column(i).(*array.List).ListValues().(*array.Float32).Float32Values()
	if len(got) != 3 || got[0] != 1 || got[1] != -0.5 || float64(got[2]) != math.Ldexp(1, -24) {
		t.Errorf("the column is %v", got)
	}
	rows, err := Rows(rec)
	if err != nil || len(rows[0].Half) != 3 || rows[0].Half[2] != 1 {
		t.Errorf("read back: %v, %v", rows, err)
	}
}
