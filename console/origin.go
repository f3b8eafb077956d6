package console

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// guard lets through only what was asked of this gate, by its own page or by a program that is no browser.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")

		if !c.ownHost(r) {
			fail(w, http.StatusForbidden,
				"host %.100q is not one of this gate's: use its address, or add the name to the hosts in the settings", r.Host)
			return
		}
		if err := c.sameOrigin(r); err != nil {
			fail(w, http.StatusForbidden, "%v", err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownHost tells whether the Host header names this gate: a loopback name, a name of the settings, or the very
// address that the connection came in on. A name that an attacker's DNS points here is none of them.
func (c *console) ownHost(r *http.Request) bool {
	name := hostName(r.Host)
	if c.hosts[name] {
		return true
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	if ip.Unmap().IsLoopback() {
		return true
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		return local.AddrPort().Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
	}
	return false
}

// hostName is the host of a Host header, in lower case, without port, brackets and the root's dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// sameOrigin refuses what a page of another origin made the browser send. CrossOriginProtection believes
// Sec-Fetch-Site alone where there is one; an Origin that contradicts it is refused as well. Streams and searches
// are no writes, but a foreign page could use up the streams; following a link to the page itself is harmless.
func (c *console) sameOrigin(r *http.Request) error {
	if origin := r.Header.Get("Origin"); origin != "" {
		if u, err := url.Parse(origin); err != nil || (u.Scheme != "http" && u.Scheme != "https") || !strings.EqualFold(u.Host, r.Host) {
			return fmt.Errorf("origin %.100q is not this gate's page", origin)
		}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); r.URL.Path != "/" && (site == "cross-site" || site == "same-site") {
		return fmt.Errorf("request from another web site (Sec-Fetch-Site: %s)", site)
	}
	return c.cross.Check(r)
}
