package encoder

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vecmill/embed"
	"vecmill/embed/embedtest"
	"vecmill/embed/heads"
	"vecmill/embed/text"
	"vecmill/model"
	"vecmill/schemas"
)

// slow is an encoder of texts over a session of arithmetic that takes so long for a text.
func slow(t *testing.T, took time.Duration) (*Encoder, *embedtest.Session) {
	t.Helper()
	session := embedtest.NewSession(embedtest.Config{Width: 2, Delay: took})
	return over(t, session), session
}

// over is an encoder of texts over a session, one text in a batch.
func over(t *testing.T, session embed.Session) *Encoder {
	t.Helper()
	spec, err := model.Open("../../internal/demo/models/text-intent")
	if err != nil {
		t.Fatal(err)
	}
	pre, err := text.New(spec, text.Options{})
	if err != nil {
		t.Fatal(err)
	}
	graph := &model.Graph{Outputs: []model.Port{{Name: "last_hidden_state", Type: "float32", Shape: []int64{-1, -1, 2}}}}
	head, err := heads.New(heads.Config{Task: schemas.TaskEmbedding}, spec, graph)
	if err != nil {
		t.Fatal(err)
	}
	e, err := start(spec, graph, pre, session, head, embed.BatcherConfig{MaxCost: 1, MaxItems: 1, Window: 1})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestACallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, session := slow(t, time.Hour)
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Minute)
		defer cancel()
		v, err := e.Texts(ctx, slices.Repeat([]string{"a"}, 1000))
		if !errors.Is(err, context.DeadlineExceeded) || v != nil || time.Since(began) != 90*time.Minute {
			t.Errorf("after %v: %d vectors, %v", time.Since(began), len(v), err)
		}
		if _, err := e.Texts(ctx, []string{"again"}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call whose context has ended: %v", err)
		}
		before := session.Runs()
		if v, err := e.Texts(t.Context(), []string{"it"}); err != nil || len(v) != 1 || len(v[0]) != 2 {
			t.Errorf("the next call: %v, %v", v, err)
		}
		// Of what the first call had waiting, batches that were formed already are computed, three at most.
		if more := session.Runs() - before; more > 4 {
			t.Errorf("%d batches were computed for the next call's one: the first call's go on though nobody waits", more)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := slow(t, time.Hour)
		ended := make(chan error, 2) // one for each call
		for _, n := range []int{1, 1000} {
			go func() {
				_, err := e.Texts(t.Context(), slices.Repeat([]string{"a"}, n))
				ended <- err
			}()
		}
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-ended; !errors.Is(err, ErrClosed) {
				t.Errorf("a call under way ended with %v", err)
			}
		}
		if _, err := e.Texts(t.Context(), []string{"late"}); !errors.Is(err, ErrClosed) {
			t.Errorf("a call after Close: %v", err)
		}
		if err := e.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
	})
}

// A session that is lost is no input's fault, and not what Close does.
func TestABrokenSessionIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := over(t, embedtest.NewSession(embedtest.Config{Width: 2, Breaks: 3}))
		for range 2 { // one that finds it, and one after it
			if v, err := e.Texts(t.Context(), slices.Repeat([]string{"a"}, 10)); !errors.Is(err, embed.ErrBroken) || errors.Is(err, ErrClosed) || v != nil {
				t.Errorf("%d vectors, %v", len(v), err)
			}
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}
