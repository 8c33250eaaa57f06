// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

const ownCommit = "1111111111111111111111111111111111111111"

// pipeline puts an example, and the workflow that it calls, on the stage. Act knows no
// job.workflow_sha, and an example installs no program: both are put in here.
func (s *stage) pipeline(example, image string) {
	s.t.Helper()
	for _, dir := range []string{s.dir, filepath.Join(s.stubs, "ocigate")} {
		gate := s.read("../../.github/workflows/ocigate.yml")
		gate = strings.NewReplacer("${{ job.workflow_repository }}", "ocigate/ocigate", "${{ job.workflow_sha }}", ownCommit).Replace(gate)
		path := filepath.Join(dir, ".github/workflows/ocigate.yml")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(gate), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	text := s.read(filepath.Join("../../examples/github-actions", example))
	const before = "policy: ocigate.yaml\n"
	at := strings.Index(text, before)
	indent := text[strings.LastIndex(text[:at], "\n")+1 : at]
	s.write(".github/workflows/"+example, strings.Replace(text, before,
		before+indent+"binary: "+s.program+"\n"+indent+"db-dir: "+filepath.Join(s.demo, "trivy-cache")+"\n", 1))
	built, stub := filepath.Join(s.dir, image), filepath.Join(s.stubs, "built.tar")
	s.copyFile(built, stub)
}

// TestExampleMain runs the pipeline of the main branch: what passes is pushed, as the bytes
// that were judged, and nothing else is; code scanning hears of all.
func TestExampleMain(t *testing.T) {
	needed(t, "skopeo", "apt-get install skopeo")
	for what, c := range map[string]struct {
		image, swapped, verdict string
		pushed                  bool
	}{
		"passed":    {"shop-1.1.oci.tar", "", "PASSED", true},
		"failed":    {"shop-1.0.oci.tar", "", "FAILED", false},
		"undecided": {"broken.tar", "", "ERROR", false},
		"swapped":   {"shop-1.1.oci.tar", "shop-1.0.oci.tar", "PASSED", false},
	} {
		t.Run(what, func(t *testing.T) {
			s := newStage(t)
			registry := dbtest.Serve(t, dbtest.Registry())
			s.pipeline("main.yml", c.image)
			if c.swapped != "" {
				s.copyFile(filepath.Join(s.dir, c.swapped), filepath.Join(s.stubs, "swapped.tar"))
			}
			s.registry(registry)
			p := s.act("push")
			if got := p.output("ocigate", "verdict"); got != c.verdict {
				t.Fatalf("verdict %q\n%s", got, p.log)
			}
			digest := p.output("ocigate", "digest")
			repository, err := name.NewRepository(registry+"/acme/shop", name.Insecure)
			if err != nil {
				t.Fatal(err)
			}
			tags, err := remote.List(repository)
			if pushed := err == nil && len(tags) > 0; pushed != c.pushed {
				t.Fatalf("pushed: %q, %v\n%s", tags, err, p.log)
			}
			if c.pushed {
				d, err := remote.Get(repository.Tag(tags[0]))
				if err != nil || d.Digest.String() != digest {
					t.Errorf("pushed %v, judged %s (%v)", d, digest, err)
				}
			}
			if (p.code == 0) != c.pushed {
				t.Errorf("act says %d", p.code)
			}
			if c.swapped != "" && !strings.Contains(p.log, "not the one that was judged") {
				t.Error(p.log)
			}
			if got := strings.TrimSpace(s.read(filepath.Join(s.stubs, "ref"))); got != ownCommit {
				t.Errorf("the action is of the commit %q", got)
			}
			if c.verdict != "PASSED" {
				s.onlyCodeScanning()
				if p := s.act("push"); p.code != 0 {
					t.Error(p.log)
				}
			}
			var doc struct {
				Runs []struct{ Results []struct{} }
			}
			if err := json.Unmarshal([]byte(s.read(filepath.Join(s.stubs, "sarif"))), &doc); err != nil || len(doc.Runs) != 1 {
				t.Errorf("code scanning got %+v, %v", doc, err)
			}
			if c.verdict == "FAILED" && len(doc.Runs[0].Results) < 10 {
				t.Errorf("code scanning got %d results", len(doc.Runs[0].Results))
			}
		})
	}
}

// onlyCodeScanning leaves the last job of the example. Act does not go on after a workflow that
// was called has failed, as GitHub does; what the jobs before have left is in the stubs.
func (s *stage) onlyCodeScanning() {
	s.t.Helper()
	text := s.read(filepath.Join(s.dir, ".github/workflows/main.yml"))
	head, _, _ := strings.Cut(text, "  build:\n")
	_, job, _ := strings.Cut(text, "  code-scanning:\n")
	_, job, _ = strings.Cut(job, "    runs-on:")
	s.write(".github/workflows/main.yml", head+"  code-scanning:\n    runs-on:"+job)
}

// registry lets the real skopeo speak plain http to a registry on loopback.
func (s *stage) registry(host string) {
	s.t.Helper()
	conf, wrapper := filepath.Join(s.stubs, "registries.conf"), filepath.Join(s.stubs, "bin/skopeo")
	err := errors.Join(
		os.WriteFile(conf, []byte("[[registry]]\nlocation = \""+host+"\"\ninsecure = true\n"), 0o600),
		os.WriteFile(wrapper, []byte("#!/bin/sh\nexec "+needed(s.t, "skopeo", "apt-get install skopeo")+" --registries-conf \"$STUBS/registries.conf\" \"$@\"\n"), 0o755))
	if err != nil {
		s.t.Fatal(err)
	}
	s.env = []string{"--var", "REGISTRY=" + host, "--env", "REGISTRY_AUTH_FILE=" + filepath.Join(s.stubs, "auth.json"), "--env", "GITHUB_REPOSITORY=acme/shop"}
}

// output is that of the step with the id, in whatever job or workflow it is.
func (p *play) output(id, name string) string {
	for step, outputs := range p.outputs {
		if step == id && outputs[name] != "" {
			return outputs[name]
		}
	}
	return ""
}

// TestExamplePullRequest: it informs, and is red only if the image could not be judged.
func TestExamplePullRequest(t *testing.T) {
	for image, c := range map[string]struct {
		verdict string
		code    int
	}{
		"shop-1.1.oci.tar": {"PASSED", 0}, "shop-1.0.oci.tar": {"FAILED", 0}, "broken.tar": {"ERROR", 1},
	} {
		t.Run(image, func(t *testing.T) {
			s := newStage(t)
			s.pipeline("pull-request.yml", image)
			if err := os.Remove(filepath.Join(s.dir, ".github/workflows/ocigate.yml")); err != nil {
				t.Fatal(err)
			}
			p := s.act("pull_request")
			if got := p.output("ocigate", "verdict"); got != c.verdict || p.code != c.code {
				t.Errorf("verdict %q, act says %d\n%s", got, p.code, p.log)
			}
			if !strings.Contains(p.summary, c.verdict) || !strings.Contains(strings.ToLower(p.summary), "report only") {
				t.Errorf("summary: %.500s", p.summary)
			}
			if _, err := os.Stat(filepath.Join(s.stubs, "artifacts/ocigate-reports/ocigate.html")); err != nil {
				t.Error(err)
			}
		})
	}
}
