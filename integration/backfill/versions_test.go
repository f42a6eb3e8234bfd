//go:build integration

package backfill

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/schemas"
)

// TestAVersionedBucketIsPlannedAsItStands has objects that were put over and removed: a plan has what is current, and a list may name what is not.
func TestAVersionedBucketIsPlannedAsItStands(t *testing.T) {
	l := newLakeAt(t, fixture.On(t, nil, harness.StartVersioningS3(t)), 0)
	l.S3.KeepVersions(t, fixture.Bucket)
	versions := map[string]string{} // of texts
	put := func(key, text string) {
		_, v := l.S3.PutVersion(t, fixture.Bucket, "in/texts/"+key, []byte(text))
		if v == "" {
			t.Fatal("the store keeps no versions")
		}
		versions[text] = v
	}
	put("twice.txt", "Will it rain?")
	put("twice.txt", "Will it snow?")
	put("gone.txt", "Will it hail?")
	l.S3.Remove(t, fixture.Bucket, "in/texts/gone.txt")
	put("back.txt", "Will it freeze?")
	l.S3.Remove(t, fixture.Bucket, "in/texts/back.txt")
	put("back.txt", "Will it thaw?")
	put("later.txt", "Is it warm?")
	if p := l.plan(t, "all"); p != (planned{Items: 3, Seen: 3}) {
		t.Fatalf("the plan has %+v", p)
	}
	put("later.txt", "Is it cold?")
	l.command(t, "run", "run", "--plan", planAt("all"))
	if got, want := l.contents(t), contents("Will it snow?", "Will it thaw?"); !maps.Equal(got, want) {
		t.Errorf("computed are %v, want %v", got, want)
	}
	if letters := l.letters(t, "manifest:all"); len(letters) != 1 || !strings.Contains(letters["s3://"+fixture.Bucket+"/in/texts/later.txt"], another) {
		t.Errorf("letters %v", letters)
	}

	l.manifest(t, "old", []schemas.Ref{
		l.old("twice.txt", versions["Will it rain?"]),
		l.old("gone.txt", versions["Will it hail?"]),
		l.old("back.txt", versions["Will it freeze?"]),
		l.old("later.txt", versions["Is it warm?"]),
		l.old("gone.txt", ""),
		l.old("twice.txt", versions["Will it freeze?"]), // another object's
		l.old("gone.txt", l.marker(t, "in/texts/gone.txt")),
	})
	want := contents("Will it snow?", "Will it thaw?", "Will it rain?", "Will it hail?", "Will it freeze?", "Is it warm?")
	if got := l.contents(t); !maps.Equal(got, want) {
		t.Errorf("computed are %v, want %v", got, want)
	}
	for _, row := range l.rows(t) {
		for text, v := range versions {
			if row.ContentHash == hash(text) && row.Version != v {
				t.Errorf("the row of %q has version %q, want %q", text, row.Version, v)
			}
		}
	}
	letters := l.Letters(t, "intents", "manifest:old")
	for _, offset := range []int64{4, 5, 6} {
		if got := letters[fixture.Place{Offset: offset}]; got.Reason != schemas.ReasonFetchMissing {
			t.Errorf("the letter of reference %d: %s: %s", offset, got.Reason, got.Message)
		}
	}
	if len(letters) != 3 {
		t.Errorf("%d letters", len(letters))
	}
	l.anOldVersionOfAListIsReadToItsEnd(t, "s3://"+fixture.Bucket+"/in/texts/twice.txt")
}

func (l *lake) old(key, version string) schemas.Ref {
	uri := "s3://" + fixture.Bucket + "/in/texts/" + key
	return schemas.Ref{ID: uri + "@" + version, URI: uri, Version: version}
}

// marker is the version of a key's delete marker.
func (l *lake) marker(t *testing.T, key string) string {
	t.Helper()
	for o := range l.S3.Client().ListObjectsIter(t.Context(), fixture.Bucket, minio.ListObjectsOptions{Prefix: key, WithVersions: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		if o.IsDeleteMarker {
			return o.VersionID
		}
	}
	t.Fatalf("%s has no delete marker", key)
	return ""
}

// manifest runs a list of references.
func (l *lake) manifest(t *testing.T, name string, refs []schemas.Ref) {
	t.Helper()
	var lines bytes.Buffer
	for i := range refs {
		lines.Write(append(fixture.JSON(t, refs[i]), '\n'))
	}
	file := filepath.Join(t.TempDir(), name+".jsonl")
	if err := os.WriteFile(file, lines.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	l.command(t, "run-"+name, "run", "--manifest", file, "--name", name)
}

// contents counts the rows by what was computed.
func (l *lake) contents(t *testing.T) map[string]int {
	t.Helper()
	all := map[string]int{}
	for _, row := range l.rows(t) {
		all[row.ContentHash]++
	}
	return all
}

func contents(texts ...string) map[string]int {
	all := map[string]int{}
	for _, text := range texts {
		all[hash(text)]++
	}
	return all
}

// TestRangesOfObjectsAreComputed has the members of a tar file, which a plan takes as ranges of its bytes, and a list that names ranges itself.
func TestRangesOfObjectsAreComputed(t *testing.T) {
	l := newLake(t, 0)
	var texts []string
	var shard bytes.Buffer
	w := tar.NewWriter(&shard)
	for i := range 300 {
		texts = append(texts, text(i))
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("%06d.txt", i), Size: int64(len(text(i))), Mode: 0o644, Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l.Put(t, "shards/0 ü.tar", shard.Bytes())
	if p := l.plan(t, "shards", "--source", "s3://"+fixture.Bucket+"/in/shards/", "--tar"); p != (planned{Items: 300, Seen: 300}) {
		t.Fatalf("the plan has %+v", p)
	}
	l.command(t, "run-shards", "run", "--plan", planAt("shards"))
	if got, want := l.contents(t), contents(texts...); !maps.Equal(got, want) {
		t.Errorf("of %d members %d are computed", len(want), len(got))
	}

	uri, _ := l.Put(t, "texts/long.txt", []byte("Will it rain? Is it warm?"))
	part := func(off, n int64) schemas.Ref {
		return schemas.Ref{ID: fmt.Sprint(off), URI: uri, Range: &schemas.ByteRange{Off: off, N: n}}
	}
	l.manifest(t, "parts", []schemas.Ref{part(0, 13), part(14, 11), part(20, 11), part(100, 5)})
	texts = append(texts, "Will it rain?", "Is it warm?")
	if got := l.contents(t); !maps.Equal(got, contents(texts...)) {
		t.Errorf("with two ranges of an object, %d are computed", len(got))
	}
	letters := l.Letters(t, "intents", "manifest:parts") // the last two reach beyond the object
	if places := slices.Collect(maps.Keys(letters)); len(places) != 2 || letters[fixture.Place{Offset: 2}].Reason != schemas.ReasonFetchMissing || letters[fixture.Place{Offset: 3}].Reason != schemas.ReasonFetchMissing {
		t.Errorf("letters %+v", letters)
	}
}
