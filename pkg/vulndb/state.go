// SPDX-License-Identifier: Apache-2.0

package vulndb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

const (
	metadataFile = "metadata.json"
	sidecarFile  = "ocigate.json"
	maxMetadata  = 1 << 20
	// freshFor is how long after its download a database is not asked for again,
	// whatever its next update says.
	freshFor = time.Hour
)

// meta is metadata.json, as trivy-db and trivy-java-db write it.
type meta struct {
	Version      int `json:",omitempty"`
	NextUpdate   time.Time
	UpdatedAt    time.Time
	DownloadedAt time.Time
}

func (m meta) fresh(now time.Time) bool {
	return now.Before(m.NextUpdate) || now.Before(m.DownloadedAt.Add(freshFor))
}

// sidecar is ocigate.json: what was known when the database was written. It
// describes the one file that has its size and modification time. Because it
// carries the metadata and is put in place before the file, renaming the file
// changes everything at once.
type sidecar struct {
	File       string    `json:"file"`
	Size       int64     `json:"size"`
	ModTime    time.Time `json:"mtime"`
	SHA256     string    `json:"sha256"`
	Repository string    `json:"repository,omitempty"`
	Manifest   string    `json:"manifest,omitempty"`
	Metadata   meta      `json:"metadata"`
}

func (s *sidecar) describes(k kind, info os.FileInfo) bool {
	return s.File == k.file && s.Size == info.Size() && s.ModTime.Equal(info.ModTime()) && len(s.SHA256) == 2*sha256.Size
}

func sameFile(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// load examines the database in dir. Its digest is filled in by complete.
func (k kind) load(dir string) (*Database, error) {
	for range 8 {
		d, err := k.loadOnce(dir)
		if errors.Is(err, errReplaced) {
			continue // another process published in between
		}
		if err != nil {
			return nil, &Error{Op: "read the " + k.name, Subject: filepath.Join(dir, k.file), Err: err, Hint: k.loadHint(dir, err)}
		}
		return d, nil
	}
	return nil, &Error{Op: "read the " + k.name, Subject: filepath.Join(dir, k.file), Err: errReplaced}
}

func (k kind) loadHint(dir string, err error) string {
	var schema *schemaError
	switch {
	case errors.As(err, &schema) && schema.have > schema.want:
		return "the database is newer than this ocigate understands; update ocigate, or use a database of schema " + fmt.Sprint(schema.want)
	case errors.As(err, &schema):
		return "the database is older than this ocigate understands; fetch it again"
	case errors.Is(err, fs.ErrNotExist):
		if _, serr := os.Stat(filepath.Join(filepath.Dir(dir), k.file)); serr == nil {
			return fmt.Sprintf("give the directory that holds %s%c%s", k.dir, filepath.Separator, k.file)
		}
		return fmt.Sprintf("expected are %s and %s in %s, as in Trivy's cache", k.file, metadataFile, dir)
	}
	return "the files are damaged; remove them or fetch them again"
}

type schemaError struct{ have, want int }

func (e *schemaError) Error() string {
	return fmt.Sprintf("schema version %d, but version %d is needed", e.have, e.want)
}

func (k kind) loadOnce(dir string) (_ *Database, err error) {
	path := filepath.Join(dir, k.file)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	d := &Database{Dir: dir, kind: k, info: info}
	var m meta
	if err := readJSON(filepath.Join(dir, metadataFile), &m); err != nil {
		return nil, err
	}
	var s sidecar
	if readJSON(filepath.Join(dir, sidecarFile), &s) == nil && s.describes(k, info) {
		d.sidecar, m = &s, s.Metadata
	}
	if err := k.checkMeta(m); err != nil {
		return nil, err
	}
	if d.platforms, err = k.check(path, info); err != nil {
		return nil, err
	}
	d.meta = m
	d.file.Store(f)
	return d, nil
}

func (k kind) checkMeta(m meta) error {
	if m.Version != k.schema {
		return &schemaError{have: m.Version, want: k.schema}
	}
	if m.UpdatedAt.IsZero() {
		return fmt.Errorf("%s does not say when the database was made", metadataFile)
	}
	return nil
}

// complete fills in State. If no sidecar describes the file, its digest is
// computed, and remembered where writing is allowed and possible.
func (d *Database) complete(ctx context.Context, remember bool) error {
	s := d.sidecar
	if s == nil {
		sum, err := d.hash(ctx)
		if err != nil {
			return err
		}
		s = &sidecar{File: d.kind.file, Size: d.info.Size(), ModTime: d.info.ModTime(), SHA256: sum, Metadata: d.meta}
		if remember {
			d.remember(s)
		}
	}
	updated := d.meta.UpdatedAt.UTC()
	d.State = evidence.DatabaseState{
		Digest: "sha256:" + s.SHA256, Schema: d.meta.Version, UpdatedAt: &updated, Origin: OriginDirectory,
	}
	if next := d.meta.NextUpdate.UTC(); !next.IsZero() {
		d.State.NextUpdate = &next
	}
	if s.Repository != "" {
		d.State.Origin = s.Repository + "@" + s.Manifest
	}
	return nil
}

func (d *Database) hash(ctx context.Context) (string, error) {
	f := d.file.Load()
	h := sha256.New()
	if _, err := io.Copy(h, ctxReader{ctx, io.NewSectionReader(f, 0, d.info.Size())}); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", &Error{Op: "read the " + d.kind.name, Subject: d.path(), Err: err}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// ctxReader ends with the context.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

func readJSON(path string, v any) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	b, err := io.ReadAll(io.LimitReader(f, maxMetadata+1))
	if err == nil && len(b) > maxMetadata {
		err = errors.New("too large")
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return nil
}

// writeJSON writes and syncs a new file.
func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return errors.Join(err, f.Sync(), f.Close())
}

// remember writes the sidecar of a database that came without one. Failing is
// no harm: the digest is then computed again next time.
func (d *Database) remember(s *sidecar) {
	cache := filepath.Dir(d.Dir)
	lock := newLock(cache, d.kind)
	if got, err := lock.TryLock(); err != nil || !got {
		return // somebody fetches a new one
	}
	defer lock.Close() //nolint:errcheck // nothing to be done about it
	if now, err := os.Stat(d.path()); err != nil || !sameFile(now, d.info) {
		return
	}
	temp, err := os.MkdirTemp(cache, tempPrefix(d.kind.dir))
	if err != nil {
		return
	}
	defer os.RemoveAll(temp) //nolint:errcheck // the next fetch removes it
	if writeJSON(filepath.Join(temp, sidecarFile), s) == nil {
		_ = os.Rename(filepath.Join(temp, sidecarFile), filepath.Join(d.Dir, sidecarFile))
	}
}
