//go:build integration

package secure

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"

	"vecmill/integration/fixture"
	"vecmill/integration/harness"
	"vecmill/internal/config"
	"vecmill/internal/wire"
	"vecmill/schemas"
)

// TestRights has a broker that asks what a user may do, and a user who may look everything up, and neither read nor write. The rights come one by one: those that a worker needs, and those of commands that look at dead letters.
func TestRights(t *testing.T) {
	const listener, letters, rows = "passwords", "rights-letters", "rights-rows"
	k := harness.KafkaConfig{
		Properties: map[string]string{"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "super.users": "User:ANONYMOUS"},
		Listeners: map[string]harness.Listener{listener: {Protocol: "SASL_PLAINTEXT", Properties: map[string]string{
			"sasl.enabled.mechanisms": "PLAIN",
			"plain.sasl.jaas.config":  fmt.Sprintf(`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, user, password("plain")),
		}}},
	}.Start(t)
	site := fixture.On(t, k, harness.StartS3(t))
	for _, topic := range []string{"rights", letters, rows} {
		k.CreateTopic(t, topic, 1)
	}
	allow := func(kind kafka.ResourceType, name string, operation kafka.ACLOperationType) {
		t.Helper()
		res, err := k.Client().CreateACLs(t.Context(), &kafka.CreateACLsRequest{ACLs: []kafka.ACLEntry{{
			ResourceType: kind, ResourceName: name, ResourcePatternType: kafka.PatternTypeLiteral, Principal: "User:" + user, Host: "*",
			Operation: operation, PermissionType: kafka.ACLPermissionTypeAllow,
		}}})
		if err == nil && len(res.Errors) == 1 {
			err = res.Errors[0]
		}
		if err != nil {
			t.Fatalf("allowing %s: %v", name, err)
		}
	}
	allow(kafka.ResourceTypeGroup, "rights", kafka.ACLOperationTypeDescribe)
	for _, topic := range []string{"rights", letters, rows} {
		allow(kafka.ResourceTypeTopic, topic, kafka.ACLOperationTypeDescribe)
	}
	p := site.Pipeline(t, "rights", schemas.Text, "rights")
	p.DeadLetters = config.DeadLetters{Topic: letters}
	p.Outputs = append(p.Outputs, config.Output{Kafka: &config.KafkaOutput{Topic: rows}})
	c := site.Config(p)
	c.Kafka.Brokers = []string{k.ListenerAddr(listener)}
	c.Kafka.SASL.Mechanism, c.Kafka.SASL.Username = "plain", user

	found := examine(t, site, "refused", c)
	for _, r := range []struct {
		check, words string
		kind         kafka.ResourceType
		name         string
		right        kafka.ACLOperationType
	}{
		{"kafka rights", "topic rights: [29] Topic Authorization Failed", kafka.ResourceTypeTopic, "rights", kafka.ACLOperationTypeRead},
		{"kafka rights", "group rights: [30] Group Authorization Failed", kafka.ResourceTypeGroup, "rights", kafka.ACLOperationTypeRead},
		{"dead letters rights", "topic " + letters + ": [29] Topic Authorization Failed", kafka.ResourceTypeTopic, letters, kafka.ACLOperationTypeWrite},
		{"output rights 1", "topic " + rows + ": [29] Topic Authorization Failed", kafka.ResourceTypeTopic, rows, kafka.ACLOperationTypeWrite},
	} {
		if !slices.ContainsFunc(found, func(f wire.Finding) bool {
			return f.Check == r.check && f.Grade == wire.Trouble && strings.HasPrefix(f.Text, r.words) && strings.Contains(f.Text, "; give this user the right to ")
		}) {
			t.Errorf("%s is to say %q, and doctor says %+v", r.check, r.words, found)
		}
		allow(r.kind, r.name, r.right)
	}
	untold := func(found []wire.Finding) (checks []string) {
		for _, f := range found {
			if f.Grade == wire.Trouble {
				t.Errorf("with all rights: %+v", f)
			}
			if strings.Contains(f.Text, "max.message.bytes") && strings.Contains(f.Text, "cannot be told") {
				checks = append(checks, f.Check)
			}
		}
		return checks
	}
	if got := untold(examine(t, site, "undescribed", c)); !slices.Equal(got, []string{"output rights 1", "dead letters rights"}) {
		t.Errorf("without the right to describe configurations %v warn", got)
	}
	for _, topic := range []string{"rights", letters, rows} {
		allow(kafka.ResourceTypeTopic, topic, kafka.ACLOperationTypeDescribeConfigs)
	}
	if got := untold(examine(t, site, "allowed", c)); len(got) > 0 {
		t.Errorf("with the right to describe configurations %v warn", got)
	}
	if state, n := k.Group(t, "rights"); n != 0 {
		t.Errorf("asking has made %d members of the group, which is %s", n, state)
	}
	for _, topic := range []string{letters, rows} {
		if n := k.EndOffsets(t, topic)[0]; n != 0 {
			t.Errorf("asking has written %d records to %s", n, topic)
		}
	}
	testLetterRights(t, site, c, func() {
		allow(kafka.ResourceTypeTopic, letters, kafka.ACLOperationTypeRead)
		allow(kafka.ResourceTypeTopic, "rights", kafka.ACLOperationTypeWrite)
	})
}

// testLetterRights has a worker with a worker's rights make a dead letter. Commands that look at letters are refused with these, and do their work when allow has given those that docs/security.md adds for them.
func testLetterRights(t *testing.T, site *fixture.Site, c *config.Config, allow func()) {
	t.Helper()
	t.Setenv("VECMILL_KAFKA_SASL_PASSWORD", password("plain"))
	topic := c.Pipelines[0].Topics[0]
	site.Publish(t, topic, fixture.JSON(t, schemas.Ref{ID: "long", Inline: []byte(strings.Repeat("far too long ", 100))}), fixture.JSON(t, schemas.Ref{ID: "short", Inline: []byte("play a song")}))
	worker := site.StartWorker(t, "allowed-worker", c)
	site.AwaitCommitted(t, topic, []string{c.Pipelines[0].Group}, time.Minute, worker)
	fixture.Stop(t, worker)
	for _, allowed := range []bool{false, true} {
		if allowed {
			allow()
		}
		for _, command := range []struct {
			name   string
			give   func(tb testing.TB, name string, c *config.Config, args ...string) (code int, out string)
			args   []string
			prints string
		}{
			{"list", site.WorkerCommand, []string{"dlq", "list"}, "too-large"},
			{"audit", site.Backfill, []string{"audit"}, `"faults":0`},
			{"replay", site.WorkerCommand, []string{"dlq", "replay"}, "1 replayed"},
		} {
			want, ends := command.prints, 0
			if !allowed {
				want, ends = "Topic Authorization Failed", 1
			}
			if code, out := command.give(t, fmt.Sprintf("%s-%v", command.name, allowed), c, command.args...); code != ends || !strings.Contains(out, want) {
				t.Errorf("%s with the right to read letters (%v) ends with %d, want %d and %q in\n%s", command.name, allowed, code, ends, want, out)
			}
		}
	}
}

// examine is what doctor finds.
func examine(t *testing.T, site *fixture.Site, name string, c *config.Config) (found []wire.Finding) {
	t.Helper()
	file := fixture.WriteConfig(t, t.TempDir()+"/"+name+".yaml", c)
	doctor := harness.StartWorker(t, harness.Worker{
		Name: name, Args: []string{"doctor", "--json", "--config", file}, Dir: t.TempDir(), Env: append(fixture.S3Env(), "VECMILL_KAFKA_SASL_PASSWORD="+password("plain")),
	})
	doctor.Wait(t, 3*time.Minute)
	for line := range strings.Lines(doctor.Log()) {
		var f wire.Finding
		if json.Unmarshal([]byte(line), &f) == nil && f.Check != "" {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		t.Fatalf("doctor says nothing:\n%s", doctor.Log())
	}
	return found
}
