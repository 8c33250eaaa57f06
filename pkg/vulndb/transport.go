// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// remoteOptions are those of the registry client. It does not retry by itself:
// the next repository is asked first, and its pauses do not end with the context.
func remoteOptions(ctx context.Context, o Options) []remote.Option {
	inner := o.Transport
	if inner == nil {
		inner = remote.DefaultTransport
	}
	options := []remote.Option{
		remote.WithContext(ctx),
		remote.WithUserAgent("ocigate"),
		remote.WithTransport(&guard{inner: inner, insecure: o.InsecureHosts}),
		remote.WithRetryBackoff(remote.Backoff{Steps: 1, Duration: time.Millisecond}),
	}
	if o.Keychain != nil {
		options = append(options, remote.WithAuthFromKeychain(o.Keychain))
	}
	return options
}

// guard refuses plain http where it was not allowed: the registry client would
// try it on its own for private addresses, and follow redirects to it.
type guard struct {
	inner    http.RoundTripper
	insecure []string
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !plainAllowed(r.URL.Host, g.insecure) {
		return nil, fmt.Errorf("plain http to %s is refused", r.URL.Host)
	}
	return g.inner.RoundTrip(r)
}

// plainAllowed says whether host, perhaps with a port, may be spoken to in plain
// http.
func plainAllowed(host string, insecure []string) bool {
	bare := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		bare = h
	}
	bare = strings.Trim(bare, "[]")
	if strings.EqualFold(bare, "localhost") {
		return true
	}
	if ip, err := netip.ParseAddr(bare); err == nil && ip.IsLoopback() {
		return true
	}
	return slices.ContainsFunc(insecure, func(h string) bool {
		return strings.EqualFold(h, host) || strings.EqualFold(h, bare)
	})
}
