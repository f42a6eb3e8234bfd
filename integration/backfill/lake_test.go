//go:build integration

package backfill

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/schemas"
	"vecmill/sinks/parquetfile"
	"vecmill/sinks/s3store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// setting is a number from the environment.
func setting(tb testing.TB, name string, or int) int {
	tb.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return n
}

// times is how many times as many objects as in CI the smaller tests have.
func times(tb testing.TB) int {
	tb.Helper()
	return setting(tb, "VECMILL_BACKFILL_TIMES", 1)
}

// lake is a store with objects, and how they are computed.
type lake struct {
	*fixture.Site
	c       *config.Config
	objects int
}

// at most so many objects are put at once.
const putters = 8

// newLake is a lake without a broker.
func newLake(tb testing.TB, objects int) *lake {
	tb.Helper()
	return newLakeAt(tb, fixture.On(tb, nil, harness.StartS3(tb)), objects)
}

// newLakeAt has a pipeline that reads the topic refs, if there is a broker to have it.
func newLakeAt(tb testing.TB, site *fixture.Site, objects int) *lake {
	tb.Helper()
	p := site.Pipeline(tb, "intents", schemas.Text, "refs")
	p.Heads = p.Heads[:1]
	p.Outputs[0].Parquet.RollRows = max(16, objects/200)
	l := &lake{Site: site, c: site.Config(p), objects: objects}
	l.c.Log.Level = "warn"
	var g errgroup.Group
	g.SetLimit(putters)
	for i := range objects {
		g.Go(func() error {
			l.put(tb, i, text(i))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		tb.Fatal(err)
	}
	return l
}

// name spreads objects over a thousand directories, whose names a store must escape.
func name(i int) string { return fmt.Sprintf("texts/%03d/%06d ü.txt", i%1000, i) }

func text(i int) string { return fmt.Sprintf("Will it rain in city %d tomorrow?", i) }

func uriOf(i int) string { return "s3://" + fixture.Bucket + "/in/" + name(i) }

func (l *lake) put(tb testing.TB, i int, text string) { l.Put(tb, name(i), []byte(text)) }

// command runs a command of backfill to its end, which must be a good one.
func (l *lake) command(tb testing.TB, step string, args ...string) string {
	tb.Helper()
	began := time.Now()
	p := l.StartBackfill(tb, step, l.c, args...)
	state := p.Wait(tb, 20*time.Minute)
	if state.ExitCode() != 0 {
		tb.Fatalf("%s: exit code %d\n%s", step, state.ExitCode(), p.Log())
	}
	tb.Logf("%s: %v, %v of CPU time", step, time.Since(began).Round(time.Millisecond), state.UserTime()+state.SystemTime())
	return p.Log()
}

// planned is what a plan says of itself.
type planned struct{ Items, Known, Seen int }

func (l *lake) plan(tb testing.TB, name string, args ...string) (p planned) {
	tb.Helper()
	args = append([]string{"plan", "--out", planAt(name), "--name", name, "--try", "0", "--json"}, args...)
	if !slices.Contains(args, "--source") {
		args = append(args, "--source", "s3://"+fixture.Bucket+"/in/texts/")
	}
	out := l.command(tb, "plan-"+name, args...)
	if err := lastJSON(out, &p); err != nil {
		tb.Fatalf("the plan says %s: %v", out, err)
	}
	return p
}

func planAt(name string) string { return "s3://" + fixture.Bucket + "/plans/" + name }

// order is the URIs of a plan, by offset.
func (l *lake) order(tb testing.TB, name string) (uris []string) {
	tb.Helper()
	at := plan.Place{Store: s3store.New(l.S3.Client(), fixture.Bucket, s3store.Options{}), Prefix: "plans/" + name}
	list, err := plan.Open(tb.Context(), at)
	if err != nil {
		tb.Fatal(err)
	}
	next, err := list.From(tb.Context(), 0)
	if err != nil {
		tb.Fatal(err)
	}
	for range list.Len() {
		value, err := next()
		if err != nil {
			tb.Fatal(err)
		}
		ref, err := schemas.ParseRef(value)
		if err != nil {
			tb.Fatal(err)
		}
		uris = append(uris, ref.URI)
	}
	return uris
}

// lastJSON reads the last line of a log that is an object.
func lastJSON(out string, into any) error {
	last := ""
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "{") && strings.HasSuffix(line, "}\n") {
			last = line
		}
	}
	return json.Unmarshal([]byte(last), into)
}

// hash is what rows call an object's content.
func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// rows are all rows of the output.
func (l *lake) rows(tb testing.TB) (all []schemas.Row) {
	tb.Helper()
	if err := filepath.WalkDir(l.S3.Download(tb, fixture.Bucket, fixture.OutputPrefix), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".parquet" {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		some, err := parquetfile.Read(tb.Context(), body)
		all = append(all, some...)
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return all
}

// letters are the reasons and words of the dead letters of a list, by the URI of the reference.
func (l *lake) letters(tb testing.TB, topic string) map[string]string {
	tb.Helper()
	all := map[string]string{}
	for at, letter := range l.Letters(tb, "intents", topic) {
		ref, err := schemas.ParseRef(letter.Value)
		if err != nil {
			tb.Errorf("the letter of %v holds %q: %v", at, letter.Value, err)
		}
		all[ref.URI] += fmt.Sprintf("%s: %s", letter.Reason, letter.Message)
	}
	return all
}
