package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/internal/pace"
	"vecmill/internal/progress"
	"vecmill/internal/publish"
	"vecmill/internal/retry"
	"vecmill/sinks/objectstore"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// PublishOptions say where a plan is published, and how fast.
type PublishOptions struct {
	Topic  string
	MaxLag int64   // records that the slowest group may have before it
	Rate   float64 // references a second at most; 0: as many as MaxLag allows
	Gate   *pace.Gate
	Tell   func(publish.Progress)
	Log    *slog.Logger
}

// Limits of a round of publishing.
const (
	publishRound = 5000             // references
	publishPoll  = time.Second      // how often the groups' lag is looked at while there is no room
	publishTold  = 10 * time.Second // between words about what is read of the topic, and about what is tried again
)

// Publication is how far a publishing has come, and what the groups have read of it against the plan.
type Publication struct {
	publish.Progress
	Against *progress.Against `json:"against_plan,omitempty"`
}

// Publish puts a plan's references into a topic, each once. How far it has come lies beside the plan.
func Publish(ctx context.Context, c *config.Config, at string, o PublishOptions) (Publication, error) {
	var none Publication
	groups, reuse, err := publishGroups(c, o.Topic)
	if err != nil {
		return none, err
	}
	list, err := OpenPlan(ctx, c, at)
	if err != nil {
		return none, err
	}
	if err := forTopic(c, list.Plan(), o.Topic); err != nil {
		return none, err
	}
	place, err := planPlace(ctx, &stores{cfg: c}, at)
	if err != nil {
		return none, err
	}
	if err := inAnotherTopic(ctx, c, place, list.Plan(), o.Topic); err != nil {
		return none, err
	}
	log, err := kafkaLog(c, o.Log)
	if err != nil {
		return none, err
	}
	defer log.Close()
	if err := haveBegun(ctx, c, log, o.Topic); err != nil {
		return none, err
	}
	state, before := stateOf(place, o.Topic), int64(0)
	if err := deletesAll(ctx, log, state, list.Plan(), o.Topic, o.Log); err != nil {
		return none, err
	}
	load := func(ctx context.Context) (*publish.State, error) { // the topic is there
		if err := publishing(ctx, c, at, place, list.Plan()); err != nil {
			return nil, err
		}
		was, err := state.load(ctx)
		if was != nil {
			before = was.Next
		}
		return was, err
	}
	claims, err := claimsOf(ctx, place, o.Topic)
	if err != nil {
		return none, err
	}
	policy := retry.Patient()
	policy.Told = triesFor(o.Log)
	far, err := publish.Run(ctx, log, publish.Options{
		Name: list.Plan().Name, Topic: o.Topic, Total: list.Len(), From: list.From, Load: load, Save: state.save, Claims: claims, By: thisProcess(), Waits: waitsFor(o.Log),
		Groups: groups, MaxLag: o.MaxLag, ByContent: reuse, Poll: publishPoll, Pace: pace.New(o.Rate, publishRound), Gate: o.Gate,
		Reads: readsFor(o.Log), Permanent: kafkasource.Permanent, TooLarge: kafkasource.TooLarge, Retry: policy, Tell: o.Tell,
	})
	out := Publication{Progress: far}
	if far.Published > before && !far.Began.IsZero() { // a run that finds all published may come long after the workers had it
		out.Against = againstFleet(c, list.Plan(), o.Topic, far.Published-far.Lag, time.Since(far.Began), progress.ToNow)
	}
	return out, err
}

// Publishable says whether a pipeline of the configuration computes references that are published to a topic.
func Publishable(c *config.Config, topic string) error {
	_, _, err := publishGroups(c, topic)
	return err
}

// inAnotherTopic refuses a plan that was published to a topic, or begun to be, which a pipeline reads beside this one: it would compute all of it once more.
func inAnotherTopic(ctx context.Context, c *config.Config, place plan.Place, p *plan.Plan, topic string) error {
	topics, err := plan.PublishedTo(ctx, place)
	if err != nil {
		return err
	}
	for _, t := range topics {
		i := slices.IndexFunc(c.Pipelines, func(p config.Pipeline) bool {
			return t != topic && slices.Contains(p.Topics, t) && slices.Contains(p.Topics, topic)
		})
		if i >= 0 {
			return fmt.Errorf("plan %s was published to topic %s, which pipeline %s reads as it does %s: it would compute everything twice; go on with --topic %[2]s, or plan anew at another place, which leaves out what is written", p.Name, t, c.Pipelines[i].Name, topic)
		}
	}
	return nil
}

// publishGroups are those of the pipelines that read a topic, and whether one of them has a use for copies that come together. They must read references as they are.
func publishGroups(c *config.Config, topic string) (groups []string, reuse bool, err error) {
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		if !slices.Contains(p.Topics, topic) {
			continue
		}
		if f := p.Input.Format; f != "" && f != "ref" {
			return nil, false, fmt.Errorf("pipeline %s reads %s as %s, and a plan has references: publish them to a topic of format ref", p.Name, topic, f)
		}
		reuse = reuse || p.ReuseResults > 0
		if !slices.Contains(groups, p.Group) {
			groups = append(groups, p.Group)
		}
	}
	if len(groups) == 0 {
		return nil, false, fmt.Errorf("no pipeline of the configuration reads topic %s: give it the configuration of the workers", topic)
	}
	return groups, reuse, nil
}

