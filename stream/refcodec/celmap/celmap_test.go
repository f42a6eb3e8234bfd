package celmap_test

import (
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/stream"
	"vecmill/stream/refcodec"
	"vecmill/stream/refcodec/celmap"
)

var record = &stream.Record{
	Key: []byte("k1"), Time: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
	Headers: []sinks.Header{{Key: "tenant", Value: []byte("acme")}, {Key: "raw", Value: []byte{0xff}}},
}

func mapped(t *testing.T, expr, value string) (string, error) {
	t.Helper()
	m, err := celmap.NewMapping("map", expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	refs, err := refcodec.JSON{Mapping: m}.Decode(t.Context(), "orders", &stream.Record{Key: record.Key, Time: record.Time, Headers: record.Headers, Value: []byte(value)})
	if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonSchema) {
		t.Errorf("%s: %v is no rejection of class schema", expr, err)
	}
	var all []string
	for _, r := range refs {
		b, _ := json.Marshal(r)
		all = append(all, strings.Replace(string(b), `"v":1,`, "", 1))
	}
	return strings.Join(all, "\n"), err
}

// debezium is the expression for change events of a table of documents, as docs/schemas.md has it.
const debezium = `value == null || !has(value.op) ? skip :
value.op == "d" ? {"id": "doc-" + string(value.before.id), "deleted": true} :
{"id": "doc-" + string(value.after.id), "uri": value.after.?url.orValue(null), "inline_text": has(value.after.url) ? null : value.after.body, "modality": "text",
 "attributes": {"op": value.op, "table": value.source.table}}`

func TestAnyJSONBecomesReferences(t *testing.T) {
	for _, c := range []struct{ name, expr, value, want string }{
		{"Debezium, created", debezium, `{"op":"c","before":null,"after":{"id":7,"body":"hello"},"source":{"table":"docs"}}`, `{"id":"doc-7","inline":"aGVsbG8=","modality":"text","attributes":{"op":"c","table":"docs"}}`},
		{"Debezium, updated", debezium, `{"op":"u","before":{"id":7},"after":{"id":7,"url":"s3://b/k"},"source":{"table":"docs"}}`, `{"id":"doc-7","uri":"s3://b/k","modality":"text","attributes":{"op":"u","table":"docs"}}`},
		{"Debezium, deleted", debezium, `{"op":"d","before":{"id":9007199254740993},"after":null,"source":{"table":"docs"}}`, `{"id":"doc-9007199254740993","deleted":true}`},
		{"Debezium, the transaction's end", debezium, `{"status":"END"}`, ``},
		{"everything there is to see", `{"id": key + topic + headers.tenant + string(timestamp), "inline": b"x", "attributes": {"raw": string("raw" in headers)}}`, `{}`, `{"id":"k1ordersacme2026-11-28T12:00:00Z","inline":"eA==","attributes":{"raw":"false"}}`},
		{"a list", `value.items.map(i, {"id": i.id, "uri": "s3://b/" + i.id})`, `{"items":[{"id":"a"},{"id":"b"}]}`, `{"id":"a","uri":"s3://b/a"}` + "\n" + `{"id":"b","uri":"s3://b/b"}`},
		{"an empty list", `value.items`, `{"items":[]}`, ``},
		{"base64 of a blob", `{"id": value.id, "inline": base64.decode(value.blob)}`, `{"id":"a","blob":"aGk="}`, `{"id":"a","inline":"aGk="}`},
		{"base64 as it is", `{"id": value.id, "inline": value.blob}`, `{"id":"a","blob":"aGk="}`, `{"id":"a","inline":"aGk="}`},
		{"JSON in a string", `{"id": json(value.after).id, "uri": json(value.after).uri}`, `{"after":"{\"id\":\"a\",\"uri\":\"s3://b/k\"}"}`, `{"id":"a","uri":"s3://b/k"}`},
		{"optional entries", `{"id": value.id, "uri": value.uri, ?"etag": value.?etag}`, `{"id":"a","uri":"s3://b/k"}`, `{"id":"a","uri":"s3://b/k"}`},
		{"a range", `{"id": value.id, "uri": value.uri, "range": {"off": value.at, "n": 10}}`, `{"id":"a","uri":"s3://b/k","at":5}`, `{"id":"a","uri":"s3://b/k","range":{"off":5,"n":10}}`},
		{"the message itself", `value`, `{"id":"a","uri":"s3://b/k"}`, `{"id":"a","uri":"s3://b/k"}`},
	} {
		if got, err := mapped(t, c.expr, c.value); err != nil || got != c.want {
			t.Errorf("%s: %v\n%s\nwant %s", c.name, err, got, c.want)
		}
	}
}

