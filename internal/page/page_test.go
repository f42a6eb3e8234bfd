package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"vecmill/embed"
	"vecmill/internal/status"
	"vecmill/schemas"
	"vecmill/sinks"
	"vecmill/sinks/sinktest"
	"vecmill/stream"
)

var wav = append([]byte("RIFF\x24\x00\x00\x00WAVEfmt "), make([]byte, 64)...)

func position(offset int64) stream.Position {
	return stream.Position{Partition: stream.Partition{Topic: "a/b c", ID: 3}, Offset: offset}
}

// fill lets items pass as a pipeline would.
func fill(r *Recent, n int) {
	for o := range int64(n) {
		at := position(o)
		r.Fetched(at, &schemas.Ref{ID: fmt.Sprint("id-", o), URI: "s3://b/k", Modality: schemas.Audio}, &stream.Blob{Data: wav})
		r.Computed(at, []schemas.Row{{
			Lineage: schemas.Lineage{RefID: fmt.Sprint("id-", o), Topic: at.Topic, Partition: at.ID, Offset: o, Head: "transcript", Task: schemas.TaskTranscript},
			Payload: schemas.Payload{Text: fmt.Sprint("WORD ", o), Score: 0.5},
		}})
	}
}

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestThePageIsWholeAndKeepsToItself(t *testing.T) {
	h := New(func() status.Status { return status.Status{Pipelines: []status.Pipeline{}} }, nil)
	page := get(t, h, "/")
	if page.Code != http.StatusOK {
		t.Fatal(page.Code)
	}
	for _, path := range []string{"/page.css", "/page.js", "/icon.svg", "/uPlot.min.css", "/uPlot.iife.min.js", "/uPlot.LICENSE"} {
		w := get(t, h, path)
		if w.Code != http.StatusOK || w.Body.Len() == 0 || w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d, %d bytes, headers %v", path, w.Code, w.Body.Len(), w.Header())
		}
		if body := w.Body.String(); strings.Contains(body, "http://") && !strings.Contains(body, "http://www.w3.org/") || strings.Contains(body, "https://cdn") {
			t.Errorf("%s names another host", path)
		}
	}
	if strings.Contains(page.Body.String(), "//") {
		t.Error("the page names another host")
	}
}

func TestAResultOfEveryTaskIsShown(t *testing.T) {
	for _, task := range schemas.Tasks() {
		_, rows := sinktest.MakeOf([]schemas.Task{task}, schemas.SourceID{}, 0, 1)
		if got := resultOf(&rows[0]); got.Task != string(task) || got.Value == "" && len(got.Bars) == 0 {
			t.Errorf("%s: the page says nothing of %+v", task, rows[0].Payload)
		}
	}
}

func TestRecentItemsComeWithTheirResultsAndObjects(t *testing.T) {
	r := &Recent{}
	fill(r, 3)
	p := status.Of(status.About{Name: "sp/eech"}, stream.Stats{Dead: map[schemas.Reason]int64{schemas.ReasonDecode: 2}}, embed.Stats{}, []stream.Place{{Partition: position(0).Partition, Durable: 3, Read: 3, End: 9}})
	p.Recent, p.Letters = r.Last("sp/eech")
	if len(p.Recent) != 3 || p.Recent[0].ID != "id-2" || len(p.Recent[0].Results) != 1 || p.Recent[0].Results[0].Value != "WORD 2" {
		t.Fatalf("%+v", p.Recent)
	}
	if len(p.Dead) != 1 || p.Dead[0].Count != 2 || p.Dead[0].Advice == "" || p.Places[0].Lag != 6 {
		t.Errorf("dead %+v, places %+v", p.Dead, p.Places)
	}
	h := New(func() status.Status { return status.Status{Pipelines: []status.Pipeline{p}} }, func(_ string, item Which) ([]byte, bool) { return r.Object(item) })
	var got status.Status
	if err := json.Unmarshal(get(t, h, "/status.json").Body.Bytes(), &got); err != nil || got.Pipelines[0].Recent[0].ID != "id-2" {
		t.Fatal(err, got)
	}
	w := get(t, h, "/"+got.Pipelines[0].Recent[0].Object)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "audio/wave" || w.Body.String() != string(wav) {
		t.Errorf("%s: %d %v", got.Pipelines[0].Recent[0].Object, w.Code, w.Header())
	}
	if w := get(t, h, "/recent/speech/t/0/77/1"); w.Code != http.StatusNoContent {
		t.Errorf("an item that is not kept any more: %d", w.Code)
	}
}

