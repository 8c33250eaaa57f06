// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Cache keeps what was learned of verified layers, one file per entry, in a
// directory that any number of processes share without waiting: entries are
// written to a temporary file and renamed, and never changed.
//
// An entry is keyed by diff ID, so only a pass that verified the diff ID may put
// one. A digest is tied to a diff ID by an entry of its own, likewise only after
// a verified pass: that a manifest names both proves nothing.
type Cache struct{ dir string }

// maxEntry bounds what one entry may inflate to.
const maxEntry = 1 << 30

// OpenCache uses dir, which is created if it is missing.
func OpenCache(dir string) (*Cache, error) {
	for _, sub := range []string{"layers", "digests"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("open the layer cache: %w", err)
		}
	}
	return &Cache{dir}, nil
}

// get returns nil for an entry that is not there or not intact.
func (c *Cache) get(key string) *record {
	if c == nil {
		return nil
	}
	b, err := readEntry(c.path("layers", key))
	if err != nil {
		return nil
	}
	var r record
	if json.Unmarshal(b, &r) != nil || r.Blob.SchemaVersion == 0 || checkListing(r.Listing) != nil {
		return nil
	}
	return &r
}

func (c *Cache) put(key string, r *record) error {
	if c == nil {
		return nil
	}
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.write(c.path("layers", key), b)
}

// diffID returns the diff ID that a verified pass found behind a digest, or "".
func (c *Cache) diffID(digest string) string {
	if c == nil || digest == "" {
		return ""
	}
	b, err := readEntry(c.path("digests", entryName(digest)))
	if err != nil {
		return ""
	}
	stored, diffID, _ := strings.Cut(string(b), " ")
	if stored != digest {
		return ""
	}
	return diffID
}

func (c *Cache) putDigest(digest, diffID string) error {
	if c == nil || digest == "" || c.diffID(digest) == diffID {
		return nil
	}
	return c.write(c.path("digests", entryName(digest)), []byte(digest+" "+diffID))
}

func (c *Cache) path(kind, name string) string { return filepath.Join(c.dir, kind, name[:2], name) }

func entryName(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// write stores "sha256 of the content\n" and the content, compressed. A checksum
// finds files that a full disk or a crash cut short; it is no defence against
// somebody who can write to the directory.
func (c *Cache) write(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // a no-op once it is renamed
	sum := sha256.Sum256(content)
	zw, _ := gzip.NewWriterLevel(tmp, gzip.BestSpeed) // the level is valid
	_, err = fmt.Fprintf(zw, "%x\n", sum)
	if err == nil {
		_, err = zw.Write(content)
	}
	if err := errors.Join(err, zw.Close(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

func readEntry(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(zr, maxEntry+1))
	if err != nil {
		return nil, err
	}
	sum, content, ok := bytes.Cut(b, []byte("\n"))
	want := sha256.Sum256(content)
	if !ok || len(b) > maxEntry || string(sum) != hex.EncodeToString(want[:]) {
		return nil, fs.ErrInvalid
	}
	return content, nil
}
