// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

const gitlabExamples = "../../examples/gitlab-ci"

// project is a repository whose pipelines gitlab-ci-local runs on this machine, with
// examples/demo as the images and the database, registries on loopback, and this test's own
// program as ocigate.
type project struct {
	t              *testing.T
	dir, bin, demo string
	// registry asks for a password; databases does not.
	registry, databases *imagetest.Registry
	env                 []string
	variables           map[string]string
}

// runner finds a program that pipelines need.
func runner(t *testing.T, program, how string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("OCIGATE_CI") != "" {
		t.Fatalf("%s is needed in this run: %s", program, how)
	}
	t.Skipf("%s is not installed: %s", program, how)
	return ""
}

func newProject(t *testing.T) *project {
	t.Helper()
	runner(t, "gitlab-ci-local", "npm install gitlab-ci-local@4.70.1")
	runner(t, "rsync", "apt-get install rsync")
	runner(t, "git", "apt-get install git")
	p := &project{t: t, dir: t.TempDir(), bin: t.TempDir(), demo: t.TempDir(), registry: imagetest.NewRegistry(t), databases: imagetest.NewRegistry(t)}
	p.registry.User, p.registry.Password = "robot", "s3cret-of-the-registry"
	if out, err := exec.Command("go", "run", "../../examples/demo", "-out", p.demo).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	database := p.databases.Host + "/trivy-db:2"
	if err := dbtest.Push(database, filepath.Join(p.demo, "trivy-cache"), false); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "ocigate")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	p.env = []string{"HOME=" + home, "DOCKER_CONFIG=" + filepath.Join(home, "docker")}
	p.variables = map[string]string{
		"CI_REGISTRY": p.registry.Host, "CI_REGISTRY_IMAGE": p.registry.Host + "/team/shop", "CI_REGISTRY_USER": p.registry.User, "CI_REGISTRY_PASSWORD": p.registry.Password,
		"OCIGATE_BINARY": program,
		// A pipeline's variables come before those of a job. Without them the defaults are used.
		"OCIGATE_INPUT_DB_REPOSITORY": database,
	}
	p.copy(filepath.Join(gitlabExamples, "templates/ocigate.yml"), "templates/ocigate.yml")
	p.copy(filepath.Join(p.demo, "ocigate.yaml"), "ocigate.yaml")
	return p
}

// image makes the stub's build have the image of examples/demo, or a part of one.
func (p *project) image(name string) {
	p.t.Helper()
	path := filepath.Join(p.demo, "built.tar")
	var data []byte
	if name == "broken" {
		data = p.read(filepath.Join(p.demo, "shop-1.1.oci.tar"))[:20_000]
	} else {
		data = p.read(filepath.Join(p.demo, name+".oci.tar"))
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.stub("docker", `case "$1 $2" in
"login --username") skopeo "$@" >/dev/null ;;
"buildx build")
  case "$3" in
  --output) cp "`+path+`" "${4#type=oci,dest=}" ;;
  --push) skopeo copy --quiet --preserve-digests "oci-archive:`+path+`" "docker://$5" ;;
  esac ;;
esac
`)
}

// stub puts a program before those of this machine.
func (p *project) stub(name, script string) {
	p.t.Helper()
	if err := os.WriteFile(filepath.Join(p.bin, name), []byte("#!/bin/sh\nset -eu\n"+script), 0o700); err != nil {
		p.t.Fatal(err)
	}
}

// skopeo lets the real one speak plain http to the registry on loopback.
func (p *project) skopeo() {
	p.t.Helper()
	program := runner(p.t, "skopeo", "apt-get install skopeo")
	conf := filepath.Join(p.bin, "registries.conf")
	if err := os.WriteFile(conf, []byte("[[registry]]\nlocation = \""+p.registry.Host+"\"\ninsecure = true\n"), 0o600); err != nil {
		p.t.Fatal(err)
	}
	// Jobs of GitLab share no login.
	p.stub("skopeo", "REGISTRY_AUTH_FILE='"+filepath.Join(p.bin, "auth.json")+"'\nexport REGISTRY_AUTH_FILE\nexec '"+program+"' --registries-conf '"+conf+"' \"$@\"\n")
}

func (p *project) read(path string) []byte {
	p.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return data
}

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) copy(from, to string) { p.t.Helper(); p.write(to, string(p.read(from))) }

// pipeline is what gitlab-ci-local reports of a run.
type pipeline struct {
	code int
	log  string
	// results are PASS, WARN or FAIL by job.
	results map[string]string
}

