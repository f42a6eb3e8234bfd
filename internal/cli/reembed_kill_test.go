package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"

	"vecmill/sinks/parquetfile"
)

// read is an object of the outputs, nil if it is not there.
func (l *lake) read(t *testing.T, key string) []byte {
	t.Helper()
	o, err := l.backend.GetObject("out", key, nil)
	if err != nil {
		return nil
	}
	defer o.Contents.Close()
	b, err := io.ReadAll(o.Contents)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// embedded is what tells a row that was computed again from others.
type embedded struct{ uri, etag, model string }

// rows are those of a pipeline, by the id of their reference, which none has twice.
func (l *lake) rows(t *testing.T, prefix, pipeline string) map[string]embedded {
	t.Helper()
	under := gofakes3.NewPrefix(new(prefix+"/rows/"+pipeline+"/"), nil)
	list, err := l.backend.ListBucket("out", &under, gofakes3.ListBucketPage{})
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]embedded{}
	for _, o := range list.Contents {
		body := l.read(t, o.Key)
		if err := parquetfile.Scan(bytes.NewReader(body), int64(len(body)), []string{"ref_id", "uri", "etag", "model_digest"}, func(row []parquetfile.Value) error {
			if _, twice := all[row[0].Text]; twice {
				return fmt.Errorf("%s is there twice", row[0].Text)
			}
			all[row[0].Text] = embedded{row[1].Text, row[2].Text, row[3].Text}
			return nil
		}); err != nil {
			t.Errorf("%s: %v", o.Key, err)
		}
	}
	return all
}

// kill starts a command, ends it with SIGKILL while the store holds one of its requests, and lets that one go by what becomes of it.
func (l *lake) kill(t *testing.T, as fate, n int, of string, args ...string) (free func()) {
	t.Helper()
	reached, free := l.holdAs(as, n, of)
	c, stdout, stderr := child(t, args...)
	ended := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(stdout) // what could be read is what it said
		ended <- string(b)
	}()
	select {
	case <-reached:
	case out := <-ended:
		free()
		t.Fatalf("%q has ended with %v, and there was no request %d of %s\n%s%s", args, c.Wait(), n, of, out, stderr)
	}
	kill(t, c)
	<-ended
	return free
}

func kill(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // killed
}

// recomputed wants every text of the past in the new rows once, of one other model, and readers to be brought to them.
func (l *lake) recomputed(t *testing.T, prefix, conf string) {
	t.Helper()
	old, now := l.rows(t, past, "intents"), l.rows(t, prefix, "intents-2")
	models := map[string]bool{}
	for id, a := range old {
		b := now[id]
		models[b.model] = true
		if a.uri != b.uri || a.etag != b.etag || a.model == b.model {
			t.Errorf("%s was %+v, and is %+v", id, a, b)
		}
	}
	if len(old) != haltObjects || len(now) != haltObjects || len(models) != 1 {
		t.Errorf("%d texts, and now %d, of %d models", len(old), len(now), len(models))
	}
	if b := l.read(t, prefix+"/rows/_current/texts.json"); !strings.Contains(string(b), `"pipeline":"intents-2"`) {
		t.Errorf("who looks where to read finds %q", b)
	}
	l.check(t, conf)
}

// TestARecomputationThatIsKilledInAnyPhaseGoesOn kills the command while the store holds a request of each of its phases, so that it is in that phase whatever the machine does: it makes the plan, settles how it is computed, reads an
// object, writes a file, checks (by then all rows are there; letters were listed once before, to see whether they may be), and cuts over. What it asked for last is lost, done without an answer, or done when the next command has ended.
func TestARecomputationThatIsKilledInAnyPhaseGoesOn(t *testing.T) {
	l := newLake(t)
	l.compute(t, past)
	done := fmt.Sprintf("intents-2 has %d of %d planned references of intents, and 0 dead letters", haltObjects, haltObjects)
	for i, c := range []struct {
		name  string
		n     int
		of    string // %s is the place of the outputs
		rows  int    // that are there then; -1: some
		fates []fate
	}{
		{"it completes the plan", 1, `PUT /out/%s/rows/_plans/.*/plan\.json`, 0, []fate{landed, late}},
		{"it settles how the plan is computed", 1, `PUT /out/%s/rows/_plans/.*/shares\.json`, 0, []fate{late}},
		{"it reads an object", haltObjects / 2, `GET /box/texts/`, -1, []fate{late}},
		{"it writes a file", 3, `PUT /out/%s/rows/intents-2/`, -1, []fate{landed, late}},
		{"it checks rows", 2, `GET /out/%s/rows/intents-2/.*parquet`, haltObjects, []fate{late}},
		{"it checks letters", 2, `GET /out/.*prefix=%s/dead`, haltObjects, []fate{late}},
		{"it cuts over", 1, `PUT /out/%s/rows/_current/texts\.json`, haltObjects, []fate{landed, late, lost}},
	} {
		for _, as := range c.fates {
			t.Run(c.name+", "+string(as), func(t *testing.T) {
				prefix := fmt.Sprintf("reembed-%d-%d", i, slices.Index(c.fates, as))
				conf := l.config(t, prefix)
				args := []string{"reembed", "--old", "intents", "--new", "intents-2", "--no-stream", "--cut-over", "texts", "--config", conf}
				of := c.of
				if strings.Contains(of, "%s") {
					of = fmt.Sprintf(of, prefix)
				}
				free := l.kill(t, as, c.n, of, args...)
				defer free()
				if n := len(l.rows(t, prefix, "intents-2")); c.rows >= 0 && n != c.rows {
					t.Errorf("it was killed with %d rows", n)
				}
				if as != late {
					free()
				}
				code, out, stderr := call(backfiller, args...)
				if code != 0 || !strings.Contains(out, done) || !strings.Contains(out, "done: files: readers go to") {
					t.Fatalf("the next one: exit %d\n%s%s", code, out, stderr)
				}
				free() // the late one is done now
				l.recomputed(t, prefix, conf)
			})
		}
	}
}

