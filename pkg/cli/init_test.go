// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/policies"
)

// workflow is as much of a workflow as is audited here.
type workflow struct {
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]struct {
		Permissions map[string]string
		Steps       []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

// initialised is a repository after `ocigate init`.
func initialised(t *testing.T, files map[string]string) string {
	t.Helper()
	files[".git/config"] = "[remote \"origin\"]\n\turl = https://github.com/acme/shop\n[remote \"lab\"]\n\turl = https://gitlab.com/acme/shop\n"
	dir := tree(t, files)
	if _, errs, code := ocigate(t, "init", dir); code != cli.ExitPassed {
		t.Fatal(errs)
	}
	return dir
}

func repositories() map[string]map[string]string {
	return map[string]map[string]string{
		"none": {"README": "x"},
		"one":  {"Dockerfile": "FROM alpine:3.20\nUSER 65532\n"},
		"many": {"Dockerfile": "FROM alpine:3.20\n", "api/Dockerfile": "FROM scratch\n", "api/true.dockerfile": "FROM debian@sha256:" + strings.Repeat("0", 64) + "\n"},
	}
}

// TestInitWorkflow audits what init writes for GitHub as our own workflows are audited.
func TestInitWorkflow(t *testing.T) {
	ours, err := os.ReadFile("../../.github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`(?m)^\s*- uses: (\S+@[0-9a-f]{40} # \S+)$`)
	for name, files := range repositories() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(initialised(t, files), ".github/workflows/ocigate.yml")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			actionlint(t, path)
			var w workflow
			if err := yaml.Unmarshal(text, &w); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if !strings.Contains(string(text), "\npermissions: {}\n") || w.On["pull_request_target"] != nil {
				t.Errorf("permissions or triggers:\n%s", text)
			}
			uses := pinned.FindAllStringSubmatch(string(text), -1)
			if len(uses) != strings.Count(string(text), "uses:") || len(uses) != 2 {
				t.Errorf("an action is not named by its commit: %q", uses)
			}
			if !strings.Contains(string(ours), uses[0][1]) {
				t.Errorf("%s is not what our own CI uses", uses[0][1])
			}
			for id, job := range w.Jobs {
				if len(job.Permissions) != 1 || job.Permissions["contents"] != "read" {
					t.Errorf("%s: permissions %v", id, job.Permissions)
				}
				for _, step := range job.Steps {
					if strings.Contains(step.Run, "${{") {
						t.Errorf("an expression in a script: %s", step.Run)
					}
					if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
						t.Error("the token is left behind")
					}
					if strings.Contains(step.Uses, "/.github/actions/ocigate@") {
						known(t, step.With, "../../.github/actions/ocigate/action.yml", func(a component) map[string]any { return a.Inputs })
					}
				}
			}
		})
	}
}

// TestInitGitLab: what init writes for GitLab includes the component with inputs it has.
func TestInitGitLab(t *testing.T) {
	for name, files := range repositories() {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(initialised(t, files), ".gitlab/ocigate.yml"))
			if err != nil {
				t.Fatal(err)
			}
			var c struct {
				Include []struct {
					Remote string
					Inputs map[string]any
				}
			}
			if err := yaml.Unmarshal(text, &c); err != nil || len(c.Include) != 1 {
				t.Fatalf("%v\n%s", err, text)
			}
			m := regexp.MustCompile(`^https://raw\.githubusercontent\.com/ocigate/ocigate/[0-9a-f]{40}/(\S+)$`).FindStringSubmatch(c.Include[0].Remote)
			if m == nil {
				t.Fatalf("%q names no commit", c.Include[0].Remote)
			}
			// What is to be filled in is known, too.
			for _, m := range regexp.MustCompile(`(?m)^ +#([a-z][a-z0-9-]*):`).FindAllSubmatch(text, -1) {
				c.Include[0].Inputs[string(m[1])] = ""
			}
			known(t, c.Include[0].Inputs, filepath.Join("../..", m[1]), func(a component) map[string]any { return a.Spec.Inputs })
		})
	}
}

// component is an action, or the head of a GitLab component.
type component struct {
	Inputs map[string]any
	Spec   struct{ Inputs map[string]any }
}

// known wants the action or component in path to have the inputs.
func known(t *testing.T, given map[string]any, path string, inputs func(component) map[string]any) {
	t.Helper()
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("OCIGATE_CI") == "" {
		t.Skipf("%s is not here to compare with", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var c component
	if err := yaml.NewDecoder(f).Decode(&c); err != nil {
		t.Fatal(err)
	}
	for name := range given {
		if _, ok := inputs(c)[name]; !ok {
			t.Errorf("%s has no input %q", path, name)
		}
	}
}

// actionlint runs the version that `make lint` runs.
func actionlint(t *testing.T, path string) {
	t.Helper()
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`ACTIONLINT\s*:=\s*(\S+)`).FindSubmatch(makefile)
	if version == nil {
		t.Fatal("the Makefile names no version of actionlint")
	}
	// With the cache of modules, where there is no network.
	cmd := exec.Command("go", "run", fmt.Sprintf("github.com/rhysd/actionlint/cmd/actionlint@%s", version[1]), path)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && strings.Contains(string(out), filepath.Base(path)+":"), os.Getenv("OCIGATE_CI") != "":
		t.Errorf("actionlint: %v\n%s", err, out)
	default:
		t.Skipf("actionlint cannot be run here: %v\n%.300s", err, out)
	}
}

// TestInitPolicies: whatever init starts from lints clean in each repository.
func TestInitPolicies(t *testing.T) {
	for name := range repositories() {
		for _, from := range policies.Names() {
			dir := initialised(t, repositories()[name])
			if _, errs, code := ocigate(t, "init", dir, "--force", "--from", from); code != cli.ExitPassed {
				t.Errorf("%s, %s: %s", name, from, errs)
			}
			if _, errs, code := ocigate(t, "policy", "lint", filepath.Join(dir, "ocigate.yaml")); code != cli.ExitPassed || errs != "" {
				t.Errorf("%s, %s: exit code %d: %s", name, from, code, errs)
			}
		}
	}
}