func TestWhatOnlyAMessageCanShowIsItsDeadLetter(t *testing.T) {
	for _, c := range []struct{ expr, value, want string }{
		{`{"id": value.id, "uri": value.url}`, `{"id":"a"}`, "no such key: url"},
		{`{"id": value.id, "uri": value.url}`, `{"id":7,"url":"s3://b/k"}`, "reference field id: is a JSON number, want string"},
		{`{"id": value.id, "uri": value.url}`, `{"id":"a","url":"ftp://b/k"}`, `reference field uri: scheme "ftp"`},
		{`{"id": "a" + value.id, "uri": "s3://b/k"}`, `{"id":7}`, "no such overload"},
		{`value`, `{"id":"a","url":"s3://b/k"}`, `unknown field "url"`},
		{`value`, `[1]`, "where a reference belongs"},
		{`value.x`, `{"x":7}`, "where a reference belongs"},
		{`{"id": json(value.after).id, "uri": "s3://b/k"}`, `{"after":"{"}`, "json: "},
		{`value`, strings.Repeat(`{"id":`, 30) + `1` + strings.Repeat(`}`, 30), "nested too deep"},
		{`value.a.map(x, value.a.map(y, value.a.map(z, {"id": "x", "uri": "s3://b/k"}))).map(l, l[0][0])`, `{"a":[` + strings.Repeat("1,", 999) + `1]}`, "cost limit"},
		{`{"id": value.id, "inline_text": value.t}`, `{"id":"a","t":"` + strings.Repeat("x", 10<<20) + `"}`, "field inline: 10485760 bytes"},
	} {
		if got, err := mapped(t, c.expr, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %.60s: %s, %v, want %s", c.expr, c.value, got, err, c.want)
		}
	}
}

