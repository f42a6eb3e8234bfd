//go:build integration

package postgres

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vecmill/integration/harness"
	"vecmill/stream"
	"vecmill/stream/refcodec"
	"vecmill/stream/refcodec/celmap"
)

// capture is Debezium at work on a server.
type capture struct {
	in    io.WriteCloser
	lines *bufio.Scanner
	cmd   *exec.Cmd
}

// startCapture has Debezium print the change events of the table docs (tools/debezium).
func startCapture(t *testing.T, s *harness.Postgres, withSchemas bool) *capture {
	t.Helper()
	out, err := exec.Command("bash", filepath.Join(harness.ModuleRoot(t), "tools", "fetch-debezium.sh"), "--check").Output()
	if err != nil {
		harness.Missing(t, "Debezium", "run tools/fetch-debezium.sh")
	}
	at := strings.TrimSpace(string(out))
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", "-Xmx256m", "-cp", filepath.Join(at, "classes")+":"+filepath.Join(at, "lib", "*"), "Main", s.Port(), fmt.Sprint(withSchemas))
	cmd.Stderr = log
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &capture{in, bufio.NewScanner(stdout), cmd}
	c.lines.Buffer(nil, 1<<20)
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("Debezium: %v", err)
		}
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("%s", text[max(0, len(text)-4000):])
		}
	})
	return c
}

// next is the next change event as a record of its topic.
func (c *capture) next(t *testing.T) (topic string, rec stream.Record) {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("Debezium has ended: %v", c.lines.Err())
	}
	var fields [3][]byte
	for i, text := range strings.Split(c.lines.Text(), "\t") {
		if text == "-" {
			continue
		}
		var err error
		if fields[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			t.Fatalf("%v in %q", err, c.lines.Text())
		}
	}
	return string(fields[0]), stream.Record{Key: fields[1], Value: fields[2]}
}

// TestChangeEventsOfDebezium changes a table while Debezium watches it, with and without schemas in its events, and wants the references that docs/schemas.md says of
// each: a row that was there, one that is inserted, updated, deleted; texts and bytes.
func TestChangeEventsOfDebezium(t *testing.T) {
	s := harness.StartPostgres(t, "wal_level=logical")
	for _, c := range []struct {
		schemas bool
		event   string // where the event is in the message
	}{{false, "value"}, {true, "value.payload"}} {
		t.Run(fmt.Sprintf("schemas %v", c.schemas), func(t *testing.T) {
			mapping, err := celmap.NewMapping("map", strings.ReplaceAll(`!has(EVENT.op) ? skip :
EVENT.op == "d" ? {"id": "doc-" + string(EVENT.before.id), "deleted": true} :
{"id": "doc-" + string(EVENT.after.id), "inline_text": EVENT.after.body, "inline": EVENT.after.photo, "uri": EVENT.after.url,
 "attributes": {"op": EVENT.op, "table": EVENT.source.table}}`, "EVENT", c.event))
			if err != nil {
				t.Fatal(err)
			}
			s.PSQL(t, `DROP TABLE IF EXISTS docs; CREATE TABLE docs (id bigint PRIMARY KEY, body text, photo bytea, url text); INSERT INTO docs VALUES (1, 'was there')`)
			events := startCapture(t, s, c.schemas)
			var got []string
			step := func(sql string) {
				if sql != "" {
					s.PSQL(t, sql)
				}
				topic, rec := events.next(t)
				if topic != "shop.public.docs" {
					t.Errorf("the topic is %s", topic)
				}
				refs, err := refcodec.JSON{Mapping: mapping}.Decode(t.Context(), topic, &rec)
				if err != nil {
					t.Fatalf("%v in %s", err, rec.Value)
				}
				for _, r := range refs {
					text, err := json.Marshal(r)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, string(text))
				}
			}
			step("")
			step(`INSERT INTO docs VALUES (9007199254740993, E'süß\n"quoted"')`)
			step(`INSERT INTO docs VALUES (3, NULL, '\x89504e47')`)
			step(`UPDATE docs SET body = NULL, url = 's3://b/k' WHERE id = 1`)
			step(`DELETE FROM docs WHERE id = 9007199254740993`)
			if _, rec := events.next(t); rec.Value != nil || len(rec.Key) == 0 {
				t.Errorf("behind a deletion comes %q: %q, want a record without a value", rec.Key, rec.Value)
			}
			want := []string{
				`{"v":1,"id":"doc-1","inline":"d2FzIHRoZXJl","attributes":{"op":"r","table":"docs"}}`,
				`{"v":1,"id":"doc-9007199254740993","inline":"c8O8w58KInF1b3RlZCI=","attributes":{"op":"c","table":"docs"}}`,
				`{"v":1,"id":"doc-3","inline":"iVBORw==","attributes":{"op":"c","table":"docs"}}`,
				`{"v":1,"id":"doc-1","uri":"s3://b/k","attributes":{"op":"u","table":"docs"}}`,
				`{"v":1,"id":"doc-9007199254740993","deleted":true}`,
			}
			if !slices.Equal(got, want) {
				t.Errorf("references\n     %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		})
	}
}
