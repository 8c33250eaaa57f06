// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
)

// stage is a repository whose workflows act runs on this machine, with stubs of third-party
// actions (testdata/act) and this test's own program as ocigate.
type stage struct {
	t *testing.T
	// dir is the repository, stubs where the stubs keep what they are given, demo the
	// images and the database of examples/demo.
	dir, stubs, demo, program string
	env                       []string
}

func needed(t *testing.T, program, how string) string {
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

func newStage(t *testing.T) *stage {
	t.Helper()
	needed(t, "act", "go install github.com/nektos/act@v0.2.89")
	s := &stage{t: t, dir: t.TempDir(), stubs: t.TempDir(), demo: t.TempDir()}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.program = filepath.Join(t.TempDir(), "ocigate")
	if err := os.Symlink(self, s.program); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "run", "../../examples/demo", "-out", s.demo).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.copy("../../.github/actions", filepath.Join(s.dir, ".github/actions"))
	s.copy("../../.github/actions", filepath.Join(s.stubs, "ocigate/.github/actions"))
	s.copy("testdata/act/bin", filepath.Join(s.stubs, "bin"))
	for _, name := range []string{"ocigate.yaml", "shop-1.0.oci.tar", "shop-1.1.oci.tar"} {
		s.copyFile(filepath.Join(s.demo, name), filepath.Join(s.dir, name))
	}
	s.write("broken.tar", s.read(filepath.Join(s.demo, "shop-1.1.oci.tar"))[:20_000])
	return s
}

func (s *stage) read(path string) string {
	s.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(data)
}

func (s *stage) write(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) copyFile(from, to string) {
	s.t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.WriteFile(to, []byte(s.read(from)), info.Mode())); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) copy(from, to string) {
	s.t.Helper()
	err := filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(from, path)
		s.copyFile(path, filepath.Join(to, rel))
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// play is what act reports of a run.
type play struct {
	code int
	// outputs are by the ids of steps, joined by "/".
	outputs map[string]map[string]string
	// jobs are the results of jobs, by name.
	jobs             map[string]string
	errors, warnings []string
	summary, log     string
}

var usesLine = regexp.MustCompile(`uses: ([^./][^@\s]+)@([0-9a-f]{40})`)

// replaced are the --local-repository flags for all that workflows and the action use: stubs,
// and this repository itself.
func (s *stage) replaced() []string {
	var flags []string
	root, err := filepath.Abs("testdata/act")
	if err != nil {
		s.t.Fatal(err)
	}
	seen := map[string]bool{}
	_ = filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, _ error) error {
		if filepath.Ext(path) != ".yml" {
			return nil
		}
		for _, m := range usesLine.FindAllStringSubmatch(s.read(path), -1) {
			parts := strings.Split(m[1], "/")
			name := parts[0] + "/" + parts[1]
			dir := filepath.Join(root, name)
			if name == "ocigate/ocigate" {
				dir = filepath.Join(s.stubs, "ocigate")
			}
			if flag := name + "@" + m[2] + "=" + dir; !seen[flag] {
				seen[flag] = true
				flags = append(flags, "--local-repository", flag)
			}
		}
		return nil
	})
	return flags
}

