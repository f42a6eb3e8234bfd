package telemetry

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// ownHosts answers requests that name the host as nobody but the worker's own users would: localhost, an address, or one of names. A web site whose name is made to lead to a loopback address (DNS
// rebinding) is to a browser of that machine the same origin as what listens there, and its pages would read and change what others do not even reach.
//
// Without names, a connection that came to another address than a loopback one may name any host: the network says who comes so. It goes by the connection, and not by where the server listens:
// `kubectl port-forward` comes to the loopback address of a pod whose server listens on all. A port that the machine forwards to a container's own address looks like any other connection, so that such a container needs names.
func ownHosts(names []string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !namesOwn(names, r.Host) && (len(names) > 0 || toLoopback(r)) {
			http.Error(w, "ask for localhost, for an address, such as 127.0.0.1, or for a name of telemetry.hosts: a web site could read this by another name", http.StatusForbidden)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// namesOwn says whether a request's host is one that no web site has.
func namesOwn(names []string, requested string) bool {
	host := (&url.URL{Host: requested}).Hostname() // neither port nor brackets
	_, err := netip.ParseAddr(host)
	return err == nil || strings.EqualFold(host, "localhost") || slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(host, name) })
}

// toLoopback says whether a request came to a loopback address. One of which that is not known did.
func toLoopback(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return !ok || at.IP.IsLoopback()
}

// ownSite refuses what a page of another web site has a browser ask for. Browsers send a GET there without asking first, as for a picture: the page is told nothing, and the work is done all the same.
// Other programs send neither of the headers.
func ownSite(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		site := r.Header.Get("Sec-Fetch-Site")
		if site != "" && site != "none" && site != "same-origin" || isForeign(r) {
			http.Error(w, "a page of another web site asks for this; give its address to the browser yourself", http.StatusForbidden)
			return
		}
		h(w, r)
	}
}

// isForeign says whether a browser tells that a request is a page's of another origin.
func isForeign(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin) // "null" has no host
	return err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host)
}
