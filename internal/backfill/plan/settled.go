package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"vecmill/sinks/objectstore"
)

// Settled is how a plan is computed: shares.json. The zero Settled is not yet.
type Settled struct {
	Of        int  `json:"of,omitempty"`        // shares; 1: it is computed as a whole
	Published bool `json:"published,omitempty"` // to topics, whose workers compute it
}

// HowSettled is what was settled first.
func HowSettled(ctx context.Context, at Place) (Settled, error) {
	body, err := at.read(ctx, SettledName)
	if errors.Is(err, objectstore.ErrNotFound) {
		return Settled{}, nil
	}
	var s Settled
	if err == nil {
		err = json.Unmarshal(body, &s)
	}
	if err != nil {
		return Settled{}, fmt.Errorf("reading %s: %w", at.shown(SettledName), err)
	}
	return s, nil
}

// Settle says how a plan is computed, once for all that compute it: in another way its references have other numbers or another source in the output, and would be there twice. It gives what was settled first.
func Settle(ctx context.Context, at Place, s Settled) (Settled, error) {
	body, err := json.Marshal(s)
	if err == nil {
		err = at.Store.PutIfAbsent(ctx, at.name(SettledName), body, nil)
	}
	if errors.Is(err, objectstore.ErrExists) {
		return HowSettled(ctx, at)
	}
	if err != nil {
		return Settled{}, fmt.Errorf("whoever computes a plan says beside it how, and has to have the right to write there: %w", err)
	}
	return s, nil
}

const (
	publishPrefix = "publish-"
	publishSuffix = ".json"
)

// PublishName is the object that says how far a plan was published to a topic.
func PublishName(at Place, topic string) string {
	return at.name(publishPrefix + topic + publishSuffix)
}

// ClaimPrefix begins the names of the objects that say who publishes a plan to a topic. A topic's name has no slash.
func ClaimPrefix(at Place, topic string) string { return at.name(publishPrefix+topic) + "/" }

// ClaimName is that of a number.
func ClaimName(at Place, topic string, n int64) string {
	return fmt.Sprintf("%s%06d%s", ClaimPrefix(at, topic), n, publishSuffix)
}

// ClaimNumber is the number that such a name has.
func ClaimNumber(at Place, topic, name string) (int64, error) {
	return strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(name, ClaimPrefix(at, topic)), publishSuffix), 10, 64)
}

// PublishedTo are the topics that a plan was published to, or begun to be.
func PublishedTo(ctx context.Context, at Place) (topics []string, err error) {
	prefix := at.name(publishPrefix)
	names, err := at.Store.List(ctx, prefix, "")
	if err != nil {
		return nil, fmt.Errorf("looking for what was published: %w", err)
	}
	for _, name := range names {
		if topic, ok := strings.CutSuffix(name[len(prefix):], publishSuffix); ok && !strings.Contains(topic, "/") {
			topics = append(topics, topic)
		}
	}
	return topics, nil
}

// unsettled refuses a place where another plan was, which was deleted without what says how it was computed: that would be said of the next one, too, of which as many references would pass for published.
func unsettled(ctx context.Context, at Place) error {
	var left []string
	switch _, err := at.Store.Stat(ctx, at.name(SettledName)); {
	case err == nil:
		left = append(left, at.name(SettledName))
	case !errors.Is(err, objectstore.ErrNotFound):
		return fmt.Errorf("looking for %s: %w", at.shown(SettledName), err)
	}
	topics, err := PublishedTo(ctx, at)
	if err != nil {
		return err
	}
	for _, topic := range topics {
		left = append(left, PublishName(at, topic))
	}
	kept, err := at.Store.List(ctx, at.name(checkpointPrefix), "")
	if err != nil {
		return fmt.Errorf("looking for checkpoints: %w", err)
	}
	left = append(left, kept...)
	if len(left) > 0 {
		return fmt.Errorf("a plan lay here that was begun to be computed, and is not there any more: delete %s, too, or plan at another place", strings.Join(left, ", "))
	}
	return nil
}
