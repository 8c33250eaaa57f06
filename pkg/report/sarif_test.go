// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type sarifDoc struct {
	Runs []struct {
		Automation  struct{ ID string } `json:"automationDetails"`
		Invocations []struct {
			ExecutionSuccessful bool
			ExitCode            int
			Notifications       []struct {
				Level   string
				Message struct{ Text string }
			} `json:"toolExecutionNotifications"`
		}
		Tool struct {
			Driver struct {
				Rules []struct {
					ID         string
					Properties struct {
						Severity string `json:"security-severity"`
					}
				}
			}
		}
		Results []sarifFound
	}
}

type sarifFound struct {
	RuleID, Level string
	RuleIndex     int
	Message       struct{ Text string }
	Locations     []struct {
		PhysicalLocation struct {
			ArtifactLocation struct{ URI string }
			Region           struct{ StartLine int }
		}
	}
	Fingerprints map[string]string `json:"partialFingerprints"`
	Suppressions []struct{ Kind, Status, Justification string }
}

func sarif(t *testing.T, data []byte) sarifDoc {
	t.Helper()
	var d sarifDoc
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestSARIFCategories(t *testing.T) {
	d := sarif(t, rendered(t, formats()[0], verdicts()["several"]))
	var ids []string
	for _, r := range d.Runs {
		ids = append(ids, r.Automation.ID)
	}
	if got := strings.Join(ids, " "); got != "ocigate/docker.io/library/registry.example.com/shop/linux/arm64/v8/ ocigate/docker.io/library/shop/linux/amd64/" {
		t.Errorf("categories: %s", got)
	}
}

func TestSARIFRulesAndLevels(t *testing.T) {
	r := sarif(t, rendered(t, formats()[0], verdicts()["waived"])).Runs[0]
	suppressed := 0
	for _, res := range r.Results {
		if got := r.Tool.Driver.Rules[res.RuleIndex].ID; got != res.RuleID {
			t.Errorf("result of %s points at the rule %s", res.RuleID, got)
		}
		if res.Suppressions == nil {
			t.Errorf("%s has no list of suppressions, others have (SARIF 2.1.0, 3.27.23: all of a run, or none)", res.RuleID)
		}
		if len(res.Suppressions) > 0 {
			suppressed++
			if s := res.Suppressions[0]; s.Kind != "external" || s.Status != "accepted" || s.Justification == "" || res.Level != "note" {
				t.Errorf("%s: %+v, level %s", res.RuleID, s, res.Level)
			}
		}
	}
	if suppressed != 3 {
		t.Errorf("%d results are suppressed, want 2 waivers and 1 VEX statement", suppressed)
	}
	for name, want := range map[string]string{"failed": "9.5", "waived": ""} {
		found := false
		for _, rule := range sarif(t, rendered(t, formats()[0], verdicts()[name])).Runs[0].Tool.Driver.Rules {
			if rule.ID == "no-critical/CVE-2021-36159" {
				found = true
				if rule.Properties.Severity != want {
					t.Errorf("%s: security-severity %q, want %q", name, rule.Properties.Severity, want)
				}
			}
		}
		if !found {
			t.Errorf("%s: no rule", name)
		}
	}
}

// TestSARIFUndecided: an upload of what could not be decided says so, and closes no
// alert in silence.
func TestSARIFUndecided(t *testing.T) {
	for _, name := range []string{"error", "unopened", "empty"} {
		r := sarif(t, rendered(t, formats()[0], everyVerdict()[name])).Runs[0]
		if r.Invocations[0].ExecutionSuccessful || r.Invocations[0].ExitCode != verdict.ExitErrored {
			t.Errorf("%s: %+v", name, r.Invocations[0])
		}
		if name == "error" && len(r.Results) < 3 {
			t.Errorf("%s: %d results", name, len(r.Results))
		}
	}
	for _, name := range []string{"passed", "failed"} {
		if r := sarif(t, rendered(t, formats()[0], verdicts()[name])).Runs[0]; !r.Invocations[0].ExecutionSuccessful {
			t.Errorf("%s: not successful", name)
		}
	}
}

func TestSARIFLocations(t *testing.T) {
	for path, want := range map[string]string{
		"build/Dockerfile": "build/Dockerfile:12", "./Docker file": "Docker%20file:12", "/src/Dockerfile": "file:///src/Dockerfile:12", "../Dockerfile": "docker.io/library/shop:1", "": "docker.io/library/shop:1",
	} {
		for _, res := range sarif(t, rendered(t, formats()[0], dockerfile(path))).Runs[0].Results {
			l := res.Locations[0].PhysicalLocation
			at := fmt.Sprintf("%s:%d", l.ArtifactLocation.URI, l.Region.StartLine)
			if res.RuleID == "runtime" && at != want {
				t.Errorf("%q: %s, want %s", path, at, want)
			}
			if res.RuleID != "runtime" && at != "docker.io/library/shop:1" {
				t.Errorf("%s: %s", res.RuleID, at)
			}
		}
	}
}

// TestSARIFLimits: what GitHub would refuse is left out from the least severe, and counted.
func TestSARIFLimits(t *testing.T) {
	v := verdicts()["failed"]
	full := sarif(t, rendered(t, formats()[0], v)).Runs[0]
	for name, l := range map[string][3]int{"results": {20, 5, 1 << 20}, "bytes": {20, 25_000, 4_000}} {
		var b bytes.Buffer
		if err := report.SARIFWithin(&b, v, l[0], l[1], l[2]); err != nil {
			t.Fatal(err)
		}
		r := sarif(t, b.Bytes()).Runs[0]
		if len(r.Results) == 0 || len(r.Results) >= len(full.Results) {
			t.Errorf("%s: %d of %d results", name, len(r.Results), len(full.Results))
		}
		for i, res := range r.Results {
			if res.RuleID != full.Results[i].RuleID || res.Level != "error" {
				t.Errorf("%s: result %d is %s (%s)", name, i, res.RuleID, res.Level)
			}
		}
		want := fmt.Sprintf("%d of %d results are left out", len(full.Results)-len(r.Results), len(full.Results))
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s: does not say %q", name, want)
		}
	}
	var b bytes.Buffer
	if err := report.SARIFWithin(&b, verdicts()["several"], 1, 100, 1<<20); err != nil {
		t.Fatal(err)
	}
	if d := sarif(t, b.Bytes()); len(d.Runs) != 1 || !strings.Contains(d.Runs[0].Automation.ID, "amd64") || !strings.Contains(b.String(), "1 of 2 platforms are left out") {
		t.Errorf("runs: %+v", d.Runs)
	}
}