// Two references of one record have one position, and two versions of one object one id: each is shown with its own bytes and results.
func TestReferencesOfOneRecordAreToldApart(t *testing.T) {
	r, at := &Recent{}, position(7)
	var rows []schemas.Row
	for _, ref := range []struct{ id, version string }{{"a", ""}, {"b", ""}, {"a", "2"}} {
		said := ref.id + ref.version
		r.Fetched(at, &schemas.Ref{ID: ref.id, Modality: schemas.Audio}, &stream.Blob{Data: append(slices.Clone(wav), said...), Version: ref.version})
		rows = append(rows, schemas.Row{
			Lineage: schemas.Lineage{RefID: ref.id, Version: ref.version, Topic: at.Topic, Partition: at.ID, Offset: at.Offset}, Payload: schemas.Payload{Text: said},
		})
	}
	r.Computed(at, rows)
	h := New(func() status.Status { return status.Status{} }, func(_ string, item Which) ([]byte, bool) { return r.Object(item) })
	items, _ := r.Last("speech")
	if len(items) != 3 {
		t.Fatalf("%+v", items)
	}
	for i, want := range []string{"a2", "b", "a"} { // the last first
		it := items[i]
		if body := get(t, h, "/"+it.Object).Body.String(); body != string(wav)+want || len(it.Results) != 1 || it.Results[0].Value != want {
			t.Errorf("%s, item %d, has the object %q and results %+v", want, it.Serial, strings.TrimPrefix(body, string(wav)), it.Results)
		}
	}
}

// What an item has become is told, also where it has no results.
func TestEveryItemHasItsFate(t *testing.T) {
	r := &Recent{}
	for o := range int64(5) {
		r.Fetched(position(o), &schemas.Ref{ID: fmt.Sprint(o), Modality: schemas.Audio}, &stream.Blob{Data: wav})
	}
	r.Fetched(position(1), &schemas.Ref{ID: "beside", Modality: schemas.Audio}, &stream.Blob{Data: wav})
	bury := func(offset int64, reason schemas.Reason) {
		r.Buried(&sinks.Letter{Source: schemas.SourceID{Pipeline: "p", Topic: position(0).Topic, Partition: position(0).ID}, Offset: offset, Reason: reason})
	}
	row := schemas.Row{Lineage: schemas.Lineage{RefID: "3"}, Payload: schemas.Payload{Text: "HELLO"}}
	bury(1, schemas.ReasonDecode)
	r.Computed(position(2), nil)
	r.Computed(position(3), []schemas.Row{row})
	row.RefID = "4"
	r.Computed(position(4), []schemas.Row{row})
	bury(4, schemas.ReasonSinkReject) // an output did not take it
	r.Buried(&sinks.Letter{Source: schemas.SourceID{Topic: "another", Partition: position(0).ID}, Offset: 3, Reason: schemas.ReasonModel})
	type fate struct {
		computed bool
		results  int
		dead     schemas.Reason
	}
	want := map[string]fate{"0": {}, "1": {dead: schemas.ReasonDecode}, "beside": {dead: schemas.ReasonDecode}, "2": {computed: true}, "3": {computed: true, results: 1}, "4": {true, 1, schemas.ReasonSinkReject}}
	items, _ := r.Last("p")
	for _, it := range items {
		if got := (fate{it.Computed, len(it.Results), it.Dead}); got != want[it.ID] {
			t.Errorf("%s: %+v, want %+v", it.ID, got, want[it.ID])
		}
		delete(want, it.ID)
	}
	if len(want) > 0 {
		t.Errorf("without %v", want)
	}
}

// TestAStrangersPageIsNeverServed: objects are whatever somebody uploaded.
func TestAStrangersPageIsNeverServed(t *testing.T) {
	for _, evil := range []string{"<html><script>alert(1)</script>", "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "%PDF-1.7", "\xff\xfe<\x00", "text"} {
		r := &Recent{}
		r.Fetched(position(1), &schemas.Ref{ID: "x", Modality: schemas.Image}, &stream.Blob{Data: []byte(evil)})
		if items, _ := r.Last("p"); items[0].Object != "" {
			t.Errorf("%.20q is served at %s", evil, items[0].Object)
		}
		h := New(func() status.Status { return status.Status{} }, func(string, Which) ([]byte, bool) { return []byte(evil), true })
		if w := get(t, h, "/recent/p/t/0/1/1"); w.Code != http.StatusNotFound {
			t.Errorf("%.20q: %d %v", evil, w.Code, w.Header())
		}
	}
}

func TestRecentIsBoundedAndSlow(t *testing.T) {
	r := &Recent{}
	fill(r, 10*itemsKept) // in less than itemEvery: only the first are taken
	items, _ := r.Last("p")
	if len(items) != itemsKept || items[itemsKept-1].ID != "id-0" {
		t.Errorf("%d items, the oldest %s", len(items), items[len(items)-1].ID)
	}
	r.taken = time.Now().Add(-itemEvery)
	r.Fetched(position(500), &schemas.Ref{ID: "late", Modality: schemas.Image}, &stream.Blob{Data: make([]byte, objectMost+1)})
	if items, _ = r.Last("p"); len(items) != itemsKept || items[0].ID != "late" || items[0].Object != "" || items[0].Results != nil {
		t.Errorf("%+v", items[0])
	}
	for o := range int64(2 * lettersKept) {
		r.Buried(&sinks.Letter{Offset: o, Reason: schemas.ReasonDecode, Message: strings.Repeat("ä", textMost)})
	}
	_, letters := r.Last("p")
	if len(letters) != lettersKept || letters[0].Offset != 2*lettersKept-1 || len(letters[0].Message) > textMost+3 || !strings.HasSuffix(letters[0].Message, "ä…") {
		t.Errorf("%d letters, the last %+v", len(letters), letters[0])
	}
}
