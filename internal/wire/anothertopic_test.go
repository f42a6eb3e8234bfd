package wire

import (
	"strings"
	"testing"

	"vecmill/internal/backfill/plan"
	"vecmill/internal/config"
	"vecmill/sinks/dirstore"
)

// TestAPlanIsPublishedToOneTopicOfAPipeline: a second one would have it compute everything twice, and one of another pipeline is that one's own.
func TestAPlanIsPublishedToOneTopicOfAPipeline(t *testing.T) {
	store, err := dirstore.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	place := plan.Place{Store: store}
	if err := store.Put(t.Context(), plan.PublishName(place, "refs"), []byte("{}"), ""); err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Pipelines: []config.Pipeline{{Name: "speech", Topics: []string{"live", "refs", "more"}}, {Name: "clips", Topics: []string{"live", "pictures"}}}}
	for topic, want := range map[string]string{
		"refs": "", "pictures": "", "more": "plan p was published to topic refs, which pipeline speech reads as it does more: it would compute everything twice; go on with --topic refs,", "live": "which pipeline speech reads",
	} {
		err := inAnotherTopic(t.Context(), c, place, &plan.Plan{Name: "p"}, topic)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("to %s: %v, want %q", topic, err, want)
		}
	}
}
