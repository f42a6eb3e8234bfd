package telemetry

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// ownHosts answers requests that name the host as nobody but this machine's own users would: localhost, or an address. A web site whose name is made to lead to a loopback address (DNS
// rebinding) is to a browser of this machine the same origin as what listens there, and its pages would read and change what others do not even reach.
func ownHosts(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := (&url.URL{Host: r.Host}).Hostname() // neither port nor brackets
		if _, err := netip.ParseAddr(host); err != nil && !strings.EqualFold(host, "localhost") {
			http.Error(w, "ask for localhost or an address, such as 127.0.0.1: a web site could read this by another name", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}
