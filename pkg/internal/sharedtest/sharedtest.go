// SPDX-License-Identifier: Apache-2.0

// Package sharedtest finds the project's real images and databases for tests.
package sharedtest

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// File is one of the project's real images and databases, which are not part of
// the repository: OCIGATE_TEST_DATA, else ../shared/data beside it. Where it is not
// there, the test is skipped.
func File(t testing.TB, name ...string) string {
	t.Helper()
	data := os.Getenv("OCIGATE_TEST_DATA")
	if data == "" {
		// Tests run in the directory of their package.
		data = filepath.Join("..", "..", "..", "shared", "data")
	}
	path, err := filepath.Abs(filepath.Join(append([]string{data}, name...)...))
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skipf("the shared test data is not here (set OCIGATE_TEST_DATA): %v", err)
	}
	return path
}

// Database unpacks the real database and returns its directory, which holds
// db/ and java-db/. Where the shared data is missing, the test is skipped.
func Database(t testing.TB) string {
	t.Helper()
	f, err := os.Open(File(t, "db", "full-cache.tar.zst"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const window = 1 << 27 // it was packed with --long=27
	z, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(window))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	for tr := tar.NewReader(z); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, filepath.FromSlash(filepath.Clean("/"+hdr.Name)))
		switch hdr.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(path, 0o700)
		case tar.TypeReg:
			err = write(path, tr)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func write(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
