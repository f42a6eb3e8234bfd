package wire_test

import (
	"path/filepath"
	"strings"
	"testing"

	"vecmill/internal/demo"
	"vecmill/internal/wire"
	"vecmill/model"
)

func TestACheckpointThatIsNotTheOneMeantIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := demo.WriteModels(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "text-intent")
	spec, err := model.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := spec.Digest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, good := range []string{"", digest, strings.ToUpper(digest)} {
		if err := wire.VerifyDigest(t.Context(), spec, path, good); err != nil {
			t.Error(err)
		}
	}
	if err := wire.VerifyDigest(t.Context(), spec, path, strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), digest) {
		t.Errorf("%v", err)
	}
}
