package kafkasink

import (
	"maps"
	"slices"
	"strconv"

	"github.com/segmentio/kafka-go"

	"vecmill/schemas"
	"vecmill/sinks/deliver"
)

// The names of headers.
const (
	HeaderRowID       = "vecmill.row_id"
	HeaderHead        = "vecmill.head"
	HeaderTask        = "vecmill.task"
	HeaderModelDigest = "vecmill.model_digest"
	HeaderWindow      = "vecmill.window"
	HeaderTopic       = "vecmill.topic" // where the reference was read, with the next two
	HeaderPartition   = "vecmill.partition"
	HeaderOffset      = "vecmill.offset"
	HeaderDeleted     = "vecmill.deleted" // "true" on a deletion
	HeaderContentType = "content-type"
	AttributePrefix   = "attribute."
)

// longestHeader is the longest attribute that is a header, too: headers are for routing, and the value has them all.
const longestHeader = 1024

// message is a row as a message.
func (e *Encoding) message(r *schemas.Row) (kafka.Message, error) {
	value, err := e.encode(r)
	if err != nil {
		return kafka.Message{}, err
	}
	m := kafka.Message{Key: []byte(r.RefID), Value: value, Time: r.CreatedAt}
	add(&m, HeaderContentType, e.contentType)
	add(&m, HeaderRowID, r.RowID)
	add(&m, HeaderHead, r.Head)
	add(&m, HeaderTask, string(r.Task))
	add(&m, HeaderModelDigest, r.ModelDigest)
	add(&m, HeaderWindow, strconv.Itoa(r.Window))
	origin(&m, r.Topic, r.Partition, r.Offset)
	for _, k := range slices.Sorted(maps.Keys(r.Attributes)) {
		if len(r.Attributes[k]) <= longestHeader {
			add(&m, AttributePrefix+k, r.Attributes[k])
		}
	}
	return m, nil
}

func add(m *kafka.Message, name, value string) {
	m.Headers = append(m.Headers, kafka.Header{Key: name, Value: []byte(value)})
}

func origin(m *kafka.Message, topic string, partition int, offset int64) {
	add(m, HeaderTopic, topic)
	add(m, HeaderPartition, strconv.Itoa(partition))
	add(m, HeaderOffset, strconv.FormatInt(offset, 10))
}

// messages is a batch.
func (e *Encoding) messages(b *deliver.Batch) ([]kafka.Message, error) {
	out := make([]kafka.Message, 0, b.Len())
	for _, p := range b.Parts {
		for _, it := range p.Items {
			if it.Row == nil {
				m := kafka.Message{Key: []byte(it.Delete)}
				add(&m, HeaderDeleted, "true")
				origin(&m, p.Source.Topic, p.Source.Partition, it.Offset)
				out = append(out, m)
				continue
			}
			m, err := e.message(it.Row)
			if err != nil {
				return nil, deliver.Refused(err)
			}
			out = append(out, m)
		}
	}
	return out, nil
}

// recordOverhead is what a record batch adds to its one record, at most: the batch's header, lengths and deltas as variable integers.
const recordOverhead = 128

// size is what a message takes on the wire, at most.
func size(m *kafka.Message) int {
	n := recordOverhead + len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += 10 + len(h.Key) + len(h.Value)
	}
	return n
}

// atMost is a bound of a row's size as a message that costs nothing to find out.
func atMost(r *schemas.Row) int64 {
	const (
		name   = 8  // JSON's words around a number or a field, beyond what Size counts
		number = 24 // the longest float as text
	)
	n := 6*r.Size() + (number-4)*int64(len(r.Vector)+len(r.Half)+len(r.Probabilities))
	return n + 100*int64(len(r.Words)+len(r.Chars)+len(r.Labels)+len(r.Segments)+len(r.Entities)+len(r.Areas)+len(r.Fillings)+len(r.Answers)+len(r.Mask.Runs)) + 4096 + name
}
