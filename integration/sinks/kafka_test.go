//go:build integration

package sinks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"vecmill/integration/harness"
	"vecmill/schemas"
	"vecmill/sinks/avrorow"
	"vecmill/sinks/jsonrow"
	"vecmill/sinks/kafkasink"
	"vecmill/sinks/sinktest"
	"vecmill/stream/refcodec/registry"
)

// message is one as librdkafka and the libraries of its format see it.
type message struct {
	Key       string
	Partition int
	Headers   map[string]string
	Row       json.RawMessage
}

// TestKafka produces rows of every task to a real broker in each format. librdkafka reads them with Confluent's deserializer, with pyarrow, or as JSON: every row is
// there under its reference's id, in one partition for each, with its headers, and a tombstone is a message without a value.
func TestKafka(t *testing.T) {
	k := harness.StartKafka(t)
	judge := startJudge(t, harness.Packages(t), "read_kafka.py", strings.Join(k.Brokers(), ","))
	schemasAt := srfake.New()
	t.Cleanup(schemasAt.Close)
	for format, encoding := range map[string]kafkasink.Encoding{
		"json": kafkasink.JSON(), "arrow": kafkasink.Arrow(), "avro": kafkasink.Avro(registered(t, schemasAt.URL(), "avro-value")),
	} {
		t.Run(format, func(t *testing.T) {
			k.CreateTopic(t, format, 3)
			c := kafkasink.NewDefaultConfig()
			transport := &kafka.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			c.Brokers, c.Topic, c.Transport, c.Encoding, c.Compression = k.Brokers(), format, transport, encoding, kafka.Zstd
			c.Deliver.BatchAge, c.Deliver.BatchRows = 20*time.Millisecond, 37
			sink, err := kafkasink.Open(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			src := schemas.SourceID{Pipeline: "p", Topic: "t", Partition: 1}
			r, rows := sinktest.Make(src, 0, 300)
			given := slices.Clone(rows)
			r.Deletes = []schemas.Deletion{{Offset: 299, RefID: "gone"}}
			put(t, sink, r, rows...)
			if err := sink.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []message
			judge.ask(t, map[string]string{"topic": format, "format": format, "registry": schemasAt.URL()}, &got)
			compareMessages(t, got, given, format)
		})
	}
}

// registered is the id of the rows' schema in a registry.
func registered(t *testing.T, url, subject string) int {
	t.Helper()
	schema, err := avrorow.Schema()
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.New(registry.Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := r.Register(t.Context(), subject, schema)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func compareMessages(t *testing.T, got []message, given []schemas.Row, format string) {
	t.Helper()
	want := map[string]*schemas.Row{}
	for i := range given {
		want[given[i].RowID] = &given[i]
	}
	where, tombstones := map[string]int{}, 0
	for _, m := range got {
		if p, ok := where[m.Key]; ok && p != m.Partition {
			t.Errorf("reference %s is in partitions %d and %d", m.Key, p, m.Partition)
		}
		where[m.Key] = m.Partition
		if string(m.Row) == "null" {
			tombstones++
			if m.Key != "gone" || m.Headers["vecmill.deleted"] != "true" || m.Headers["vecmill.offset"] != "299" {
				t.Errorf("tombstone %+v", m)
			}
			continue
		}
		row, ok := want[m.Headers["vecmill.row_id"]]
		if !ok {
			t.Errorf("row %q is unknown, or there twice", m.Headers["vecmill.row_id"])
			continue
		}
		delete(want, row.RowID)
		if m.Key != row.RefID || m.Headers["vecmill.task"] != string(row.Task) || m.Headers["vecmill.offset"] != fmt.Sprint(row.Offset) || m.Headers["attribute.tenant"] != row.Attributes["tenant"] {
			t.Errorf("key %s, headers %v of row %+v", m.Key, m.Headers, row.Lineage)
		}
		back, err := jsonrow.Parse(m.Row)
		if err != nil {
			t.Fatalf("%v in %s", err, m.Row)
		}
		if text, again := asJSON(t, row), asJSON(t, &back); text != again {
			t.Errorf("%s reads\n%s\nwant\n%s", format, again, text)
		}
	}
	if len(want) > 0 || tombstones != 1 {
		t.Errorf("%d rows are missing, %d tombstones", len(want), tombstones)
	}
}

func asJSON(t *testing.T, r *schemas.Row) string {
	t.Helper()
	b, err := jsonrow.Append(nil, r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
