// SPDX-License-Identifier: Apache-2.0

// Package dbtest builds small databases in the layout of Trivy's cache from YAML
// text, and publishes them as Trivy publishes its own. It needs neither the network
// nor package testing.
package dbtest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	fixtures "github.com/aquasecurity/bolt-fixtures"
	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	javadb "github.com/aquasecurity/trivy-java-db/pkg/db"
	javatypes "github.com/aquasecurity/trivy-java-db/pkg/types"
	bolt "go.etcd.io/bbolt"
	_ "modernc.org/sqlite" // the driver that trivy-java-db expects
)

// Spec describes the two databases of a cache directory.
type Spec struct {
	// Files are paths of YAML files in the form of bolt-fixtures: a list of buckets
	// with pairs. Documents are the same as text.
	Files     []string
	Documents [][]byte
	// UpdatedAt is when the databases were made; zero is a fixed day. NextUpdate,
	// if zero, is a day later. DownloadedAt may be zero, as after a download with oras.
	UpdatedAt, NextUpdate, DownloadedAt time.Time
	// Schema and JavaSchema override the schema version in metadata.json.
	Schema, JavaSchema int
	// Java are the entries of the Java database.
	Java []javatypes.Index
	// NoJava builds no Java database.
	NoJava bool
}

func (s Spec) defaults() Spec {
	if s.UpdatedAt.IsZero() {
		s.UpdatedAt = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	}
	if s.NextUpdate.IsZero() {
		s.NextUpdate = s.UpdatedAt.Add(24 * time.Hour)
	}
	if s.Schema == 0 {
		s.Schema = trivydb.SchemaVersion
	}
	if s.JavaSchema == 0 {
		s.JavaSchema = javadb.SchemaVersion
	}
	return s
}

// Build writes cacheDir/db and cacheDir/java-db. What is there already is replaced.
func Build(cacheDir string, s Spec) error {
	s = s.defaults()
	if err := buildBolt(filepath.Join(cacheDir, "db"), s); err != nil {
		return err
	}
	if s.NoJava {
		return nil
	}
	return buildJava(filepath.Join(cacheDir, "java-db"), s)
}

func buildBolt(dir string, s Spec) (err error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	files := s.Files
	if len(s.Documents) > 0 {
		temp, err := os.MkdirTemp("", "dbtest-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temp) //nolint:errcheck // a temporary directory
		for i, document := range s.Documents {
			path := filepath.Join(temp, strconv.Itoa(i)+".yaml")
			if err := os.WriteFile(path, document, 0o600); err != nil {
				return err
			}
			files = append(files[:len(files):len(files)], path)
		}
	}
	loader, err := fixtures.New(trivydb.Path(dir), files)
	if err != nil {
		return err
	}
	err = errors.Join(loader.Load(), loader.DB().Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists([]byte("vulnerability"))
		return err
	}))
	if err = errors.Join(err, loader.Close()); err != nil {
		return err
	}
	return metadata.NewClient(dir).Update(metadata.Metadata{
		Version: s.Schema, UpdatedAt: s.UpdatedAt, NextUpdate: s.NextUpdate, DownloadedAt: s.DownloadedAt,
	})
}

func buildJava(dir string, s Spec) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	db, err := javadb.New(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(db.Init(), db.InsertIndexes(s.Java), db.Close()); err != nil {
		return err
	}
	client := javadb.NewMetadata(dir)
	return client.Update(javadb.Metadata{
		Version: s.JavaSchema, UpdatedAt: s.UpdatedAt, NextUpdate: s.NextUpdate, DownloadedAt: s.DownloadedAt,
	})
}
