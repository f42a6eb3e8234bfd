package stream

import (
	"context"
	"maps"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/propagation"

	"vecmill/schemas"
	"vecmill/sinks"
)

// Carry says which headers of a record become attributes of its rows.
type Carry struct {
	Headers []string
	Prefix  string // before a header's name
}

// MaxCarried is the most bytes of a header that a row carries; what is longer is cut. The number of headers is the operator's list.
const MaxCarried = 1 << 10

// carry adds the chosen headers to a reference's attributes. What the reference itself says stays; of a header that is there several times the last counts.
func (p *Pipeline) carry(ref *schemas.Ref, headers []sinks.Header) {
	added := false
	for _, name := range p.cfg.Carry.Headers {
		key := p.cfg.Carry.Prefix + name
		if _, own := ref.Attributes[key]; own {
			continue
		}
		value, ok := header(headers, name)
		if !ok {
			continue
		}
		if !added { // the map may be another reference's too
			ref.Attributes, added = maps.Clone(ref.Attributes), true
			if ref.Attributes == nil {
				ref.Attributes = map[string]string{}
			}
		}
		ref.Attributes[key] = clip(strings.ToValidUTF8(string(value), "\ufffd"))
	}
}

// header is the last value of a header.
func header(headers []sinks.Header, name string) ([]byte, bool) {
	for i := len(headers) - 1; i >= 0; i-- {
		if headers[i].Key == name {
			return headers[i].Value, true
		}
	}
	return nil, false
}

// clip cuts a text at MaxCarried bytes, between characters.
func clip(s string) string {
	if len(s) <= MaxCarried {
		return s
	}
	n := MaxCarried
	for !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// parent is ctx with the span that the record's producer names in its headers (W3C Trace Context), if it does.
func parent(ctx context.Context, headers []sinks.Header) context.Context {
	if _, ok := header(headers, "traceparent"); !ok {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, carrier(headers))
}

// carrier gives headers to the propagator.
type carrier []sinks.Header

// Get implements propagation.TextMapCarrier.
func (c carrier) Get(key string) string {
	v, _ := header(c, key)
	return string(v)
}

// Set implements propagation.TextMapCarrier. Nothing is ever sent.
func (c carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (c carrier) Keys() (keys []string) {
	for _, h := range c {
		keys = append(keys, h.Key)
	}
	return keys
}
