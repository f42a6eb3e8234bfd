package backfill

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vecmill/internal/backfill/listing"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// rack is a bucket of tar files in memory, two keys a page; the file that fails cannot be opened.
type rack struct {
	files map[string][]byte
	fails string
}

func (r *rack) Page(_ context.Context, after string) (out []listing.Object, more bool, err error) {
	all := make([]string, 0, len(r.files))
	for k := range r.files {
		if k > after {
			all = append(all, k)
		}
	}
	slices.Sort(all)
	for _, k := range all[:min(2, len(all))] {
		out = append(out, listing.Object{Key: k, Size: int64(len(r.files[k])), ETag: fmt.Sprint("tag", len(r.files[k]))})
	}
	return out, len(all) > 2, nil
}

func (r *rack) open(_ context.Context, o *listing.Object) (io.ReaderAt, error) {
	if o.Key == r.fails {
		return nil, errors.New("cut off")
	}
	return bytes.NewReader(r.files[o.Key]), nil
}

// samples is a tar file with a recording, its transcript and its numbers for each sample.
func samples(t *testing.T, first, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range n {
		for _, ending := range []string{"flac", "txt", "cls"} {
			body := fmt.Sprintf("%s of %d", ending, first+i)
			if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%05d.%s", first+i, ending), Size: int64(len(body)), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
				t.Fatal(err)
			}
			fmt.Fprint(w, body)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func newRack(t *testing.T) *rack {
	t.Helper()
	r := &rack{files: map[string][]byte{"d/readme.txt": []byte("no shard")}}
	for i := range 7 {
		r.files[fmt.Sprintf("d/%d.tar", i)] = samples(t, 10_000*i, []int{3, 2500, 1, 0, 999, 1000, 2}[i])
	}
	cut := samples(t, 70_000, 20)
	r.files["d/7.tar"] = cut[:19*1024+200] // ends in a header
	return r
}

func (r *rack) shards(atOnce int, s Selection) *Shards {
	return &Shards{Selection: s, Pager: r, Name: "box", AtOnce: atOnce, Open: r.open}
}

func each(t *testing.T, s Source, state json.RawMessage, most int) (items []plan.Item, at json.RawMessage, err error) {
	t.Helper()
	stop := errors.New("stop")
	err = s.Each(t.Context(), state, func(some []plan.Item, st any) error {
		items = append(items, some...)
		b, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		at = b
		if most--; most == 0 {
			return stop
		}
		return nil
	})
	if errors.Is(err, stop) {
		err = nil
	}
	return items, at, err
}

// TestMembersOfShardsAreReferencesInOrder goes on behind every piece that was given.
func TestMembersOfShardsAreReferencesInOrder(t *testing.T) {
	r := newRack(t)
	audio := Selection{Modality: []schemas.Modality{schemas.Audio}}
	all, _, err := each(t, r.shards(1, audio), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if want := 3 + 2500 + 1 + 999 + 1000 + 2; len(all) < want+1 || len(all) > want+20 || !strings.Contains(all[len(all)-1].Raw, "s3://box/d/7.tar: it is damaged") {
		t.Fatalf("%d references, the last one %+v", len(all), all[len(all)-1])
	}
	for i, it := range all[:len(all)-1] {
		file := r.files[strings.TrimPrefix(it.Ref.URI, "s3://box/")]
		name := it.Ref.Attributes["member"]
		body := file[it.Ref.Range.Off : it.Ref.Range.Off+it.Ref.Range.N]
		if err := it.Ref.Validate(); err != nil || !strings.HasPrefix(string(body), "flac of ") || it.Ref.ID != it.Ref.URI+"!"+name || it.Ref.Attributes["sample"]+".flac" != name || it.Ref.ETag == "" || it.Size != it.Ref.Range.N {
			t.Fatalf("reference %d: %+v is %q, %v", i, it.Ref, body, err)
		}
	}
	for _, atOnce := range []int{1, 3} {
		for pieces := 1; pieces <= 13; pieces++ {
			begun, state, err := each(t, r.shards(atOnce, audio), nil, pieces)
			if err != nil {
				t.Fatal(err)
			}
			rest, _, err := each(t, r.shards(atOnce, audio), state, 0)
			if got := append(begun, rest...); err != nil || !reflect.DeepEqual(got, all) {
				t.Fatalf("after %d pieces, %d files at once: %d references, want %d, %v", pieces, atOnce, len(got), len(all), err)
			}
		}
	}
}

func TestMembersAreChosenByNameAndEnding(t *testing.T) {
	r := &rack{files: map[string][]byte{"0.tar": samples(t, 0, 4)}}
	for _, c := range []struct {
		name string
		s    Selection
		want string
	}{
		{"by the modality of the one pipeline", Selection{Modality: []schemas.Modality{schemas.Text}}, "00000.txt: 00001.txt: 00002.txt: 00003.txt: "},
		{"by each of two", Selection{Modality: []schemas.Modality{schemas.Text, schemas.Audio}, Include: []string{"*0.*"}}, "00000.flac:audio 00000.txt:text "},
		{"by name, whatever the ending", Selection{Modality: []schemas.Modality{schemas.Text}, Include: []string{"*1.cls"}}, "00001.cls: "},
	} {
		items, _, err := each(t, r.shards(2, c.s), nil, 0)
		got := ""
		for _, it := range items {
			got += it.Ref.Attributes["member"] + ":" + string(it.Ref.Modality) + " "
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
}

func TestAShardThatFailsOrIsReplacedEndsThePlanAndNothingIsPassedOver(t *testing.T) {
	r := newRack(t)
	audio := Selection{Modality: []schemas.Modality{schemas.Audio}}
	r.fails = "d/2.tar"
	begun, state, err := each(t, r.shards(4, audio), nil, 0)
	var at shardState
	if err == nil || !strings.Contains(err.Error(), "s3://box/d/2.tar: cut off") || state != nil && json.Unmarshal(state, &at) != nil || at.Key > "d/1.tar" {
		t.Fatalf("%v after %s", err, state)
	}
	r.fails = ""
	rest, _, err := each(t, r.shards(4, audio), state, 0)
	if all, _, _ := each(t, r.shards(4, audio), nil, 0); err != nil || !reflect.DeepEqual(append(begun, rest...), all) {
		t.Errorf("gone on with: %d and %d references, %v", len(begun), len(rest), err)
	}
	_, state, _ = each(t, r.shards(4, audio), nil, 2) // in the middle of 1.tar
	r.files["d/1.tar"] = samples(t, 0, 5)
	if _, _, err := each(t, r.shards(4, audio), state, 0); err == nil || !strings.Contains(err.Error(), "d/1.tar was replaced") {
		t.Errorf("a file that was replaced: %v", err)
	}
}
