// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// includes writes a pipeline of the component alone, with these inputs.
func (p *project) includes(inputs ...string) {
	p.t.Helper()
	p.write(".gitlab-ci.yml", "include:\n  - local: templates/ocigate.yml\n    inputs:\n      "+strings.Join(inputs, "\n      ")+"\n")
}

// image of the repository, for pipelines that build none.
func (p *project) built(name string) {
	p.t.Helper()
	p.image(name)
	p.copy(filepath.Join(p.demo, "built.tar"), "image.tar")
}

func TestGitLabAllowUndecided(t *testing.T) {
	p := newProject(t)
	p.built("broken")
	p.includes("image: oci-archive:image.tar", "binary: $OCIGATE_BINARY")
	r := p.run()
	p.expects(r, 1, "ocigate:FAIL")
	p.reports("ERROR")
	p.includes("image: oci-archive:image.tar", "binary: $OCIGATE_BINARY", "allow-undecided: true")
	p.expects(p.run(), 0, "ocigate:WARN")
	p.reports("ERROR")
	// What failed, and what was never begun, fails all the same.
	p.built("shop-1.0")
	p.expects(p.run(), anyCode, "ocigate:FAIL")
	p.reports("FAILED")
	p.includes("image: oci-archive:image.tar", "binary: $OCIGATE_BINARY", "allow-undecided: true", "policy: none.yaml")
	p.expects(p.run(), anyCode, "ocigate:FAIL")
	// report-only says so in the verdict.
	p.includes("image: oci-archive:image.tar", "binary: $OCIGATE_BINARY", "report-only: true")
	p.expects(p.run(), 0, "ocigate:PASS")
	p.reports("FAILED")
}

// TestGitLabBelievesLittle: what the repository brings along is neither a report nor a
// database, and no value is a command.
func TestGitLabBelievesLittle(t *testing.T) {
	p := newProject(t)
	p.built("shop-1.1")
	p.write("ocigate-reports/outputs", "verdict=PASSED\n")
	p.write(".ocigate-downloads/db-"+strings.Repeat("0", 64)+".tar.gz", "planted")
	const hostile = `oci-archive:$(touch pwned)';touch pwned;'` + "`touch pwned`" + ` --report-only && touch pwned #.tar`
	p.includes(`image: "`+hostile+`"`, "binary: $OCIGATE_BINARY", `enforce: "* $(touch pwned)"`)
	p.expects(p.run(), 1, "ocigate:FAIL")
	if files, _ := filepath.Glob(filepath.Join(p.dir, ".gitlab-ci-local/artifacts/ocigate/ocigate-reports/*")); len(files) != 0 {
		t.Errorf("reports of a run that examined nothing: %q", files)
	}
	if out, _ := exec.Command("find", p.dir, "-name", "pwned").Output(); len(out) != 0 {
		t.Errorf("a value was executed: %s", out)
	}

	// What the pipeline does in all jobs is not done in this one, and no credential is taken along.
	program := filepath.Join(t.TempDir(), "ocigate")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nenv\nexec '"+p.variables["OCIGATE_BINARY"]+"' \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.variables["CI_JOB_TOKEN"], p.variables["CI_DEPLOY_USER"], p.variables["CI_DEPLOY_PASSWORD"] = "a-job-token", "reader", "a-deploy-password"
	p.includes("image: oci-archive:image.tar", "binary: "+program, "report-dir: elsewhere")
	p.write(".gitlab-ci.yml", string(p.read(filepath.Join(p.dir, ".gitlab-ci.yml")))+"default:\n  before_script: [touch pwned]\n  after_script: [touch pwned]\n")
	r := p.run()
	p.expects(r, 0, "ocigate:PASS")
	for _, secret := range []string{"a-job-token", "a-deploy-password", "DOCKER_AUTH_CONFIG"} {
		if strings.Contains(r.log, secret) {
			t.Errorf("ocigate was given %s", secret)
		}
	}
	if !strings.Contains(r.log, "DOCKER_CONFIG=") || strings.Contains(r.log, "touch pwned") {
		t.Error(r.log)
	}
}

