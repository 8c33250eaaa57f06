// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"runtime"

	_ "modernc.org/sqlite" // the driver of the database's format

	javatypes "github.com/aquasecurity/trivy-java-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
)

// JavaDB is the database that knows the jars of Maven Central by their digests:
// trivy-java.db, schema 1 (github.com/aquasecurity/trivy-java-db). It is safe for
// concurrent use.
type JavaDB struct {
	db                           *sql.DB
	exists, byDigest, byArtifact *sql.Stmt
}

// OpenJavaDB opens the database in a directory. It is never written to, and not
// created where it is missing, as trivy-java-db's own client would.
func OpenJavaDB(dir string) (*JavaDB, error) {
	path, err := filepath.Abs(filepath.Join(dir, "trivy-java.db"))
	if err != nil {
		return nil, fmt.Errorf("open Java database: %w", err)
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=ro&_pragma=query_only(1)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, fmt.Errorf("open Java database %s: %w", path, err)
	}
	db.SetMaxOpenConns(runtime.GOMAXPROCS(0))
	db.SetMaxIdleConns(runtime.GOMAXPROCS(0))
	j := &JavaDB{db: db}
	if err := j.prepare(); err != nil {
		return nil, errors.Join(fmt.Errorf("open Java database %s: %w", path, err), db.Close())
	}
	return j, nil
}

func (j *JavaDB) prepare() (err error) {
	prepare := func(query string) *sql.Stmt {
		if err != nil {
			return nil
		}
		var s *sql.Stmt
		s, err = j.db.Prepare(query)
		return s
	}
	j.exists = prepare(`SELECT EXISTS (
		SELECT 1 FROM artifacts a JOIN indices i ON i.artifact_id = a.id
		WHERE a.group_id = ? AND a.artifact_id = ?)`)
	j.byDigest = prepare(`SELECT a.group_id, a.artifact_id, i.version
		FROM indices i JOIN artifacts a ON a.id = i.artifact_id WHERE i.sha1 = ?`)
	// An artifact counts once for each pair of a jar of this version and a jar of any.
	j.byArtifact = prepare(`SELECT a.group_id
		FROM artifacts a
		JOIN indices i ON i.artifact_id = a.id AND i.version = ? AND i.archive_type = ?
		JOIN indices every ON every.artifact_id = a.id
		WHERE a.artifact_id = ?
		GROUP BY a.group_id ORDER BY COUNT(*) DESC, a.group_id LIMIT 1`)
	return err
}

// Close releases the database.
func (j *JavaDB) Close() error { return j.db.Close() }

// session is the database as the parser of one jar sees it. The parser takes some
// errors for "not found", and drops a jar in a jar for others: session keeps the first.
type session struct {
	ctx context.Context
	*JavaDB
	err error
}

var _ jar.Client = (*session)(nil)

func (s *session) failed(err error) error {
	err = fmt.Errorf("query the Java database: %w", err)
	if s.err == nil {
		s.err = err
	}
	return err
}

// Exists says whether Maven Central has the artifact in any version.
func (s *session) Exists(groupID, artifactID string) (found bool, err error) {
	if err := s.exists.QueryRowContext(s.ctx, groupID, artifactID).Scan(&found); err != nil {
		return false, s.failed(err)
	}
	return found, nil
}

// SearchBySHA1 names the jar with that digest.
func (s *session) SearchBySHA1(digest string) (jar.Properties, error) {
	var p jar.Properties
	sum, err := hex.DecodeString(digest)
	if err != nil {
		return p, fmt.Errorf("SHA-1 %q: %w", digest, err)
	}
	err = s.byDigest.QueryRowContext(s.ctx, sum).Scan(&p.GroupID, &p.ArtifactID, &p.Version)
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && p.ArtifactID == "":
		return jar.Properties{}, fmt.Errorf("digest %s: %w", digest, jar.ArtifactNotFoundErr)
	case err != nil:
		return jar.Properties{}, s.failed(err)
	}
	return p, nil
}

// SearchByArtifactID guesses the group of a jar that has nothing but a name. Of several
// that have the version, it is the group with most jars; Trivy leaves it to chance
// which of two with as many.
func (s *session) SearchByArtifactID(artifactID, version string) (group string, err error) {
	err = s.byArtifact.QueryRowContext(s.ctx, version, javatypes.JarType, artifactID).Scan(&group)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", fmt.Errorf("artifact %s: %w", artifactID, jar.ArtifactNotFoundErr)
	case err != nil:
		return "", s.failed(err)
	}
	return group, nil
}
