package objectletters_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/dirstore"
	"vecmill/sinks/objectletters"
	"vecmill/sinks/objectstore"
	"vecmill/sinks/sinktest"
)

func letter(value []byte) sinks.Letter {
	return sinks.Letter{
		Source: schemas.SourceID{Pipeline: "speech", Topic: "refs", Partition: 2}, Offset: 41, Reason: schemas.ReasonDecode,
		Message: `not a WAV file: "RIFF" <missing> & more`, Attempts: 3, Key: []byte{0, 255}, Value: value,
		Headers: []sinks.Header{{Key: "trace", Value: []byte("a")}, {Key: "trace", Value: nil}, {Key: "bin", Value: []byte{254}}},
	}
}

func TestLettersReadBackEqual(t *testing.T) {
	dir, err := dirstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, st := range map[string]interface {
		objectstore.Store
		objectstore.Putter
	}{"memory": sinktest.NewMemStore(), "directory": dir} {
		s := objectletters.New(st, "dead", retry.Policy{})
		for what, value := range map[string][]byte{"a reference": []byte(`{"v":1,"id":"x"}`), "bytes that are not text": {0xff, 0}, "a tombstone": nil, "an empty value": {}} {
			want := letter(value)
			if err := s.Put(t.Context(), want); err != nil {
				t.Fatal(err)
			}
			body, err := st.Read(t.Context(), "dead/speech/refs/2/00000000000000000041.json", 0, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			got, err := objectletters.Parse(body)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s: %+v, %v; want %+v", name, what, got, err, want)
			}
		}
	}
}

func TestAPersonCanReadALetter(t *testing.T) {
	st := sinktest.NewMemStore()
	if err := objectletters.New(st, "", retry.Policy{}).Put(t.Context(), letter([]byte(`{"id": "<é>"}`))); err != nil {
		t.Fatal(err)
	}
	body, err := st.Read(t.Context(), objectletters.Name("", letter(nil).Source, 41), 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"reason": "decode"`, `"value_text": "{\"id\": \"<é>\"}"`, `<missing> & more`, `"offset": 41`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%s is not in\n%s", want, body)
		}
	}
}

func TestAPutIsRepeatedUntilItIsAcknowledged(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults int
		err    error
		want   error
		puts   int
	}{
		{"after faults", 2, sinktest.ErrFault, nil, 3},
		{"until the policy ends", 9, sinktest.ErrFault, sinktest.ErrFault, 4},
		{"not after a refusal", 9, fmt.Errorf("%w: denied", objectstore.ErrRefused), objectstore.ErrRefused, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := sinktest.NewMemStore()
				puts := 0
				st.Faults = func(sinktest.Op) sinktest.Fault {
					if puts++; puts <= c.faults {
						return sinktest.Fault{Err: c.err, Land: true}
					}
					return sinktest.Fault{}
				}
				s := objectletters.New(st, "", retry.Policy{Attempts: 4, Base: time.Second, Max: time.Minute})
				if err := s.Put(t.Context(), letter(nil)); !errors.Is(err, c.want) || puts != c.puts {
					t.Errorf("put gives %v after %d tries, want %v after %d", err, puts, c.want, c.puts)
				}
				if err := errors.Join(s.Close(t.Context()), s.Close(t.Context())); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestBadLettersAreRefused(t *testing.T) {
	for _, body := range []string{"", "[]", "{}", `{"v":2}`, `{"v":1,"offset":-1}`, `{"v":1} x`, `{"v":1,"value":"not base64!"}`} {
		if l, err := objectletters.Parse([]byte(body)); err == nil {
			t.Errorf("%q is read as %+v", body, l)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"v":1,"pipeline":"p","topic":"t","partition":1,"offset":2,"reason":"decode","key":"AA==","value":null,"headers":[{"key":"a","value":"AA=="}]}`))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := objectletters.Parse(body)
		if err != nil {
			return
		}
		st := sinktest.NewMemStore()
		if err := objectletters.New(st, "", retry.Policy{}).Put(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		again, err := st.Read(t.Context(), objectletters.Name("", l.Source, l.Offset), 0, 1<<30)
		if err != nil || !json.Valid(again) {
			t.Fatalf("%v: %q", err, again)
		}
		if got, err := objectletters.Parse(again); err != nil || !reflect.DeepEqual(got, l) {
			t.Fatalf("%+v reads back as %+v, %v", l, got, err)
		}
	})
}
