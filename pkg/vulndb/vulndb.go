// SPDX-License-Identifier: Apache-2.0

// Package vulndb is the life of Trivy's vulnerability database and of the
// database that names jar files: where they are kept, how old they are, how they
// are fetched, and that what is opened is whole.
//
// Databases are opened read-only, so that parallel jobs never wait for each
// other, and replaced by renaming, so that a reader keeps the file it opened and
// a killed process never leaves half a database behind.
package vulndb

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/google/go-containerregistry/pkg/authn"
	bolt "go.etcd.io/bbolt"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// OriginDirectory is the State.Origin of a database that ocigate did not fetch itself.
const OriginDirectory = "directory"

// lockTimeout bounds the wait for the shared lock of the database file, which
// only a process that writes to it in place can hold back.
const lockTimeout = 5 * time.Second

// DefaultRepositories are the repositories of the vulnerability database, in the
// order in which they are tried.
func DefaultRepositories() []string {
	return []string{"mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2"}
}

// DefaultJavaRepositories are the repositories of the Java database, in the order
// in which they are tried.
func DefaultJavaRepositories() []string {
	return []string{"mirror.gcr.io/aquasec/trivy-java-db:1", "ghcr.io/aquasecurity/trivy-java-db:1"}
}

// Options say where databases are and where they come from.
type Options struct {
	// CacheDir is ocigate's cache directory. The databases live in its
	// subdirectories db and java-db, laid out as in Trivy's cache.
	CacheDir string
	// Dir is a directory laid out as Trivy's cache that another tool fetched. It is
	// used as it is: never written, never fetched, however old. CacheDir is not
	// looked at then.
	Dir string
	// Repositories and JavaRepositories are tried in order. Empty: the defaults. One
	// without tag and digest gets the schema's tag.
	Repositories, JavaRepositories []string
	// Downloads, if set, is a directory that keeps the databases as they were downloaded.
	// Whoever fills it, one counts only with the digest that the repository names: it may
	// travel from job to job.
	Downloads string
	// Offline uses what is there and never connects.
	Offline bool

	// Transport, if not nil, makes the connections.
	Transport http.RoundTripper
	// Keychain finds credentials. Nil: none.
	Keychain authn.Keychain
	// InsecureHosts ("host" or "host:port") may be spoken to in plain http, as
	// loopback always may.
	InsecureHosts []string

	// Now is the real time, for freshness only. Zero: the clock is read.
	Now time.Time
	// Progress, if not nil, is told what takes time or was tolerated. It may be
	// called from several goroutines if Ensure and EnsureJava run at once.
	Progress func(message string)

	// pause is the wait before the second and last attempt; 0 is defaultPause.
	pause time.Duration
	// stall is how long a transfer may stand still; 0 is defaultStall.
	stall time.Duration
}

// Database is a database that is present and was found readable.
type Database struct {
	// Dir is the directory that holds the file: ".../db" or ".../java-db". Its parent
	// is what Trivy calls the cache directory.
	Dir string
	// State describes the file that Open opens.
	State evidence.DatabaseState
	// FetchError says why the database was not brought up to date although it is
	// stale; nil if it was, or needed no update, or was not to be fetched.
	FetchError error

	kind      kind
	platforms []string
	meta      meta
	sidecar   *sidecar
	info      os.FileInfo
	// file is the file that was examined, until the first Open takes it over.
	file atomic.Pointer[os.File]
}

// Ensure returns the vulnerability database, fetched if it is missing or stale
// and fetching is allowed. A stale database that cannot be brought up to date is
// returned with FetchError set: what age is acceptable is the policy's business.
// Errors other than those of ctx are of type *Error.
func Ensure(ctx context.Context, o Options) (*Database, error) {
	return ensure(ctx, vulnerabilityKind(o), o)
}

// EnsureJava does for the Java database what Ensure does for the vulnerability
// database.
func EnsureJava(ctx context.Context, o Options) (*Database, error) {
	return ensure(ctx, javaKind(o), o)
}

// Platforms returns the names of the top-level buckets of the vulnerability
// database ("alpine 3.20", "npm::GitHub Security Advisory npm"), sorted. A
// distribution release without a bucket has no advisories.
func (d *Database) Platforms() ([]string, error) {
	if d.kind.name != kindVulnerability {
		return nil, &Error{Op: "list the platforms of", Subject: d.Dir, Err: errors.New("only the vulnerability database has platforms")}
	}
	return slices.Clone(d.platforms), nil
}

// open is set while trivy-db's global handle is in use. The handle is a global
// variable of trivy-db that every detector reads, so its guard is one as well.
var open atomic.Bool

// Open opens the vulnerability database read-only for Trivy's detectors, which
// reach it through a global handle of trivy-db: a second Open before the first
// is closed is an error. What is opened is the file that State describes, even
// if another process has published a newer one since.
func (d *Database) Open(ctx context.Context) (func() error, error) {
	fail := func(err error, hint string) (func() error, error) {
		return nil, &Error{Op: "open", Subject: d.path(), Err: err, Hint: hint}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d.kind.name != kindVulnerability {
		return fail(errors.New("not a vulnerability database"), "")
	}
	if !open.CompareAndSwap(false, true) {
		return fail(errors.New("a vulnerability database is already open in this process"), "")
	}
	err := trivydb.Init(d.Dir, trivydb.WithBoltOptions(&bolt.Options{
		ReadOnly: true, Timeout: lockTimeout, OpenFile: d.openFile,
	}))
	if err != nil {
		open.Store(false)
		return fail(err, "another process may be writing to the database in place; let every job use ocigate's own cache or a copy")
	}
	var closed atomic.Bool
	return func() error {
		if closed.Swap(true) {
			return nil
		}
		defer open.Store(false)
		return trivydb.Close()
	}, nil
}

// Close releases the file of a database that was never opened. It is not needed
// after Open.
func (d *Database) Close() error {
	if f := d.file.Swap(nil); f != nil {
		return f.Close()
	}
	return nil
}

func (d *Database) path() string { return filepath.Join(d.Dir, d.kind.file) }

// openFile is bbolt's way to open the file: it hands over the one that was
// examined, or insists that the path still names it.
func (d *Database) openFile(path string, _ int, _ os.FileMode) (*os.File, error) {
	if f := d.file.Swap(nil); f != nil {
		return f, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !sameFile(info, d.info) {
		return nil, errors.Join(errReplaced, err, f.Close())
	}
	return f, nil
}
