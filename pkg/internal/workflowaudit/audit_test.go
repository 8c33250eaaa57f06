// SPDX-License-Identifier: Apache-2.0

package workflowaudit_test

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/internal/workflowaudit"
)

var repository = os.DirFS("../../..")

// TestRepository audits every workflow and every action of this repository, wherever it is.
// Stubs of tests, below testdata, run in tests only.
func TestRepository(t *testing.T) {
	var seen []string
	err := fs.WalkDir(repository, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if slices.Contains([]string{".git", "testdata", "node_modules", "bin"}, e.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(name); ext != ".yml" && ext != ".yaml" {
			return nil
		}
		data, err := fs.ReadFile(repository, name)
		if err != nil {
			return err
		}
		kind, broken, err := workflowaudit.Audit(data)
		if kind != workflowaudit.Other {
			seen = append(seen, name)
		} else if strings.HasPrefix(name, ".github/workflows/") {
			t.Errorf("%s is taken for no workflow: %v", name, err)
		}
		for _, b := range broken {
			t.Errorf("%s: %s", name, b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".github/workflows/ci.yml", ".github/workflows/ocigate.yml", ".github/actions/ocigate/action.yml", "examples/github-actions/main.yml", "examples/github-actions/pull-request.yml"} {
		if !slices.Contains(seen, want) {
			t.Errorf("%s was not audited", want)
		}
	}
}

const (
	gateWorkflow = ".github/workflows/ocigate.yml"
	action       = ".github/actions/ocigate/action.yml"
	pipeline     = "examples/github-actions/main.yml"
)

// TestMutations breaks the real files in one place each; the audit must say so.
func TestMutations(t *testing.T) {
	for name, m := range map[string]struct{ file, old, replacement, want string }{
		"a tag":                  {action, "actions/cache/restore@27d5ce7f107fe9357f9df03efb73ab90386fccae", "actions/cache/restore@v5.0.5", "not pinned"},
		"a branch":               {gateWorkflow, "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "actions/checkout@main", "not pinned"},
		"a short commit":         {pipeline, "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "actions/download-artifact@3e5f45b2", "not pinned"},
		"an image by tag":        {pipeline, "docker/setup-buildx-action@37fe631027851001ddb9b187196cc803df7f5f0e", "docker://docker.io/library/docker:27", "not pinned"},
		"no version":             {action, "27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5", "27d5ce7f107fe9357f9df03efb73ab90386fccae", "no comment"},
		"a vague version":        {pipeline, "# v8.0.1", "# v8", "no comment"},
		"a workflow by tag":      {pipeline, "ocigate.yml@0000000000000000000000000000000000000000", "ocigate.yml@v1", "not pinned"},
		"an expression":          {action, `run: bash "$ACTION_DIR/run.sh" install`, "run: bash run.sh ${{ inputs.binary }}", "expression"},
		"an expression in a job": {pipeline, `oci-archive:image.tar "docker://$REGISTRY`, `oci-archive:image.tar "docker://${{ vars.REGISTRY }}`, "expression"},
		"a github script":        {gateWorkflow, "          persist-credentials: false", "          persist-credentials: false\n          script: f(${{ github.head_ref }})", "expression"},
		"no permissions":         {pipeline, "permissions: {}\n", "", "no top-level permissions"},
		"all permissions":        {pipeline, "permissions: {}\n", "permissions: write-all\n", "not {}"},
		"wide permissions":       {pipeline, "permissions: {}\n", "permissions:\n  contents: write\n", "not {}"},
		"a job with all":         {gateWorkflow, "    permissions:\n      contents: read\n", "    permissions: read-all\n", "one by one"},
		"a job without":          {gateWorkflow, "    permissions:\n      contents: read\n", "", "a job without permissions"},
		"a gate that can write":  {pipeline, "    needs: build\n    permissions:\n      contents: read", "    needs: build\n    permissions:\n      contents: write", "permission to write"},
		"a cache beside a token": {pipeline, "actions/download-artifact@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "actions/cache@3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "a cache, or the gate"},
		"credentials kept":       {gateWorkflow, "persist-credentials: false", "fetch-depth: 0", "persist-credentials"},
		"credentials kept aloud": {gateWorkflow, "persist-credentials: false", "persist-credentials: true", "persist-credentials"},
		"the wrong trigger":      {"examples/github-actions/pull-request.yml", "  pull_request:", "  pull_request_target:", "pull_request_target"},
		"the wrong one of two":   {"examples/github-actions/pull-request.yml", "on:\n  pull_request:", "on: [push, pull_request_target]", "pull_request_target"},
		"the wrong one alone":    {"examples/github-actions/pull-request.yml", "on:\n  pull_request:", "on: pull_request_target", "pull_request_target"},
		"a moving runner":        {pipeline, "runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "latest"},
		"a moving image":         {pipeline, "docker buildx build", "docker pull alpine:latest && docker buildx build", "latest"},
		"a moving install":       {action, `run: bash "$ACTION_DIR/run.sh" install`, "run: curl https://example.com/releases/latest/download/x", "latest"},
		"a secret in an input":   {pipeline, "          name: image\n          path", "          token: ${{ secrets.PUSH }}\n          name: image\n          path", "a secret is handed"},
		"a token in an input":    {pipeline, "          name: image\n          path", "          token: ${{ github.token }}\n          name: image\n          path", "a secret is handed"},
		"a secret by index":      {pipeline, "          name: image\n          path", "          token: ${{ secrets['PUSH'] }}\n          name: image\n          path", "a secret is handed"},
		"inherited secrets":      {pipeline, "    with:\n      artifact: image", "    secrets: inherit\n    with:\n      artifact: image", "handed to another workflow"},
		"an input for a secret":  {action, "  policy-digest:", "  registry-password:\n    description: x\n  policy-digest:", "is a secret"},
		"no timeout":             {gateWorkflow, "    timeout-minutes: 30\n", "", "timeout-minutes"},
		"a container action":     {action, "using: composite", "using: docker", "not composite"},
	} {
		t.Run(name, func(t *testing.T) {
			data, err := fs.ReadFile(repository, m.file)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), m.old, m.replacement, 1)
			if changed == string(data) {
				t.Fatalf("%s holds no %q", m.file, m.old)
			}
			_, broken, err := workflowaudit.Audit([]byte(changed))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(broken, func(b string) bool { return strings.Contains(b, m.want) }) {
				t.Errorf("not noticed; it says %q", broken)
			}
		})
	}
}

// TestScannerVersion: what linked-in Trivy must never be: the releases that the hijackers made.
func TestScannerVersion(t *testing.T) {
	bad := regexp.MustCompile(`github\.com/aquasecurity/trivy(@| )v0\.69\.[456]\b`)
	for _, name := range []string{"go.mod", "go.sum", "bench/go.mod", "bench/go.sum"} {
		data, err := fs.ReadFile(repository, name)
		if err != nil {
			t.Fatal(err)
		}
		if m := bad.Find(data); m != nil {
			t.Errorf("%s: %s", name, m)
		}
	}
}

// TestOther: what is neither is left alone.
func TestOther(t *testing.T) {
	for _, s := range []string{"", "version: 1\nname: x\n", "- a\n", "a", "a: 1\n---\nb: 2\n"} {
		if kind, broken, _ := workflowaudit.Audit([]byte(s)); kind != workflowaudit.Other || broken != nil {
			t.Errorf("%q: %q, %q", s, kind, broken)
		}
	}
}
