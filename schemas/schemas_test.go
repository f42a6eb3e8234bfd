package schemas

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestGoldenReferencesParseForEver reads the golden bytes of every version: what parsed once always will, to the same value.
func TestGoldenReferencesParseForEver(t *testing.T) {
	want := map[string]Ref{
		"v1-minimal": {ID: "a", URI: "s3://bucket/key"},
		"v1-full": {
			ID: "call-4711", URI: "s3://calls/2026/11/4711.flac", Modality: Audio, Route: "speech",
			ETag: "9b2cf535f27731c974343645a3985328", Version: "3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY", ContentType: "audio/flac",
			Range: &ByteRange{Off: 44, N: 32000}, Attributes: map[string]string{"tenant": "a", "note": "ü"},
		},
		"v1-pair":        {ID: "t", URI: "s3://docs/1.txt", TextPair: new(string)},
		"v1-question":    {ID: "q-1", URI: "s3://docs/1.txt", Modality: Text, Question: "Who is Köln?"},
		"v1-choices":     {ID: "c", Inline: []byte("hello"), Choices: []string{"world", ""}},
		"v1-deleted":     {ID: "call-4711", Route: "speech", Deleted: true},
		"v1-inline":      {ID: "t", Inline: []byte("hello"), Modality: Text},
		"v1-inline-text": {ID: "t", Inline: []byte("hello"), Modality: Text},
	}
	files, err := filepath.Glob("testdata/ref/*.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d golden files, want %d (%v)", len(files), len(want), err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			got, err := ParseRef(b)
			if err != nil || !reflect.DeepEqual(got, want[name]) {
				t.Fatalf("%+v, %v\nwant %+v", got, err, want[name])
			}
			written, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if name != "v1-inline-text" && string(written)+"\n" != string(b) {
				t.Fatalf("writes %s\nwant   %s", written, b)
			}
			if back, err := ParseRef(written); err != nil || !reflect.DeepEqual(back, got) {
				t.Fatalf("does not survive a round trip: %+v, %v", back, err)
			}
		})
	}
}

