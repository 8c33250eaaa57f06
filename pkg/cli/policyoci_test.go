// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/policyoci"
)

// run calls ocigate in this process.
func run(env map[string]string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli.Main(args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	return code, out.String(), errs.String()
}

// tree writes files below a new directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func artifactFiles() map[string]string {
	return map[string]string{
		"owner.yaml": "version: 1\nname: owner\nextends: [ocigate:baseline, parts/team.yaml]\nwaiver-files: [waivers/w.yaml]\n" +
			"feeds: {kev: {file: feeds/kev.json}}\nrules: {secrets: [{id: no-secrets-here}]}\n",
		"parts/team.yaml": "version: 1\nname: team\nrules: {config: [{id: team-user, user: non-root}]}\n",
		"waivers/w.yaml":  "version: 1\nwaivers: [{id: w1, rule: no-secrets-here, until: 2026-12-31, reason: r, owner: o}]\n",
		"feeds/kev.json":  `{"catalogVersion":"1","dateReleased":"2026-11-01T00:00:00Z","count":0,"vulnerabilities":[]}`,
		"other.txt":       "not named, so not pushed",
	}
}

func TestPolicyPushPull(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	dir := tree(t, artifactFiles())
	env := map[string]string{"HOME": t.TempDir()}
	code, out, errs := run(env, "policy", "push", filepath.Join(dir, "owner.yaml"), reg.Host+"/policies/owner:1")
	pinned := strings.TrimSpace(out)
	if code != 0 || !strings.HasPrefix(pinned, "oci://"+reg.Host+"/policies/owner@sha256:") {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	// From another directory, the same files are the same artifact.
	if _, again, errs := run(env, "policy", "push", filepath.Join(tree(t, artifactFiles()), "owner.yaml"), reg.Host+"/policies/owner:2"); strings.TrimSpace(again) != pinned {
		t.Errorf("%s, then %s %s", pinned, again, errs)
	}

	to := filepath.Join(t.TempDir(), "new")
	if code, out, errs := run(env, "policy", "pull", reg.Host+"/policies/owner:1", "--output", to); code != 0 || strings.TrimSpace(out) != pinned {
		t.Fatalf("%d %s %s", code, out, errs)
	}
	want := artifactFiles()
	delete(want, "other.txt")
	got := map[string]string{}
	for _, name := range slices.Collect(maps.Keys(want)) {
		b, err := os.ReadFile(filepath.Join(to, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
		}
		got[name] = string(b)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, err := os.Stat(filepath.Join(to, "other.txt")); err == nil {
		t.Error("a file that is not named was pushed")
	}
	if code, _, errs := run(env, "policy", "pull", pinned, "--output", to); code != 3 || !strings.Contains(errs, "is there already") {
		t.Errorf("overwrote: %d %s", code, errs)
	}

	for _, args := range [][]string{
		{"policy", "lint", pinned},
		{"policy", "lint", filepath.Join(tree(t, map[string]string{"p.yaml": "version: 1\nname: p\nextends: [\"" + pinned + "\"]\n"}), "p.yaml")},
	} {
		if code, _, errs := run(env, args...); code != 0 {
			t.Errorf("%v: %d %s", args, code, errs)
		}
	}
	for name, tt := range map[string]struct {
		policy string
		code   int
		want   string
	}{
		"a tag":                {"oci://" + reg.Host + "/policies/owner:1", 2, "is a tag"},
		"a tag that extends":   {"p.yaml", 2, "is a tag"},
		"nothing there":        {"oci://" + reg.Host + "/policies/owner@sha256:" + strings.Repeat("a", 64), 3, "MANIFEST_UNKNOWN"},
		"nobody there":         {"oci://127.0.0.1:1/p@sha256:" + strings.Repeat("a", 64), 3, "refused"},
		"plain http":           {"oci://10.0.0.1/p@sha256:" + strings.Repeat("a", 64) + "x", 2, "not the reference"},
		"extends out of reach": {"q.yaml", 3, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			file := tt.policy
			if strings.HasSuffix(file, ".yaml") {
				extends := map[string]string{"p.yaml": "oci://" + reg.Host + "/policies/owner:1", "q.yaml": "oci://127.0.0.1:1/p@sha256:" + strings.Repeat("a", 64)}[file]
				file = filepath.Join(tree(t, map[string]string{"p.yaml": "version: 1\nname: p\nextends: [\"" + extends + "\"]\n"}), "p.yaml")
			}
			code, out, errs := run(env, "check", "x.tar", "--policy", file, "--cache-dir", t.TempDir())
			if code != tt.code || !strings.Contains(errs, tt.want) {
				t.Errorf("%d %s %s, want %d %s", code, out, errs, tt.code, tt.want)
			}
		})
	}
}

// A policy from a registry names files of its artifact, and none of this machine.
func TestPolicyInArtifactStaysInside(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	env := map[string]string{"HOME": t.TempDir()}
	outside := tree(t, map[string]string{"secret.yaml": "version: 1\nname: s\nrules: {secrets: [{id: s}]}\n", "sub/x": ""})
	t.Chdir(filepath.Join(outside, "sub"))
	for _, name := range []string{"secret.yaml", "../secret.yaml", "a/../../secret.yaml", filepath.Join(outside, "secret.yaml"), "/etc/passwd"} {
		for _, line := range []string{"extends: [%q]\n", "waiver-files: [%q]\n", "feeds: {kev: {file: %q}}\n"} {
			data := "version: 1\nname: p\nrules: {secrets: [{id: a}]}\n" + fmt.Sprintf(line, name)
			pinned, err := policyoci.Push(t.Context(), reg.Host+"/p:1", &policyoci.Artifact{Policy: policyoci.File{Path: "p.yaml", Data: []byte(data)}},
				policyoci.Options{Transport: http.DefaultTransport})
			if err != nil {
				t.Fatal(err)
			}
			if code, out, errs := run(env, "policy", "lint", pinned); code != 2 || !strings.Contains(errs, "does not hold it") && !strings.Contains(errs, "not a relative path") {
				t.Errorf("%s: %d %s %s", data, code, out, errs)
			}
		}
	}
}

// An output is a file: a device, pipe or socket in its place is not removed.
func TestOutputIsNoDevice(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Symlink("s", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"s", "link"} {
		p := filepath.Join(dir, name)
		code, _, errs := run(map[string]string{"HOME": dir}, "check", "x.tar", "--policy", "ocigate:baseline", "--cache-dir", t.TempDir(), "--output", "json="+p)
		if _, err := os.Lstat(p); code != 2 || err != nil || !strings.Contains(errs, "no regular file") {
			t.Errorf("%s: %d %s %v", name, code, errs, err)
		}
	}
}

// What people read names the right file, and says what to do.
func TestPolicyOCIMessages(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	env := map[string]string{"HOME": t.TempDir()}
	custom := map[string]string{
		"p.yaml":      "version: 1\nname: p\nrules: {custom: [{id: house, rego: rego/a.rego}]}\n",
		"rego/a.rego": "package ocigate\ndeny contains {\"msg\": \"m\"} if input.nothing == 1\n",
	}
	dir := tree(t, custom)
	if code, out, errs := run(env, "policy", "push", filepath.Join(dir, "p.yaml"), reg.Host+"/p:1"); code != 2 || out != "" || !strings.Contains(errs, "rego/a.rego:2:") {
		t.Errorf("pushed a rule that does not compile: %d %s %s", code, out, errs)
	}
	if n := len(reg.Requests()); n > 0 {
		t.Errorf("%d requests", n)
	}
	pinned, err := policyoci.Push(t.Context(), reg.Host+"/p:1", &policyoci.Artifact{
		Policy: policyoci.File{Path: "p.yaml", Data: []byte(custom["p.yaml"])}, Files: []policyoci.File{{Path: "rego/a.rego", Data: []byte(custom["rego/a.rego"])}},
	}, policyoci.Options{Transport: http.DefaultTransport})
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := run(env, "policy", "lint", pinned); code != 2 || !strings.HasPrefix(errs, pinned+"/rego/a.rego:2:") {
		t.Errorf("%d %s, want a mistake in %s/rego/a.rego", code, errs, pinned)
	}
	if code, _, errs := run(env, "policy", "explain", "--policy", "oci://"+reg.Host+"/p:1"); code != 2 || !strings.Contains(errs, "hint: `ocigate policy pull "+reg.Host+"/p:1`") {
		t.Errorf("%d %s", code, errs)
	}
	// What is no name matches no section: that would be shown as the whole truth.
	if code, out, errs := run(env, "policy", "explain", "--policy", "ocigate:baseline", "--image", "Shop:1"); code != 2 || out != "" || !strings.Contains(errs, "is not an image name") {
		t.Errorf("%d %s %s", code, out, errs)
	}
}

// The digest that --policy-digest pins covers the artifact, and everything beside it.
func TestPolicyDigest(t *testing.T) {
	reg := imagetest.NewRegistry(t)
	env := map[string]string{"HOME": t.TempDir()}
	digest := func(env map[string]string, args ...string) string {
		t.Helper()
		code, _, errs := run(env, append([]string{"check", "x.tar", "--policy-digest", "sha256:none", "--cache-dir", t.TempDir()}, args...)...)
		_, rest, ok := strings.Cut(errs, "the policy's digest is ")
		if code != 2 || !ok {
			t.Fatalf("%d %s", code, errs)
		}
		d, _, _ := strings.Cut(rest, ",")
		return d
	}
	dir := tree(t, artifactFiles())
	file := filepath.Join(dir, "owner.yaml")
	first := digest(env, "--policy", file)
	t.Chdir(dir)
	if d := digest(env, "--policy", "owner.yaml"); d != first {
		t.Error("a relative path changes the digest")
	}
	t.Chdir(filepath.Join(dir, "parts"))
	if d := digest(env, "--policy", "../owner.yaml"); d != first {
		t.Error("another working directory changes the digest")
	}
	if d := digest(env, "--policy", filepath.Join(tree(t, artifactFiles()), "owner.yaml")); d != first {
		t.Error("another directory changes the digest")
	}
	_, out, _ := run(env, "policy", "push", file, reg.Host+"/policies/owner:1")
	pinned := strings.TrimSpace(out)
	if d := digest(env, "--policy", pinned); d != first {
		t.Errorf("in a registry the same policy has another digest")
	}
	for name, data := range artifactFiles() {
		files := artifactFiles()
		files[name] = strings.Replace(data, "r, owner", "another, owner", 1) + "\n"
		d := digest(env, "--policy", filepath.Join(tree(t, files), "owner.yaml"))
		if changed := d != first; changed != (name != "other.txt") {
			t.Errorf("%s: changed %t", name, changed)
		}
	}
	// Which of two policies is enforced, and in what order, is part of it.
	own := filepath.Join(tree(t, map[string]string{"own.yaml": "version: 1\nname: own\nrules: {secrets: [{id: own}]}\n"}), "own.yaml")
	other := filepath.Join(tree(t, map[string]string{"b.yaml": "version: 1\nname: b\nrules: {secrets: [{id: b}]}\n"}), "b.yaml")
	seen := map[string]string{}
	for _, args := range [][]string{{"--policy", own}, {"--policy", own, "--enforce", pinned}, {"--policy", own, "--enforce", other},
		{"--policy", own, "--enforce", other, "--enforce", pinned}, {"--policy", own, "--enforce", pinned, "--enforce", other}, {"--policy", other, "--enforce", own}} {
		d := digest(env, args...)
		if before, ok := seen[d]; ok {
			t.Errorf("%v has the digest of %s", args, before)
		}
		seen[d] = strings.Join(args, " ")
	}

	// The flag and the variable both hold.
	both := map[string]string{"HOME": env["HOME"], "OCIGATE_POLICY_DIGEST": first}
	if code, _, errs := run(both, "check", "missing.tar", "--policy", own, "--cache-dir", t.TempDir()); code != 2 || !strings.Contains(errs, "digest is") {
		t.Errorf("%d %s", code, errs)
	}
	ownDigest := digest(env, "--policy", own)
	if code, _, errs := run(both, "check", "missing.tar", "--policy", own, "--policy-digest", ownDigest, "--cache-dir", t.TempDir()); code != 2 || !strings.Contains(errs, "digest is") {
		t.Errorf("the flag takes away what the variable demands: %d %s", code, errs)
	}
}
