//go:build integration

package harness

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/segmentio/kafka-go"
)

func TestKafkaKeepsWhatItAcknowledged(t *testing.T) {
	k := StartKafka(t)
	k.CreateTopic(t, "refs", 3)
	if first := k.Produce(t, "refs", 1, records(0, 10)...); first != 0 {
		t.Errorf("first offset = %d, want 0", first)
	}
	k.Commit(t, "group", "refs", 1, 4)
	for i, stop := range []func(testing.TB){k.Kill, k.Stop} {
		addr := k.Addr()
		stop(t)
		begin := time.Now()
		k.Restart(t)
		t.Logf("ready again %v after restart %d", time.Since(begin).Round(time.Millisecond), i)
		if k.Addr() != addr {
			t.Errorf("address after restart = %s, want %s", k.Addr(), addr)
		}
	}
	if first := k.Produce(t, "refs", 1, records(10, 20)...); first != 10 {
		t.Errorf("first offset after the restarts = %d, want 10", first)
	}
	if got, want := k.EndOffsets(t, "refs"), (map[int]int64{0: 0, 1: 20, 2: 0}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("end offsets = %v, want %v", got, want)
	}
	if got, want := k.Committed(t, "group", "refs"), (map[int]int64{1: 4}); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("committed = %v, want %v", got, want)
	}
	read := k.ReadPartition(t, "refs", 1)
	if len(read) != 20 {
		t.Fatalf("read %d records, want 20", len(read))
	}
	for i, m := range read {
		if m.Offset != int64(i) || string(m.Value) != fmt.Sprintf("value %d", i) || string(m.Headers[0].Value) != "h" {
			t.Errorf("record %d = offset %d, value %q, headers %v", i, m.Offset, m.Value, m.Headers)
		}
	}
	if empty := k.ReadPartition(t, "refs", 0); len(empty) != 0 {
		t.Errorf("an empty partition has %d records", len(empty))
	}
}

func TestKafkaServesAGroup(t *testing.T) {
	k := StartKafka(t)
	k.CreateTopic(t, "refs", 1)
	k.Produce(t, "refs", 0, records(0, 5)...)
	r := kafka.NewReader(kafka.ReaderConfig{Brokers: k.Brokers(), GroupID: "group", Topic: "refs", StartOffset: kafka.FirstOffset, MaxWait: 250 * time.Millisecond})
	defer r.Close()
	for i := range 5 {
		m, err := r.ReadMessage(t.Context()) // commits
		if err != nil {
			t.Fatalf("reading record %d: %v", i, err)
		}
		if m.Offset != int64(i) {
			t.Errorf("offset = %d, want %d", m.Offset, i)
		}
	}
	if state, members := k.Group(t, "group"); state != "Stable" || members != 1 {
		t.Errorf("group = %s with %d members, want Stable with 1", state, members)
	}
	if got := k.Committed(t, "group", "refs")[0]; got != 5 {
		t.Errorf("committed = %d, want 5", got)
	}
	k.Pause(t)
	time.Sleep(200 * time.Millisecond)
	k.Resume(t)
	k.AwaitReady(t)
}

func TestS3PutsOnceAndKeepsItsObjects(t *testing.T) {
	s := StartS3(t)
	s.CreateBucket(t, "bucket")
	once := minio.PutObjectOptions{UserMetadata: map[string]string{"next-offset": "7"}}
	once.SetMatchETagExcept("*")
	put := func(body string) error {
		_, err := s.Client().PutObject(t.Context(), "bucket", "a/one.parquet", strings.NewReader(body), int64(len(body)), once)
		return err
	}
	if err := put("first"); err != nil {
		t.Fatalf("the first conditional put: %v", err)
	}
	for i := range 2 {
		if code := minio.ToErrorResponse(put("second")).StatusCode; code != http.StatusPreconditionFailed {
			t.Errorf("conditional put over an object answered %d, want 412", code)
		}
		if got := s.Get(t, "bucket", "a/one.parquet"); string(got) != "first" {
			t.Errorf("the object is %q, want what the first put wrote", got)
		}
		info, err := s.Client().StatObject(t.Context(), "bucket", "a/one.parquet", minio.StatObjectOptions{})
		if err != nil || info.UserMetadata["Next-Offset"] != "7" {
			t.Errorf("metadata = %v (%v), want next-offset 7", info.UserMetadata, err)
		}
		if i == 0 { // and once more on the other side of a crash
			s.Kill(t)
			s.Restart(t)
		}
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
	if etag := s.Put(t, "bucket", "a/b/big", big); etag == "" {
		t.Error("no ETag for a put")
	}
	if keys := s.Keys(t, "bucket", "a/"); !slices.Equal(keys, []string{"a/b/big", "a/one.parquet"}) {
		t.Errorf("keys = %v", keys)
	}
	dir := s.Download(t, "bucket", "a/")
	if got, err := os.ReadFile(filepath.Join(dir, "a", "b", "big")); err != nil || !bytes.Equal(got, big) {
		t.Errorf("the downloaded object differs (%d bytes, %v)", len(got), err)
	}
}

func records(from, to int) []Record {
	var all []Record
	for i := from; i < to; i++ {
		all = append(all, Record{
			Key: []byte("key"), Value: fmt.Appendf(nil, "value %d", i), Headers: []kafka.Header{{Key: "k", Value: []byte("h")}},
		})
	}
	return all
}
