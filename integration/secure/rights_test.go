//go:build integration

package secure

import (
	"encoding/json"
	"fmt"
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

// TestRights has a broker that asks what a user may do, and a user who may do everything but write to the topics that a worker writes to.
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
	allow(kafka.ResourceTypeGroup, "*", kafka.ACLOperationTypeRead)
	allow(kafka.ResourceTypeTopic, "rights", kafka.ACLOperationTypeRead)
	for _, topic := range []string{letters, rows} {
		allow(kafka.ResourceTypeTopic, topic, kafka.ACLOperationTypeDescribe)
	}
	p := site.Pipeline(t, "rights", schemas.Text, "rights")
	p.DeadLetters = config.DeadLetters{Topic: letters}
	p.Outputs = append(p.Outputs, config.Output{Kafka: &config.KafkaOutput{Topic: rows}})
	c := site.Config(p)
	c.Kafka.Brokers = []string{k.ListenerAddr(listener)}
	c.Kafka.SASL.Mechanism, c.Kafka.SASL.Username = "plain", user

	found := examine(t, site, "refused", c)
	for check, topic := range map[string]string{"dead letters rights": letters, "output rights 1": rows} {
		if f := found[check]; f.Grade != wire.Trouble || !strings.Contains(f.Text, "topic "+topic+": [29] Topic Authorization Failed") {
			t.Errorf("%s without the right to write: %+v", check, f)
		}
		allow(kafka.ResourceTypeTopic, topic, kafka.ACLOperationTypeWrite)
	}
	for check, f := range examine(t, site, "allowed", c) {
		if f.Grade == wire.Trouble {
			t.Errorf("%s with all rights: %+v", check, f)
		}
	}
	for _, topic := range []string{letters, rows} {
		if n := k.EndOffsets(t, topic)[0]; n != 0 {
			t.Errorf("asking has written %d records to %s", n, topic)
		}
	}
}

// examine is what doctor finds, by check.
func examine(t *testing.T, site *fixture.Site, name string, c *config.Config) map[string]wire.Finding {
	t.Helper()
	file := fixture.WriteConfig(t, t.TempDir()+"/"+name+".yaml", c)
	doctor := harness.StartWorker(t, harness.Worker{
		Name: name, Args: []string{"doctor", "--json", "--config", file}, Dir: t.TempDir(), Env: append(fixture.S3Env(), "VECMILL_KAFKA_SASL_PASSWORD="+password("plain")),
	})
	doctor.Wait(t, 3*time.Minute)
	found := map[string]wire.Finding{}
	for line := range strings.Lines(doctor.Log()) {
		var f wire.Finding
		if json.Unmarshal([]byte(line), &f) == nil && f.Check != "" {
			found[f.Check] = f
		}
	}
	if len(found) == 0 {
		t.Fatalf("doctor says nothing:\n%s", doctor.Log())
	}
	return found
}
