package registry_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	"vecmill/internal/retry"
	"vecmill/schemas"
	"vecmill/stream"
	"vecmill/stream/refcodec"
	"vecmill/stream/refcodec/registry"
)

// world is a registry with schemas in it.
type world struct {
	fake  *srfake.Registry
	asked atomic.Int64
	fail  atomic.Int64 // so many answers are the next ones' trouble
	code  atomic.Int64 // which
	reg   *registry.Registry
}

func newWorld(t testing.TB) *world {
	w := &world{fake: srfake.New()}
	t.Cleanup(w.fake.Close)
	target := w.fake.URL()
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.asked.Add(1)
		if w.fail.Add(-1) >= 0 {
			rw.WriteHeader(int(w.code.Load()))
			return
		}
		req, err := http.NewRequestWithContext(r.Context(), r.Method, target+r.URL.RequestURI(), r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		req.Header = r.Header
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		rw.WriteHeader(res.StatusCode)
		var body json.RawMessage
		if json.NewDecoder(res.Body).Decode(&body) == nil {
			rw.Write(body)
		}
	}))
	t.Cleanup(front.Close)
	var err error
	w.reg, err = registry.New(registry.Config{URLs: []string{front.URL}, Retry: retry.Policy{Base: time.Millisecond, Max: 5 * time.Millisecond}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) put(t testing.TB, subject string, s sr.Schema) int {
	t.Helper()
	cl, err := sr.NewClient(sr.URLs(w.fake.URL()))
	if err != nil {
		t.Fatal(err)
	}
	got, err := cl.CreateSchema(t.Context(), subject, s)
	if err != nil {
		t.Fatal(err)
	}
	return got.ID
}

func ours(t testing.TB, name string) string {
	b, err := os.ReadFile(filepath.Join("../../../schemas", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// framed is a message in the wire format.
func framed(id int, payload ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), payload...)
}

// TestGoldenEncodingsAreReadForEver reads what fastavro and google.protobuf wrote with our schemas (tools/refs/golden.py): each is the reference of the JSON beside it.
func TestGoldenEncodingsAreReadForEver(t *testing.T) {
	w := newWorld(t)
	avro := w.put(t, "avro", sr.Schema{Schema: ours(t, "ref.v1.avsc"), Type: sr.TypeAvro})
	pb := w.put(t, "pb", sr.Schema{Schema: ours(t, "ref.v1.proto"), Type: sr.TypeProtobuf})
	files, err := filepath.Glob("../../../schemas/testdata/ref/*.json")
	if err != nil || len(files) < 7 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want, err := schemas.ParseRef(b)
		if err != nil {
			t.Fatal(err)
		}
		for ext, c := range map[string]struct {
			d      stream.Decoder
			header []byte
		}{".avro": {registry.Avro(w.reg, nil), framed(avro)}, ".pb": {registry.Protobuf(w.reg, nil), framed(pb, 0)}} {
			b, err := os.ReadFile(strings.TrimSuffix(f, ".json") + ext)
			if err != nil {
				t.Fatal(err)
			}
			refs, err := c.d.Decode(t.Context(), "t", &stream.Record{Value: append(c.header, b...)})
			if err != nil || len(refs) != 1 || !reflect.DeepEqual(refs[0], want) {
				t.Errorf("%s%s: %+v, %v\nwant %+v", filepath.Base(f), ext, refs, err, want)
			}
		}
	}
	if n := w.asked.Load(); n != 2 {
		t.Errorf("the registry was asked %d times for two schemas", n)
	}
}

// The Avro schema, the Protobuf file and the JSON Schema have the same fields; v is the namespace of the first two.
func TestOurSchemasHaveTheSameFields(t *testing.T) {
	var avsc struct{ Fields []struct{ Name string } }
	var js struct{ Properties map[string]any }
	if err := errors.Join(json.Unmarshal([]byte(ours(t, "ref.v1.avsc")), &avsc), json.Unmarshal([]byte(ours(t, "ref.v1.schema.json")), &js)); err != nil {
		t.Fatal(err)
	}
	proto := ours(t, "ref.v1.proto")
	for _, f := range avsc.Fields {
		if js.Properties[f.Name] == nil || !strings.Contains(proto, " "+f.Name+" = ") {
			t.Errorf("%s is not everywhere", f.Name)
		}
	}
	if len(avsc.Fields)+1 != len(js.Properties) || len(refcodec.Fields()) != len(js.Properties) || strings.Count(proto, " = ") != len(avsc.Fields)+3 { // off, n, syntax
		t.Errorf("%d fields in Avro, %d in JSON", len(avsc.Fields), len(js.Properties))
	}
}

const foreignAvro = `{"type":"record","name":"Envelope","namespace":"db.docs","fields":[
 {"name":"before","type":["null",{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"body","type":["null","string"]},
   {"name":"price","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}]},{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["a","b"]}},
   {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"hash","type":{"type":"fixed","name":"H","size":2}},{"name":"tags","type":{"type":"array","items":["null","string","long"]}}]}]},
 {"name":"after","type":["null","Value"]},{"name":"op","type":"string"}]}`

// seen is what a mapping was given.
type seen struct{ v *any }

// Map implements refcodec.Mapping.
func (s seen) Map(m refcodec.Message) ([]schemas.Ref, error) { *s.v = m.Value; return nil, nil }

func TestForeignSchemasAreReadAsTheyWereWritten(t *testing.T) {
	w := newWorld(t)
	var got any
	id := w.put(t, "avro", sr.Schema{Schema: foreignAvro, Type: sr.TypeAvro})
	// before null; after: id 7, body "hi", price 1.50, kind b, at 1000 ms, hash, two tags; op "u"
	payload := []byte{0, 2, 14, 2, 4, 'h', 'i', 2, 4, 0, 150, 2, 0xd0, 15, 1, 2, 4, 2, 2, 'x', 4, 18, 0, 2, 'u'}
	if _, err := registry.Avro(w.reg, seen{&got}).Decode(t.Context(), "t", &stream.Record{Value: framed(id, payload...)}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"before": nil, "op": "u", "after": map[string]any{
		"id": int64(7), "body": "hi", "price": "1.500000000000000000", "kind": "b", "at": time.UnixMilli(1000).UTC(), "hash": []byte{1, 2}, "tags": []any{"x", int64(9)},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Avro: %#v\nwant  %#v", got, want)
	}

	w.put(t, "common", sr.Schema{Schema: `syntax = "proto3"; package shop; message Place { string bucket = 1; string key = 2; }`, Type: sr.TypeProtobuf})
	id = w.put(t, "pb", sr.Schema{Type: sr.TypeProtobuf, References: []sr.SchemaReference{{Name: "common.proto", Subject: "common", Version: 1}}, Schema: `syntax = "proto3"; package shop;
import "common.proto"; import "google/protobuf/timestamp.proto";
message Other {}
message Outer { message Inner { uint32 n = 1; Place place = 2; google.protobuf.Timestamp at = 3; map<string, float> m = 4; enum E { A = 0; B = 1; } repeated E e = 5; optional string o = 6; bool b = 7; Place none = 8; } }`})
	payload = []byte{4, 2, 0, 8, 7, 0x12, 6, 10, 1, 'b', 0x12, 1, 'k', 0x1a, 2, 8, 1, 0x22, 8, 10, 1, 'x', 0x15, 0, 0, 0, 0x3f, 0x2a, 2, 1, 5}
	if _, err := registry.Protobuf(w.reg, seen{&got}).Decode(t.Context(), "t", &stream.Record{Value: framed(id, payload...)}); err != nil {
		t.Fatal(err)
	}
	want = map[string]any{
		"n": uint64(7), "place": map[string]any{"bucket": "b", "key": "k"}, "at": time.Unix(1, 0).UTC(), "m": map[string]any{"x": 0.5}, "e": []any{"B", int64(5)}, "o": nil, "b": false, "none": nil,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Protobuf: %#v\nwant      %#v", got, want)
	}
}

func TestBadMessagesAreDeadLettersWithASentence(t *testing.T) {
	w := newWorld(t)
	avro := w.put(t, "avro", sr.Schema{Schema: ours(t, "ref.v1.avsc"), Type: sr.TypeAvro})
	pb := w.put(t, "pb", sr.Schema{Schema: ours(t, "ref.v1.proto"), Type: sr.TypeProtobuf})
	wrong := w.put(t, "wrong", sr.Schema{Schema: `{"type":"record","name":"W","fields":[{"name":"id","type":"long"},{"name":"uri","type":"string"}]}`, Type: sr.TypeAvro})
	long := w.put(t, "long", sr.Schema{Schema: `"long"`, Type: sr.TypeAvro})
	a, p := registry.Avro(w.reg, nil), registry.Protobuf(w.reg, nil)
	for _, c := range []struct {
		name  string
		d     stream.Decoder
		value []byte
		want  string
	}{
		{"nothing", a, []byte{}, "0 bytes are too few"},
		{"JSON", a, []byte(`{"v":1}`), "begins with byte 123, want 0"},
		{"an id that nobody knows", a, framed(4711), "the registry knows no schema 4711"},
		{"Protobuf for Avro", a, framed(pb, 0), "is PROTOBUF, and this pipeline's input is AVRO"},
		{"cut", a, framed(avro, 2, 'a', 2, 20, 's', '3'), "field uri: "},
		{"cut at once", a, framed(avro), "field id: "},
		{"longer", a, framed(avro, append(golden(t, "v1-minimal.avro"), 0)...), "trailing bytes"},
		{"a branch that is none", a, framed(avro, 2, 'a', 8), "uri"},
		{"a length of 2^40", a, framed(avro, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40), "id"},
		{"text that is not UTF-8", a, framed(avro, append([]byte{2, 0xff}, golden(t, "v1-minimal.avro")[2:]...)...), "UTF-8"},
		{"a number for a text", a, framed(wrong, 14, 2, 'x'), "reference field id: is a JSON number"},
		{"no record", a, framed(long, 14), "the message is a number"},
		{"too large", a, framed(avro, large(t)...), "reference field inline: 10485760 bytes"},
		{"no message index", p, framed(pb), "ends in the list of message indexes"},
		{"an index that is none", p, framed(pb, 2, 20), "no message with indexes [10]"},
		{"many indexes", p, framed(pb, 0xfe, 0xff, 0xff, 0x0f), "message indexes, want 0 to 32"},
		{"a negative index", p, framed(pb, 2, 1), "message index -1"},
		{"cut", p, framed(pb, 0, 10, 5, 'a'), "message vecmill.v1.Ref"},
		{"no UTF-8", p, framed(pb, 0, 10, 1, 0xff), "UTF-8"},
		{"a key twice, the second a number", p, framed(pb, 0, 10, 1, 'a', 11<<3|2, 8, 10, 1, 'k', 8, 1, 18, 1, 'v'), "malformed"},
		{"no id", p, framed(pb, 0), "reference field id: missing"},
	} {
		refs, err := c.d.Decode(t.Context(), "t", &stream.Record{Value: c.value})
		if reason, ok := schemas.Rejected(err); !ok || reason != schemas.ReasonSchema || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v, want %s", c.name, refs, err, c.want)
		}
	}
}

func golden(t testing.TB, name string) []byte {
	b, err := os.ReadFile("../../../schemas/testdata/ref/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// large is a reference with 10 MiB inline.
func large(t testing.TB) []byte {
	b := []byte{2, 'a', 0, 2}
	b = binary.AppendVarint(b, 10<<20)
	b = append(b, make([]byte, 10<<20)...)
	return append(b, make([]byte, 12)...)
}

func TestARegistryThatIsAwayIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, "avro", sr.Schema{Schema: ours(t, "ref.v1.avsc"), Type: sr.TypeAvro})
	rec := &stream.Record{Value: framed(id, golden(t, "v1-minimal.avro")...)}
	d := registry.Avro(w.reg, nil)
	w.code.Store(http.StatusServiceUnavailable)
	w.fail.Store(1 << 40)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := d.Decode(ctx, "t", rec); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a registry in trouble: %v", err)
	}
	if n := w.asked.Load(); n < 3 {
		t.Errorf("it was asked %d times", n)
	}
	w.fail.Store(3)
	if refs, err := d.Decode(t.Context(), "t", rec); err != nil || refs[0].ID != "a" {
		t.Fatalf("once it is back: %v, %v", refs, err)
	}
	w.fail.Store(1 << 40) // and what is known is known
	if _, err := d.Decode(t.Context(), "t", rec); err != nil {
		t.Error(err)
	}
}

