// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"

	boltfixtures "github.com/aquasecurity/bolt-fixtures"
	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
)

// writeDatabase makes a directory laid out as Trivy's cache, for --db-dir.
func writeDatabase(cache string, updated time.Time) error {
	dir := filepath.Join(cache, "db")
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	text, err := fixtures.ReadFile("fixtures/advisories.yaml")
	if err != nil {
		return err
	}
	source := filepath.Join(cache, "advisories.yaml")
	if err := os.WriteFile(source, text, 0o644); err != nil {
		return err
	}
	loader, err := boltfixtures.New(trivydb.Path(dir), []string{source})
	if err != nil {
		return err
	}
	if err := errors.Join(loader.Load(), loader.Close(), os.Remove(source)); err != nil {
		return err
	}
	return metadata.NewClient(dir).Update(metadata.Metadata{
		Version: trivydb.SchemaVersion, UpdatedAt: updated, NextUpdate: updated.Add(24 * time.Hour), DownloadedAt: updated,
	})
}
