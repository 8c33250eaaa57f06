// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const loadHint = "the build may not have been loaded: use `docker build --load` / `docker buildx build --load`, or say registry:REF to judge the registry's image"

func (o *opener) open(ctx context.Context) (*Set, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ref := o.reference
	if strings.TrimSpace(ref) == "" {
		return nil, faultf(KindUsage, "the reference is empty")
	}
	if strings.Contains(ref, "\x00") {
		return nil, faultf(KindUsage, "the reference contains a NUL byte")
	}
	transport, rest, ok := strings.Cut(ref, ":")
	if !ok {
		return o.openBare(ctx, ref)
	}
	switch evidence.Source(transport) {
	case evidence.SourceRegistry:
		return o.openRegistry(ctx, rest)
	case evidence.SourceDockerDaemon:
		return o.openDaemon(ctx, rest)
	case evidence.SourceDockerArchive, evidence.SourceOCI, evidence.SourceOCIArchive:
		path, selector := splitPath(rest)
		if path == "" {
			return nil, faultf(KindUsage, "%s: needs a path", transport)
		}
		return o.openFile(ctx, evidence.Source(transport), path, selector)
	}
	for _, scheme := range []string{"docker", "http", "https", "oci+https"} {
		if transport == scheme && strings.HasPrefix(rest, "//") {
			return nil, faultf(KindUsage, "references have no %s://", scheme).
				withHint("say registry:" + redactReference(strings.TrimPrefix(rest, "//")))
		}
	}
	return o.openBare(ctx, ref)
}

// splitPath separates PATH from :TAG or @DIGEST. A path that exists is taken whole.
func splitPath(s string) (path, selector string) {
	if _, err := os.Lstat(s); err == nil {
		return s, ""
	}
	for _, algorithm := range []string{"@sha256:", "@sha512:"} {
		if i := strings.LastIndex(s, algorithm); i >= 0 {
			return s[:i], s[i:]
		}
	}
	start := 0
	if len(s) > 2 && s[1] == ':' && (s[2] == '\\' || s[2] == '/') && filepath.VolumeName(s) != "" {
		start = 2 // a Windows drive
	}
	if i := strings.Index(s[start:], ":"); i >= 0 {
		return s[:start+i], s[start+i+1:]
	}
	return s, ""
}

// openBare understands a reference without a transport.
func (o *opener) openBare(ctx context.Context, ref string) (*Set, error) {
	if path, selector := splitPath(ref); looksLikePath(ref) || looksLikePath(path) || exists(path) {
		return o.openDetected(ctx, path, selector)
	}
	host, origin, err := o.daemonHost()
	if err != nil {
		return nil, err
	}
	if host != nil {
		set, err := o.openDaemonAt(ctx, ref, host)
		if err != nil {
			return nil, err
		}
		set.Note = "bare reference: read from the Docker daemon at " + redactReference(host.Host)
		return set, nil
	}
	set, err := o.openRegistry(ctx, ref)
	if err != nil {
		return nil, err
	}
	set.Note = "bare reference: read from the registry, as " + origin
	return set, nil
}

func looksLikePath(s string) bool {
	if strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../") || filepath.IsAbs(s) {
		return true
	}
	return hasSuffix(s, ".tar", ".tar.gz", ".tgz")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// parseName reads a registry reference strictly as Docker does. Plain http is
// not decided here but by the transport.
func (o *opener) parseName(ref string) (name.Reference, error) {
	if redactReference(ref) != ref {
		// The parser's error would quote it.
		return nil, faultf(KindUsage, "a reference holds no credentials").withHint("use docker login")
	}
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, faultf(KindUsage, "not an image reference: %w", err)
	}
	if o.isPlain(r.Context().RegistryStr()) {
		if r, err = name.ParseReference(ref, name.Insecure); err != nil {
			return nil, faultf(KindUsage, "not an image reference: %w", err)
		}
	}
	return r, nil
}

// isPlain says whether a registry may be talked to without TLS.
func (o *opener) isPlain(host string) bool {
	return isInsecure(o.InsecureRegistries, host) || isLoopback(hostname(host))
}

func hostname(host string) string {
	if i := strings.LastIndex(host, ":"); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	return host
}

// fullName is the spelling that Docker prints: docker.io, not index.docker.io.
func fullName(r name.Reference) string {
	s := r.Name()
	if rest, ok := strings.CutPrefix(s, name.DefaultRegistry+"/"); ok {
		return "docker.io/" + rest
	}
	return s
}

// normalName is fullName of a name found in an archive; as it is where it is none.
func normalName(s string) string {
	r, err := name.ParseReference(s)
	if err != nil {
		return s
	}
	return fullName(r)
}
