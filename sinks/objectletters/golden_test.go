package objectletters

import (
	"os"
	"reflect"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
)

// TestALetterOfTheFirstFormatIsRead: its bytes are as the first version wrote them.
func TestALetterOfTheFirstFormatIsRead(t *testing.T) {
	body, err := os.ReadFile("testdata/20261123.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(body)
	want := sinks.Letter{
		Source: schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}, Offset: 3, Reason: schemas.ReasonDecode, Message: "not a picture", Attempts: 2,
		Key: []byte("k"), Value: []byte(`{"v":1,"id":"a","uri":"s3://b/k"}`), Headers: []sinks.Header{{Key: "h", Value: []byte{0, 1}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v; %v", got, want, err)
	}
}
