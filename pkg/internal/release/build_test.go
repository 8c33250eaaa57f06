// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
)

// root is the repository.
const root = "../../.."

// version is what the tests release.
const version = "v0.1.0-rc.1"

// TestRelease builds a release of what is in the working tree, twice and in two places, and
// does with it what the release workflow does. It compiles all of ocigate once.
func TestRelease(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the programs of a release are run here, and the image is for Linux")
	}
	platform := "linux-" + runtime.GOARCH
	tree := copyTree(t)
	first, second := build(t, tree, platform), build(t, copyTree(t), platform)
	if !t.Run("the same bytes twice", func(t *testing.T) { sameTree(t, first, second) }) {
		return
	}
	r := released{dir: first, program: filepath.Join(first, "ocigate-"+platform), policies: filepath.Join(tree, ".github", "release")}
	t.Run("what the program says", r.speaks)
	t.Run("the SBOM", r.sbom)
	t.Run("passes its own policy", r.passes)
	t.Run("every VEX statement is needed", r.statements)
	t.Run("the real database", r.realDatabase)
	t.Run("published", r.published)
}

// copyTree copies the working tree into a repository whose one commit has a version tag: the
// same commit every time.
func copyTree(t *testing.T) string {
	t.Helper()
	list, err := exec.Command("git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("this is not a git checkout: %v", err)
	}
	dir := t.TempDir()
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		from, to := filepath.Join(root, name), filepath.Join(dir, name)
		info, err := os.Lstat(from)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		data, err := os.ReadFile(from)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, data, info.Mode().Perm())); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A", "-f"}, {"commit", "-q", "-m", "release"}, {"tag", version},
	} {
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "-c", "tag.gpgsign=false"}, args...)...)
		cmd.Env = append(gitless(), "GIT_AUTHOR_DATE=2026-11-20T12:00:00Z", "GIT_COMMITTER_DATE=2026-11-20T12:00:00Z")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	return dir
}

// gitless is the environment without what git tells its hooks.
func gitless() []string {
	return slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "GIT_") })
}

// build runs build.sh.
func build(t *testing.T, tree, platform string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "release")
	cmd := exec.Command(filepath.Join(tree, ".github", "release", "build.sh"), out, platform)
	// What would make other programs makes no difference.
	cmd.Env = append(gitless(), "CGO_ENABLED=1", "GOFLAGS=-buildvcs=false", "GOAMD64=v3", "GOEXPERIMENT=")
	if said, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, said)
	}
	return out
}

func sameTree(t *testing.T, first, second string) {
	n := 0
	err := filepath.WalkDir(first, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		rel, err := filepath.Rel(first, path)
		if err != nil {
			return err
		}
		a, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(second, rel))
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds", rel)
		}
		return err
	})
	if err != nil || n < 10 {
		t.Fatalf("%d files: %v", n, err)
	}
}

// released is a release on the disk.
type released struct{ dir, program, policies string }

// run runs the released program without the tester's environment; it returns the exit code.
func (r released) run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(r.program, args...)
	home := t.TempDir()
	cmd.Env = []string{"HOME=" + home, "TMPDIR=" + home, "PATH=/nowhere"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (r released) speaks(t *testing.T) {
	if out, code := r.run(t, "version"); code != 0 || !strings.HasPrefix(out, "ocigate "+version+"\n") {
		t.Errorf("exit code %d: %s", code, out)
	}
	out, err := exec.Command("go", "version", "-m", r.program).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{"-trimpath=true", "CGO_ENABLED=0", "GOEXPERIMENT=jsonv2", "vcs.modified=false"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the program does not say %s", want)
		}
	}
	data, err := os.ReadFile(r.program)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{os.Getenv("HOME"), os.TempDir() + "/Test"} {
		if len(path) > 5 && bytes.Contains(data, []byte(path+"/")) {
			t.Errorf("the program holds the path %s", path)
		}
	}
	if interpreter := []byte("ld-linux"); bytes.Contains(data[:4096], interpreter) {
		t.Error("the program is not static")
	}
}

