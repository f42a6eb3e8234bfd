package harness

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// Listener is one more address of a broker, beside the plain one that the harness itself uses.
type Listener struct {
	Protocol   string                        // PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
	Advertise  func(addr string) (as string) // what clients are told to connect to instead of addr; nil for addr itself
	Properties map[string]string             // of this listener alone, without listener.name.<name> before them
}

// listen gives every listener a port, in the properties over the harness's own, and returns where clients find it.
func listen(tb testing.TB, listeners map[string]Listener, over map[string]string, own map[string]string) map[string]string {
	tb.Helper()
	addrs := map[string]string{}
	names := slices.Sorted(maps.Keys(listeners))
	for i, port := range freePorts(tb, len(names)) {
		name, l := names[i], listeners[names[i]]
		at, as := loopback(port), loopback(port)
		if l.Advertise != nil {
			as = l.Advertise(at)
		}
		addrs[name] = as
		upper := strings.ToUpper(name)
		own["listeners"] += "," + upper + "://" + at
		own["advertised.listeners"] += "," + upper + "://" + as
		own["listener.security.protocol.map"] += "," + upper + ":" + l.Protocol
		for key, value := range l.Properties {
			own["listener.name."+strings.ToLower(name)+"."+key] = value
		}
	}
	maps.Copy(own, over)
	return addrs
}