func TestARegistryThatRefusesUsEndsThePipeline(t *testing.T) {
	w := newWorld(t)
	w.code.Store(http.StatusUnauthorized)
	w.fail.Store(1 << 40)
	_, err := registry.Avro(w.reg, nil).Decode(t.Context(), "t", &stream.Record{Value: framed(1, 0)})
	if _, rejected := schemas.Rejected(err); err == nil || rejected || !strings.Contains(err.Error(), "refuses us (HTTP 401)") {
		t.Error(err)
	}
	if err := w.reg.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "refuses us (HTTP 401)") || !strings.Contains(err.Error(), "check input.registry's user") {
		t.Error(err)
	}
	w.fail.Store(0)
	if err := w.reg.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestASchemaThatDoesNotParseIsADeadLetterOfItsRecords(t *testing.T) {
	w := newWorld(t)
	w.fake.SeedSchema("bad", 1, 77, sr.Schema{Schema: `syntax = "proto3"; message M { Nowhere n = 1; }`, Type: sr.TypeProtobuf})
	_, err := registry.Protobuf(w.reg, nil).Decode(t.Context(), "t", &stream.Record{Value: framed(77, 0)})
	if reason, _ := schemas.Rejected(err); reason != schemas.ReasonSchema || !strings.Contains(err.Error(), "no Protobuf file") || !strings.Contains(err.Error(), "Nowhere") {
		t.Error(err)
	}
}