var (
	resultLine = regexp.MustCompile(`^ (PASS|WARN|FAIL) +(\S+)`)
	colours    = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

// run commits what is there and runs its pipeline.
func (p *project) run() pipeline {
	p.t.Helper()
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-C", p.dir, "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			p.t.Fatalf("git: %v\n%s", err, out)
		}
	}
	git("init", "-q")
	git("add", "-A", "-f", ".", ":!.gitlab-ci-local")
	git("commit", "-q", "--allow-empty", "-m", "all")
	args := []string{"--force-shell-executor", "--shell-isolation", "--artifacts-to-source=false"}
	for name, value := range p.variables {
		args = append(args, "--variable", name+"="+value)
	}
	cmd := exec.Command("gitlab-ci-local", args...)
	cmd.Dir = p.dir
	cmd.Env = append(append(os.Environ(), p.env...), "PATH="+p.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	r := pipeline{log: colours.ReplaceAllString(string(out), ""), results: map[string]string{}}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.code = exit.ExitCode()
	} else if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(r.log) {
		if m := resultLine.FindStringSubmatch(line); m != nil {
			r.results[m[2]] = m[1]
		}
	}
	if strings.Contains(r.log, p.registry.Password) {
		p.t.Error("the log shows the password")
	}
	return r
}

// anyCode is for jobs with allow_failure: exit_codes, other failures of which gitlab-ci-local
// shows as such but leaves out of its own exit code, and begins with the jobs that need them.
const anyCode = -1

// expects compares the results of jobs: "build:PASS ocigate:FAIL".
func (p *project) expects(r pipeline, code int, results string) {
	p.t.Helper()
	var got []string
	for _, job := range []string{"build", "ocigate", "push"} {
		if s := r.results[job]; s != "" {
			got = append(got, job+":"+s)
		}
	}
	if s := strings.Join(got, " "); s != results || (code != anyCode && r.code != code) {
		p.t.Fatalf("exit code %d and %q, want %d and %q\n%s", r.code, s, code, results, r.log)
	}
}

// artifact reads a report of the job.
func (p *project) artifact(name string) []byte {
	p.t.Helper()
	return p.read(filepath.Join(p.dir, ".gitlab-ci-local/artifacts/ocigate/ocigate-reports", name))
}

// output is one line of outputs.
func (p *project) output(name string) string {
	p.t.Helper()
	for line := range strings.Lines(string(p.artifact("outputs"))) {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// reports demands every report, of this verdict, as GitLab reads them.
func (p *project) reports(want string) {
	p.t.Helper()
	if got := p.output("verdict"); got != want {
		p.t.Fatalf("verdict %q, want %q", got, want)
	}
	var doc struct{ Status string }
	if err := json.Unmarshal(p.artifact("ocigate.json"), &doc); err != nil || doc.Status != want {
		p.t.Errorf("json: %v, %q", err, doc.Status)
	}
	if !bytes.Contains(p.artifact("ocigate.html"), []byte(want)) {
		p.t.Error("html does not say the verdict")
	}
	var list []map[string]any
	if err := json.Unmarshal(p.artifact("gl-code-quality-report.json"), &list); err != nil || (want != "PASSED" && len(list) == 0) {
		p.t.Errorf("codequality: %v, %d entries", err, len(list))
	}
	var suites struct {
		XMLName xml.Name `xml:"testsuites"`
	}
	if err := xml.Unmarshal(p.artifact("junit.xml"), &suites); err != nil {
		p.t.Errorf("junit: %v", err)
	}
	scanning, err := jsonschema.UnmarshalJSON(bytes.NewReader(p.artifact("gl-container-scanning-report.json")))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, schema := range p.schemas() {
		if err := jsonSchema(p.t, schema).Validate(scanning); err != nil {
			p.t.Errorf("%s: %v", schema, err)
		}
	}
}

// schemas are ocigate's own, and GitLab's where OCIGATE_TEST_SCHEMAS has it (see
// TestPublishedSchemas of package report).
func (p *project) schemas() []string {
	list := []string{"../report/testdata/schemas/gitlab-container-scanning.json"}
	if dir := os.Getenv("OCIGATE_TEST_SCHEMAS"); dir != "" {
		list = append(list, filepath.Join(dir, "gitlab-container-scanning-15.0.7.json"))
	}
	return list
}

func jsonSchema(t *testing.T, path string) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	s, err := c.Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// blobs counts how often the database was fetched.
func (p *project) blobs() int {
	n := 0
	for _, r := range p.databases.Requests() {
		if strings.HasPrefix(r, "GET /v2/trivy-db/blobs/") {
			n++
		}
	}
	return n
}
