// SPDX-License-Identifier: Apache-2.0

package image

import (
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// guardedTransport decides per host whether plain http and unverified TLS are allowed.
type guardedTransport struct {
	verified   http.RoundTripper
	unverified http.RoundTripper
	insecure   []string
}

func newTransport(opts Options) (http.RoundTripper, error) {
	for _, h := range opts.InsecureRegistries {
		if h == "" || strings.ContainsAny(h, "/@ ") {
			return nil, toError("configure", "insecure registry", faultf(KindUsage, "%q is not host or host:port", redactReference(h)))
		}
	}
	base := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          100,
		MaxIdleConnsPerHost:   50,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute,
		ExpectContinueTimeout: time.Second,
		// Layers are compressed already, and their bytes must arrive as they are stored.
		DisableCompression: true,
		TLSClientConfig:    &tls.Config{RootCAs: opts.CAs, MinVersion: tls.VersionTLS12},
	}
	open := base.Clone()
	// Only for hosts that the caller declared insecure.
	open.TLSClientConfig = &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12} //nolint:gosec
	return &guardedTransport{verified: base, unverified: open, insecure: slices.Clone(opts.InsecureRegistries)}, nil
}

func (t *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	insecure := isInsecure(t.insecure, req.URL.Host)
	if req.URL.Scheme != "https" && !insecure && !isLoopback(req.URL.Hostname()) {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, faultf(KindNetwork, "plain http to %s is refused", req.URL.Host).
			withHint("use https, or allow it with --insecure-registry " + req.URL.Host)
	}
	if insecure {
		return t.unverified.RoundTrip(req)
	}
	return t.verified.RoundTrip(req)
}

// CloseIdleConnections lets http.Client and Set.Close drop connections.
func (t *guardedTransport) CloseIdleConnections() {
	for _, rt := range []http.RoundTripper{t.verified, t.unverified} {
		if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
			c.CloseIdleConnections()
		}
	}
}

// isInsecure matches host:port, and host for any port where the list names none.
func isInsecure(list []string, host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, host) || strings.EqualFold(s, name) })
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
