package objectstore_test

import (
	"path"
	"strings"
	"testing"

	"vecmill/schemas"
	"vecmill/sinks/objectstore"
)

func TestSourcesNeverShareADirectory(t *testing.T) {
	seen := map[string]schemas.SourceID{}
	names := []string{"", "%", ".", "..", "a", "a/b", "a%2Fb", "b", "ä", "%2E", "_", "a b"}
	for _, p := range names {
		for _, topic := range names {
			src := schemas.SourceID{Pipeline: p, Topic: topic, Partition: 3}
			dir := objectstore.SourceDir("pre/fix", src)
			if other, taken := seen[dir]; taken {
				t.Errorf("%v and %v share %s", src, other, dir)
			}
			seen[dir] = src
			if !strings.HasPrefix(dir, "pre/fix/") || strings.Count(dir, "/") != 4 || path.Clean(dir) != dir {
				t.Errorf("%v lies in %s", src, dir)
			}
		}
	}
	if got := objectstore.SourceDir("", schemas.SourceID{Pipeline: "speech", Topic: "refs.v1-a_b", Partition: 12}); got != "speech/refs.v1-a_b/12" {
		t.Errorf("ordinary names become %s", got)
	}
}