func fuzz(f *testing.F, d func(*world) stream.Decoder, ids func(*world) []int, seeds ...string) {
	w := newWorld(f)
	all, dec := ids(w), d(w)
	for _, s := range seeds {
		f.Add(uint8(0), golden(f, s))
	}
	f.Add(uint8(1), []byte{0, 2, 14, 2, 4, 'h', 'i', 2, 4, 0, 150, 2, 0xd0, 15, 1, 2, 4, 2, 2, 'x', 4, 18, 0, 2, 'u'})
	f.Add(uint8(2), nest(40, 1<<20-1))
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		refs, err := dec.Decode(t.Context(), "t", &stream.Record{Value: framed(all[int(which)%len(all)], b...)})
		if reason, ok := schemas.Rejected(err); err != nil && (!ok || reason != schemas.ReasonSchema) {
			t.Errorf("%v is no rejection of class schema", err)
		}
		for i := range refs {
			if err == nil && refs[i].Validate() != nil {
				t.Errorf("%+v: %v", refs[i], refs[i].Validate())
			}
		}
	})
}

// avroNests is a schema of records in each other, each with a list whose items take no bytes.
const avroNests = `{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]},{"name":"nulls","type":{"type":"array","items":"null"}}]}`

// always makes the same of every message.
type always struct{}

