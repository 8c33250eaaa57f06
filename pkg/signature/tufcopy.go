// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

	"github.com/ocigate/ocigate/pkg/internal/atomicfile"
)

const (
	maxCopyFile  = 8 << 20  // one file of a TUF repository
	maxCopyBytes = 32 << 20 // all of them, as kept
	maxCopyFiles = 64
)

// tufCopy is what is kept of a TUF repository. Nothing in it is believed: the library
// verifies it from the root that trust begins with.
type tufCopy struct {
	// Refreshed is when the mirror was last asked for news.
	Refreshed time.Time `json:"refreshed"`
	// Roots are the roots after the first, in order: the library itself would forget
	// them, and then not recognise what newer keys have signed.
	Roots [][]byte `json:"roots"`
	// Metadata and Targets are files by name.
	Metadata map[string][]byte `json:"metadata"`
	Targets  map[string][]byte `json:"targets"`
}

// copyPath is the file of a repository and of the root that trust begins with; empty
// where nothing is kept.
func (v *Verifier) copyPath(r tufRepository) string {
	if v.opts.CacheDir == "" {
		return ""
	}
	sum := sha256.Sum256(append([]byte(r.mirror+"\n"), r.root...))
	return filepath.Join(v.opts.CacheDir, "tuf", hex.EncodeToString(sum[:])+".json")
}

// readCopy returns an empty copy where there is none that can be read.
func (v *Verifier) readCopy(r tufRepository) tufCopy {
	name := v.copyPath(r)
	if name == "" {
		return tufCopy{}
	}
	f, err := os.Open(name)
	if err != nil {
		return tufCopy{}
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return tufCopy{}
	}
	data, err := io.ReadAll(io.LimitReader(f, 2*maxCopyBytes)) // base64 needs a third more
	var c tufCopy
	if err != nil || json.Unmarshal(data, &c) != nil || len(c.Roots) > maxCopyFiles {
		return tufCopy{}
	}
	return c
}

// writeCopy replaces the copy in one step: another process sees the old or the new one.
func (v *Verifier) writeCopy(r tufRepository, c tufCopy) {
	name := v.copyPath(r)
	if name == "" {
		return
	}
	err := os.MkdirAll(filepath.Dir(name), 0o700)
	if err == nil {
		err = atomicfile.Write(name, 0o600, func(w io.Writer) error { return json.NewEncoder(w).Encode(c) })
	}
	if err != nil {
		v.progress("the trusted root of " + r.mirror + " could not be kept: " + err.Error())
	}
}

// fresh says whether the mirror was asked within a day before now.
func (c tufCopy) fresh(now time.Time) bool {
	return !c.Refreshed.After(now) && now.Sub(c.Refreshed) < tufFresh
}

// anchor is the newest root that the chain from first vouches for. What comes after it
// is forgotten.
func (c *tufCopy) anchor(first []byte) (newest []byte, err error) {
	trusted, err := trustedmetadata.New(first)
	if err != nil {
		return nil, err
	}
	newest = first
	for i, r := range c.Roots {
		if _, err := trusted.UpdateRoot(r); err != nil {
			c.Roots = c.Roots[:i]
			break
		}
		newest = r
	}
	return newest, nil
}

// unpack writes the files where the library looks for them.
func (c tufCopy) unpack(dir string) error {
	for sub, files := range map[string]map[string][]byte{"": c.Metadata, "targets": c.Targets} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
		for name, data := range files {
			if !plainName(name) || sub == "" && !isMetadata(name, data) {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, sub, name), data, 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// renewed is the copy after the library has worked in dir.
func (c tufCopy) renewed(dir string, f *tufFetcher, now time.Time) tufCopy {
	left := maxCopyBytes
	out := tufCopy{Refreshed: c.Refreshed, Roots: append(c.Roots, f.roots...)}
	if f.refreshed {
		out.Refreshed = now.UTC()
	}
	out.Metadata = readFiles(dir, &left)
	out.Targets = readFiles(filepath.Join(dir, "targets"), &left)
	return out
}

// readFiles reads the files of a directory as far as the bounds allow. What is left
// out is fetched again.
func readFiles(dir string, left *int) map[string][]byte {
	out := map[string][]byte{}
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if !e.Type().IsRegular() || !plainName(e.Name()) || len(out) == maxCopyFiles {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil || len(data) > *left {
			continue
		}
		*left -= len(data)
		out[e.Name()] = data
	}
	return out
}

// plainName accepts names of files, not of anything elsewhere.
func plainName(s string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-%"
	return strings.HasSuffix(s, ".json") && len(s) < 200 && strings.Trim(s, letters) == "" && filepath.IsLocal(s)
}

// isMetadata says whether the library can read a file of metadata: it ignores one that
// others have signed, but fails over one that is damaged.
func isMetadata(name string, data []byte) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	var err error
	switch name {
	case "root.json":
		return false // the anchor takes its place
	case "timestamp.json":
		_, err = metadata.Timestamp().FromBytes(data)
	case "snapshot.json":
		_, err = metadata.Snapshot().FromBytes(data)
	default:
		_, err = metadata.Targets().FromBytes(data)
	}
	return err == nil
}
