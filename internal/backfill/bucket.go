package backfill

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"vecmill/internal/backfill/listing"
	"vecmill/internal/backfill/plan"
	"vecmill/schemas"
)

// Bucket enumerates the keys of a bucket under a prefix. It implements Source.
type Bucket struct {
	Selection
	Pager   listing.Pager
	Name    string // of the bucket
	Workers int    // requests at once

	at listed
}

// listed is how far a bucket was given.
type listed struct {
	listing.State
	Lists int64 `json:"lists,omitempty"` // that were left out
}

// Lists is how many keys were left out for being called as lists are.
func (b *Bucket) Lists() int64 { return b.at.Lists }

// Selection says which keys are taken, and for what. Those that are called as lists of references are, are left out unless Include says otherwise: a list is no text.
type Selection struct {
	Include  []string           // patterns as path.Match has them, of a key's last part or, where they have a slash, of the whole key; none means all
	Modality []schemas.Modality // of the pipelines: with several, the ending of the key decides, and keys with another are left out
	Left     func(key string)   // told of keys that are left out; may be nil
}

// endings are what people call files of each modality.
var endings = map[schemas.Modality][]string{
	schemas.Audio: {"wav", "flac", "mp3", "ogg", "oga", "opus", "webm", "mka", "m4a", "mp4", "aac", "amr", "aiff", "aif", "au", "caf", "w64", "wv", "wma"},
	schemas.Image: {"jpg", "jpeg", "jpe", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic"},
	schemas.Text:  {"txt", "text", "md", "markdown", "html", "htm", "json"},
}

// listEndings are what people call lists of references; .json may be one text.
var listEndings = []string{".jsonl", ".ndjson", ".csv", ".tsv", ".parquet"}

// IsList says whether a key is called as lists of references are, packed or not.
func IsList(key string) bool {
	return slices.Contains(listEndings, path.Ext(unpacked(key)))
}

// IsPackedList says whether a key is called as a list that was packed.
func IsPackedList(key string) bool {
	return IsList(key) && !slices.Contains(listEndings, strings.ToLower(path.Ext(key)))
}

// unpacked is a key, in small letters, without the ending of what packed it.
func unpacked(key string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(key), ".gz"), ".zst")
}

// Validate finds patterns that are none.
func (s *Selection) Validate() error {
	for _, p := range s.Include {
		if _, err := path.Match(p, ""); err != nil {
			return fmt.Errorf("%q is not a pattern: %w", p, err)
		}
	}
	return nil
}

// Each implements Source. The state is the listing's.
func (b *Bucket) Each(ctx context.Context, state json.RawMessage, give func(items []plan.Item, state any) error) error {
	b.at = listed{}
	if state != nil {
		if err := json.Unmarshal(state, &b.at); err != nil {
			return fmt.Errorf("the listing's progress: %w", err)
		}
	}
	if b.at.Done() {
		return nil
	}
	return listing.All(ctx, b.Pager, b.Workers, b.at.State, func(page []listing.Object, s listing.State) error {
		items := make([]plan.Item, 0, len(page))
		b.at.State = s
		for i := range page {
			if b.passesList(page[i].Key) {
				b.at.Lists++
			}
			if it, ok := b.item(b.Name, &page[i]); ok {
				items = append(items, it)
			} else if b.Left != nil {
				b.Left(page[i].Key)
			}
		}
		return give(items, b.at)
	})
}

func (s *Selection) item(bucket string, o *listing.Object) (plan.Item, bool) {
	if strings.HasSuffix(o.Key, "/") && o.Size == 0 || s.passesList(o.Key) || !s.included(o.Key) { // a folder of a console
		return plan.Item{}, false
	}
	ref := schemas.Ref{URI: uriOf(bucket, o.Key), ETag: o.ETag}
	ref.ID = schemas.IDOf(ref.URI)
	if len(s.Modality) > 1 {
		if ref.Modality = s.modality(o.Key); ref.Modality == "" {
			return plan.Item{}, false
		}
	}
	return plan.Item{Ref: ref, Size: o.Size}, true
}

// uriOf is a key as references have it: literally, not escaped.
func uriOf(bucket, key string) string { return "s3://" + bucket + "/" + key }

// passesList says whether a key is left out for being called as a list is.
func (s *Selection) passesList(key string) bool { return len(s.Include) == 0 && IsList(key) }

func (s *Selection) included(key string) bool {
	if len(s.Include) == 0 {
		return true
	}
	return slices.ContainsFunc(s.Include, func(p string) bool {
		name := key
		if !strings.Contains(p, "/") {
			name = path.Base(key)
		}
		ok, _ := path.Match(p, name)
		return ok
	})
}

func (s *Selection) modality(key string) schemas.Modality {
	ending := strings.ToLower(strings.TrimPrefix(path.Ext(key), "."))
	for _, m := range s.Modality {
		if slices.Contains(endings[m], ending) {
			return m
		}
	}
	return ""
}
