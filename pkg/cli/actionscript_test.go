// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// script runs one step of the action's script, as the runner would, with a copy of the action
// whose checksums the test chooses.
type script struct {
	t           *testing.T
	dir, action string
	env         map[string]string
}

func newScript(t *testing.T) *script {
	t.Helper()
	dir := t.TempDir()
	s := &script{t: t, dir: dir, action: filepath.Join(dir, "action")}
	run, err := os.ReadFile("../../.github/actions/ocigate/run.sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"action", "temp", "workspace", "bin"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.file("action/run.sh", string(run))
	s.file("action/checksums.txt", "# none\n")
	s.env = map[string]string{
		"PATH": filepath.Join(dir, "bin") + ":" + os.Getenv("PATH"), "HOME": dir, "ACTION_DIR": s.action, "RUNNER_TEMP": filepath.Join(dir, "temp"),
		"GITHUB_WORKSPACE": filepath.Join(dir, "workspace"), "GITHUB_OUTPUT": filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"),
		"INPUT_WORKING_DIRECTORY": ".", "INPUT_DATABASE_CACHE": "true", "INPUT_FAIL_FAST": "false", "INPUT_OFFLINE": "false", "INPUT_FAIL": "true",
		"INPUT_SUMMARY": "true", "INPUT_ANNOTATIONS": "true", "INPUT_IMAGE": "shop:1", "CACHE_DIR": filepath.Join(dir, "temp/cache"), "KEEP": "true",
		"RESTORED_KEY": "", "KEY_PREFIX": "ocigate-db-2-1-", "OCIGATE": filepath.Join(dir, "bin/ocigate"),
	}
	for _, name := range []string{"BINARY", "VERSION", "CACHE_DIR", "DB_DIR", "POLICY", "ENFORCE", "POLICY_DIGEST", "PLATFORM", "DESTINATION", "BASE", "DOCKERFILE", "BUNDLE",
		"FORECAST", "TIMEOUT", "DB_REPOSITORY", "JAVA_DB_REPOSITORY", "CA_FILE", "INSECURE_REGISTRY", "OUTPUT", "OUTPUT_DIR"} {
		s.env["INPUT_"+name] = ""
	}
	return s
}

func (s *script) file(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// run returns the exit code, what was printed, and the outputs.
func (s *script) run(step string) (int, string, string) {
	s.t.Helper()
	output := s.env["GITHUB_OUTPUT"]
	if err := os.WriteFile(output, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command("bash", filepath.Join(s.action, "run.sh"), step)
	cmd.Dir = s.env["GITHUB_WORKSPACE"]
	for k, v := range s.env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	printed, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	outputs, err := os.ReadFile(output)
	if err != nil {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(printed), string(outputs)
}

// TestActionInstalls: a program counts only with the sum that stands in the action.
func TestActionInstalls(t *testing.T) {
	const program = "#!/bin/sh\necho a program\n"
	sum := sha256.Sum256([]byte(program))
	right, name := hex.EncodeToString(sum[:]), "ocigate-"+runtime.GOOS+"-"+runtime.GOARCH
	for what, c := range map[string]struct {
		checksums, version string
		code               int
		want               string
	}{
		"the right one":    {"version v1.2.3\n" + right + "  " + name + "\n", "", 0, ""},
		"as demanded":      {"version v1.2.3\n" + right + "  " + name + "\n", "v1.2.3", 0, ""},
		"another one":      {"version v1.2.3\n" + strings.Repeat("0", 64) + "  " + name + "\n", "", 3, "Do not use it"},
		"no release":       {"# none\n", "", 2, "with the input binary"},
		"another version":  {"version v1.2.3\n" + right + "  " + name + "\n", "v1.2.4", 2, "installs ocigate v1.2.3"},
		"another platform": {"version v1.2.3\n" + right + "  ocigate-plan9-mips\n", "", 2, "has no sum"},
		"a short sum":      {"version v1.2.3\n" + right[:40] + "  " + name + "\n", "", 2, "no proper sum"},
		"a strange sum":    {"version v1.2.3\n" + strings.Repeat("G", 64) + "  " + name + "\n", "", 2, "has no sum"},
		"a strange place":  {"version ../../x\n" + right + "  " + name + "\n", "", 2, "no proper version"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScript(t)
			s.file("program", program)
			s.file("action/checksums.txt", c.checksums)
			// A stub of curl: it notes what it is asked for and gives the program.
			s.file("bin/curl", "#!/bin/sh\nset -eu\necho \"$*\" >>\""+s.dir+"/asked\"\nwhile [ \"$1\" != --output ]; do shift; done\ncp \""+s.dir+"/program\" \"$2\"\n")
			s.env["INPUT_VERSION"] = c.version
			code, printed, outputs := s.run("install")
			if code != c.code || !strings.Contains(printed, c.want) {
				t.Fatalf("exit code %d: %s", code, printed)
			}
			installed := filepath.Join(s.dir, "temp/ocigate-bin-"+right, "ocigate")
			if c.code != 0 {
				if strings.Contains(outputs, "binary=") || !strings.Contains(outputs, fmt.Sprintf("verdict=ERROR\nexit-code=%d\n", c.code)) {
					t.Errorf("outputs: %s", outputs)
				}
				return
			}
			if info, err := os.Stat(installed); err != nil || info.Mode().Perm()&0o100 == 0 || !strings.Contains(outputs, "binary="+installed+"\n") {
				t.Errorf("%v\n%s", err, outputs)
			}
			asked, err := os.ReadFile(filepath.Join(s.dir, "asked"))
			if err != nil || !strings.Contains(string(asked), "--proto =https") || !strings.HasSuffix(string(asked), "https://github.com/ocigate/ocigate/releases/download/v1.2.3/"+name+"\n") {
				t.Errorf("asked for %s (%v)", asked, err)
			}
			// A second use in the same job asks for nothing.
			if code, printed, _ := s.run("install"); code != 0 {
				t.Errorf("exit code %d: %s", code, printed)
			}
			if again, _ := os.ReadFile(filepath.Join(s.dir, "asked")); string(again) != string(asked) {
				t.Errorf("asked again: %s", again)
			}
		})
	}
}

// fake is an ocigate that does its worst.
const fake = `#!/bin/bash
printf '%s\n' "$@" >"$HOME/args"
for a in "$@"; do
  case $a in
    --output=outputs=*) cp "$HOME/outputs" "${a#--output=outputs=}" ;;
    --output=annotations=*) cp "$HOME/annotations" "${a#--output=annotations=}" ;;
  esac
done
echo "::error::from the image"
echo "::stop-commands::x"
exit "$(cat "$HOME/code")"
`

func (s *script) fake(code int, outputs, annotations string) {
	s.file("bin/ocigate", fake)
	s.file("outputs", outputs)
	s.file("annotations", annotations)
	s.file("code", fmt.Sprint(code))
}

// TestActionBelievesLittle: a verdict holds only with the exit code that belongs to it, and
// nothing that is printed is a command.
func TestActionBelievesLittle(t *testing.T) {
	good := "sha256:" + strings.Repeat("a", 64)
	for what, c := range map[string]struct {
		code          int
		outputs, fail string
		verdict       string
		want          int
	}{
		"passed":                       {0, "verdict=PASSED\ndigest=" + good + "\n", "true", "PASSED", 0},
		"failed":                       {1, "verdict=FAILED\n", "true", "FAILED", 1},
		"failed, report only":          {0, "verdict=FAILED\n", "false", "FAILED", 0},
		"failed without exit code":     {0, "verdict=FAILED\n", "true", "ERROR", 3},
		"passed with the wrong code":   {3, "verdict=PASSED\n", "true", "ERROR", 3},
		"passed, report not written":   {1, "verdict=PASSED\n", "true", "ERROR", 1},
		"no verdict":                   {0, "", "true", "ERROR", 3},
		"another word":                 {0, "verdict=FINE\n", "true", "ERROR", 3},
		"a usage error":                {2, "", "true", "ERROR", 2},
		"could not decide":             {3, "verdict=ERROR\n", "false", "ERROR", 3},
		"killed":                       {137, "verdict=PASSED\n", "true", "ERROR", 137},
		"an output that was not asked": {0, "verdict=PASSED\nPATH=/tmp\nsave-key=x\nexit-code=0\ndigest=a b\nviolations=$(id)\n", "true", "PASSED", 0},
	} {
		t.Run(what, func(t *testing.T) {
			s := newScript(t)
			s.fake(c.code, c.outputs, "::error title=x::y\n::set-output name=a::b\n::add-mask::x\nplain\n")
			s.env["INPUT_FAIL"] = c.fail
			code, printed, outputs := s.run("gate")
			if code != 0 || !strings.Contains(outputs, "\nverdict="+c.verdict+"\n") && !strings.HasPrefix(outputs, "verdict="+c.verdict+"\n") || !strings.Contains(outputs, fmt.Sprintf("exit-code=%d\n", c.want)) {
				t.Errorf("exit code %d\n%s\n%s", code, printed, outputs)
			}
			for _, bad := range []string{"PATH=", "save-key=", "a b", "$(id)"} {
				if strings.Contains(outputs, bad) {
					t.Errorf("outputs: %s", outputs)
				}
			}
			first, rest, _ := strings.Cut(printed, "\n")
			token, ok := strings.CutPrefix(first, "::stop-commands::")
			between, after, resumed := strings.Cut(rest, "\n::"+token+"::\n")
			if !ok || len(token) != 32 || !resumed || !strings.Contains(between, "from the image") || strings.Contains(after, "image") {
				t.Errorf("printed: %s", printed)
			}
			if strings.Contains(after, "set-output") || strings.Contains(after, "add-mask") || !strings.Contains(after, "::error title=x::y") {
				t.Errorf("annotations: %s", after)
			}
			s.env["EXIT_CODE"] = fmt.Sprint(c.want)
			want := c.want
			if want == 137 {
				want = 2 // not one of ocigate's: whatever it was, the step is red
			}
			if code, printed, _ := s.run("finish"); code != want {
				t.Errorf("the last step ends with %d: %s", code, printed)
			}
		})
	}
	s := newScript(t)
	s.env["EXIT_CODE"] = ""
	if code, printed, _ := s.run("finish"); code != 2 || !strings.Contains(printed, "no verdict") {
		t.Errorf("without an exit code it ends with %d: %s", code, printed)
	}
}

// TestActionInputs: an input is one argument, whatever is in it.
func TestActionInputs(t *testing.T) {
	s := newScript(t)
	s.fake(0, "verdict=PASSED\n", "")
	s.env["INPUT_IMAGE"], s.env["INPUT_POLICY"], s.env["INPUT_ENFORCE"] = "--help", "$(touch pwned) `id` \"x' *", "  a b.yaml \n\n\tocigate:strict\n"
	s.env["INPUT_OFFLINE"], s.env["INPUT_FAIL"], s.env["INPUT_OUTPUT"] = "true", "false", "json\njunit=tests.xml\n"
	if code, printed, _ := s.run("gate"); code != 0 {
		t.Fatal(printed)
	}
	args, err := os.ReadFile(filepath.Join(s.dir, "args"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n--policy=$(touch pwned) `id` \"x' *\n", "\n--enforce=a b.yaml\n--enforce=ocigate:strict\n", "\n--offline\n", "\n--report-only\n", "/ocigate.json\n", "/tests.xml\n"} {
		if !strings.Contains(string(args), want) {
			t.Errorf("no %q in %s", want, args)
		}
	}
	if !strings.HasSuffix(string(args), "\n--\n--help\n") {
		t.Errorf("the image is not the last: %s", args)
	}
	for name, bad := range map[string]string{
		"INPUT_IMAGE": "a\nb", "INPUT_POLICY": "a\rb", "INPUT_OFFLINE": "yes", "INPUT_FAIL": "", "INPUT_SUMMARY": "True", "INPUT_OUTPUT_DIR": "a\nb", "INPUT_DESTINATION": "a\n--report-only",
		"INPUT_OUTPUT": "json=../../x", "INPUT_WORKING_DIRECTORY": "nowhere",
	} {
		s := newScript(t)
		s.fake(0, "verdict=PASSED\n", "")
		s.env[name] = bad
		if code, printed, outputs := s.run("gate"); code != 2 || !strings.HasPrefix(printed, "::error title=ocigate::") || outputs != "verdict=ERROR\nexit-code=2\n" {
			t.Errorf("%s=%q: exit code %d, %s%s", name, bad, code, printed, outputs)
		}
		if _, err := os.Stat(filepath.Join(s.dir, "args")); err == nil {
			t.Errorf("%s=%q: it ran", name, bad)
		}
	}
	for _, bad := range []string{".hidden", "a/b", "a b", ""} {
		s := newScript(t)
		s.fake(0, "verdict=PASSED\n", "")
		s.env["INPUT_OUTPUT"] = "json=" + bad
		if code, printed, _ := s.run("gate"); code != 2 {
			t.Errorf("json=%q: exit code %d, %s", bad, code, printed)
		}
	}
}

// TestActionPlaces: files are named from the root of the repository, and only those in it.
func TestActionPlaces(t *testing.T) {
	const said = "::error file=p.yaml,line=3,title=r::m, file=x\n::warning title=r::file=y\n"
	for dir, want := range map[string]string{
		".":   said,
		"a,b": "::error file=a%2Cb/p.yaml,line=3,title=r::m, file=x\n::warning title=r::file=y\n",
		"..":  "::error title=r::m, file=x\n::warning title=r::file=y\n",
	} {
		s := newScript(t)
		if err := os.Mkdir(filepath.Join(s.dir, "workspace/a,b"), 0o755); err != nil {
			t.Fatal(err)
		}
		s.fake(1, "verdict=FAILED\n", said)
		s.env["INPUT_WORKING_DIRECTORY"] = dir
		_, printed, _ := s.run("gate")
		if !strings.HasSuffix(printed, "::\n"+want) {
			t.Errorf("%s: %s", dir, printed)
		}
	}
}

// TestActionScriptIsClean: shellcheck has nothing to say about the scripts of the action.
func TestActionScriptIsClean(t *testing.T) {
	needed(t, "shellcheck", "apt-get install shellcheck")
	for _, name := range []string{"../../.github/actions/ocigate/run.sh", "testdata/act/bin/docker"} {
		if out, err := exec.Command("shellcheck", name).CombinedOutput(); err != nil {
			t.Errorf("%s", out)
		}
	}
}
