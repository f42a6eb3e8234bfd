package kafkaletters

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/segmentio/kafka-go"

	"vecmill/schemas"
	"vecmill/sinks"
)

// The names of headers.
const (
	ours   = "vecmill."
	theirs = "source."

	headerVersion   = ours + "version"
	headerReason    = ours + "reason"
	headerMessage   = ours + "message"
	headerAttempts  = ours + "attempts"
	headerPipeline  = ours + "pipeline"
	headerTopic     = ours + "topic"
	headerPartition = ours + "partition"
	headerOffset    = ours + "offset"
	headerKey       = ours + "key"  // the record's own key; absent if it had none
	headerKind      = ours + "kind" // absent on a letter, kindMark on a mark
)

// kindMark is the kind of a message that says of a letter that it was replayed.
const kindMark = "replayed"

const version = "1"

// format is the message of a letter, with at most maxText bytes of its error.
func format(l *sinks.Letter, maxText int) kafka.Message {
	m := kafka.Message{Key: []byte(l.Origin().String()), Value: l.Value}
	add := func(k, v string) { m.Headers = append(m.Headers, kafka.Header{Key: k, Value: []byte(v)}) }
	add(headerVersion, version)
	add(headerReason, string(l.Reason))
	add(headerMessage, shorten(l.Message, maxText))
	add(headerAttempts, strconv.Itoa(l.Attempts))
	add(headerPipeline, l.Source.Pipeline)
	add(headerTopic, l.Source.Topic)
	add(headerPartition, strconv.Itoa(l.Source.Partition))
	add(headerOffset, strconv.FormatInt(l.Offset, 10))
	if l.Key != nil {
		m.Headers = append(m.Headers, kafka.Header{Key: headerKey, Value: l.Key})
	}
	for _, h := range l.Headers {
		m.Headers = append(m.Headers, kafka.Header{Key: theirs + h.Key, Value: h.Value})
	}
	return m
}

// cut ends an error that did not fit.
const cut = "... (cut)"

// shorten gives the first n bytes of a text, whole runes only.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n = max(n-len(cut), 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + cut
}

// Mark is the message that says of a letter that it was put back into its topic. It has a key of its own, so that compaction keeps both.
func Mark(of schemas.Origin) kafka.Message {
	return kafka.Message{
		Key: []byte(kindMark + ":" + of.String()), Value: []byte(of.String()), // a nil value would be removed by compaction
		Headers: []kafka.Header{{Key: headerVersion, Value: []byte(version)}, {Key: headerKind, Value: []byte(kindMark)}},
	}
}

// ParseMark reads a mark; false for every other message.
func ParseMark(m kafka.Message) (schemas.Origin, bool) {
	for _, h := range m.Headers {
		if h.Key == headerKind && string(h.Value) == kindMark {
			o, err := schemas.ParseOrigin(string(m.Value))
			return o, err == nil
		}
	}
	return schemas.Origin{}, false
}

// Parse reads a letter from a message of the topic. Headers of ours that it does not know are passed over.
func Parse(m kafka.Message) (sinks.Letter, error) {
	l := sinks.Letter{Value: m.Value}
	text := map[string]string{}
	for _, h := range m.Headers {
		switch name, isTheirs := strings.CutPrefix(h.Key, theirs); {
		case isTheirs:
			l.Headers = append(l.Headers, sinks.Header{Key: name, Value: h.Value})
		case h.Key == headerKey:
			l.Key = h.Value
		default:
			text[h.Key] = string(h.Value)
		}
	}
	if v := text[headerVersion]; v != version {
		return sinks.Letter{}, fmt.Errorf("reading dead letter: header %s is %q; this build reads version %s", headerVersion, v, version)
	}
	if kind := text[headerKind]; kind != "" {
		return sinks.Letter{}, fmt.Errorf("reading dead letter: the message is of kind %q", kind)
	}
	var err error
	number := func(header string, bits int) int64 {
		n, e := strconv.ParseUint(text[header], 10, bits)
		if e != nil && err == nil {
			err = fmt.Errorf("reading dead letter: header %s is %q, not a number", header, text[header])
		}
		return int64(n)
	}
	l.Source = schemas.SourceID{Pipeline: text[headerPipeline], Topic: text[headerTopic], Partition: int(number(headerPartition, 31))}
	l.Offset = number(headerOffset, 63)
	l.Attempts = int(number(headerAttempts, 31))
	l.Reason, l.Message = schemas.Reason(text[headerReason]), text[headerMessage]
	return l, err
}
