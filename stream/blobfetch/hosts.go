package blobfetch

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// hostRule is one entry of the allow-list of hosts.
type hostRule struct {
	host  string // lower case; "*" any; "*.x" any name below x
	port  string // "" means the scheme's own
	plain bool   // http, too
}

func parseHostRule(s string) (hostRule, error) {
	rest, plain := strings.CutPrefix(s, "http://")
	rest = strings.TrimPrefix(rest, "https://")
	r := hostRule{host: strings.ToLower(rest), plain: plain}
	if host, port, err := net.SplitHostPort(rest); err == nil {
		r.host, r.port = strings.ToLower(host), port
	}
	r.host = strings.TrimSuffix(strings.Trim(r.host, "[]"), ".")
	name := strings.TrimPrefix(r.host, "*.")
	_, portErr := strconv.ParseUint("0"+r.port, 10, 16)
	if name == "" || strings.HasSuffix(rest, "*.") || portErr != nil || strings.ContainsAny(name, "/@? ") || r.host != "*" && strings.Contains(name, "*") {
		return hostRule{}, fmt.Errorf("%q is not host, host:port, *.domain, http://host or *", s)
	}
	return r, nil
}

func (r hostRule) covers(u *url.URL) bool {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	wantPort := r.port
	if wantPort == "" {
		wantPort = defaultPort(u.Scheme)
	}
	port := u.Port()
	if port == "" {
		port = defaultPort(u.Scheme)
	}
	if u.Scheme == "http" && !r.plain || port != wantPort {
		return false
	}
	below, wild := strings.CutPrefix(r.host, "*")
	return r.host == host || wild && strings.HasSuffix(host, below) && len(host) > len(below)
}

func defaultPort(scheme string) string {
	if scheme == "http" {
		return "80"
	}
	return "443"
}

// hostRefusal says why a URI may not be fetched, "" if it may: it is asked for the reference's own URI and for every redirect.
func (f *Fetcher) hostRefusal(u *url.URL) string {
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return "only https is fetched"
	case u.User != nil:
		return "a user name or password in a URI is not used"
	}
	for _, r := range f.hosts {
		if r.covers(u) {
			return ""
		}
	}
	return "the host is not among those allowed"
}

// special are networks that are not the public internet, beside those that netip knows (IANA special-purpose registries). Among them are those that
// carry IPv4 addresses inside IPv6 ones, which would go round the check, and the one public address that a cloud has given to its host agent.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.88.99.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::ffff:0:0:0/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("100:0:0:1::/64"), netip.MustParsePrefix("2001::/23"), netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("fec0::/10"),
}

// public says whether an address is on the public internet.
func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	if !ip.IsValid() || ip.IsPrivate() || !ip.IsGlobalUnicast() { // loopback, link-local, multicast and unspecified are not global unicast
		return false
	}
	for _, p := range special {
		if p.Contains(ip) {
			return false
		}
	}
	return true
}
