// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func embed(checksums, version, file string) ([]byte, error) {
	return exec.Command(filepath.Join(root, ".github", "release", "embed-checksums.sh"), checksums, version, file).CombinedOutput()
}

func TestEmbedChecksums(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "action.txt")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const old = "# what this file is\n# and how\nversion v0.0.9\n" + "00  ocigate-linux-amd64\n"
	write("action.txt", old)
	sum := func(c string) string { return strings.Repeat(c, 64) }
	whole := sum("a") + "  ocigate-darwin-amd64\n" + sum("b") + "  ocigate-darwin-amd64.cdx.json\n" + sum("c") + "  ocigate-darwin-arm64\n" +
		sum("d") + "  ocigate-linux-amd64\n" + sum("e") + "  ocigate-linux-arm64\n" + sum("f") + "  image.txt\n"
	for name, bad := range map[string][2]string{
		"a platform is missing":  {strings.Replace(whole, sum("e"), "", 1), "v0.1.0"},
		"a sum is short":         {strings.Replace(whole, sum("d"), "dd", 1), "v0.1.0"},
		"a platform is twofold":  {whole + sum("0") + "  ocigate-linux-amd64\n", "v0.1.0"},
		"the version is none":    {whole, "main"},
		"the version has a line": {whole, "v0.1.0\nversion v6.6.6"},
	} {
		if out, err := embed(write("checksums.txt", bad[0]), bad[1], file); err == nil {
			t.Errorf("%s: accepted: %s", name, out)
		}
		if got, _ := os.ReadFile(file); string(got) != old {
			t.Errorf("%s: the file was changed:\n%s", name, got)
		}
	}
	if out, err := embed(write("checksums.txt", whole), "v0.1.0", file); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := "# what this file is\n# and how\nversion v0.1.0\n" + sum("d") + "  ocigate-linux-amd64\n" + sum("e") + "  ocigate-linux-arm64\n" +
		sum("a") + "  ocigate-darwin-amd64\n" + sum("c") + "  ocigate-darwin-arm64\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%v, got\n%s", err, got)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v, files left over: %v", err, left)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		nil, {"lay"}, {"image"}, {"push", "somewhere"}, {"vex", "-in", "x"}, {"sbom", "x"},
		{"vex", "-in", "x", "-out", "y", "-version", "main", "-digest", "sha256:0"},
		{"push", "-layout", t.TempDir(), "-digest", "sha256:0", "example.com/x"},
	} {
		if err := run(context.Background(), args, io.Discard); err == nil {
			t.Errorf("run(%q) succeeded", args)
		}
	}
}

// TestWhatIsNoRelease runs build.sh where it must refuse before it builds anything.
func TestWhatIsNoRelease(t *testing.T) {
	tree := copyTree(t)
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", tree}, args...)...)
		cmd.Env = gitless()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	refused := func(want string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(tree, ".github", "release", "build.sh"), filepath.Join(t.TempDir(), "out"))
		cmd.Env = gitless()
		if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), want) {
			t.Errorf("%v, want %q: %s", err, want, out)
		}
	}
	if err := os.WriteFile(filepath.Join(tree, "new.go"), []byte("package main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("not committed")
	if err := os.Remove(filepath.Join(tree, "new.go")); err != nil {
		t.Fatal(err)
	}
	git("tag", "--delete", version)
	refused("no version tag")
	git("tag", "v1")
	refused("not a version")
}

// moving is what is another thing tomorrow: a floating tag of an action, an image, a module.
var moving = regexp.MustCompile(`(?m)(uses:\s*\S+@(v?\d{1,3}(\.\d+)*|main|master)\b|(image:|docker (run|pull)|FROM)\s[^\n]*:(latest|main|edge)\b|\S@latest\b|releases/latest|raw\.githubusercontent\.com/\S+/(main|master)/)`)

// TestNothingFollowsWhatMoves looks at all that users copy from.
func TestNothingFollowsWhatMoves(t *testing.T) {
	for _, sample := range []string{
		"uses: actions/checkout@v4", "- uses: ocigate/ocigate/.github/actions/ocigate@main", "image: ghcr.io/ocigate/ocigate:latest",
		"docker run --rm ghcr.io/ocigate/ocigate:latest check", "go install github.com/ocigate/ocigate/cmd/ocigate@latest",
		"https://github.com/ocigate/ocigate/releases/latest/download/x", "uses: a/b@v1.2.3",
	} {
		if !moving.MatchString(sample) {
			t.Errorf("%q is not found", sample)
		}
	}
	files := 0
	look := func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, found := range moving.FindAllString(string(data), -1) {
			t.Errorf("%s: %q follows what moves", path, found)
		}
		return nil
	}
	for _, dir := range []string{"README.md", "examples", ".github", ".ci", "policies", "cmd/ocigate/doc.go"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !slices.Contains([]string{".md", ".yml", ".yaml", ".sh", ".go", ".txt", ""}, filepath.Ext(path)) {
				return err
			}
			return look(path)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 20 {
		t.Errorf("only %d files were looked at", files)
	}
}