// TestSARIFSamePlatform: no two runs of a file have one category.
func TestSARIFSamePlatform(t *testing.T) {
	v := run("shop:1", nil, image("shop:1"), image("shop:1"))
	d := sarif(t, rendered(t, formats()[0], v))
	if a, b := d.Runs[0].Automation.ID, d.Runs[1].Automation.ID; a == b || b != a+"2/" {
		t.Errorf("%q, %q", a, b)
	}
}

func TestWeblink(t *testing.T) {
	const good = "https://avd.aquasec.com/nvd/cve-2021-36159?x=1&y=2#z"
	if got := report.Weblink(good); got != good {
		t.Errorf("%q", got)
	}
	for _, s := range []string{
		"", "javascript:alert(1)", "https://", "https://a b/", "https://x/>", "https://x/)", "https://user@evil.example/", "http://x:80/", "https://x/\u202e", "ftp://x/", "https://x/" + strings.Repeat("y", 2000),
	} {
		if got := report.Weblink(s); got != "" {
			t.Errorf("%q is taken for a link", s)
		}
	}
}

// TestDescriptionsAreOneText: line breaks of an advisory are no structure.
func TestDescriptionsAreOneText(t *testing.T) {
	ev := failing()
	ev.Findings[0].Title, ev.Findings[0].Description = "a flaw", "One line.\n\n- a list\n# a heading\n"
	for _, i := range []int{0, 2} {
		if got := string(rendered(t, formats()[i], run("shop:1", nil, ev))); !strings.Contains(got, "One line. - a list ") {
			t.Errorf("%s has no description", formats()[i].name)
		}
	}
}

// TestSARIFPartial: a run that did not scan closes no alert about what it did not look at
// without a word.
func TestSARIFPartial(t *testing.T) {
	for _, r := range sarif(t, rendered(t, formats()[0], verdicts()["signatures"])).Runs {
		if !strings.HasPrefix(r.Automation.ID, "ocigate-signatures/") {
			t.Errorf("the category %q is that of whole verdicts", r.Automation.ID)
		}
	}
	r := sarif(t, rendered(t, formats()[0], verdicts()["failed-fast"])).Runs[0]
	if r.Invocations[0].ExecutionSuccessful {
		t.Error("a scan that was not made is successful")
	}
	unseen := 0
	for _, res := range r.Results {
		if strings.Contains(res.Message.Text, verdict.NotExamined) {
			unseen++
		}
	}
	if unseen == 0 {
		t.Error("no result says what was not examined")
	}
}
