package kafkasource

import (
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// errOld says that a broker does not tell where its log ends.
var errOld = errors.New("the broker does not say it, as brokers do from Kafka 2.1 on")

// epochEndRequest is OffsetForLeaderEpoch of one partition, which kafka-go lacks. A leader that is asked for its present epoch says where its log ends, behind what is shown to readers (KIP-320). Versions before v2 do not say by whose epoch they
// answer: they are here so that kafka-go tells the ones that a broker has, and are not sent.
type epochEndRequest struct {
	ReplicaID int32           `kafka:"min=v3,max=v3"`
	Topics    []epochEndTopic `kafka:"min=v0,max=v3"`
}

type epochEndTopic struct {
	Topic      string              `kafka:"min=v0,max=v3"`
	Partitions []epochEndPartition `kafka:"min=v0,max=v3"`
}

type epochEndPartition struct {
	Partition          int32 `kafka:"min=v0,max=v3"`
	CurrentLeaderEpoch int32 `kafka:"min=v2,max=v3"`
	LeaderEpoch        int32 `kafka:"min=v0,max=v3"`
}

type epochEndResponse struct {
	ThrottleTimeMs int32         `kafka:"min=v2,max=v3"`
	Topics         []epochEndsOf `kafka:"min=v0,max=v3"`
}

type epochEndsOf struct {
	Topic      string     `kafka:"min=v0,max=v3"`
	Partitions []epochEnd `kafka:"min=v0,max=v3"`
}

type epochEnd struct {
	ErrorCode   int16 `kafka:"min=v0,max=v3"`
	Partition   int32 `kafka:"min=v0,max=v3"`
	LeaderEpoch int32 `kafka:"min=v1,max=v3"`
	EndOffset   int64 `kafka:"min=v0,max=v3"`
}

func init() { //nolint:gochecknoinits // kafka-go's table of messages is read by every connection: a later entry would race with them
	protocol.Register(&epochEndRequest{}, &epochEndResponse{})
}

func (*epochEndRequest) ApiKey() protocol.ApiKey  { return protocol.OffsetForLeaderEpoch }
func (*epochEndResponse) ApiKey() protocol.ApiKey { return protocol.OffsetForLeaderEpoch }

// firstEpochEnd is the version of the request that is sent, or a later one.
const firstEpochEnd = 2

// Required implements protocol.RawExchanger: brokers that have no such version, or no such request, are not sent another.
func (*epochEndRequest) Required(versions map[protocol.ApiKey]int16) bool {
	return versions[protocol.OffsetForLeaderEpoch] < firstEpochEnd
}

// RawExchange implements protocol.RawExchanger.
func (*epochEndRequest) RawExchange(io.ReadWriter) (protocol.Message, error) { return nil, errOld }

// Broker is the partition's leader.
func (r *epochEndRequest) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	topic, id := r.Topics[0].Topic, r.Topics[0].Partitions[0].Partition
	leader, ok := cluster.Brokers[cluster.Topics[topic].Partitions[id].Leader]
	if !ok {
		return protocol.Broker{}, fmt.Errorf("%s/%d has no leader that is known", topic, id)
	}
	return leader, nil
}