// TestGitLabInstalls has a stub of curl; the program is this test's own.
func TestGitLabInstalls(t *testing.T) {
	p := newProject(t)
	p.built("shop-1.1")
	script := "#!/bin/sh\nexec '" + p.variables["OCIGATE_BINARY"] + "' \"$@\"\n"
	p.stub("curl", `[ "$(uname -m)" = x86_64 ] && arch=amd64 || arch=arm64
eval "url=\${$#}"
[ "$url" = "https://github.com/ocigate/ocigate/releases/download/v1.2.3/ocigate-linux-$arch" ] || exit 22
while [ "$1" != --output ]; do shift; done
cp '`+filepath.Join(p.bin, "release")+`' "$2"
`)
	if err := os.WriteFile(filepath.Join(p.bin, "release"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(script)))
	for name, c := range map[string]struct {
		version, sum, binary, want string
		code                       int
		result                     string
	}{
		"installed":      {"v1.2.3", sum, "", "PASSED", 0, "PASS"},
		"other bytes":    {"v1.2.3", strings.Repeat("0", 64), "", "what was downloaded is not ocigate v1.2.3", 1, "FAIL"},
		"no checksum":    {"v1.2.3", "", "", "give the inputs version and sha256-linux-", 1, "FAIL"},
		"nothing":        {"", "", "", "Until ocigate's first release there is nothing to download", 1, "FAIL"},
		"other version":  {"v9.9.9", sum, "", "could not download ocigate v9.9.9", 1, "FAIL"},
		"hostile":        {"v1/../../x", sum, "", "are none", 1, "FAIL"},
		"relative path":  {"", "", "bin/ocigate", "no absolute path", 1, "FAIL"},
		"no such binary": {"", "", "/none/ocigate", "names no program", 1, "FAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			q := *p
			q.t = t
			q.includes("image: oci-archive:image.tar", `version: "`+c.version+`"`, `sha256-linux-amd64: "`+c.sum+`"`, `sha256-linux-arm64: "`+c.sum+`"`, `binary: "`+c.binary+`"`)
			r := q.run()
			q.expects(r, c.code, "ocigate:"+c.result)
			if !strings.Contains(r.log, c.want) {
				t.Errorf("does not say %q:\n%s", c.want, r.log)
			}
		})
	}
}

// gitlabFile is one document of a pipeline: its jobs, and what stands beside them.
func gitlabFiles(t *testing.T) map[string]map[string]any {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(gitlabExamples, "*.yml"))
	if err != nil || len(paths) != 3 {
		t.Fatalf("examples are %q (%v)", paths, err)
	}
	docs := map[string]map[string]any{}
	for _, path := range append(paths, filepath.Join(gitlabExamples, "templates/ocigate.yml")) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for dec, n := yaml.NewDecoder(bytes.NewReader(data)), 0; ; n++ {
			var doc map[string]any
			if dec.Decode(&doc) != nil {
				break
			}
			docs[fmt.Sprintf("%s-%d", filepath.Base(path), n)] = doc
		}
	}
	return docs
}

// TestGitLabInputs: GitLab replaces inputs in the text of the file, before anything reads it
// as YAML. Each is quoted, cannot end its quotes, and stands in no script.
func TestGitLabInputs(t *testing.T) {
	docs := gitlabFiles(t)
	inputs := docs["ocigate.yml-0"]["spec"].(map[string]any)["inputs"].(map[string]any)
	data, err := os.ReadFile(filepath.Join(gitlabExamples, "templates/ocigate.yml"))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\[\[ inputs\.([a-z0-9-]+) \]\]`).FindAllStringSubmatch(string(data), -1) {
		used[m[1]] = true
		if inputs[m[1]] == nil {
			t.Errorf("no input %s is declared", m[1])
		}
	}
	if n := strings.Count(string(data), "$[["); n < len(inputs) {
		t.Errorf("%d uses of %d inputs", n, len(inputs))
	}
	for name, v := range inputs {
		in := v.(map[string]any)
		if !used[name] || in["description"] == "" {
			t.Errorf("%s: used is %v, described as %v", name, used[name], in["description"])
		}
		if in["type"] == "boolean" {
			continue
		}
		re, _ := in["regex"].(string)
		pattern, err := regexp.Compile(re)
		if err != nil || re == "" || pattern.MatchString(`x"y`) || pattern.MatchString(`x\y`) {
			t.Errorf("%s: a value can end its quotes: regex %q", name, re)
		}
		if d, ok := in["default"].(string); ok && !pattern.MatchString(d) {
			t.Errorf("%s: %q is refused", name, d)
		}
	}
	for _, text := range scriptsOf(docs["ocigate.yml-1"]) {
		if strings.Contains(text, "$[[") {
			t.Error("an input is part of a script")
		}
	}
	if strings.Count(string(data), "@sha256:4b7ce07002c69e8f3d704a9c5d6fd3053be500b7f1c69fc0d80990c2ad8dd412") != 1 {
		t.Error("the job's image is pinned by digest")
	}
}

// scriptsOf are the scripts of all jobs.
func scriptsOf(doc map[string]any) []string {
	var list []string
	for _, v := range doc {
		job, _ := v.(map[string]any)
		lines, _ := job["script"].([]any)
		if len(lines) == 0 {
			continue
		}
		var b strings.Builder
		for _, l := range lines {
			b.WriteString(l.(string) + "\n")
		}
		list = append(list, b.String())
	}
	return list
}

func TestGitLabScriptsAreClean(t *testing.T) {
	program := runner(t, "shellcheck", "apt-get install shellcheck")
	n := 0
	for name, doc := range gitlabFiles(t) {
		for _, script := range scriptsOf(doc) {
			n++
			cmd := exec.Command(program, "--shell=sh", "--severity=style", "-")
			cmd.Stdin = strings.NewReader(script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", name, err, out)
			}
		}
	}
	if n != 7 {
		t.Errorf("%d scripts", n)
	}
}
