// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
	"github.com/ocigate/ocigate/pkg/verdict"
	"github.com/ocigate/ocigate/policies"
)

// shippedOutcomes are what each shipped policy says of real images, by rule. What is
// built in passes and is not listed.
var shippedOutcomes = map[string]map[string]string{
	"baseline": {
		"planted.oci.tar": "no-critical:fail fixable-high:fail unrated:warn end-of-life:warn no-secrets:fail non-root:warn " +
			"no-credentials:warn no-latest:warn",
		"hardened-clean.oci.tar":   "end-of-life:skip",
		"alpine-3.20.3.tar":        "fixable-high:fail unrated:warn end-of-life:warn non-root:warn",
		"debian-node-zstd.oci.tar": "no-critical:fail fixable-high:fail unrated:warn end-of-life:warn non-root:warn",
	},
	"strict": {
		"planted.oci.tar": "no-serious:fail fixable-medium:warn end-of-life:fail no-secrets:fail non-root:fail no-credentials:fail " +
			"nothing-left-behind:fail no-latest:fail",
		"hardened-clean.oci.tar":   "end-of-life:skip",
		"alpine-3.20.3.tar":        "no-serious:fail fixable-medium:warn end-of-life:fail non-root:fail",
		"debian-node-zstd.oci.tar": "no-serious:fail medium-budget:fail fixable-medium:warn end-of-life:fail non-root:fail",
	},
	"cis-docker": {
		"planted.oci.tar": "cis-4.1:fail cis-4.2:warn cis-4.3:warn cis-4.4:fail cis-4.4-end-of-life:fail cis-4.6:warn " +
			"cis-4.8:fail cis-4.9:fail cis-4.10:fail cis-4.10-files:fail",
		"hardened-clean.oci.tar":   "cis-4.2:warn cis-4.4-end-of-life:skip",
		"alpine-3.20.3.tar":        "cis-4.1:fail cis-4.2:warn cis-4.4:fail cis-4.4-end-of-life:fail cis-4.6:warn",
		"debian-node-zstd.oci.tar": "cis-4.1:fail cis-4.2:warn cis-4.4:fail cis-4.4-end-of-life:fail cis-4.6:warn cis-4.8:fail",
	},
	"runtime-hardened": {
		"planted.oci.tar": "not-root:fail read-only-root:fail no-capabilities:fail no-new-privileges:fail numeric-user:fail " +
			"unprivileged-ports:fail no-credentials:fail no-privileged-files:fail nothing-to-live-off:warn nothing-left-behind:fail no-secrets:fail",
		"hardened-clean.oci.tar":   "",
		"alpine-3.20.3.tar":        "not-root:fail numeric-user:fail nothing-to-live-off:warn",
		"debian-node-zstd.oci.tar": "not-root:fail no-new-privileges:fail numeric-user:fail no-privileged-files:fail nothing-to-live-off:warn",
	},
}

// TestShippedPolicies proves that each shipped policy decides as its comments say, on
// real images with the real database.
func TestShippedPolicies(t *testing.T) {
	db := sharedtest.Database(t)
	if len(shippedOutcomes) != len(policies.Names()) {
		t.Errorf("policies %q", policies.Names())
	}
	p := newProcess(t)
	for name, images := range shippedOutcomes {
		for image, want := range images {
			t.Run(name+" on "+image, func(t *testing.T) {
				report := filepath.Join(t.TempDir(), "verdict.json")
				cmd := exec.Command(p.bin, "check", sharedtest.File(t, "images", image), "--policy", "ocigate:"+name, "--db-dir", db,
					"--effective-time", "2026-11-24", "--allow-past", "--cache-dir", filepath.Join(p.dir, "cache"), "-q", "--output", "json="+report)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatalf("%v: %s", err, out)
				}
				wantCode := cli.ExitPassed
				if strings.Contains(want, ":fail") {
					wantCode = cli.ExitFailed
				}
				if got := cmd.ProcessState.ExitCode(); got != wantCode {
					t.Errorf("exit %d, want %d: %s", got, wantCode, out)
				}
				got := readSubject(t, report)
				if d := cmp.Diff(outcomesOf(want), outcomesIn(got)); d != "" {
					t.Error(d)
				}
				// Only strict has the base image's layers searched; the layer cache is the same.
				if n := got.Evidence.Coverage.BaseLayers; image == "planted.oci.tar" && (n == 0) != (name == "strict") {
					t.Errorf("%d layers were not searched for secrets", n)
				}
			})
		}
	}
}

func outcomesOf(s string) map[string]string {
	m := map[string]string{}
	for _, f := range strings.Fields(s) {
		rule, result, _ := strings.Cut(f, ":")
		m[rule] = result
	}
	return m
}

func readSubject(t *testing.T, report string) verdict.SubjectVerdict {
	t.Helper()
	b, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	var v verdict.Verdict
	if err := json.Unmarshal(b, &v); err != nil || len(v.Subjects) != 1 {
		t.Fatalf("%d subjects, %v", len(v.Subjects), err)
	}
	return v.Subjects[0]
}

// outcomesIn are the outcomes that are no pass.
func outcomesIn(s verdict.SubjectVerdict) map[string]string {
	m := map[string]string{}
	for _, o := range s.Outcomes {
		m[o.Rule] = string(o.Result)
	}
	maps.DeleteFunc(m, func(_, result string) bool { return result == string(verdict.Pass) })
	return m
}
