// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFindingsEqualTrivy compares every finding with the real CLI's, on the shared
// images and on those in Trivy's own module, with the same database.
func TestFindingsEqualTrivy(t *testing.T) {
	data := os.Getenv("OCIGATE_TEST_DATA")
	if data == "" {
		data = "../../shared/data"
	}
	if _, err := os.Stat(data); err != nil {
		t.Skipf("no images and database: %v (set OCIGATE_TEST_DATA)", err)
	}
	dir := t.TempDir()
	db := unpackDatabase(t, filepath.Join(data, "db", "full-cache.tar.zst"), dir)
	trivy, err := BuildTrivy(dir)
	if err != nil {
		t.Fatal(err)
	}
	ocigate, err := BuildOcigate(dir)
	if err != nil {
		t.Fatal(err)
	}
	policyFile := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policyFile, []byte(Policy), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("multiarch.oci.tar", func(t *testing.T) {
		whole := filepath.Join(t.TempDir(), "layout")
		untar(t, filepath.Join(data, "images", "multiarch.oci.tar"), whole)
		for _, one := range platforms(t, whole) {
			compare(t, trivy, ocigate, db, policyFile, one, one)
		}
	})
	for _, archive := range archives(t, data) {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			input := archive
			if strings.HasSuffix(archive, ".oci.tar") {
				input = filepath.Join(t.TempDir(), "layout") // the CLI reads layouts, but no tar of one
				untar(t, archive, input)
			}
			compare(t, trivy, ocigate, db, policyFile, input, archive)
		})
	}
}

// compare runs both programs, each on the form of the image that it can read.
func compare(t *testing.T, trivy, ocigate, db, policyFile, forTrivy, forOcigate string) {
	t.Helper()
	want, err := RunTrivy(trivy, db, forTrivy)
	if err != nil {
		t.Fatal(err)
	}
	got, err := RunOcigate(ocigate, db, t.TempDir(), policyFile, forOcigate)
	if err != nil {
		t.Fatal(err)
	}
	diff(t, "vulnerabilities", want.Vulnerabilities, got.Vulnerabilities)
	diff(t, "secrets", want.Secrets, got.Secrets)
	diff(t, "packages", want.Packages, got.Packages)
	t.Logf("%d packages, %d vulnerabilities, %d secrets", len(got.Packages), len(got.Vulnerabilities), len(got.Secrets))
}

// platforms makes a layout of one image out of each platform of a layout's index:
// the CLI picks one platform of a local index, whatever it is asked for.
func platforms(t *testing.T, layout string) []string {
	t.Helper()
	type index struct {
		SchemaVersion int               `json:"schemaVersion"`
		MediaType     string            `json:"mediaType,omitempty"`
		Manifests     []json.RawMessage `json:"manifests"`
	}
	read := func(path string) (i index) {
		b, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(b, &i)
		}
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	outer := read(filepath.Join(layout, "index.json"))
	var d struct{ MediaType, Digest string }
	if err := json.Unmarshal(outer.Manifests[0], &d); err != nil {
		t.Fatal(err)
	}
	inner := outer
	if strings.Contains(d.MediaType, "index") || strings.Contains(d.MediaType, "list") {
		inner = read(filepath.Join(layout, "blobs", strings.Replace(d.Digest, ":", "/", 1)))
	}
	var out []string
	for i, m := range inner.Manifests {
		dir := filepath.Join(t.TempDir(), fmt.Sprint("platform", i))
		b, err := json.Marshal(index{SchemaVersion: 2, Manifests: []json.RawMessage{m}})
		err = errors.Join(err, os.CopyFS(dir, os.DirFS(layout)))
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, "index.json"), b, 0o600)); err != nil {
			t.Fatal(err)
		}
		out = append(out, dir)
	}
	if len(out) < 2 {
		t.Fatalf("%d platforms", len(out))
	}
	return out
}

func archives(t *testing.T, data string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(data, "images", "*.tar"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no images: %v", err)
	}
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(strings.TrimSpace(string(out)), "pkg/fanal/test/testdata")
	for _, n := range []string{"alpine-310.tar.gz", "alpine-311.tar.gz", "distroless.tar.gz", "vuln-image.tar.gz", "image1.tar"} {
		list = append(list, filepath.Join(own, n))
	}
	var single []string
	for _, a := range list {
		if filepath.Base(a) != "multiarch.oci.tar" { // see platforms
			single = append(single, a)
		}
	}
	return single
}

func diff[T comparable](t *testing.T, what string, want, got []T) {
	t.Helper()
	count := map[T]int{}
	for _, w := range want {
		count[w]++
	}
	for _, g := range got {
		count[g]--
	}
	shown := 0
	for v, n := range count {
		if n == 0 || shown > 10 {
			continue
		}
		shown++
		who := "only Trivy"
		if n < 0 {
			who = "only ocigate"
		}
		t.Errorf("%s: %s has %+v", what, who, v)
	}
	if len(want) != len(got) {
		t.Errorf("%s: Trivy %d, ocigate %d", what, len(want), len(got))
	}
}

func unpackDatabase(t *testing.T, archive, dir string) string {
	t.Helper()
	db := filepath.Join(dir, "cache")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	zstd := exec.Command("zstd", "-d", "--long=27", "-c", archive)
	pipe, err := zstd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := zstd.Start(); err != nil {
		if os.Getenv("OCIGATE_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("zstd is not installed: %v", err)
	}
	extract(t, pipe, db)
	if err := zstd.Wait(); err != nil {
		t.Fatal(err)
	}
	return db
}

func untar(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	extract(t, f, dir)
}

func extract(t *testing.T, r io.Reader, dir string) {
	t.Helper()
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err == nil && !filepath.IsLocal(filepath.FromSlash(strings.TrimPrefix(h.Name, "./"))) && h.Name != "./" {
			err = fmt.Errorf("%s leaves the directory", h.Name)
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			var b []byte
			if b, err = io.ReadAll(tr); err == nil {
				err = os.WriteFile(path, b, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