// TestAKeyIsTakenLiterally has keys that are no URLs.
func TestAKeyIsTakenLiterally(t *testing.T) {
	for _, uri := range []string{"s3://b/100%", "s3://b/a b/ü?x#y", "s3://b/%zz", "s3://b//"} {
		if err := (&Ref{ID: "a", URI: uri}).Validate(); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestStrictErrorsNameTheField(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for _, c := range []struct{ name, in, field, msg string }{
		{"not JSON", `{garbage`, "", "not a JSON reference"},
		{"an empty record", ``, "", "not a JSON reference"},
		{"an array", `[]`, "", "array"},
		{"no version", `{"id":"a","uri":"s3://b/k"}`, "v", "missing"},
		{"an unknown version", `{"v":2,"id":"a","uri":"s3://b/k"}`, "v", "unknown version 2"},
		{"a version that is text", `{"v":"one","id":"a"}`, "v", "unknown version \"one\""},
		{"an unknown field", `{"v":1,"id":"a","uri":"s3://b/k","urI2":1}`, "", `unknown field "urI2"`},
		{"a wrong type", `{"v":1,"id":7,"uri":"s3://b/k"}`, "id", "is a JSON number, want string"},
		{"a wrong type inside", `{"v":1,"id":"a","uri":"s3://b/k","range":{"off":"x"}}`, "range.off", "string"},
		{"two documents", `{"v":1,"id":"a","uri":"s3://b/k"}{}`, "", "after top-level value"},
		{"no id", `{"v":1,"uri":"s3://b/k"}`, "id", "missing"},
		{"a long id", `{"v":1,"id":"` + long + `","uri":"s3://b/k"}`, "id", "1025 bytes"},
		{"nothing to fetch", `{"v":1,"id":"a"}`, "uri", "missing"},
		{"two payloads", `{"v":1,"id":"a","uri":"s3://b/k","inline":""}`, "inline", "not both"},
		{"two inline payloads", `{"v":1,"id":"a","inline_text":"x","inline":""}`, "inline_text", "not both"},
		{"bad base64", `{"v":1,"id":"a","inline":"%%"}`, "inline", "base64"},
		{"an unknown modality", `{"v":1,"id":"a","uri":"s3://b/k","modality":"video"}`, "modality", "video"},
		{"a bucket without key", `{"v":1,"id":"a","uri":"s3://b"}`, "uri", "s3://bucket/key"},
		{"no scheme", `{"v":1,"id":"a","uri":"b/k"}`, "uri", "no scheme"},
		{"an unknown scheme", `{"v":1,"id":"a","uri":"gopher://b/k"}`, "uri", "gopher"},
		{"a negative range", `{"v":1,"id":"a","uri":"s3://b/k","range":{"off":-1,"n":1}}`, "range.off", "negative"},
		{"an empty range", `{"v":1,"id":"a","uri":"s3://b/k","range":{"off":0,"n":0}}`, "range.n", "at least 1"},
		{"a pair and a question", `{"v":1,"id":"a","uri":"s3://b/k","text_pair":"","question":"?"}`, "text_pair", "one of"},
		{"a question with choices", `{"v":1,"id":"a","uri":"s3://b/k","question":"?","choices":["x"]}`, "question", "one of"},
		{"an empty question", `{"v":1,"id":"a","uri":"s3://b/k","question":""}`, "question", "empty"},
		{"no choices", `{"v":1,"id":"a","uri":"s3://b/k","choices":[]}`, "choices", "empty"},
		{"too many choices", `{"v":1,"id":"a","uri":"s3://b/k","choices":["x"` + strings.Repeat(`,"x"`, 256) + `]}`, "choices", "257"},
		{"a question to a picture", `{"v":1,"id":"a","uri":"s3://b/k","modality":"image","question":"?"}`, "question", "modality is image"},
		{"a large pair", `{"v":1,"id":"a","uri":"s3://b/k","text_pair":"` + strings.Repeat("x", MaxInline+1) + `"}`, "text_pair", "at most"},
		{"a question that is a list", `{"v":1,"id":"a","uri":"s3://b/k","question":["?"]}`, "question", "want string"},
		{"a deletion with an object", `{"v":1,"id":"a","deleted":true,"inline":""}`, "deleted", "makes no sense"},
		{"a deletion without id", `{"v":1,"deleted":true}`, "id", "missing"},
		{"nothing to fetch and not deleted", `{"v":1,"id":"a","deleted":false}`, "uri", "missing"},
		{"invalid UTF-8", "{\"v\":1,\"id\":\"\xff\"}", "", "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseRef([]byte(c.in))
			if reason, ok := Rejected(err); !ok || reason != ReasonSchema {
				t.Fatalf("not a schema rejection: %v", err)
			}
			f, ok := errors.AsType[*FieldError](err)
			if !ok || f.Field != c.field || !strings.Contains(f.Msg, c.msg) {
				t.Fatalf("got %v; want field %q, message with %q", err, c.field, c.msg)
			}
		})
	}
}

// TestTheJSONSchemaHasTheSameFields keeps the schema file for other languages beside the parser.
func TestTheJSONSchemaHasTheSameFields(t *testing.T) {
	b, err := os.ReadFile("ref.v1.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct {
			Description string
			Enum        []Modality
		}
		Required []string
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	if got := schema.Properties["modality"].Enum; !slices.Equal(got, Modalities()) {
		t.Errorf("modalities are %v, want %v", got, Modalities())
	}
	typ := reflect.TypeFor[wireRef]()
	if len(schema.Properties) != typ.NumField() {
		t.Errorf("%d properties, %d fields", len(schema.Properties), typ.NumField())
	}
	for i := range typ.NumField() {
		name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if schema.Properties[name].Description == "" {
			t.Errorf("%s is missing or without description", name)
		}
	}
}

func TestRowIdentityDependsOnEachOfItsPartsAndNothingElse(t *testing.T) {
	base := Lineage{RefID: "r", ETag: "e", Version: "v", ModelDigest: "m", PreprocessDigest: "p", Head: "h", Window: 1}
	id := RowID(&base)
	if len(id) != 32 {
		t.Fatalf("%q has %d characters", id, len(id))
	}
	seen := map[string]string{id: "base"}
	for name, change := range map[string]func(*Lineage){
		"ref": func(l *Lineage) { l.RefID = "r2" }, "etag": func(l *Lineage) { l.ETag = "e2" }, "version": func(l *Lineage) { l.Version = "" },
		"model": func(l *Lineage) { l.ModelDigest = "" }, "preprocess": func(l *Lineage) { l.PreprocessDigest = "q" },
		"head": func(l *Lineage) { l.Head = "g" }, "window": func(l *Lineage) { l.Window = 2 },
		"a shifted border": func(l *Lineage) { l.RefID, l.ETag = "re", "" },
	} {
		l := base
		change(&l)
		got := RowID(&l)
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the id of %s", name, other)
		}
		seen[got] = name
	}
	same := base
	same.Offset, same.Topic, same.URI, same.Timings.Fetch = 9, "t", "u", 1
	if RowID(&same) != id {
		t.Error("the same object under another offset has another id")
	}
}

