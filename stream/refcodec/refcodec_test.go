package refcodec_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/refcodec"
)

// short writes references in one line each.
func short(refs []schemas.Ref) string {
	var all []string
	for _, r := range refs {
		b, err := json.Marshal(r)
		if err != nil {
			panic(err)
		}
		all = append(all, strings.ReplaceAll(string(b), `"v":1,`, ""))
	}
	return strings.Join(all, "\n")
}

func decode(t *testing.T, d stream.Decoder, rec stream.Record) ([]schemas.Ref, error) {
	t.Helper()
	refs, err := d.Decode(t.Context(), "topic", &rec)
	if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonSchema) {
		t.Errorf("%v is no rejection of class schema", err)
	}
	return refs, err
}

// TestNotificationsOfObjectStores reads the events in testdata, which have the shape that AWS documents (aws-*, eventbridge-*, sns-*) and that MinIO sends (minio-*).
// They were written down by hand; no server made them.
func TestNotificationsOfObjectStores(t *testing.T) {
	want := map[string]string{
		"aws-put.json":                  `{"id":"amzn-s3-demo-bucket/HappyFace.jpg","uri":"s3://amzn-s3-demo-bucket/HappyFace.jpg","version":"096fKKXTRTtl3on89fVO.nfljtsv6qko","attributes":{"s3_event":"ObjectCreated:Put","s3_sequencer":"0055AED6DCD90281E5","s3_time":"1970-01-01T00:00:00.000Z"}}`,
		"aws-test.json":                 ``,
		"eventbridge-created.json":      `{"id":"amzn-s3-demo-bucket1/example key+1.wav","uri":"s3://amzn-s3-demo-bucket1/example key+1.wav","version":"IYV3p45BT0ac8hjHg1houSdS1a.Mro8e","attributes":{"s3_event":"Object Created","s3_sequencer":"617f08299329d189","s3_time":"2021-11-12T00:00:00Z"}}`,
		"eventbridge-deleted.json":      `{"id":"amzn-s3-demo-bucket1/example-key","deleted":true}`,
		"eventbridge-restored.json":     ``,
		"minio-put.json":                `{"id":"audio/in/calls/a b+c ä.flac","uri":"s3://audio/in/calls/a b+c ä.flac","etag":"a414c889dc276457bd7175f974332cb0","content_type":"audio/flac","attributes":{"s3_event":"ObjectCreated:Put","s3_sequencer":"17A2B3C4D5E6F708","s3_time":"2026-11-28T12:00:00.000Z"}}`,
		"minio-delete.json":             `{"id":"audio/in/calls/a b+c ä.flac","deleted":true}`,
		"minio-version-delete.json":     ``,
		"minio-delete-marker.json":      `{"id":"audio/k","deleted":true}`,
		"minio-access.json":             ``,
		"sns-several.json":              `{"id":"b/one","uri":"s3://b/one","etag":"e3","attributes":{"s3_event":"ObjectCreated:Copy"}}` + "\n" + `{"id":"b/two","deleted":true}` + "\n" + `{"id":"b/two","uri":"s3://b/two","version":"v2","attributes":{"s3_event":"ObjectCreated:CompleteMultipartUpload"}}`,
		"aws-lifecycle-expiration.json": `{"id":"b/old","deleted":true}`,
	}
	files, err := filepath.Glob("testdata/s3/*.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, want %d (%v)", len(files), len(want), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		refs, err := decode(t, refcodec.S3Event{}, stream.Record{Value: b})
		if got := short(refs); err != nil || got != want[filepath.Base(f)] {
			t.Errorf("%s: %v\ngot  %s\nwant %s", f, err, got, want[filepath.Base(f)])
		}
	}
}

// A key of plain notifications is taken as it stands, whatever it looks like.
func TestPlainKeysAreNotDecoded(t *testing.T) {
	for key, decoded := range map[string]string{"a b/ü+1&2=%41.png": "a b/ü 1&2=A.png", "a+b": "a b", "100%": ""} {
		rec := stream.Record{Value: []byte(event(`{"key":"` + key + `"}`))}
		refs, err := decode(t, refcodec.S3Event{PlainKeys: true}, rec)
		if err != nil || len(refs) != 1 || refs[0].URI != "s3://b/"+key {
			t.Errorf("%s: plain %v, %v", key, refs, err)
		}
		refs, err = decode(t, refcodec.S3Event{}, rec)
		if decoded == "" && err == nil || decoded != "" && (err != nil || len(refs) != 1 || refs[0].URI != "s3://b/"+decoded) {
			t.Errorf("%s: encoded %v, %v", key, refs, err)
		}
	}
}

func event(object string) string {
	return `{"Records":[{"eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"b"},"object":` + object + `}}]}`
}

