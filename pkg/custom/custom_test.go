// SPDX-License-Identifier: Apache-2.0

package custom_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/custom"
	"github.com/ocigate/ocigate/pkg/evidence"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func image() evidence.Evidence {
	pkg := &evidence.Package{Name: "openssl", Version: "3.1.4-r0", Type: "alpine", Class: evidence.ClassOS}
	return evidence.Evidence{
		Subject: evidence.Subject{Reference: "app:1", Source: evidence.SourceOCI, Digest: "sha256:aa"},
		Image: evidence.ImageFacts{Config: &evidence.Config{
			Labels: map[string]string{"org.example.tier": "one"}, Env: []evidence.EnvVar{{Name: "PATH", Value: "/bin"}},
		}},
		Packages: []evidence.Package{*pkg},
		Findings: []evidence.Finding{
			{Kind: evidence.KindVulnerability, ID: "CVE-2026-1", Severity: evidence.SeverityCritical, Package: pkg},
			{Kind: evidence.KindVulnerability, ID: "CVE-2026-2", Severity: evidence.SeverityLow, Package: pkg, FixedVersion: "3.1.5-r0"},
			{Kind: evidence.KindSecret, ID: "aws-access-key-id", Severity: evidence.SeverityCritical, Path: "app/.env", StartLine: 3},
		},
		Custom: []evidence.CustomResult{{Rule: "other"}},
	}
}

func compile(ctx context.Context, modules ...string) (*custom.Rule, error) {
	var sources []custom.Source
	for i, m := range modules {
		if !strings.HasPrefix(m, "package") && m != "" {
			m = "package ocigate\n" + m
		}
		sources = append(sources, custom.Source{Name: string(rune('a'+i)) + ".rego", Data: []byte(m)})
	}
	return custom.Compile(ctx, sources)
}

func evaluate(t *testing.T, ev evidence.Evidence, modules ...string) evidence.CustomResult {
	t.Helper()
	r, err := compile(t.Context(), modules...)
	if err != nil {
		t.Fatal(err)
	}
	in, err := custom.NewInput(ev)
	if err != nil {
		t.Fatal(err)
	}
	return r.Evaluate(t.Context(), in, now, custom.DefaultTimeout)
}

