package jpeg

import (
	"os"
	"testing"
)

func BenchmarkDecode(b *testing.B) {
	data, err := os.ReadFile("../testdata/bench.jpg")
	if err != nil {
		b.Fatal(err)
	}
	var d Decoder
	var p *Picture
	b.Run("planes", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if p, err = d.Decode(b.Context(), data); err != nil {
				b.Fatal(err)
			}
		}
	})
	if p, err = d.Decode(b.Context(), data); err != nil {
		b.Fatal(err)
	}
	b.Run("rows", func(b *testing.B) {
		row := make([]byte, 3*1024)
		for b.Loop() {
			for y := range 768 {
				p.Row(row, y)
			}
		}
	})
}
