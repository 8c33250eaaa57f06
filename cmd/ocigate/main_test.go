// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	fixtures "github.com/aquasecurity/bolt-fixtures"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"ocigate": main, "docker-ocigate": main})
}

func TestScripts(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:       "testdata/script",
		Condition: needed,
		Setup: func(e *testscript.Env) error {
			tmp := filepath.Join(e.WorkDir, "tmp")
			e.Setenv("REPO", repo)
			e.Setenv("TMPDIR", tmp)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("OCIGATE_CACHE_DIR", filepath.Join(e.WorkDir, "ocigate-cache"))
			return os.MkdirAll(tmp, 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"hooks":    copyHooks,
			"db":       makeDatabase,
			"image":    makeImage,
			"truncate": truncate,
			"nosecret": noSecret,
			"valid":    validEvidence,
		},
	})
}

// needed is the condition [need:PROGRAM]: whether a program is there. In CI it has to be.
func needed(cond string) (bool, error) {
	program, ok := strings.CutPrefix(cond, "need:")
	if !ok {
		return false, fmt.Errorf("no condition %q", cond)
	}
	_, err := exec.LookPath(program)
	if err != nil && os.Getenv("OCIGATE_CI") != "" {
		return false, fmt.Errorf("%s is not installed, which .ci/run does: %w", program, err)
	}
	return err == nil, nil
}

// exits CODE COMMAND...: runs a command and demands its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// hooks FROM TO: copies a definition of hooks, in the words that the pre-commit here
// knows: before 3.2 it called the stages by other names.
func copyHooks(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	out, err := exec.Command("pre-commit", "--version").Output()
	ts.Check(err)
	var major, minor int
	_, err = fmt.Sscanf(string(out), "pre-commit %d.%d", &major, &minor)
	ts.Check(err)
	if major < 3 || major == 3 && minor < 2 {
		text = strings.NewReplacer("pre-push", "push", "pre-commit, ", "commit, ", "minimum_pre_commit_version: 3.2.0", "verbose: false").Replace(text)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}

// truncate FROM TO SIZE
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	b := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(b[:n]), 0o600))
}

// awsKey is Trivy's test value for the rule aws-access-key-id; split, so that no
// scanner of secrets finds it here.
var awsKey = "AKIA" + "0123456789ABCDEF"

// nosecret PATH: searches a file or directory, gzip files included, for the planted secret.
func noSecret(ts *testscript.TestScript, _ bool, args []string) {
	files := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if zr, err := gzip.NewReader(bytes.NewReader(b)); err == nil {
			if b, err = io.ReadAll(zr); err != nil {
				return err
			}
		}
		if bytes.Contains(b, []byte(awsKey)) {
			ts.Fatalf("%s holds the secret", p)
		}
		return nil
	}))
	if files == 0 {
		ts.Fatalf("%s holds no file", args[0])
	}
}

// db DIR: makes a database directory with one advisory.
func makeDatabase(ts *testscript.TestScript, _ bool, args []string) {
	dir := filepath.Join(ts.MkAbs(args[0]), "db")
	ts.Check(os.MkdirAll(dir, 0o700))
	l, err := fixtures.New(filepath.Join(dir, "trivy.db"), []string{filepath.Join(testdata(ts), "advisories.yaml")})
	ts.Check(err)
	ts.Check(errors.Join(l.Load(), l.Close()))
	meta := `{"Version":2,"NextUpdate":"2026-11-24T00:00:00Z","UpdatedAt":"2026-11-23T00:00:00Z","DownloadedAt":"2026-11-23T00:00:00Z"}`
	ts.Check(os.WriteFile(filepath.Join(dir, "metadata.json"), []byte(meta), 0o600))
}

func testdata(ts *testscript.TestScript) string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		ts.Fatalf("where am I?")
	}
	return filepath.Join(filepath.Dir(file), "testdata")
}

// layers are the layers that scripts build images of.
func layers() map[string]map[string]string {
	release := "ID=alpine\nVERSION_ID=3.20.3\n"
	apk := func(busybox string) string {
		return "P:musl\nV:1.2.5-r1\nA:x86_64\no:musl\nL:MIT\n\nP:busybox\nV:" + busybox + "\nA:x86_64\no:busybox\nL:GPL-2.0-only\n\n"
	}
	base := func(busybox string) map[string]string {
		return map[string]string{"etc/os-release": release, "etc/alpine-release": "3.20.3\n", "lib/apk/db/installed": apk(busybox)}
	}
	return map[string]map[string]string{
		"clean":   base("1.36.1-r31"),
		"old":     base("1.36.1-r28"),
		"secret":  {"app/.env": "aws_access_key_id = \"" + awsKey + "\"\n"},
		"foreign": {"etc/os-release": "ID=arch\nNAME=\"Arch Linux\"\n", "var/lib/pacman/local/glibc-2.39-1/desc": "%NAME%\nglibc\n"},
	}
}

// image FILE [-user U] [-tags A,B] [-two] LAYER...: writes a docker archive. With
// -two the archive holds two images, one for each tag.
func makeImage(ts *testscript.TestScript, _ bool, args []string) {
	fl := flag.NewFlagSet("image", flag.ContinueOnError)
	user, tags, two := fl.String("user", "", ""), fl.String("tags", "example.test/shop:1.0", ""), fl.Bool("two", false, "")
	ts.Check(fl.Parse(args[1:]))
	var out bytes.Buffer
	tw := tar.NewWriter(&out)
	add := func(name string, body []byte) {
		ts.Check(tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}))
		_, err := tw.Write(body)
		ts.Check(err)
	}
	var diffIDs, names []string
	for i, l := range fl.Args() {
		files, ok := layers()[l]
		if !ok {
			ts.Fatalf("no layer %q", l)
		}
		b := layer(ts, files)
		name := fmt.Sprintf("%d/layer.tar", i)
		add(name, b)
		diffIDs, names = append(diffIDs, fmt.Sprintf("sha256:%x", sha256.Sum256(b))), append(names, name)
	}
	type entry struct {
		Config           string
		RepoTags, Layers []string
	}
	var manifest []entry
	groups := [][]string{strings.Split(*tags, ",")}
	if *two {
		groups = [][]string{groups[0][:1], groups[0][1:]}
	}
	for i, g := range groups {
		config, err := json.Marshal(map[string]any{"architecture": "amd64", "os": "linux", "created": "2026-11-01T00:00:00Z",
			"config": map[string]any{"User": *user, "Labels": map[string]string{"n": strconv.Itoa(i)}}, "rootfs": map[string]any{"type": "layers", "diff_ids": diffIDs}})
		ts.Check(err)
		name := fmt.Sprintf("%x.json", sha256.Sum256(config))
		add(name, config)
		manifest = append(manifest, entry{name, g, names})
	}
	b, err := json.Marshal(manifest)
	ts.Check(err)
	add("manifest.json", b)
	ts.Check(tw.Close())
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out.Bytes(), 0o600))
}

func layer(ts *testscript.TestScript, files map[string]string) []byte {
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		ts.Check(tw.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}))
		_, err := io.WriteString(tw, files[name])
		ts.Check(err)
	}
	ts.Check(tw.Close())
	return b.Bytes()
}
