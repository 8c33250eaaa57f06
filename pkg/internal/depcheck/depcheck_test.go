// SPDX-License-Identifier: Apache-2.0

// Package depcheck holds the test of which way imports point.
package depcheck

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ocigate/ocigate/"

type pkg struct {
	ImportPath string
	Imports    []string
}

// load lists our packages and everything that they reach.
func load(t *testing.T) map[string]pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	all := map[string]pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all[p.ImportPath] = p
	}
}

// allowed names which of our packages each of our packages may import directly;
// pkg/internal/* is open to all.
var allowed = map[string][]string{
	"pkg/evidence":      {},
	"pkg/policy":        {"pkg/evidence"},
	"pkg/verdict":       {"pkg/evidence", "pkg/policy"},
	"pkg/image":         {"pkg/evidence"},
	"pkg/dockerfile":    {"pkg/evidence"},
	"pkg/scan":          {"pkg/evidence", "pkg/scan/analysis", "pkg/scan/ospkg", "pkg/scan/langpkg", "pkg/scan/secret", "pkg/scan/apply", "pkg/scan/match"},
	"pkg/scan/analysis": {},
	"pkg/scan/ospkg":    {"pkg/scan/analysis"},
	"pkg/scan/langpkg":  {"pkg/scan/analysis"},
	"pkg/scan/secret":   {"pkg/scan/analysis"},
	"pkg/scan/apply":    {"pkg/scan/analysis"},
	"pkg/scan/match":    {},
	"pkg/vulndb":        {"pkg/evidence"},
	"pkg/report":        {"pkg/evidence", "pkg/policy", "pkg/verdict"},
	"pkg/feed":          {"pkg/evidence"},
	"pkg/vex":           {"pkg/evidence"},
	"pkg/gate":          {"pkg/evidence", "pkg/policy", "pkg/verdict", "pkg/image", "pkg/feed", "pkg/vex"},
	"pkg/policyoci":     {},
	"pkg/layercache":    {},
	"pkg/waiverfile":    {"pkg/evidence", "pkg/policy", "pkg/verdict", "pkg/vex"},
	"pkg/signature":     {"pkg/evidence"},
	"pkg/custom":        {"pkg/evidence", "policies"},
	"pkg/policytest":    {"pkg/evidence", "pkg/policy", "pkg/verdict"},
	"policies":          {},
	"cmd/ocigate":       {"pkg/cli"},
}

func TestImportsPointOneWay(t *testing.T) {
	for path, p := range load(t) {
		ours, ok := strings.CutPrefix(path, module)
		if !ok {
			continue
		}
		list, ok := allowed[ours]
		if !ok {
			if strings.HasPrefix(ours, "pkg/") && ours != "pkg/cli" && !strings.HasPrefix(ours, "pkg/internal/") {
				t.Errorf("%s is not in the list of packages: say what it may import", ours)
			}
			continue
		}
		for _, imp := range p.Imports {
			to, ok := strings.CutPrefix(imp, module)
			if ok && !strings.HasPrefix(to, "pkg/internal/") && !slices.Contains(list, to) {
				t.Errorf("%s imports %s: imports point one way, see the layout in README.md", ours, to)
			}
		}
	}
}

// pure packages decide and render. They touch neither the system nor the network,
// not even through others.
var pure = []string{"pkg/evidence", "pkg/policy", "pkg/verdict", "pkg/report", "pkg/policytest"}

var unreachable = []string{"net/http", "github.com/google/go-containerregistry", "github.com/aquasecurity/", "github.com/sigstore/", "github.com/open-policy-agent/", "github.com/docker/", "github.com/moby/"}

func TestPurePackagesReachNoNetwork(t *testing.T) {
	all := load(t)
	for _, from := range pure {
		start := all[module+from]
		for _, imp := range start.Imports {
			if imp == "os" || imp == "net" {
				t.Errorf("%s imports %q directly", from, imp)
			}
		}
		for path := range all {
			if slices.ContainsFunc(unreachable, func(bad string) bool {
				return path == bad || strings.HasSuffix(bad, "/") && strings.HasPrefix(path, bad) || strings.HasPrefix(path, bad+"/")
			}) {
				if chain := chain(all, start.ImportPath, path); chain != nil {
					t.Errorf("%s reaches %s: %s", from, path, strings.Join(chain, " → "))
				}
			}
		}
	}
}

// only names the single package that may import a library directly, with those below it.
var only = map[string]string{
	"github.com/aquasecurity/trivy/": "pkg/scan",
	"github.com/sigstore/":           "pkg/signature",
	"github.com/open-policy-agent/":  "pkg/custom",
	"github.com/gomodule/redigo/":    "pkg/layercache",
}

// sigstoreTest signs for tests; it can forge anything, and nothing but tests imports it.
const sigstoreTest = "pkg/internal/sigstoretest"

func TestLibrariesHaveOneImporter(t *testing.T) {
	for path, p := range load(t) {
		ours, ok := strings.CutPrefix(path, module)
		if !ok {
			continue
		}
		for _, imp := range p.Imports {
			for lib, owner := range only {
				if strings.HasPrefix(imp, lib) && ours != owner && !strings.HasPrefix(ours, owner+"/") && ours != sigstoreTest {
					t.Errorf("%s imports %s: only %s may", ours, imp, owner)
				}
			}
			if imp == module+sigstoreTest {
				t.Errorf("%s imports %s: only tests may", ours, imp)
			}
		}
	}
}

// heavy are packages of Trivy's that bring along what ocigate does without (Kubernetes,
// Helm, Terraform, policy engines, downloaders of three clouds), with what shows that
// one came in by another way: they made two thirds of the binary and of its start.
var heavy = []string{
	"github.com/aquasecurity/trivy/pkg/commands", "github.com/aquasecurity/trivy/pkg/fanal/analyzer", "github.com/aquasecurity/trivy/pkg/fanal/secret",
	"github.com/aquasecurity/trivy/pkg/iac", "github.com/aquasecurity/trivy/pkg/misconf", "github.com/aquasecurity/trivy/pkg/javadb",
	"github.com/aquasecurity/trivy-checks", "github.com/hashicorp/go-getter", "helm.sh/helm", "k8s.io/client-go", "k8s.io/api",
}

func TestProgramStaysLight(t *testing.T) {
	all := load(t)
	for path := range all {
		if !slices.ContainsFunc(heavy, func(bad string) bool { return path == bad || strings.HasPrefix(path, bad+"/") }) {
			continue
		}
		if chain := chain(all, module+"cmd/ocigate", path); chain != nil {
			t.Errorf("the program reaches %s: %s", path, strings.Join(chain, " → "))
		}
	}
}

func chain(all map[string]pkg, from, to string) []string {
	prev := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		for _, imp := range all[queue[0]].Imports {
			if _, seen := prev[imp]; seen {
				continue
			}
			prev[imp] = queue[0]
			if imp == to {
				var c []string
				for p := to; p != ""; p = prev[p] {
					c = append([]string{p}, c...)
				}
				return c
			}
			queue = append(queue, imp)
		}
	}
	return nil
}