// TestARecomputationInSharesIsCheckedByTheLast has three processes compute a share each. One of them waits for the plan, is killed while it computes and others go on, and again while it checks. Who would divide the plan in another way
// is refused.
func TestARecomputationInSharesIsCheckedByTheLast(t *testing.T) {
	l := newLake(t)
	l.compute(t, past)
	const prefix = "reembed-shares"
	conf := l.config(t, prefix)
	again := []string{"reembed", "--old", "intents", "--new", "intents-2", "--no-stream", "--cut-over", "texts", "--config", conf}
	share := func(s string) []string { return append(again[:len(again):len(again)], "--share", s) }
	step := func(code int, want string, args ...string) {
		t.Helper()
		if got, out, stderr := call(backfiller, args...); got != code || !strings.Contains(out+stderr, want) {
			t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
		}
	}
	step(exitUsage, `"3/3" is no share`, share("3/3")...)

	step(exitUsage, "--wait is not negative", append(share("1/3"), "--wait", "-1s")...)
	base := shellWords(os.Args[0]) + " reembed --config " + conf + " --old intents --new intents-2 --no-stream --cut-over texts --share "
	step(1, "nothing new was saved of the plan in 10ms by share 0/3, which makes it: see how that one ended, and give it again: "+base+"0/3; go on with: "+base+"1/3 --wait 10ms", append(share("1/3"), "--wait", "10ms")...)

	asked, free := l.hold(2, `GET /out/`+prefix+`/rows/_plans/.*/plan\.json`)
	defer free()
	c, _, stderr := child(t, share("1/3")...)
	<-asked // once before, and there was none
	step(0, "is done, and 1, 2 are not", share("0/3")...)
	free()
	reading, freed := l.hold(3, `GET /box/texts/`)
	defer freed()
	<-reading
	step(0, "is done, and 1 is not", share("2/3")...)
	step(1, "was begun in 3 shares, of which 1 is not done; go on with --share 1/3", again...)
	step(1, "was begun in 3 shares; go on with --share 0/3 to 2/3", share("0/4")...)
	step(1, "was begun in 3 shares; go on with --share 0/3 to 2/3", share("0/1")...)
	kill(t, c)
	freed()
	if want := "waiting for share 0/3, which makes the plan at s3://out/" + prefix; !strings.Contains(stderr.String(), want) {
		t.Errorf("the second share said %q, want %q", stderr, want)
	}
	if b := l.read(t, prefix+"/rows/_current/texts.json"); b != nil {
		t.Errorf("a share is not done, and readers are brought over: %s", b)
	}

	free = l.kill(t, late, 2, `GET /out/.*prefix=`+prefix+`/dead`, share("1/3")...)
	defer free()
	if n := len(l.rows(t, prefix, "intents-2")); n != haltObjects {
		t.Errorf("it was killed with %d rows", n)
	}
	free()
	for _, args := range [][]string{again, share("1/3"), share("0/3")} { // whoever comes when all are done may be the last
		step(0, fmt.Sprintf("intents-2 has %d of %d planned references of intents, and 0 dead letters", haltObjects, haltObjects), args...)
	}
	step(0, `{"event":"verified","planned":24,"known":0,"computed":24,"dead":0,`, append(again, "--json")...)
	l.recomputed(t, prefix, conf)
}
