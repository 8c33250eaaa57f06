// SPDX-License-Identifier: Apache-2.0

// Package image opens container images where they are — a registry, a Docker
// daemon, a docker archive, an OCI layout or its tar — and yields their
// configuration and verified readers of their layers. Everything is by digest
// from the first read on, and a layer whose bytes are not what its digest and
// diff ID promise never ends in a plain io.EOF.
package image

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Options say how images are opened. The zero value reads no environment.
type Options struct {
	// Platforms narrow an index to these. Each must be there. Empty: every platform.
	Platforms []evidence.Platform
	// InsecureRegistries are host[:port] for which plain http and unverified TLS are allowed.
	InsecureRegistries []string
	// CAs are the trusted certificate authorities. Nil: those of the system.
	CAs *x509.CertPool
	// Getenv reads the environment: DOCKER_HOST, DOCKER_CONTEXT, DOCKER_CONFIG, HOME,
	// DOCKER_TLS, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, XDG_RUNTIME_DIR, XDG_CONFIG_HOME,
	// REGISTRY_AUTH_FILE. Nil: nothing is set.
	Getenv func(string) string
	// TempDir is where spooled files go. The caller removes it. Sources that have to
	// spool (gzipped archives, daemons) fail where it is empty.
	TempDir string
	// Found is called as soon as it is known to which digest a reference leads in a
	// registry; opening the image waits for it to return. May be nil.
	Found  func(ctx context.Context, repository, digest string)
	Limits Limits
	// Connections are shared by everything that is opened with them. Nil: each
	// reference is opened with connections of its own.
	Connections *Connections
}

func (o Options) getenv(name string) string {
	if o.Getenv == nil {
		return ""
	}
	return o.Getenv(name)
}

// Limits bound what an image may make this program read or write. Zero fields
// take the default.
type Limits struct {
	// MaxManifest is the size of a manifest or index in bytes. Default 16 MiB.
	MaxManifest int64
	// MaxConfig is the size of an image configuration in bytes. Default 16 MiB.
	MaxConfig int64
	// MaxManifests is the number of entries over all indexes. Default 1000.
	MaxManifests int
	// MaxIndexDepth is how deep indexes may nest; 1 is no nesting. Default 4.
	MaxIndexDepth int
	// MaxSpool is what an unzipped archive or a daemon's export may take in TempDir, in bytes. Default 64 GiB.
	MaxSpool int64
	// MaxEntries is the number of entries of an outer archive. Default 100,000.
	MaxEntries int
	// MaxLayers is the number of layers of an image. Default 1000.
	MaxLayers int
}

func (l Limits) withDefaults() Limits {
	const mib = 1 << 20
	return Limits{
		MaxManifest:   orDefault(l.MaxManifest, 16*mib),
		MaxConfig:     orDefault(l.MaxConfig, 16*mib),
		MaxManifests:  orDefault(l.MaxManifests, 1000),
		MaxIndexDepth: orDefault(l.MaxIndexDepth, 4),
		MaxSpool:      orDefault(l.MaxSpool, 64<<10*mib),
		MaxEntries:    orDefault(l.MaxEntries, 100_000),
		MaxLayers:     orDefault(l.MaxLayers, 1000),
	}
}

func orDefault[T int | int64](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Set is what a reference names: one image per platform.
type Set struct {
	// Images are in the order of the index; at least one.
	Images []*Image
	Source evidence.Source
	// Name is the full reference name where there is one.
	Name string
	// Digest is what the reference resolved to: the digest of the outermost index or
	// manifest, else the image ID.
	Digest string
	// Note says how an ambiguous reference was understood; empty where it was not ambiguous.
	Note string

	closers []io.Closer
	once    sync.Once
	err     error
}

// Close releases open files and connections; layers cannot be opened any more.
// Spooled files stay until the caller removes Options.TempDir.
func (s *Set) Close() error {
	s.once.Do(func() {
		for _, c := range s.closers {
			s.err = errors.Join(s.err, c.Close())
		}
	})
	return s.err
}

// Image is one platform of what was asked for.
type Image struct {
	Subject evidence.Subject
	// Config is the image configuration. Its bytes matched their digest unless OnDaemonsWord.
	Config *v1.ConfigFile
	// Annotations are those of the manifest; nil where the source has none.
	Annotations map[string]string
	// Layers are base first, in the order and number of Config.RootFS.DiffIDs.
	Layers []*Layer
	// OnDaemonsWord is true while Config and diff IDs are what a daemon's inspect
	// said and no export has confirmed them.
	//
	// For daemon images Export, and the end of a layer that is read, write Subject,
	// Config and OnDaemonsWord. Read them before any layer is opened, or after a call
	// of Export has returned and no layer is being read.
	OnDaemonsWord bool

	around surroundings
	export func(context.Context) error
}

// Export makes sure that Config and diff IDs are verified: for a daemon image
// it exports the image, once, and checks the export against what inspect said;
// for every other source there is nothing to do. Layer.Open begins the export, too,
// and layers are read while it comes; but none ends before the export was checked. The
// export ends with the Set, not with ctx. It is safe for concurrent use. Errors are
// *Error.
func (i *Image) Export(ctx context.Context) error {
	if i.export == nil {
		return nil
	}
	return i.export(ctx)
}

// opener is what the sources have in common: options with their defaults
// applied, and what the user wrote.
type opener struct {
	Options
	reference string
}

// Open finds the image or images that the reference names. References are
//
//	registry:REF
//	docker-daemon:REF (or an image ID)
//	docker-archive:PATH[:TAG]
//	oci:DIR[:TAG|@DIGEST]
//	oci-archive:PATH[:TAG|@DIGEST]
//
// and, without a transport, a path (understood by its content) or the name of an
// image of the Docker daemon; only where no daemon is configured is such a name
// looked up in its registry. Set.Note says so.
//
// No layer is read. Errors are *Error.
func Open(ctx context.Context, reference string, opts Options) (*Set, error) {
	opts.Limits = opts.Limits.withDefaults()
	o := &opener{Options: opts, reference: reference}
	set, err := o.open(ctx)
	if err != nil {
		return nil, toError("open", reference, err)
	}
	return set, nil
}

// Transport is the http transport for registries: the proxy is taken from the
// environment as net/http does, certificates are checked against opts.CAs, plain
// http is refused except for loopback hosts and opts.InsecureRegistries.
func Transport(opts Options) (http.RoundTripper, error) { return newTransport(opts) }

// Keychain finds credentials for registries: the Docker configuration with its
// credential helpers (or Podman's auth.json where there is none), then the
// environment's AWS, Google and Azure identities. The cloud helpers are asked for
// their own hosts only.
func Keychain(opts Options) authn.Keychain { return newKeychain(opts) }

// CheckRedirect is the http.Client.CheckRedirect for registries: they may send us to
// their blob store, but not from a public host into a private network, nor from https
// to http.
func CheckRedirect(req *http.Request, via []*http.Request) error { return checkRedirect(req, via) }