func TestBadNotificationsNameTheField(t *testing.T) {
	for value, want := range map[string]string{
		`{"Records":[{`:           "not a notification in JSON: unexpected end of JSON input",
		`[]`:                      "is a JSON array",
		`{}`:                      "field Records: missing; this is no notification",
		`{"Records":[{"s3":{}}]}`: "field Records[0].eventName: missing",
		`{"Records":[{"eventName":"ObjectCreated:Put"}]}`: "field Records[0].s3: missing",
		event(`{}`):             "field Records[0].s3.object.key: missing",
		event(`{"key":7}`):      "Records.s3.object.key: is a JSON number, want string",
		event(`{"key":"a%zz"}`): `field Records[0].s3.object.key: invalid URL escape "%zz"`,
		event(`{"key":"a%ff"}`): "field Records[0].s3.object.key: not valid UTF-8",
		event(`{"key":"` + strings.Repeat("k", 2000) + `"}`):                                 "field id: 2002 bytes, at most 1024",
		"{\"Records\":\"\xff\"}":                                                             "not valid UTF-8",
		`{"detail-type":"Object Created","source":"aws.ec2","detail":{}}`:                    `field source: "aws.ec2" is not aws.s3`,
		`{"detail-type":"Object Created","source":"aws.s3","detail":{}}`:                     "field detail.bucket.name: missing",
		`{"Type":"Notification","Message":"{\"Type\":\"Notification\",\"Message\":\"{}\"}"}`: "this is no notification",
	} {
		refs, err := decode(t, refcodec.S3Event{}, stream.Record{Value: []byte(value)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v, want %s", value, refs, err, want)
		}
	}
}

// echo is a mapping that says what it sees.
type echo struct{ seen *refcodec.Message }

// Map implements refcodec.Mapping.
func (e echo) Map(m refcodec.Message) ([]schemas.Ref, error) {
	*e.seen = m
	return []schemas.Ref{{ID: "x", URI: "s3://b/k"}}, nil
}

func header(kv ...string) (all []sinks.Header) {
	for i := 0; i < len(kv); i += 2 {
		all = append(all, sinks.Header{Key: kv[i], Value: []byte(kv[i+1])})
	}
	return all
}

const ceRef = `{"v":1,"id":"x","uri":"s3://b/k","attributes":{"ce_type":"mine"}}`

func TestCloudEventsInBothModes(t *testing.T) {
	binary := header("ce_specversion", "1.0", "ce_id", "7", "ce_source", "/shop", "ce_type", "made", "ce_subject", "s", "content-type", "application/json")
	structured := `{"specversion":"1.0","id":"7","source":"/shop","type":"made","subject":"s","datacontenttype":"application/json","data":` + ceRef + `}`
	want := `{"id":"x","uri":"s3://b/k","attributes":{"ce_id":"7","ce_source":"/shop","ce_subject":"s","ce_type":"mine"}}`
	for name, rec := range map[string]stream.Record{
		"binary":           {Value: []byte(ceRef), Headers: binary},
		"structured":       {Value: []byte(structured), Headers: header("content-type", "application/cloudevents+json; charset=UTF-8")},
		"without a header": {Value: []byte(structured)},
		"data in base64":   {Value: []byte(strings.Replace(structured, `"data":`+ceRef, `"data_base64":"eyJ2IjoxLCJpZCI6IngiLCJ1cmkiOiJzMzovL2IvayIsImF0dHJpYnV0ZXMiOnsiY2VfdHlwZSI6Im1pbmUifX0="`, 1))},
		"no content type":  {Value: []byte(ceRef), Headers: binary[:5]},
		"a batch of one":   {Value: []byte("[" + structured + "]"), Headers: header("Content-Type", "application/cloudevents-batch+json")},
		"vendored JSON":    {Value: []byte(ceRef), Headers: append(binary[:5:5], header("content-type", "application/vnd.shop+json")...)},
	} {
		refs, err := decode(t, refcodec.CloudEvents{}, rec)
		if got := short(refs); err != nil || got != want {
			t.Errorf("%s: %v\n%s\nwant %s", name, err, got, want)
		}
	}
	for name, c := range map[string]struct {
		rec   stream.Record
		value string
	}{
		"JSON":          {stream.Record{Value: []byte(`{"n":12345678901234567}`), Headers: binary}, "map[n:12345678901234567]"},
		"text":          {stream.Record{Value: []byte("héllo"), Headers: append(binary[:5:5], header("content-type", "text/plain; charset=utf-8")...)}, "héllo"},
		"bytes":         {stream.Record{Value: []byte{1, 2}, Headers: append(binary[:5:5], header("content-type", "audio/flac")...)}, "[1 2]"},
		"no data":       {stream.Record{Value: []byte(`{"specversion":"1.0","id":"7","source":"/shop","type":"gone"}`)}, "<nil>"},
		"a text inside": {stream.Record{Value: []byte(`{"specversion":"1.0","id":"7","source":"/shop","type":"t","datacontenttype":"text/plain","data":"hi"}`)}, "hi"},
	} {
		var seen refcodec.Message
		if _, err := decode(t, refcodec.CloudEvents{Mapping: echo{&seen}}, c.rec); err != nil || fmt.Sprint(seen.Value) != c.value || seen.Event["id"] != "7" {
			t.Errorf("%s: %v, %v, %v, want %s", name, err, seen.Value, seen.Event, c.value)
		}
	}
}

func TestBadCloudEventsNameTheAttribute(t *testing.T) {
	good := `{"specversion":"1.0","id":"7","source":"/shop","type":"made"`
	for value, want := range map[string]string{
		`garbage`:    "not an event in JSON, and there is no header ce_specversion",
		`{"id":"x"}`: "field specversion: missing",
		`{"specversion":"0.3","id":"7","source":"/shop","type":"made"}`: `field specversion: "0.3" is not 1.0`,
		`{"specversion":"1.0","id":7,"source":"/shop","type":"made"}`:   "field id: missing, or not a string",
		good + `}`:                                          "field data: missing, or not JSON",
		good + `,"ext":{}}`:                                 "field ext: is neither a string",
		good + `,"data":{},"data_base64":""}`:               "field data_base64: give data or data_base64",
		good + `,"data_base64":"=="}`:                       "field data_base64: not standard base64",
		good + `,"data":{"v":1}}`:                           "field id: missing",
		good + `,"datacontenttype":"text/plain","data":{}}`: `field data: is not a string, and datacontenttype is "text/plain"`,
	} {
		refs, err := decode(t, refcodec.CloudEvents{}, stream.Record{Value: []byte(value)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v, want %s", value, refs, err, want)
		}
	}
	_, err := decode(t, refcodec.CloudEvents{}, stream.Record{Value: []byte("x"), Headers: header("content-type", "application/cloudevents+avro")})
	if err == nil || !strings.Contains(err.Error(), "field content-type") {
		t.Error(err)
	}
}

func TestJSONByName(t *testing.T) {
	refs, err := decode(t, refcodec.JSON{}, stream.Record{Value: []byte(`{"id":"x","inline_text":"hello","etag":null,"choices":[],"unknown":{"a":1}}`)})
	if got := short(refs); err != nil || got != `{"id":"x","inline":"aGVsbG8="}` {
		t.Error(got, err)
	}
	for value, want := range map[string]string{
		`{"id":7,"uri":"s3://b/k"}`:     "field id: is a JSON number, want string",
		`{"id":"x"}`:                    "field uri: missing",
		`{"id":"x","uri":"s3://b/k"} x`: "trailing data",
		`{"id":"x","uri":"s3://b/k"`:    "it ends after 26 bytes, in the middle",
		`7`:                             "the message is a number",
		strings.Repeat("[", 300) + strings.Repeat("]", 300): "nested deeper than 256",
		strings.Repeat("[", 20000):                          "not JSON",
		"\xff":                                              "not valid UTF-8",
		`{"id":"x","inline_text":"` + strings.Repeat("a", 10<<20) + `"}`: "field inline: 10485760 bytes, at most 1048576",
		`{"v":2,"id":"x","uri":"s3://b/k"}`:                              "field v: unknown version 2",
	} {
		refs, err := decode(t, refcodec.JSON{}, stream.Record{Value: []byte(value)})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, %v, want %s", value, refs, err, want)
		}
	}
}

// check holds what a decoder made of anything to its contract.
func check(t *testing.T, refs []schemas.Ref, err error) {
	if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonSchema) {
		t.Errorf("%v is no rejection of class schema", err)
	}
	for i := range refs {
		if err == nil && refs[i].Validate() != nil {
			t.Errorf("%+v is not valid: %v", refs[i], refs[i].Validate())
		}
	}
}

func FuzzS3Event(f *testing.F) {
	files, _ := filepath.Glob("testdata/s3/*.json")
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := refcodec.S3Event{}.Decode(t.Context(), "t", &stream.Record{Value: b})
		check(t, refs, err)
	})
}

func FuzzCloudEvents(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"7","source":"/shop","type":"made","data":`+ceRef+`}`), "application/cloudevents+json", "")
	f.Add([]byte(ceRef), "application/json", "1.0")
	f.Add([]byte(`[{}]`), "application/cloudevents-batch+json", "")
	f.Fuzz(func(t *testing.T, b []byte, content, version string) {
		h := header("content-type", content)
		if version != "" {
			h = append(h, header("ce_specversion", version, "ce_id", "1", "ce_source", "s", "ce_type", "t")...)
		}
		refs, err := refcodec.CloudEvents{}.Decode(t.Context(), "t", &stream.Record{Value: b, Headers: h})
		check(t, refs, err)
	})
}

func FuzzJSON(f *testing.F) {
	f.Add([]byte(`{"id":"x","inline_text":"hello","range":{"off":0,"n":1e3}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := refcodec.JSON{}.Decode(t.Context(), "t", &stream.Record{Value: b})
		check(t, refs, err)
	})
}
