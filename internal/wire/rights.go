package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"vecmill/internal/config"
	"vecmill/stream"
	"vecmill/stream/kafkasource"
)

// What a user may do is asked by requests that do nothing. A broker looks at rights first; whatever else it says is not about rights, and no fault.

// mayWrite asks whether this client may write to a topic by asking its leader to append nothing, which is no batch.
func mayWrite(ctx context.Context, c *config.Config, topic string) error {
	return rightTo(c, "topic "+topic, "write to it", func(client *kafka.Client) error {
		nothing := protocol.RawRecordSet{Reader: bytes.NewReader(make([]byte, 4))} // its length
		res, err := client.RawProduce(ctx, &kafka.RawProduceRequest{Topic: topic, RequiredAcks: kafka.RequireAll, RawRecords: nothing})
		if err != nil {
			return err
		}
		return res.Error
	})
}

// mayRead asks whether this client may read a topic by fetching from where a partition ends.
func mayRead(ctx context.Context, c *config.Config, p stream.Partition, end int64) error {
	return rightTo(c, "topic "+p.Topic, "read it", func(client *kafka.Client) error {
		res, err := client.Fetch(ctx, &kafka.FetchRequest{Topic: p.Topic, Partition: p.ID, Offset: end, MaxBytes: 1, MaxWait: time.Millisecond})
		if err != nil {
			return err
		}
		return res.Error
	})
}

// mayJoin asks whether this client may be a member of a group, and commit for it, by the heartbeat of a member that it does not have.
// Any broker will do: the rights are the cluster's.
func mayJoin(ctx context.Context, c *config.Config, group string) error {
	return rightTo(c, "group "+group, "read in it", func(client *kafka.Client) error {
		res, err := client.Heartbeat(ctx, &kafka.HeartbeatRequest{GroupID: group, GenerationID: -1, MemberID: "vecmill-doctor"})
		if err != nil {
			return err
		}
		return kafkasource.HeartbeatAnswer(res)
	})
}

// rightTo says which right is missing, if ask is told so.
func rightTo(c *config.Config, what, do string, ask func(*kafka.Client) error) error {
	transport, err := kafkaTransport(c)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	err = ask(&kafka.Client{Addr: kafka.TCP(c.Kafka.Brokers...), Transport: transport, Timeout: 10 * time.Second})
	for _, refusal := range []kafka.Error{kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed} {
		if errors.Is(err, refusal) {
			return fmt.Errorf("%s: %w; give this user the right to %s", what, err, do)
		}
	}
	return nil
}