func (r released) sbom(t *testing.T) {
	data, err := os.ReadFile(r.program + ".cdx.json")
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		Metadata struct {
			Component struct {
				Version string
				Hashes  []struct{ Content string }
			}
		}
		Components []struct{ Purl string }
	}
	if err := json.Unmarshal(data, &bom); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(r.program)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(program)
	c := bom.Metadata.Component
	if c.Version != version || len(c.Hashes) != 1 || c.Hashes[0].Content != hex.EncodeToString(sum[:]) {
		t.Errorf("the SBOM is about %+v", c)
	}
	for _, want := range []string{"pkg:golang/stdlib@", "pkg:golang/github.com/sigstore/cosign/v2@", "pkg:golang/github.com/aquasecurity/trivy@"} {
		if !slices.ContainsFunc(bom.Components, func(c struct{ Purl string }) bool { return strings.HasPrefix(c.Purl, want) }) {
			t.Errorf("the SBOM has no %s", want)
		}
	}
}

// check gates the release's image by a copy of the policies with the VEX document vex.
func (r released) check(t *testing.T, vex []byte, flags ...string) (string, int) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"image.yaml", "signed.yaml"} {
		data, err := os.ReadFile(filepath.Join(r.policies, name))
		if err := errors.Join(err, os.WriteFile(filepath.Join(dir, name), data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ocigate.openvex.json"), vex, 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"check", "oci:" + filepath.Join(r.dir, "image"), "--policy", filepath.Join(dir, "image.yaml")}, flags...)
	return r.run(t, args...)
}

func (r released) vex(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, "ocigate.openvex.json"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// database has the advisories against ocigate, and is of now.
func database(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := dbtest.Build(dir, dbtest.Spec{Files: []string{"testdata/advisories.yaml"}, UpdatedAt: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (r released) passes(t *testing.T) {
	out, code := r.check(t, r.vex(t), "--db-dir", database(t))
	if code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	image, err := os.ReadFile(filepath.Join(r.dir, "image.txt"))
	if err != nil {
		t.Fatal(err)
	}
	_, digest, _ := strings.Cut(strings.TrimSpace(string(image)), "@")
	for _, want := range []string{digest, "uid 65532", "nothing-to-live-off"} {
		if !strings.Contains(out, want) {
			t.Errorf("the verdict does not say %q:\n%s", want, out)
		}
	}
}

// statements removes each statement: exactly its advisory fails then.
func (r released) statements(t *testing.T) {
	var doc map[string]any
	if err := json.Unmarshal(r.vex(t), &doc); err != nil {
		t.Fatal(err)
	}
	db := database(t)
	all := doc["statements"].([]any)
	for i, s := range all {
		name := s.(map[string]any)["vulnerability"].(map[string]any)["name"].(string)
		doc["statements"] = slices.Delete(slices.Clone(all), i, i+1)
		vex, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		out, code := r.check(t, vex, "--db-dir", db)
		out, _, _ = strings.Cut(out, "Removed by VEX")
		if code != 1 || !strings.Contains(out, name) {
			t.Errorf("without the statement on %s the exit code is %d:\n%s", name, code, out)
		}
		for j, other := range all {
			other := other.(map[string]any)["vulnerability"].(map[string]any)["name"].(string)
			if j != i && strings.Contains(out, other) {
				t.Errorf("without the statement on %s, %s fails, too:\n%s", name, other, out)
			}
		}
	}
}

// realDatabase says when another advisory is raised against ocigate, or one no more.
func (r released) realDatabase(t *testing.T) {
	if os.Getenv("OCIGATE_TEST_DATA") == "" {
		t.Setenv("OCIGATE_TEST_DATA", filepath.Join(root, "..", "shared", "data"))
	}
	flags := []string{"--db-dir", sharedtest.Database(t), "--effective-time", "2026-11-24", "--allow-past"}
	if out, code := r.check(t, r.vex(t), flags...); code != 0 {
		t.Errorf("exit code %d:\n%s", code, out)
	}
	nothing := fmt.Appendf(nil, `{"@context":"https://openvex.dev/ns/v0.2.0","author":%q,"timestamp":"2026-11-20T00:00:00Z","statements":[]}`, "https://github.com/ocigate/ocigate")
	if out, code := r.check(t, nothing, flags...); code != 1 || !strings.Contains(out, "3 vulnerabilities (1 low, 2 unknown)") {
		t.Errorf("without VEX the exit code is %d:\n%s", code, out)
	}
}