// act runs the workflows of the stage for an event.
func (s *stage) act(event string) play {
	s.t.Helper()
	git := func(args ...string) {
		cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"}, args...)...)
		cmd.Dir = s.dir
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("git: %v\n%s", err, out)
		}
	}
	git("init", "-q")
	git("add", "-A")
	git("commit", "-q", "--allow-empty", "-m", "all")
	home := s.t.TempDir()
	cmd := exec.Command("act", append([]string{event, "--json", "-P", "ubuntu-24.04=-self-hosted", "--no-cache-server", "--use-new-action-cache",
		"--action-cache-path", filepath.Join(home, "act"), "-s", "GITHUB_TOKEN=not-a-token", "--env", "STUBS=" + s.stubs}, append(s.env, s.replaced()...)...)...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "PATH="+filepath.Join(s.stubs, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	p := play{outputs: map[string]map[string]string{}, jobs: map[string]string{}, log: string(out)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		p.code = exit.ExitCode()
	} else if err != nil {
		s.t.Fatal(err)
	}
	p.parse(out)
	return p
}

func (p *play) parse(out []byte) {
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var l struct {
			Command, Name, Arg, Content, Job, JobResult, Raw string
			StepID                                           []string
		}
		if json.Unmarshal(lines.Bytes(), &l) != nil {
			continue
		}
		id := strings.Join(l.StepID, "/")
		switch l.Command {
		case "set-output":
			if p.outputs[id] == nil {
				p.outputs[id] = map[string]string{}
			}
			p.outputs[id][l.Name] = l.Arg
		case "error":
			p.errors = append(p.errors, strings.TrimSpace(l.Raw))
		case "warning":
			p.warnings = append(p.warnings, strings.TrimSpace(l.Raw))
		case "summary":
			p.summary += l.Content
		}
		if l.JobResult != "" {
			p.jobs[strings.TrimSpace(l.Job[strings.LastIndex(l.Job, "/")+1:])] = l.JobResult
		}
	}
}

// workflow writes the one workflow of the stage: a step with the action, and one that says
// whether it wrote to the workspace.
func (s *stage) workflow(with string) {
	s.t.Helper()
	s.write(".github/workflows/test.yml", `on: push
permissions: {}
jobs:
  gate:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
      - run: find . -path ./.git -prune -o -type f -print | sort >"$RUNNER_TEMP/before"
      - id: ocigate
        uses: ./.github/actions/ocigate
        with:
          binary: `+s.program+`
`+with+`
      - id: after
        if: always()
        env:
          REPORTS: ${{ steps.ocigate.outputs.output-dir }}
        run: |
          find . -path ./.git -prune -o -type f -print | sort | diff "$RUNNER_TEMP/before" - && echo clean=true >>"$GITHUB_OUTPUT"
          echo "reports=$(ls "$REPORTS" | tr '\n' ' ')" >>"$GITHUB_OUTPUT"
`)
}

// TestAction runs the action on images that pass, fail and cannot be decided.
func TestAction(t *testing.T) {
	s := newStage(t)
	db := "          db-dir: " + filepath.Join(s.demo, "trivy-cache") + "\n"
	s.write("bad.yaml", "version: 1\nname: bad\nrulez: {}\n")
	for name, c := range map[string]struct {
		with, verdict, code, summary string
		red                          bool
		errors                       int
		first                        string
	}{
		"passed":      {"          image: oci-archive:shop-1.1.oci.tar\n" + db, "PASSED", "0", "## ✅ PASSED", false, 0, ""},
		"failed":      {"          image: oci-archive:shop-1.0.oci.tar\n" + db, "FAILED", "1", "## ❌ FAILED", true, 10, "::error file=ocigate.yaml,line=24,title=not-root"},
		"report only": {"          image: oci-archive:shop-1.0.oci.tar\n          fail: false\n" + db, "FAILED", "0", "report only", false, 0, ""},
		"undecided":   {"          image: oci-archive:broken.tar\n" + db, "ERROR", "3", "## ⚠ ERROR", true, 1, "::error title=image::"},
		"undecided, report only": {
			"          image: oci-archive:broken.tar\n          fail: false\n" + db, "ERROR", "3", "## ⚠ ERROR", true, 1, "::error title=image::"},
		"no database": {"          image: oci-archive:shop-1.1.oci.tar\n          offline: true\n", "ERROR", "3", "## ⚠ ERROR", true, 1, "::error title=database::"},
		"usage":       {"          image: oci-archive:shop-1.1.oci.tar\n          policy: bad.yaml\n" + db, "ERROR", "2", "could not decide", true, 1, "::error title=ocigate::nothing was examined"},
		"no image":    {"          image: ''\n" + db, "ERROR", "2", "", true, 1, "::error title=ocigate::the input image is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			s := *s
			s.t = t
			s.workflow(c.with)
			p := s.act("push")
			out := p.outputs["ocigate"]
			if out["verdict"] != c.verdict || out["exit-code"] != c.code || (p.code != 0) != c.red {
				t.Errorf("verdict %q, exit code %q, act %d\n%s", out["verdict"], out["exit-code"], p.code, p.log)
			}
			if !strings.Contains(p.summary, c.summary) {
				t.Errorf("summary: %.300s", p.summary)
			}
			// The last of a red run is that of the step that failed, which is act's own.
			if len(p.errors) < c.errors || len(p.errors) > 10 || c.first != "" && !slices.ContainsFunc(p.errors, func(e string) bool { return strings.HasPrefix(e, c.first) }) {
				t.Errorf("%d errors: %s", len(p.errors), strings.Join(p.errors, "\n"))
			}
			if p.outputs["after"]["clean"] != "true" {
				t.Errorf("the workspace has changed:\n%s", p.log)
			}
			decided := c.verdict != "ERROR"
			if digest := out["digest"]; decided != strings.HasPrefix(digest, "sha256:") && name != "no database" {
				t.Errorf("digest %q", digest)
			}
			if decided && (out["violations"] == "" || out["waived"] == "" || out["database-digest"] == "" || out["policy-digest"] == "") {
				t.Errorf("outputs: %v", out)
			}
			if c.code != "2" && (p.outputs["after"]["reports"] != "ocigate.json ocigate.sarif " || !strings.HasSuffix(out["json"], "/ocigate.json") || !strings.HasSuffix(out["sarif"], "/ocigate.sarif")) {
				t.Errorf("reports %q, %v", p.outputs["after"]["reports"], out)
			}
		})
	}
}

