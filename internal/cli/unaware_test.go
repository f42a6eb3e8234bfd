package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"vecmill/internal/demo"
)

// listRun is a list of texts and a configuration whose outputs change.
type listRun struct {
	t          *testing.T
	dir        string
	conf, list string
}

func newListRun(t *testing.T, n int) *listRun {
	t.Helper()
	dir := t.TempDir()
	if err := demo.WriteModels(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	r := &listRun{t, dir, filepath.Join(dir, "vecmill.yaml"), filepath.Join(dir, "refs.csv")}
	refs := "id,inline_text\n"
	for i := range n {
		refs += fmt.Sprintf("s%d,Will it rain in city %d tomorrow?\n", i, i)
	}
	write(t, r.list, refs)
	return r
}

// output configures outputs.
func (r *listRun) output(outputs string) {
	write(r.t, r.conf, intents(r.dir, `
  heads: [{task: classification}]
  outputs: [%s]
`, outputs))
}

// step runs a command of backfill, which ends and says as it should.
func (r *listRun) step(code int, want string, args ...string) string {
	r.t.Helper()
	got, out, stderr := call(backfiller, slices.Concat(args[:1], []string{"--config", r.conf}, args[1:])...)
	if got != code || !strings.Contains(out+stderr, want) {
		r.t.Fatalf("%q: exit %d, want %d and %q\n%s%s", args, got, code, want, out, stderr)
	}
	return out + stderr
}

// lines are how often each reference is in a file of lines.
func (r *listRun) lines(name string) map[string]int {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var row struct {
			ID string `json:"ref_id"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			r.t.Fatal(err)
		}
		all[row.ID]++
	}
	return all
}

// has fails unless each of n references is in a file so often.
func (r *listRun) has(name string, n, times int) {
	r.t.Helper()
	all := r.lines(name)
	if len(all) != n || slices.ContainsFunc(slices.Collect(maps.Values(all)), func(k int) bool { return k != times }) {
		r.t.Fatalf("%s has %d references, want %d, each %d times: %v", name, len(all), n, times, all)
	}
}

// TestAnOutputThatDoesNotKnowHowFarItIsGoesOn has an output of lines alone: a run that is stopped goes on, one that is done computes nothing. A file that was taken away, and another file, are begun anew.
func TestAnOutputThatDoesNotKnowHowFarItIsGoesOn(t *testing.T) {
	r := newListRun(t, 120)
	r.output(fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "rows.jsonl")))
	at := filepath.Join(r.dir, "plan")
	run := []string{"run", "--source", r.list, "--plan", at}
	r.step(1, "go on with: ", append(run, "--max-rate", "40/s", "--until", "1500ms")...)
	if some := r.lines("rows.jsonl"); len(some) == 0 || len(some) == 120 {
		t.Fatalf("%d references by then", len(some))
	}
	r.step(0, "is there already", run...)
	r.has("rows.jsonl", 120, 1)
	r.step(0, "0 references, 0 rows", run...)
	r.has("rows.jsonl", 120, 1)
	if err := os.Remove(filepath.Join(r.dir, "rows.jsonl")); err != nil {
		t.Fatal(err)
	}
	r.step(0, "120 references, 120 rows", run...)
	r.has("rows.jsonl", 120, 1)
	write(t, filepath.Join(r.dir, "rows.jsonl"), `{"ref_id":"s0"}`+"\n") // as a run leaves it that was begun anew and killed before it could say so
	r.step(0, "120 references, 120 rows", run...)
	r.output(fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "others.jsonl")))
	r.step(0, "120 references, 120 rows", run...)
	r.has("others.jsonl", 120, 1)
	if err := os.RemoveAll(at); err != nil { // another plan at its place
		t.Fatal(err)
	}
	r.step(0, "120 references, 120 rows", run...)
	r.has("others.jsonl", 120, 2)
}

// written is how much each output has of a plan, as status tells it.
func (r *listRun) written(at string) map[string]int64 {
	r.t.Helper()
	all := map[string]int64{}
	_, out, _ := call(backfiller, "status", "--config", r.conf, "--plan", at, "--json")
	for line := range strings.Lines(out) {
		var w struct {
			Output  string
			Written int64
		}
		if err := json.Unmarshal([]byte(line), &w); err != nil {
			r.t.Fatalf("%v: %s", err, line)
		}
		all[w.Output] = w.Written
	}
	return all
}

// TestAnOutputThatIsAheadStaysAhead adds an output behind a finished run: it gets everything, from the first reference on, also where that run is stopped, and the other one hears of nothing.
func TestAnOutputThatIsAheadStaysAhead(t *testing.T) {
	r := newListRun(t, 120)
	one, two := fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "rows.jsonl")), fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "more.jsonl"))
	at := filepath.Join(r.dir, "plan")
	run := []string{"run", "--source", r.list, "--plan", at}
	r.output(one)
	r.step(0, "120 references, 120 rows", run...)
	r.output(two + ", " + one)
	r.step(1, "go on with: ", append(run, "--max-rate", "40/s", "--until", "1500ms")...)
	if has := r.written(at); has["outputs[0] (jsonl)"] == 0 || has["outputs[0] (jsonl)"] == 120 || has["outputs[1] (jsonl)"] != 120 {
		t.Errorf("by then they have %v", has)
	}
	r.step(0, "is there already", run...)
	r.has("rows.jsonl", 120, 1)
	r.has("more.jsonl", 120, 1)
}

// TestSharesIntoOneFileGoOnByTheirOwn has two shares of a plan, of which one was begun under another number of shares, and a file that is taken away between them.
func TestSharesIntoOneFileGoOnByTheirOwn(t *testing.T) {
	r := newListRun(t, 80)
	r.output(fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "rows.jsonl")))
	at := filepath.Join(r.dir, "plan")
	r.step(0, "80 of 80 references", "plan", "--source", r.list, "--out", at, "--try", "0")
	share := func(s, want string) { t.Helper(); r.step(0, want, "run", "--plan", at, "--share", s) }
	share("1/4", "20 references, 20 rows")
	if err := os.Remove(filepath.Join(at, "shares.json")); err != nil { // as the refusal of another number says
		t.Fatal(err)
	}
	share("0/2", "40 references, 40 rows")
	share("1/2", "40 references, 40 rows")
	share("1/2", "0 references, 0 rows")
	if err := os.Remove(filepath.Join(r.dir, "rows.jsonl")); err != nil {
		t.Fatal(err)
	}
	share("0/2", "40 references, 40 rows")
	share("1/2", "40 references, 40 rows")
	r.has("rows.jsonl", 80, 1)
}

// TestAnOutputIsBroughtUpInWhateverOrder adds a required output behind a finished run: it gets the rows of the files, and the others hear of nothing.
func TestAnOutputIsBroughtUpInWhateverOrder(t *testing.T) {
	r := newListRun(t, 24)
	first, files := fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "rows.jsonl")), fmt.Sprintf(`{parquet: {url: %q}}`, fileURL(r.dir, "rows"))
	r.output(first + ", " + files)
	run := []string{"run", "--source", r.list}
	r.step(0, "24 references, 24 rows", run...)
	r.output(first + ", " + files + fmt.Sprintf(`, {jsonl: {path: %q}}`, filepath.Join(r.dir, "more.jsonl")))
	r.step(0, "0 references, 0 rows", run...)
	r.has("rows.jsonl", 24, 1)
	r.has("more.jsonl", 24, 1)
}

// hook is a webhook that counts how often it got each reference.
type hook struct {
	mu   sync.Mutex
	has  map[string]int
	most int // see refuse
}

func newHook(t *testing.T) (*hook, string) {
	t.Helper()
	h := &hook{has: map[string]int{}}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return h, fmt.Sprintf(`{webhook: {url: "%s/rows", secret: s, batch: {rows: 100}}}`, srv.URL)
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Rows []struct {
			ID string `json:"ref_id"`
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || h.most > 0 && len(h.has) >= h.most {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	for _, row := range body.Rows {
		h.has[row.ID]++
	}
}

// refuse has it refuse everything once it has so many references; 0: nothing.
func (h *hook) refuse(most int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.most = most
}

// got is how often it got a reference.
func (h *hook) got(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.has[id]
}

// TestACopyThatIsInterruptedGoesOn adds an output behind a finished run, which ends in the middle of what it is given from the files: the same command goes on behind the last piece that was kept.
func TestACopyThatIsInterruptedGoesOn(t *testing.T) {
	const all = 1_500
	r := newListRun(t, all)
	files := fmt.Sprintf(`{parquet: {url: %q}}`, fileURL(r.dir, "rows"))
	r.output(files)
	run := []string{"run", "--source", r.list}
	r.step(0, "1500 references, 1500 rows", run...)
	h, webhook := newHook(t)
	h.refuse(1_200)
	r.output(webhook + ", " + files)
	r.step(1, "bringing sink outputs[0] up from sink outputs[1]", run...)
	h.refuse(0)
	r.step(0, "0 references, 0 rows", run...)
	for n := range all {
		times := h.got(fmt.Sprintf("s%d", n))
		if times != 1 && (n < 1_000 || n >= 1_200 || times != 2) {
			t.Fatalf("reference %d was given %d times", n, times)
		}
	}
	r.step(0, "0 references, 0 rows", run...)
	if h.got("s1499") != 1 {
		t.Error("a copy that was done is begun again")
	}
}

// TestWhatAnotherOutputKnowsIsNotGivenTwice has lines beside files: given again, the run copies nothing. Files that were taken away are written again, whatever the other output has.
func TestWhatAnotherOutputKnowsIsNotGivenTwice(t *testing.T) {
	r := newListRun(t, 24)
	r.output(fmt.Sprintf(`{parquet: {url: %q}}, {jsonl: {path: %q}}`, fileURL(r.dir, "rows"), filepath.Join(r.dir, "rows.jsonl")))
	for _, run := range [][]string{{"run", "--manifest", r.list, "--name", "list"}, {"run", "--source", r.list, "--name", "plan", "--again"}} {
		r.step(0, "24 references, 24 rows", run...)
		r.step(0, "0 references, 0 rows", run...)
	}
	r.has("rows.jsonl", 24, 2)
	if err := os.RemoveAll(filepath.Join(r.dir, "rows", "intents", "manifest:list")); err != nil {
		t.Fatal(err)
	}
	r.step(0, "24 references, 24 rows", "run", "--manifest", r.list, "--name", "list")
	r.has("rows.jsonl", 24, 2)
	r.step(0, `"faults":0`, "audit")
}

// TestWhatIsNotGivenAgainIsSaid begins a list anew whose files were taken away, and not its checkpoint: the other output is taken to have what it was given. Without the checkpoint it gets all again.
func TestWhatIsNotGivenAgainIsSaid(t *testing.T) {
	r := newListRun(t, 24)
	t.Setenv("VECMILL_LOG_LEVEL", "warn")
	h, webhook := newHook(t)
	r.output(webhook + fmt.Sprintf(`, {parquet: {url: %q}}`, fileURL(r.dir, "rows")))
	run := []string{"run", "--manifest", r.list, "--name", "list"}
	const warning = "an output is not given what others are given now"
	for _, args := range [][]string{run, run} {
		if out := r.step(0, " references, ", args...); strings.Contains(out, warning) {
			t.Fatalf("nothing is withheld: %s", out)
		}
	}
	if err := os.RemoveAll(filepath.Join(r.dir, "rows", "intents")); err != nil {
		t.Fatal(err)
	}
	if out := r.step(0, "24 references, 24 rows", run...); !strings.Contains(out, warning) || h.got("s0") != 1 {
		t.Errorf("the other output got a reference %d times: %s", h.got("s0"), out)
	}
	if err := os.RemoveAll(filepath.Join(r.dir, "rows", "_lists")); err != nil {
		t.Fatal(err)
	}
	r.step(0, "0 references, 0 rows", run...)
	if h.got("s0") != 2 || h.got("s23") != 2 {
		t.Errorf("without the checkpoint it got references %d and %d times", h.got("s0"), h.got("s23"))
	}
}

// TestATopicOfAnotherClusterIsBegunAnew has two clusters at one address, one after the other, as the same name leads to one in each of two networks. A run that is given nothing to do by what was kept alone says so.
func TestATopicOfAnotherClusterIsBegunAnew(t *testing.T) {
	r := newListRun(t, 24)
	t.Setenv("VECMILL_LOG_LEVEL", "warn")
	at := filepath.Join(r.dir, "plan")
	run := []string{"run", "--source", r.list, "--plan", at}
	port := 0
	for _, id := range []string{"one", "two"} {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "rows"), kfake.ClusterID(id), kfake.Ports(port))
		if err != nil {
			t.Fatal(err)
		}
		addr := cluster.ListenAddrs()[0]
		if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &port); err != nil {
			t.Fatal(addr, err)
		}
		r.output(`{kafka: {topic: rows}}`)
		text, err := os.ReadFile(r.conf)
		if err != nil {
			t.Fatal(err)
		}
		write(t, r.conf, fmt.Sprintf("kafka: {brokers: [%q]}\n%s", addr, text))
		if said := r.step(0, "24 references, 24 rows", run...); strings.Contains(said, "nothing was computed") {
			t.Error(said)
		}
		if said := r.step(0, "nothing was computed, since a checkpoint alone says", run...); !strings.Contains(said, "0 references, 0 rows") || !strings.Contains(said, "checkpoint-intents-0-of-1.json") {
			t.Error(said)
		}
		if has := r.written(at); has["outputs[0] (kafka)"] != 24 {
			t.Errorf("status tells %v", has)
		}
		cluster.Close()
	}
}

// TestAListWithoutAPlaceForItsProgressIsToldSo has nothing but lines, and no plan.
func TestAListWithoutAPlaceForItsProgressIsToldSo(t *testing.T) {
	r := newListRun(t, 2)
	t.Setenv("VECMILL_LOG_LEVEL", "warn")
	r.output(fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "rows.jsonl")))
	r.step(0, "does not know how far it is", "run", "--manifest", r.list)
	r.output(`{jsonl: {path: "-"}}`)
	if out := r.step(0, "2 references, 2 rows", "run", "--manifest", r.list); strings.Contains(out, "does not know") {
		t.Errorf("standard output is another one each time: %s", out)
	}
}

// TestStatusTellsOfOutputsThatDoNotKnowHowFarTheyAre asks behind a run that was stopped, by shares, and of another output, of which nothing is kept.
func TestStatusTellsOfOutputsThatDoNotKnowHowFarTheyAre(t *testing.T) {
	r := newListRun(t, 120)
	r.output(fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "rows.jsonl")))
	at := filepath.Join(r.dir, "plan")
	const passed = "intents: outputs[0] (jsonl) keeps no account of what was written, and is passed over"
	r.step(0, "120 of 120 references", "plan", "--source", r.list, "--out", at, "--try", "0")
	r.step(1, passed, "status", "--plan", at)
	r.step(0, "40 references, 40 rows", "run", "--plan", at, "--share", "1/3")
	said := r.step(0, " in outputs[0] (jsonl): 40 written of 120 (33.3 %)\n  by the checkpoint beside the plan: the output keeps no account\n", "status", "--plan", at)
	if strings.Contains(said, "passed over") || strings.Contains(said, "with rows") {
		t.Errorf("%s", said)
	}
	r.step(0, `"output":"outputs[0] (jsonl)"`, "status", "--plan", at, "--json")
	r.step(0, `"checkpoint":true,"written":40,`, "status", "--plan", at, "--json")
	for _, share := range []string{"0/3", "2/3"} {
		r.step(0, "40 references, 40 rows", "run", "--plan", at, "--share", share)
	}
	r.step(0, `"total":120,"finished":true`, "status", "--plan", at, "--json")
	r.output(fmt.Sprintf(`{jsonl: {path: %q}}`, filepath.Join(r.dir, "others.jsonl")))
	r.step(1, passed, "status", "--plan", at)
}

// TestAListIsOneMakersInOutputsAtLeastOnceToo changes a head behind a run into files and lines. With the files taken away, the checkpoint alone knows what made the lines.
func TestAListIsOneMakersInOutputsAtLeastOnceToo(t *testing.T) {
	r := newListRun(t, 24)
	outputs := fmt.Sprintf(`{parquet: {url: %q}}, {jsonl: {path: %q}}`, fileURL(r.dir, "rows"), filepath.Join(r.dir, "rows.jsonl"))
	r.output(outputs)
	run := []string{"run", "--manifest", r.list, "--name", "list"}
	r.step(0, "24 references, 24 rows", run...)
	text, err := os.ReadFile(r.conf)
	if err != nil {
		t.Fatal(err)
	}
	write(t, r.conf, strings.Replace(string(text), "{task: classification}", "{task: classification, top_k: 1}", 1))
	const other = "of another model, preprocessing or heads than pipeline intents has now"
	r.step(1, `the output's rows of "list" are `+other, run...)
	if err := os.RemoveAll(filepath.Join(r.dir, "rows", "intents", "manifest:list")); err != nil {
		t.Fatal(err)
	}
	r.step(1, `outputs[1]: what it has of "list" is `+other, run...)
	r.has("rows.jsonl", 24, 1)
	r.step(0, "24 references, 24 rows", "run", "--manifest", r.list, "--name", "other")
	r.output(outputs)
	r.step(0, "24 references, 24 rows", run...)
}