// haveBegun refuses a topic that a pipeline has not begun with which starts at its end: it would begin behind what is published now, and pass over it.
func haveBegun(ctx context.Context, c *config.Config, log publish.Log, topic string) error {
	for i := range c.Pipelines {
		p := &c.Pipelines[i]
		if p.StartAt != string(stream.StartLast) || !slices.Contains(p.Topics, topic) {
			continue
		}
		parts, err := log.Partitions(ctx, topic)
		if err != nil {
			return err
		}
		bounds, err := log.Bounds(ctx, p.Group, parts)
		if err != nil {
			return err
		}
		for _, part := range parts {
			if bounds[part].Committed < 0 {
				return fmt.Errorf("%s has not begun with %s: start the workers with this configuration, and give the command again when they have been dealt their partitions; it has start_at: last, and would pass over what is published before", p.Name, part)
			}
		}
	}
	return nil
}

// deletesAll refuses a plan with references that delete others where they go round among partitions. A topic of one, and one that had one when the publishing began, have them in the plan's order. What an earlier build has begun among several is gone on with.
func deletesAll(ctx context.Context, log publish.Log, state publishState, p *plan.Plan, topic string, warn *slog.Logger) error {
	if p.Deletions == 0 {
		return nil
	}
	was, err := state.load(ctx)
	if err != nil {
		return err
	}
	if was != nil {
		if len(was.Ends) > 1 && was.Next < p.Items && warn != nil {
			warn.Warn("references of the plan delete others, and go round among partitions, as an earlier build began with them: a deletion takes the rows of its own partition alone, so that some may stay", "plan", p.Name, "deletions", p.Deletions, "topic", topic, "partitions", len(was.Ends))
		}
		return nil
	}
	parts, err := log.Partitions(ctx, topic)
	if err != nil || len(parts) == 1 {
		return err
	}
	return fmt.Errorf("plan %s has %d references that delete others, and a deletion takes the rows of its own partition alone, of which %s has %d: publish it to a topic of one, or leave --topic out", p.Name, p.Deletions, topic, len(parts))
}

// forTopic refuses a plan with references that no pipeline takes which reads the topic: there they would be dead letters, and those that they are for never see them. A plan of an earlier build does not say whom it is for.
func forTopic(c *config.Config, p *plan.Plan, topic string) error {
	read := map[string][]string{}
	for i := range c.Pipelines {
		read[c.Pipelines[i].Name] = c.Pipelines[i].Topics
	}
	var lost []string
	for _, names := range slices.Sorted(maps.Keys(p.For)) {
		var others []string
		takers := strings.Split(names, ",")
		for _, name := range takers {
			others = append(others, read[name]...)
		}
		if slices.Contains(others, topic) {
			continue
		}
		where := "no topic of this configuration"
		if len(others) > 0 {
			where = strings.Join(slices.Compact(slices.Sorted(slices.Values(others))), ", ")
		}
		lost = append(lost, fmt.Sprintf("%d for %s (of %s)", p.For[names], strings.Join(takers, " and "), where))
	}
	if len(lost) == 0 {
		return nil
	}
	return fmt.Errorf("plan %s has references that no pipeline takes which reads %s: %s; nothing was published: plan with a configuration of that topic's pipelines alone, and of the others at another place, or have these read %[2]s, too",
		p.Name, topic, strings.Join(lost, ", "))
}

// publishState is where a publishing keeps how far it has come.
type publishState struct {
	at   plan.Place
	name string
}

func stateOf(at plan.Place, topic string) publishState {
	return publishState{at, plan.PublishName(at, topic)}
}

// mostState is more than a state's bytes, of a topic of very many partitions.
const mostState = 64 << 20

func (s publishState) load(ctx context.Context) (*publish.State, error) {
	body, err := objectstore.Whole(ctx, s.at.Store, s.name, mostState)
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	state := &publish.State{}
	if err == nil {
		err = json.Unmarshal(body, state)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", s.name, err)
	}
	return state, nil
}

// save writes a state over the one before it. The first one is written over none: a late one of a publisher that came to no more would make the list's records those of another publishing.
func (s publishState) save(ctx context.Context, state *publish.State) error {
	body, err := json.Marshal(state)
	switch {
	case err == nil && state.Next == 0:
		err = s.at.Store.PutIfAbsent(ctx, s.name, body, nil)
	case err == nil:
		err = s.at.Store.Put(ctx, s.name, body, "application/json")
	}
	if errors.Is(err, objectstore.ErrExists) { // by a try of this one's own that landed, or not
		is, again := s.load(ctx)
		if again == nil && is != nil && is.Run == state.Run {
			return nil
		}
		err = errors.Join(err, again)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.name, err)
	}
	return nil
}
