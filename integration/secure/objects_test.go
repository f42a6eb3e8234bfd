//go:build integration

package secure

import (
	"strings"
	"testing"

	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/internal/wire"
)

// TestRightsToObjects has a store whose user may list a bucket, get its objects, or both. This store says of an object that is not there whether it may be got also to whoever may not list,
// which S3 does not.
func TestRightsToObjects(t *testing.T) {
	const name, secret = "reader", "reader-secret"
	store := harness.StartS3For(t, name, secret)
	for _, c := range []struct {
		bucket, object string
		rights         []string
		grade          wire.Grade
		words          string
	}{
		{"both", "", []string{"s3:ListBucket", "s3:GetObject"}, wire.Sound, "buckets [both]"},
		{"both-full", "in/speech.wav", []string{"s3:ListBucket", "s3:GetObject"}, wire.Sound, "buckets [both-full]"},
		{"get", "", []string{"s3:GetObject"}, wire.Sound, "buckets [get]"},
		{"list", "", []string{"s3:ListBucket"}, wire.Trouble, "objects of list may not be got (Access Denied"},
		{"list-full", "in/speech.wav", []string{"s3:ListBucket"}, wire.Trouble, "in/speech.wav is in list-full, and may not be got (Access Denied"},
		{"write", "", []string{"s3:PutObject"}, wire.Doubt, "whether objects of write may be got cannot be told (Access Denied"},
	} {
		store.CreateBucket(t, c.bucket)
		store.Allow(t, name, c.bucket, c.rights...)
		if c.object != "" {
			store.Put(t, c.bucket, c.object, []byte("RIFF"))
		}
		said := ""
		wire.Examine(t.Context(), &config.Config{
			S3:    config.S3{Endpoint: store.URL(), Region: harness.S3Region, AccessKey: name, SecretKey: secret, PathStyle: true},
			Fetch: config.Fetch{Buckets: []string{c.bucket}, MaxObjectBytes: 1 << 20, Timeout: config.NewDefaultConfig().Fetch.Timeout, Attempts: 1},
		}, func(f wire.Finding) {
			if f.Check == "fetch" {
				said += string(f.Grade) + " " + f.Text
			}
		})
		if !strings.HasPrefix(said, string(c.grade)+" ") || !strings.Contains(said, c.words) {
			t.Errorf("with %q of %s doctor says %q", c.rights, c.bucket, said)
		}
	}
}
