// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
)

const (
	// defaultPause is the wait before repositories that failed for a passing reason
	// are asked once more.
	defaultPause = time.Second
	// defaultStall is how long a transfer may stand still.
	defaultStall = time.Minute
)

// tempPrefix begins the names of the temporary directories of one database. It
// differs for the two, because each is cleaned up under its own lock.
func tempPrefix(dir string) string { return ".ocigate-" + dir + "-" }

func ensure(ctx context.Context, k kind, o Options) (*Database, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Dir != "" {
		d, err := k.load(filepath.Join(o.Dir, k.dir))
		if err != nil {
			return nil, err
		}
		if err := finish(ctx, d, false); err != nil {
			return nil, err
		}
		d.State.Origin = OriginDirectory
		return d, nil
	}
	if o.CacheDir == "" {
		return nil, &Error{Op: "find the", Subject: k.name, Err: errors.New("no cache directory is set"), Hint: "set --cache-dir or --db-dir"}
	}
	d, err := k.load(filepath.Join(o.CacheDir, k.dir))
	switch {
	case o.Offline && err != nil:
		return nil, offlineError(err, k)
	case err == nil && (o.Offline || d.meta.fresh(o.Now)):
		return d, finish(ctx, d, true)
	}
	if d != nil {
		if err := d.Close(); err != nil {
			return nil, &Error{Op: "read the " + k.name, Subject: d.path(), Err: err}
		}
	}
	return refresh(ctx, k, o)
}

func offlineError(err error, k kind) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Hint = strings.TrimSuffix(e.Hint, ".") + "; --offline forbids fetching: run once without it, or give a directory with --db-dir"
		if errors.Is(err, fs.ErrNotExist) {
			e.Hint = fmt.Sprintf("--offline forbids fetching and there is no %s yet: run once without it, or give a directory with --db-dir", k.name)
		}
	}
	return err
}

func finish(ctx context.Context, d *Database, remember bool) error {
	err := d.complete(ctx, remember)
	if err != nil {
		err = errors.Join(err, d.Close())
	}
	return err
}

// refresh fetches under the lock, so that of many processes only one does. If
// that fails, a database that is there is used.
func refresh(ctx context.Context, k kind, o Options) (*Database, error) {
	dir := filepath.Join(o.CacheDir, k.dir)
	fetchErr := locked(ctx, k, o, func() error {
		d, err := k.load(dir)
		if err == nil {
			defer d.Close() //nolint:errcheck // only read
			if d.meta.fresh(o.Now) {
				return nil // another process fetched while this one waited
			}
		}
		return fetch(ctx, k, o, d)
	})
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := k.load(dir)
	if err != nil {
		if fetchErr == nil {
			return nil, err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			fetchErr = attempts{fetchErr, fmt.Errorf("and what is in the cache is not usable: %w", err)}
		}
		return nil, &Error{
			Op: "fetch the", Subject: k.name, Err: fetchErr,
			Hint: fmt.Sprintf("name a mirror that can be reached with %s, or give a directory that another tool fetched with --db-dir, or fill the cache beforehand and run with --offline", k.flag),
		}
	}
	if fetchErr != nil {
		d.FetchError = fetchErr
		o.Progress(fmt.Sprintf("the %s of %s is used although it is due for an update, because fetching failed: %v",
			k.name, d.meta.UpdatedAt.UTC().Format(time.RFC3339), fetchErr))
	}
	if err := finish(ctx, d, true); err != nil {
		return nil, err
	}
	return d, nil
}

// fetch tries the repositories in order until one delivers, and those that
// failed for a passing reason once more. current may be nil.
func fetch(ctx context.Context, k kind, o Options, current *Database) error {
	if err := removeStale(o.CacheDir, k); err != nil {
		return err
	}
	failures := make(attempts, len(k.repositories))
	for round := range 2 {
		if round > 0 {
			if !slices.ContainsFunc(failures, temporary) {
				break
			}
			if err := sleep(ctx, cmp.Or(o.pause, defaultPause)); err != nil {
				return err
			}
		}
		for i, repository := range k.repositories {
			if round > 0 && !temporary(failures[i]) {
				continue
			}
			err := fetchFrom(ctx, k, o, repository, current)
			if err == nil || ctx.Err() != nil {
				return ctx.Err()
			}
			failures[i] = fmt.Errorf("%s: %w", shown(repository), err)
		}
	}
	return failures
}

func sleep(ctx context.Context, pause time.Duration) error {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// removeStale removes what killed processes left. The caller holds the lock.
func removeStale(cacheDir string, k kind) error {
	entries, err := os.ReadDir(cacheDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix(k.dir)) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(cacheDir, e.Name())))
		}
	}
	return err
}

// fetchFrom fetches from one repository, examines what came, and publishes it.
func fetchFrom(ctx context.Context, k kind, o Options, repository string, current *Database) (err error) {
	ref, err := k.parse(repository, o)
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(o.CacheDir, tempPrefix(k.dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	o.Progress(fmt.Sprintf("fetching the %s from %s", k.name, ref.Name()))
	s, err := pull(ctx, k, o, ref, temp, current)
	if err != nil {
		return err
	}
	s.Metadata.DownloadedAt = o.Now.UTC()
	if err := writeJSON(filepath.Join(temp, metadataFile), s.Metadata); err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(temp, sidecarFile), s); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return publish(temp, filepath.Join(o.CacheDir, k.dir), k)
}

// publish moves the files into place. The sidecar goes first: it does not
// describe the old database, which is merely hashed by a reader in between, and
// with the renaming of the database the whole state changes at once. Renaming
// files rather than the directory leaves no moment at which the database is
// missing, and no old directory to lose if the process is killed.
func publish(temp, dir string, k kind) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, file := range []string{sidecarFile, k.file, metadataFile} {
		err := os.Rename(filepath.Join(temp, file), filepath.Join(dir, file))
		if err != nil && (file != k.file || !errors.Is(err, fs.ErrNotExist)) {
			return err // the database itself is absent if the one in place is current
		}
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync() // not every file system can
	return d.Close()
}

// parse reads a repository. What cannot be parsed is not repeated in the error:
// it may hold a password.
func (k kind) parse(repository string, o Options) (name.Reference, error) {
	options := []name.Option{name.WithDefaultTag(fmt.Sprint(k.schema))}
	ref, err := name.ParseReference(repository, options...)
	if err != nil {
		return nil, errors.New("not a repository reference (host/name:tag or host/name@sha256:…)")
	}
	if plainAllowed(ref.Context().RegistryStr(), o.InsecureHosts) {
		return name.ParseReference(repository, append(options, name.Insecure)...)
	}
	return ref, nil
}

// shown is how a repository is named in an error: without what stands before an
// "@" that does not begin a digest, because that may be a password.
func shown(repository string) string {
	if _, err := name.ParseReference(repository); err != nil {
		repository = repository[strings.LastIndexByte(repository, '@')+1:]
	}
	return scrub(repository)
}