func TestMessages(t *testing.T) {
	for name, test := range map[string]struct {
		rego       string
		deny, warn []evidence.CustomMessage
	}{
		"texts, sorted": {
			rego: `deny contains f.id if { some f in input.findings; f.severity == "critical" }
warn contains "b"
warn contains "a"`,
			deny: []evidence.CustomMessage{{Message: "CVE-2026-1"}, {Message: "aws-access-key-id"}},
			warn: []evidence.CustomMessage{{Message: "a"}, {Message: "b"}},
		},
		"an object": {
			rego: `deny contains {"msg": sprintf("no %s", [f.id]), "finding": f.id, "package": f.package.name, "path": f.path, "fix": "upgrade"} if {
	some f in input.findings
	f.package.name == "openssl"
	f.fixedVersion == ""
}`,
			deny: []evidence.CustomMessage{{Message: "no CVE-2026-1", Finding: "CVE-2026-1", Package: "openssl", Fix: "upgrade"}},
		},
		"message in full": {rego: `deny contains {"message": "x"}`, deny: []evidence.CustomMessage{{Message: "x"}}},
		"the effective time": {
			rego: `deny contains time.format(time.now_ns())`,
			deny: []evidence.CustomMessage{{Message: "2026-03-10T12:00:00Z"}},
		},
		"what is not there is absent, empty or zero": {
			rego: `deny contains "no base" if not input.base
deny contains "no user" if not input.image.user.uid
deny contains "no volumes" if count(input.image.config.volumes) == 0
deny contains "no family" if input.coverage.os.family == ""
deny contains "labels" if input.image.config.labels["org.example.tier"] == "one"`,
			deny: []evidence.CustomMessage{{Message: "labels"}, {Message: "no base"}, {Message: "no family"}, {Message: "no user"}, {Message: "no volumes"}},
		},
		"a helper and a function": {
			rego: `import rego.v1
deny contains "x" if count(grave) == 2
grave contains f.id if { some f in input.findings; is_grave(f) }
is_grave(f) if f.severity in {"critical", "high"}`,
			deny: []evidence.CustomMessage{{Message: "x"}},
		},
		"a set in one piece": {rego: `deny := {"x" | input.image.config}`, deny: []evidence.CustomMessage{{Message: "x"}}},
		"print says nothing": {rego: `deny contains "x" if { print("seen", input.findings); time.weekday(time.now_ns()) == "Tuesday" }`, deny: []evidence.CustomMessage{{Message: "x"}}},
		"only warn":          {rego: `warn contains "x"`, warn: []evidence.CustomMessage{{Message: "x"}}},
		"nothing":            {rego: `deny contains "x" if input.findings == []`},
	} {
		t.Run(name, func(t *testing.T) {
			got := evaluate(t, image(), test.rego)
			want := evidence.CustomResult{Deny: append([]evidence.CustomMessage{}, test.deny...), Warn: append([]evidence.CustomMessage{}, test.warn...)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSeveralFiles(t *testing.T) {
	got := evaluate(t, image(), `deny contains "x" if tier_one`, `tier_one if input.image.config.labels["org.example.tier"] == "one"`)
	if got.Problem != "" || len(got.Deny) != 1 {
		t.Errorf("got %+v", got)
	}
}

// TestRefused pins what does not compile, with its place.
func TestRefused(t *testing.T) {
	for name, test := range map[string]struct {
		rego []string
		want string
	}{
		"no file":               {nil, "no file of rules was given"},
		"empty":                 {[]string{""}, "a.rego:1:1: "},
		"comments only":         {[]string{"package ocigate\n# nothing"}, "a.rego:1:1: neither deny nor warn is defined"},
		"another package":       {[]string{"package main\ndeny contains \"x\""}, "a.rego:1:1: the package is main (begin the file with: package ocigate)"},
		"a package beneath":     {[]string{"package ocigate.lib\ndeny contains \"x\""}, "a.rego:1:1: the package is ocigate.lib"},
		"no rule":               {[]string{`x := 1`}, "a.rego:1:1: neither deny nor warn is defined"},
		"Rego v0":               {[]string{`deny[msg] { msg := "x" }`}, "a.rego:2:1: "},
		"a syntax error":        {[]string{`deny contains`}, "a.rego:2:"},
		"a truth value":         {[]string{`deny if input.findings == []`}, "a.rego:2:1: deny is not a set (write: deny contains msg if { … })"},
		"a list":                {[]string{`warn := ["x"]`}, "a.rego:2:1: warn is not a set"},
		"a misspelt field":      {[]string{`deny contains "x" if input.findngs[0].id == "a"`}, `a.rego:2:22: undefined ref: input.findngs[0].id (did you mean findings?)`},
		"a field of an element": {[]string{`deny contains f.id if { some f in input.findings; f.sevrity == "high" }`}, `(did you mean severity?)`},
		"a field of a package":  {[]string{`deny contains "x" if input.findings[_].package.nmae == "a"`}, `(did you mean name?)`},
		"a field in itself":     {[]string{`deny contains "x" if input.database.java.java.digets == "a"`}, `(did you mean digest?)`},
		"of a set of findings":  {[]string{"deny contains \"x\" if { some f in s; f.sevrity == \"high\" }\ns contains f if some f in input.findings"}, `(did you mean severity?)`},
		"results of others":     {[]string{`deny contains "x" if input.custom[_].rule == "a"`}, `undefined ref: input.custom`},
		"a field in a function": {[]string{"deny contains \"x\" if { some f in input.findings; g(f) }\ng(f) if f.sevrity == \"high\""}, `a.rego:3:11: nothing in the evidence is called "sevrity" (did you mean severity?)`},
		"data":                  {[]string{`deny contains "x" if data.users[_] == "a"`}, "a.rego:2:22: data.users[_] is nowhere defined"},
		"another rule":          {[]string{`deny contains "x" if data.ocigate.deni`}, "data.ocigate.deni"},
		"imported data":         {[]string{"import data.lib\ndeny contains \"x\" if lib.x"}, "data.lib.x is nowhere defined"},
		"a misspelt deny":       {[]string{"warn contains \"x\"\ndenny contains \"x\""}, "a.rego:3:1: nothing uses the set denny (only deny and warn are looked at)"},
		"another tool's set":    {[]string{"deny contains \"x\"\nviolation contains \"x\""}, "nothing uses the set violation"},
		"another spelling":      {[]string{`deny contains f.id if { some f in input.findings; f.severity == "CRITICAL" }`}, `"CRITICAL" never stands in the evidence (severities are critical, high, medium, low, unknown)`},
		"in a set":              {[]string{`deny contains f.id if { some f in input.findings; f.severity in {"High"} }`}, `"High" never stands`},
		"the machine's zone":    {[]string{`deny contains "x" if time.clock([time.now_ns(), "Local"])[0] > 8`}, `a.rego:2:49: "Local" never stands`},
		"an unused variable":    {[]string{`deny contains "x" if { y := 1 }`}, "a.rego:2:24: assigned var y unused"},
		"recursion":             {[]string{"deny contains \"x\" if f(1)\nf(x) if f(x)"}, "recursive"},
		"types":                 {[]string{`deny contains "x" if startswith(input.findings, "a")`}, "a.rego:2:22: startswith: invalid argument(s)"},
		"null":                  {[]string{`deny contains "x" if input.base == null`}, "a.rego:2:22: nothing in the evidence is null (what is not known is not there: write `not` and the field)"},
		"an impossible equal":   {[]string{`deny contains "x" if input.coverage.bytes == "1"`}, "a number is never equal to a string"},
		"presence":              {[]string{`deny contains f.id if { some f in input.findings; not f.fixedVersion }`}, `a.rego:2:55: the field fixedVersion is always there, so this asks for nothing (compare it with "")`},
		"presence of a list":    {[]string{`deny contains "x" if input.findings`}, `the field findings is always there, so this asks for nothing (compare it with [])`},
		"all at once":           {[]string{`deny contains "x" if input.a`, `deny contains "x" if input.b`}, "b.rego:2:22"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := compile(t.Context(), test.rego...)
			if r != nil {
				t.Error("a rule next to an error")
			}
			var e *custom.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v", err)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %s\nwant %s", err, test.want)
			}
		})
	}
}

// TestUndecided pins what is a problem when it is evaluated: nothing of it is a pass.
func TestUndecided(t *testing.T) {
	for name, test := range map[string]struct{ rego, want string }{
		"undefined":             {`deny := {"x"} if input.base`, "deny is undefined"},
		"undefined beside":      {"deny contains \"x\"\nwarn := {\"x\"} if input.base", "warn is undefined"},
		"no set":                {`deny := object.get(input.image.config.labels, "org.example.tier", {"x"})`, "deny is not a set but of type string"},
		"a number":              {`deny contains 1`, "neither a text nor an object with msg, but of type number"},
		"a truth value":         {`deny contains true`, "of type boolean"},
		"a list":                {`deny contains ["x"]`, "of type array"},
		"null":                  {`deny contains null`, "of type null"},
		"empty":                 {`deny contains " "`, "no msg, or an empty one"},
		"no msg":                {`deny contains {"finding": "CVE-2026-1"}`, "no msg"},
		"msg and message":       {`deny contains {"msg": "a", "message": "a"}`, "both msg and message"},
		"another key":           {`deny contains {"msg": "a", "severity": "high"}`, `has the key "severity"; keys are msg, finding, package, path, fix`},
		"a key that is no text": {`deny contains {"msg": "a", 1: "high"}`, "has the key 1"},
		"a part of a type":      {`deny contains {"msg": "a", "path": 1}`, "has a path of type number"},
		"too many":              {`deny contains sprintf("%d", [i]) if some i in numbers.range(1, 1001)`, "1001 elements; at most 1000"},
		"too long":              {`deny contains concat("", [x | some i in numbers.range(1, 201); x := "0123456789"])`, "more than 2000 characters"},
		"a function fails":      {`deny contains "x" if to_number(input.findings[0].id) == 1`, "a.rego:2:22: "},
		"a function in warn":    {"deny contains \"x\"\nwarn contains \"x\" if time.parse_rfc3339_ns(\"x\") == 1", "a.rego:3:22: "},
		"a conflict":            {"deny contains \"x\" if p == 1\np := 1 if not input.base\np := 2 if not input.base", "a.rego:4:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			got := evaluate(t, image(), test.rego)
			if !strings.Contains(got.Problem, test.want) {
				t.Errorf("got  %q, %+v\nwant %q", got.Problem, got, test.want)
			}
		})
	}
}

func TestTimeLimit(t *testing.T) {
	r, err := compile(t.Context(), `deny contains "x" if {
	xs := numbers.range(1, 1000)
	count([1 | some a in xs; some b in xs; some c in xs; some d in xs; a + b + c + d < 0]) > 0
}`)
	if err != nil {
		t.Fatal(err)
	}
	in, err := custom.NewInput(image())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Evaluate(t.Context(), in, now, 50*time.Millisecond); got.Problem != "the rules took longer than 50ms" {
		t.Errorf("got %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if got := r.Evaluate(ctx, in, now, custom.DefaultTimeout); got.Problem != "the time for this run is over" {
		t.Errorf("got %+v", got)
	}
}

func TestNoRuleNoInput(t *testing.T) {
	in, err := custom.NewInput(image())
	if err != nil {
		t.Fatal(err)
	}
	if got := (*custom.Rule)(nil).Evaluate(t.Context(), in, now, time.Second); got.Problem == "" {
		t.Error("no rule passes")
	}
	r, err := compile(t.Context(), `deny contains "x" if input.base`)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Evaluate(t.Context(), custom.Input{}, now, time.Second); got.Problem == "" {
		t.Error("no input passes")
	}
}