func TestAWrongExpressionIsRefusedInOneSentence(t *testing.T) {
	for expr, want := range map[string]string{
		`{"id": valu.id}`:                                "map: line 1, column 8: undeclared reference to 'valu'",
		"{\n\"id\": }":                                   "map: line 2, column 7: Syntax error",
		`value.id == "x"`:                                "the expression gives a bool; want a map",
		`{"id": "x", "url": "s3://b/k"}`:                 `a reference has no field "url"; its fields are v, id, uri`,
		`{"id": "x"}`:                                    "none of uri, inline, inline_text and deleted",
		`{"uri": "s3://b/k"}`:                            "a map without id",
		`{"id": size(key), "uri": "s3://b/k"}`:           "field id is a int; convert it, as in string(...)",
		`value.x ? {"id": "x", "deleted": "yes"} : skip`: "field deleted is a string",
		`[{"id": "x", "uri": b"s3"}]`:                    "field uri is a bytes",
		`value.x ? "no" : value`:                         "may give a string",
	} {
		_, err := celmap.NewMapping("map", expr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
	for expr, want := range map[string]string{
		`ref.urri == ""`: "undefined field 'urri'",
		`ref.uri`:        "where: the expression gives a string; want true or false",
		`value.x`:        "undeclared reference to 'value'",
		`ref.size > "x"`: "found no matching overload",
	} {
		_, err := celmap.NewFilter("where", expr)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", expr, err, want)
		}
	}
}

func TestAFilterSeesReferencesAndHeaders(t *testing.T) {
	pair := "second"
	ref := &schemas.Ref{
		ID: "call-1", URI: "s3://lake/tenant-a/1.wav", Modality: schemas.Audio, Version: "v", ETag: "e", ContentType: "audio/wav", Route: "r", TextPair: &pair,
		Attributes: map[string]string{"lang": "de"}, Choices: []string{"x"},
	}
	for expr, want := range map[string]bool{
		`ref.uri.startsWith("s3://lake/tenant-a/")`:                                      true,
		`ref.id.matches("^call-[0-9]+$") && ref.modality == "audio" && ref.route == "r"`: true,
		`ref.attributes.lang in ["de", "en"]`:                                            true,
		`"tenant" in ref.attributes`:                                                     false,
		`has(ref.attributes.tenant)`:                                                     false,
		`headers[?"tenant"].orValue("") == "acme"`:                                       true,
		`topic == "live" && key == "k1"`:                                                 true,
		`ref.inline || ref.size > 0`:                                                     false,
		`ref.version + ref.etag + ref.text_pair == "vesecond"`:                           true,
		`size(ref.choices) == 1 && ref.question == ""`:                                   true,
		`timestamp > timestamp("2026-01-01T00:00:00Z")`:                                  true,
		`has(ref.attributes.lang) && size(["topic", "key"]) == 2`:                        true,
		`ref.choices.exists(c, c == topic)`:                                              false,
		`has(ref.content_type) && !has(ref.attributes.content_type)`:                     true,
	} {
		f, err := celmap.NewFilter("where", expr)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := f.Takes(stream.Candidate{Topic: "live", Record: record, Ref: ref})
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", expr, got, err)
		}
		about := regexp.MustCompile(`headers\[|topic ==|== topic|timestamp >`).MatchString(expr)
		if f.AsksRecord() != about {
			t.Errorf("%s: asks about the record: %v", expr, f.AsksRecord())
		}
		for _, field := range []string{"uri", "modality", "choices", "content_type", "lang"} {
			if asks := regexp.MustCompile(`ref\.` + field + `\b`).MatchString(expr); f.Asks(field) != asks {
				t.Errorf("%s: asks about %s: %v", expr, field, f.Asks(field))
			}
		}
	}
	f, err := celmap.NewFilter("where", `ref.attributes.tenant == "a"`)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Takes(stream.Candidate{Record: &stream.Record{}, Ref: &schemas.Ref{ID: "x"}})
	if reason, _ := schemas.Rejected(err); reason != schemas.ReasonSchema || !strings.Contains(err.Error(), "where: no such key: tenant") {
		t.Error(err)
	}
}

// A filter has a reference's fields, but for the three that only a fetch or a deletion needs, and the size of what is carried.
func TestAFilterHasAReferencesFields(t *testing.T) {
	var got []string
	for i := range reflect.TypeFor[celmap.RefView]().NumField() {
		got = append(got, reflect.TypeFor[celmap.RefView]().Field(i).Tag.Get("cel"))
	}
	want := map[string]bool{"size": true}
	for _, f := range refcodec.Fields() {
		want[f] = true
	}
	for _, f := range []string{"v", "inline_text", "range", "deleted"} {
		delete(want, f)
	}
	slices.Sort(got)
	if sorted := slices.Sorted(maps.Keys(want)); !slices.Equal(got, sorted) {
		t.Errorf("%v\nwant %v", got, sorted)
	}
}

func FuzzMapping(f *testing.F) {
	m, err := celmap.NewMapping("map", debezium)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"op":"c","after":{"id":7,"body":"hello"},"source":{"table":"docs"}}`))
	f.Add([]byte(`{"op":"d","before":{"id":"7"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		refs, err := refcodec.JSON{Mapping: m}.Decode(t.Context(), "t", &stream.Record{Value: b})
		if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonSchema) {
			t.Error(err)
		}
		for i := range refs {
			if err == nil && refs[i].Validate() != nil {
				t.Errorf("%+v: %v", refs[i], refs[i].Validate())
			}
		}
	})
}

// BenchmarkMapping is a change event through JSON and the expression.
func BenchmarkMapping(b *testing.B) {
	m, err := celmap.NewMapping("map", debezium)
	if err != nil {
		b.Fatal(err)
	}
	rec := &stream.Record{Value: []byte(`{"op":"c","before":null,"after":{"id":7,"body":"hello"},"source":{"table":"docs"}}`)}
	for b.Loop() {
		if _, err := (refcodec.JSON{Mapping: m}).Decode(b.Context(), "t", rec); err != nil {
			b.Fatal(err)
		}
	}
}
