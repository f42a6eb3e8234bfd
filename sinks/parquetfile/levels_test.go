package parquetfile

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

func TestRunsAreCountedAsFarAsTheirBytesGo(t *testing.T) {
	for _, c := range []struct {
		in            string
		width, values int
		want          int
	}{
		{"", 1, 5, 0},
		{"\x0a\x01", 1, 5, 5},                             // five times the same
		{"\x0a", 1, 5, 0},                                 // and what is missing
		{"\x03\xff", 1, 5, 8},                             // a group of eight
		{"\x07\xff", 1, 20, 8},                            // three of them, of which one is there
		{"\x03\xff\x04\x00", 1, 10, 10},                   // a group and a run
		{"\x03\xff\xff", 2, 8, 8},                         // two bits each
		{"\x00\x01\x00\x01", 1, 3, 0},                     // runs of nothing end
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 1, 3, 0}, // a number without end
		{"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01", 1, 3, 3},
	} {
		if got := runs([]byte(c.in), c.width, c.values); got != c.want {
			t.Errorf("%x in %d bits: %d, want %d", c.in, c.width, got, c.want)
		}
	}
}

func TestHeadersOfDeltasThatLeadNowhereAreRefused(t *testing.T) {
	required := schema.NewColumn(schema.NewInt32Node("n", parquet.Repetitions.Required, -1), 0, 0)
	optional := schema.NewColumn(schema.NewInt32Node("n", parquet.Repetitions.Optional, -1), 1, 0)
	for in, want := range map[string]string{
		"\x80\x01\x04\x05\x00": "",
		"\x80\x01\x04\x04\x00": "a page of 5 values has 4 deltas",
		"\x00\x04\x05\x00":     "blocks of 0 values",
		"\x80\x01\x00\x05\x00": "0 parts",
		"\x80\x01\x08\x05\x00": "8 parts", // of 16 values
		"\x80\x01":             "the header",
	} {
		err := (&levelled{col: required}).delta([]byte(in), 5)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%x: %v, want %q", in, err, want)
		}
	}
	if err := (&levelled{col: optional}).delta([]byte("\x80\x01\x04\x02\x00"), 5); err != nil { // the others are null
		t.Error(err)
	}
}