// TestActionDatabaseCache: what is carried is the database and nothing else, under its
// digest, and it is used only if it is what its key says.
func TestActionDatabaseCache(t *testing.T) {
	s := newStage(t)
	registry := dbtest.Serve(t, dbtest.Registry())
	if err := dbtest.Push(registry+"/db:2", filepath.Join(s.demo, "trivy-cache"), false); err != nil {
		t.Fatal(err)
	}
	image := "          image: oci-archive:shop-1.1.oci.tar\n"
	s.workflow(image + "          db-repository: " + registry + "/db:2\n")
	first := s.act("push")
	digest := first.outputs["ocigate"]["database-digest"]
	if first.code != 0 || digest == "" {
		t.Fatal(first.log)
	}
	entry := filepath.Join(s.stubs, "cache", "ocigate-db-2-1-"+strings.TrimPrefix(digest, "sha256:")+"-none")
	var kept []string
	err := filepath.WalkDir(entry, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			kept = append(kept, strings.TrimPrefix(path, entry+"/"))
		}
		return err
	})
	if err != nil || strings.Join(kept, " ") != "db/metadata.json db/ocigate.json db/trivy.db" {
		t.Fatalf("%v; kept %q", err, kept)
	}

	// What the entry claims of itself is not believed.
	sidecar := filepath.Join(entry, "db/ocigate.json")
	if err := os.WriteFile(sidecar, []byte(strings.ReplaceAll(s.read(sidecar), registry, "registry.example.com")), 0o600); err != nil {
		t.Fatal(err)
	}
	s.workflow(image + "          offline: true\n")
	second := s.act("push")
	if second.code != 0 || second.outputs["ocigate"]["database-digest"] != digest || strings.Contains(second.log, "registry.example.com") {
		t.Errorf("the second run:\n%s", second.log)
	}
	if entries, _ := os.ReadDir(filepath.Dir(entry)); len(entries) != 1 {
		t.Errorf("%d entries in the cache", len(entries))
	}

	f, err := os.OpenFile(filepath.Join(entry, "db/trivy.db"), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	third := s.act("push")
	if third.outputs["ocigate"]["verdict"] != "ERROR" || third.code == 0 || !slices.ContainsFunc(third.warnings, func(w string) bool { return strings.Contains(w, "not the one that its key says") }) {
		t.Errorf("a database that was changed:\n%s", third.log)
	}
}
