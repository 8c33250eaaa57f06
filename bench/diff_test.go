// SPDX-License-Identifier: Apache-2.0

package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/bench/large"
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
	p := newPrograms(t, data)
	t.Run("multiarch.oci.tar", func(t *testing.T) {
		whole := filepath.Join(t.TempDir(), "layout")
		untar(t, filepath.Join(data, "images", "multiarch.oci.tar"), whole)
		for _, one := range platforms(t, whole) {
			s := Scan{Image: one, Secrets: true}
			compare(t, p, s, s)
		}
	})
	for _, archive := range archives(t, data) {
		t.Run(filepath.Base(archive), func(t *testing.T) {
			input := archive
			if strings.HasSuffix(archive, ".oci.tar") {
				input = filepath.Join(t.TempDir(), "layout") // the CLI reads layouts, but no tar of one
				untar(t, archive, input)
			}
			compare(t, p, Scan{Image: input, Secrets: true}, Scan{Image: archive, Secrets: true})
		})
	}
	testLarge(t, p, data)
}

// testLarge compares the findings in the benchmark's large image, where OCIGATE_BENCH_LARGE
// is set: it takes minutes to make and to scan.
func testLarge(t *testing.T, p programs, data string) {
	if os.Getenv("OCIGATE_BENCH_LARGE") == "" {
		t.Log("the large image is left out: set OCIGATE_BENCH_LARGE")
		return
	}
	img, err := large.Make(t.Context(), large.Options{Data: data, Progress: func(s string) { t.Log(s) }})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewDiskRegistry(img.Layout)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ref, err := r.PushLayout(img.Layout, "large")
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Scan{
		"large archive": {Image: img.Archive}, "large layout": {Image: img.Layout}, "large, from a registry": {Image: ref, Registry: true},
	} {
		t.Run(name, func(t *testing.T) {
			s.Secrets = true
			compare(t, p, s, s)
		})
	}
}

// programs are what is compared, and what both need.
type programs struct{ trivy, ocigate, db, policy string }

func newPrograms(t *testing.T, data string) (p programs) {
	t.Helper()
	if _, err := exec.LookPath("zstd"); err != nil {
		if os.Getenv("OCIGATE_CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("zstd is not installed: %v", err)
	}
	dir := t.TempDir()
	var err1, err2, err3 error
	p.db, err1 = UnpackDatabase(filepath.Join(data, "db", "full-cache.tar.zst"), dir)
	p.trivy, err2 = BuildTrivy(dir)
	p.ocigate, err3 = BuildOcigate(dir)
	p.policy = filepath.Join(dir, "policy.yaml")
	if err := errors.Join(err1, err2, err3, os.WriteFile(p.policy, []byte(Policy), 0o600)); err != nil {
		t.Fatal(err)
	}
	return p
}

func untar(t *testing.T, archive, dir string) {
	t.Helper()
	if err := Untar(archive, dir); err != nil {
		t.Fatal(err)
	}
}

// compare runs both programs, each on the form of the image that it can read.
func compare(t *testing.T, p programs, forTrivy, forOcigate Scan) {
	t.Helper()
	want, err := forTrivy.RunTrivy(p.trivy, p.db)
	if err != nil {
		t.Fatal(err)
	}
	got, err := forOcigate.RunOcigate(p.ocigate, p.db, t.TempDir(), p.policy)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range Diff(want, got) {
		t.Error(d)
	}
	t.Log(got)
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
