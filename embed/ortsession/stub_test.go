//go:build !cgo

package ortsession_test

import (
	"errors"
	"strings"
	"testing"

	"vecmill/embed"
	"vecmill/embed/ortsession"
	"vecmill/model"
)

var _ embed.Session = (*ortsession.Session)(nil)

func TestWithoutCgoTheErrorSaysWhatToDo(t *testing.T) {
	_, err := ortsession.Open(t.Context(), model.Graph{}, ortsession.Options{})
	_, _, libErr := ortsession.Library()
	if _, err := ortsession.Dependencies(ortsession.CUDA); !errors.Is(err, ortsession.ErrNoCgo) {
		t.Errorf("got %v", err)
	}
	if !errors.Is(err, ortsession.ErrNoCgo) || !errors.Is(libErr, ortsession.ErrNoCgo) || !strings.Contains(err.Error(), "CGO_ENABLED=1") {
		t.Errorf("got %v and %v", err, libErr)
	}
}