func TestColumnsAreDocumentedAndUnique(t *testing.T) {
	cols := Columns(Tasks()...)
	seen := map[string]bool{}
	for _, c := range cols {
		if c.Name == "" || c.Doc == "" || seen[c.Name] {
			t.Errorf("column %+v", c)
		}
		seen[c.Name] = true
	}
	if len(Columns(TaskEmbedding, TaskXVector)) != len(LineageColumns())+2 {
		t.Error("vectors have one column for each of their forms, once")
	}
	for _, task := range Tasks() {
		if len(PayloadColumns(task)) == 0 {
			t.Errorf("task %s has no columns", task)
		}
	}
}

func TestARejectionKeepsItsFirstReason(t *testing.T) {
	err := Reject(ReasonModel, fmt.Errorf("outer: %w", Rejectf(ReasonDecode, "bad header")))
	if r, ok := Rejected(err); !ok || r != ReasonDecode {
		t.Fatal(err)
	}
	if Reject(ReasonModel, nil) != nil {
		t.Fatal("nil became a rejection")
	}
}

func TestAppendOffsetJoinsNeighbours(t *testing.T) {
	var s []Span
	for _, o := range []int64{3, 4, 5, 9, 10, 12} {
		s = AppendOffset(s, o)
	}
	if fmt.Sprint(s) != "[{3 6} {9 11} {12 13}]" {
		t.Fatal(s)
	}
}

func TestWhatStandsForARowSaysWhy(t *testing.T) {
	for name, row := range map[string]string{"letters": strings.Repeat("é\xff", 100_000), "what is escaped": strings.Repeat("\x01", 1<<20), "a short one": strings.Repeat("x", 100_000)} {
		b := NoRef{Why: "line 7: it has 1 fields", Row: row}.JSON()
		_, err := ParseRef(b)
		if r, ok := Rejected(err); !ok || r != ReasonSchema || !strings.Contains(err.Error(), "line 7: it has 1 fields") || len(b) < 100_000 || len(b) > 800<<10 || !utf8.Valid(b) {
			t.Errorf("%s: %d bytes, read with %v", name, len(b), err)
		}
	}
	if b := (NoRef{Why: "line 7: unknown field " + strings.Repeat("\x01", 1<<20)}).JSON(); len(b) > 32<<10 {
		t.Errorf("why has %d bytes", len(b))
	}
	if _, err := ParseRef([]byte(`{"v":1,"id":"a","uri":"s3://b/k","no_ref":"x"}`)); err == nil || !strings.Contains(err.Error(), "unknown field") {
		t.Errorf("a reference that has it besides: %v", err)
	}
}

func FuzzParseRef(f *testing.F) {
	files, err := filepath.Glob("testdata/ref/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ParseRef(b)
		if err != nil {
			if _, ok := Rejected(err); !ok {
				t.Fatalf("not a rejection: %v", err)
			}
			return
		}
		w, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("%+v does not write: %v", r, err)
		}
		back, err := ParseRef(w)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("round trip of %+v gave %+v, %v", r, back, err)
		}
	})
}

func ExampleParseRef() {
	r, err := ParseRef([]byte(`{"v":1,"id":"call-4711","uri":"s3://calls/4711.flac","modality":"audio"}`))
	fmt.Println(r.ID, r.Modality, err)
	_, err = ParseRef([]byte(`{"v":1,"id":"call-4711","uri":"s3://calls"}`))
	fmt.Println(err)
	// Output:
	// call-4711 audio <nil>
	// schema: reference field uri: want s3://bucket/key
}

func TestClassesOfPlaces(t *testing.T) {
	final := func(err error) bool { return err.Error() == "no" }
	unfit := Unfitf(PlaceMetric, "it has %d", 3)
	for name, c := range map[string]struct {
		err  error
		want PlaceFault
	}{
		"nothing":                          {Unreachable(nil, final), ""},
		"an answer":                        {Unreachable(errors.New("no"), final), ""},
		"no answer":                        {Unreachable(errors.New("refused"), final), PlaceUnreachable},
		"a question that nobody waits for": {Unreachable(fmt.Errorf("asking: %w", context.Canceled), final), ""},
		"a class that is known":            {Unreachable(fmt.Errorf("table: %w", unfit), final), PlaceMetric},
	} {
		class, ok := PlaceFaultOf(c.err)
		if class != c.want || ok != (c.want != "") || Unfit(c.err) != (c.want == PlaceMetric) {
			t.Errorf("%s: class %q, unfit %v, want %q", name, class, Unfit(c.err), c.want)
		}
	}
	if unfit.Error() != "it does not fit: it has 3" {
		t.Error(unfit)
	}
}
