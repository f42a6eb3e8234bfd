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
)

// mayWrite asks whether this client may write to a topic by asking its leader to append nothing. A broker looks at rights first; that nothing is no batch it
// says only to those who may write. Whatever else it says is not about rights, and no fault.
func mayWrite(ctx context.Context, c *config.Config, topic string) error {
	transport, err := kafkaTransport(c)
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := &kafka.Client{Addr: kafka.TCP(c.Kafka.Brokers...), Transport: transport, Timeout: 10 * time.Second}
	nothing := protocol.RawRecordSet{Reader: bytes.NewReader(make([]byte, 4))} // its length
	res, err := client.RawProduce(ctx, &kafka.RawProduceRequest{Topic: topic, RequiredAcks: kafka.RequireAll, RawRecords: nothing})
	if err == nil {
		err = res.Error
	}
	if errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.ClusterAuthorizationFailed) {
		return fmt.Errorf("topic %s: %w; give this user the right to write to it", topic, err)
	}
	return nil
}