func (always) Map(refcodec.Message) ([]schemas.Ref, error) {
	return []schemas.Ref{{ID: "x", Inline: []byte("x")}}, nil
}

// nest is n records in each other, each with so many nulls.
func nest(n int, nulls uint64) []byte {
	b := append(bytes.Repeat([]byte{2}, n), 0) // the union's branch, n times L and then null
	for range n + 1 {
		b = append(binary.AppendUvarint(b, 2*nulls), 0)
	}
	return b
}

// TestListsInListsMakeNothingOfFewBytes: the library would make 16 MB for each of these lists before it read their items.
func TestListsInListsMakeNothingOfFewBytes(t *testing.T) {
	w := newWorld(t)
	id := w.put(t, "nests", sr.Schema{Type: sr.TypeAvro, Schema: avroNests})
	dec := registry.Avro(w.reg, always{})
	for _, c := range []struct {
		name  string
		n     int
		nulls uint64
		says  string
	}{
		{"what is usual", 20, 3, ""},
		{"many nulls", 0, 1<<20 - 1, "more than the message has bytes"},
		{"many nulls deep down", 40, 1<<20 - 1, "more than the message has bytes"},
		{"some nulls in each of many", 200, 30, "more than the message has bytes"},
		{"very deep", 100_000, 0, "nested deeper than"},
	} {
		_, err := dec.Decode(t.Context(), "t", &stream.Record{Value: framed(id, nest(c.n, c.nulls)...)})
		if reason, _ := schemas.Rejected(err); c.says == "" && err != nil || c.says != "" && (reason != schemas.ReasonSchema || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func FuzzAvro(f *testing.F) {
	fuzz(f, func(w *world) stream.Decoder { return registry.Avro(w.reg, nil) }, func(w *world) []int {
		return []int{w.put(f, "a", sr.Schema{Schema: ours(f, "ref.v1.avsc"), Type: sr.TypeAvro}), w.put(f, "b", sr.Schema{Schema: foreignAvro, Type: sr.TypeAvro}), w.put(f, "c", sr.Schema{Type: sr.TypeAvro, Schema: avroNests})}
	}, "v1-full.avro", "v1-choices.avro")
}

func FuzzProtobuf(f *testing.F) {
	fuzz(f, func(w *world) stream.Decoder { return registry.Protobuf(w.reg, nil) }, func(w *world) []int {
		return []int{w.put(f, "a", sr.Schema{Schema: ours(f, "ref.v1.proto"), Type: sr.TypeProtobuf})}
	}, "v1-full.pb", "v1-choices.pb")
}

func TestASchemaIsRegisteredOnceAndARefusalIsASentence(t *testing.T) {
	w := newWorld(t)
	w.code.Store(http.StatusServiceUnavailable)
	w.fail.Store(2) // in trouble, and then well
	const schema = `{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}`
	id, err := w.reg.Register(t.Context(), "rows-value", schema)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.reg.Register(t.Context(), "rows-value", schema); err != nil || again != id {
		t.Errorf("again it has id %d, not %d: %v", again, id, err)
	}
	w.code.Store(http.StatusConflict)
	w.fail.Store(1)
	asked := w.asked.Load()
	if _, err := w.reg.Register(t.Context(), "rows-value", schema); err == nil || !strings.Contains(err.Error(), "registering the schema of subject rows-value") || w.asked.Load() != asked+1 {
		t.Errorf("an incompatible schema gives %v after %d questions", err, w.asked.Load()-asked)
	}
}

// TestAProtobufFileMayBeRegisteredAsItsDescriptor is what Confluent's client for Python does, without names in JSON (integration/producers has it do so).
func TestAProtobufFileMayBeRegisteredAsItsDescriptor(t *testing.T) {
	w := newWorld(t)
	text := ours(t, "ref.v1.proto")
	c := protocompile.Compiler{Resolver: &protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"ref.proto": text})}}
	files, err := c.Compile(t.Context(), "ref.proto")
	if err != nil {
		t.Fatal(err)
	}
	fd := protodesc.ToFileDescriptorProto(files[0])
	for _, m := range fd.GetMessageType() {
		for _, f := range m.GetField() {
			f.JsonName = nil
		}
	}
	b, err := proto.Marshal(fd)
	if err != nil {
		t.Fatal(err)
	}
	id := w.put(t, "b", sr.Schema{Type: sr.TypeProtobuf, Schema: base64.StdEncoding.EncodeToString(b)})
	refs, err := registry.Protobuf(w.reg, nil).Decode(t.Context(), "t", &stream.Record{Value: framed(id, []byte("\x00\x0a\x01a\x12\x08s3://b/k")...)})
	if err != nil || len(refs) != 1 || refs[0].ID != "a" || refs[0].URI != "s3://b/k" {
		t.Errorf("%+v, %v", refs, err)
	}
}
