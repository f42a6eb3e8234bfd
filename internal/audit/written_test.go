package audit

import (
	"testing"
	"time"

	"vecmill/schemas"
	"vecmill/sinks/parquetsink"
)

func TestTheRateIsThatOfTheLastHalfHour(t *testing.T) {
	began := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	file := func(first, next int64, minutes int) parquetsink.FileInfo {
		return parquetsink.FileInfo{Range: schemas.Range{Span: schemas.Span{First: first, Next: next}}, Created: began.Add(time.Duration(minutes) * time.Minute)}
	}
	for name, c := range map[string]struct {
		files []parquetsink.FileInfo
		want  float64
	}{
		"none":                {nil, 0},
		"one":                 {[]parquetsink.FileInfo{file(0, 100, 0)}, 0},
		"two, the last first": {[]parquetsink.FileInfo{file(100, 700, 10), file(0, 100, 0)}, 1},
		"one is long ago":     {[]parquetsink.FileInfo{file(0, 5000, 0), file(5000, 5100, 100), file(5100, 5700, 110), file(5700, 6300, 120)}, 1},
	} {
		if w := writtenBy(c.files); w.Rate != c.want {
			t.Errorf("%s: %v, want %v", name, w.Rate, c.want)
		}
	}
}
