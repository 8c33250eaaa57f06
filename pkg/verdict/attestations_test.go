// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func object(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAttestationRule(t *testing.T) {
	plain := attestationRule(nil)
	asks := attestationRule(func(r *policy.AttestationRule) { r.BuildTypes = []string{"make"} })
	made := map[string]any{"buildDefinition": map[string]any{"buildType": "make"}}
	other := map[string]any{"buildDefinition": map[string]any{"buildType": "cc"}}
	rego := attestationRule(func(r *policy.AttestationRule) { r.Rego = []*policy.File{{Path: "x.rego"}} })
	evaluated := func(results ...evidence.CustomResult) evidence.Evidence {
		return signedBy(changed(attestation(slsa, made, "release"), func(it *evidence.Signature) { it.Rego = results }))
	}
	recent := attestationRule(func(r *policy.AttestationRule) { r.MaxAge = 24 * time.Hour; r.BuildTypes = []string{"make"} })
	for name, c := range map[string]signedCase{
		"attested":          {plain, signedBy(attestation(slsa, nil, "release")), verdict.Pass, "", "as " + slsa + ", on the index", ""},
		"nothing":           {plain, signedBy(), verdict.Fail, "unsigned", "has no attestation of type slsaprovenance1 by release", "cosign attest --type slsaprovenance1 --predicate FILE registry.example.com/app@sha256:1d"},
		"a signature":       {plain, signedBy(item("release")), verdict.Fail, "predicate-type", "by release, only a signature", ""},
		"another type":      {plain, signedBy(attestation("https://spdx.dev/Document", nil, "release")), verdict.Fail, "predicate-type", "no attestation of type slsaprovenance1 by release, only https://spdx.dev/Document", ""},
		"no type":           {plain, signedBy(attestation("", nil, "release")), verdict.Fail, "predicate-type", "", ""},
		"a rule of no type": {attestationRule(func(r *policy.AttestationRule) { r.PredicateTypes = nil }), signedBy(attestation("", nil, "release")), verdict.Error, "", "demands nothing", ""},
		"by somebody else":  {plain, signedBy(changed(attestation(slsa, nil), func(it *evidence.Signature) { it.Signer.Subject = "x" })), verdict.Fail, "other-signer", "has no attestation", "identities"},
		"no SBOM": {attestationRule(func(r *policy.AttestationRule) { r.PredicateTypes, _ = policy.PredicateType("spdxjson") }), signedBy(), verdict.Fail, "unsigned",
			"no attestation of type spdxjson by release: nothing", "cosign attest --type spdxjson "},
		"no test result": {attestationRule(func(r *policy.AttestationRule) { r.PredicateTypes, _ = policy.PredicateType("test-result") }), signedBy(), verdict.Fail, "unsigned",
			"no attestation of type test-result by release: nothing", "cosign attest --type https://in-toto.io/attestation/test-result/v0.1 "},
		"by somebody else, and another type by us": {plain, signedBy(attestation("https://spdx.dev/Document", nil, "release"), attestation(slsa, nil)), verdict.Fail, "other-signer",
			"by release, but by " + workflow, ""},
		"invalid, and another type by us": {plain, signedBy(attestation("https://spdx.dev/Document", nil, "release"), changed(attestation(slsa, nil), func(it *evidence.Signature) { it.Checks[0].Result = evidence.CheckInvalid })),
			verdict.Fail, "invalid-signature", "the attestation", ""},
		"invalid":              {plain, signedBy(changed(attestation(slsa, nil), func(it *evidence.Signature) { it.Checks[0].Result = evidence.CheckInvalid })), verdict.Fail, "invalid-signature", "the attestation", ""},
		"content is met":       {asks, signedBy(attestation(slsa, made, "release")), verdict.Pass, "", "", ""},
		"content is not met":   {asks, signedBy(attestation(slsa, other, "release")), verdict.Fail, "build-type", "the build type is cc, and must be make", ""},
		"one of them is met":   {asks, signedBy(attestation(slsa, other, "release"), attestation(slsa, made, "release")), verdict.Pass, "", "", ""},
		"met by others only":   {asks, signedBy(attestation(slsa, other, "release"), attestation(slsa, made)), verdict.Fail, "build-type", "", ""},
		"content is not known": {asks, signedBy(attestation(slsa, nil, "release")), verdict.Error, "", "its content is not known", ""},
		"one is not known":     {asks, signedBy(attestation(slsa, nil, "release"), attestation(slsa, other, "release")), verdict.Error, "", "", ""},
		"old, not known":       {recent, signedBy(attestation(slsa, nil, "release")), verdict.Fail, "too-old", "", ""},
		"old, and not met":     {recent, signedBy(attestation(slsa, other, "release")), verdict.Fail, "too-old build-type", "", ""},
		"no provenance": {attestationRule(func(r *policy.AttestationRule) { r.PredicateTypes, r.Builders = []string{"https://x"}, []string{"b"} }),
			signedBy(attestation("https://x", made, "release")), verdict.Fail, "builder", "no SLSA provenance", ""},
		"rego, not evaluated": {rego, evaluated(), verdict.Error, "", "not evaluated", ""},
		"rego, of another":    {rego, evaluated(evidence.CustomResult{Rule: "t"}), verdict.Error, "", "not evaluated", ""},
		"rego, twice":         {rego, evaluated(evidence.CustomResult{Rule: "s"}, evidence.CustomResult{Rule: "s"}), verdict.Error, "", "more than once", ""},
		"rego, broken":        {rego, evaluated(evidence.CustomResult{Rule: "s", Problem: "time is over"}), verdict.Error, "", "time is over", ""},
		"rego, denied":        {rego, evaluated(evidence.CustomResult{Rule: "s", Deny: []evidence.CustomMessage{{Message: "no"}, {}}}), verdict.Fail, "rego rego", "", ""},
		"rego, fine":          {rego, evaluated(evidence.CustomResult{Rule: "s"}), verdict.Pass, "", "", ""},
		"rego, no content":    {rego, signedBy(changed(attestation(slsa, nil, "release"), func(it *evidence.Signature) { it.Rego = []evidence.CustomResult{{Rule: "s"}} })), verdict.Error, "", "content is not known", ""},
	} {
		t.Run(name, c.run)
	}
}

func TestProvenance(t *testing.T) {
	const v02 = "https://slsa.dev/provenance/v0.2"
	source := func(globs ...string) policy.Rule {
		return attestationRule(func(r *policy.AttestationRule) { r.PredicateTypes, r.Sources = []string{slsa, v02}, globs })
	}
	builder := attestationRule(func(r *policy.AttestationRule) {
		r.PredicateTypes, r.Builders = []string{slsa, v02}, []string{"https://b/1", "https://b/2"}
	})
	external := func(s string) string {
		return `{"buildDefinition": {"externalParameters": ` + s + `, "resolvedDependencies": [{"uri": "git+https://github.com/acme/app"}]}}`
	}
	const acme = "https://github.com/acme/*"
	for name, c := range map[string]struct {
		rule            policy.Rule
		kind, predicate string
		pass            bool
	}{
		"builder of 1":              {builder, slsa, `{"runDetails": {"builder": {"id": "https://b/2"}}}`, true},
		"builder of 0.2":            {builder, v02, `{"builder": {"id": "https://b/1"}}`, true},
		"0.2 in 1":                  {builder, slsa, `{"builder": {"id": "https://b/1"}}`, false},
		"1 in 0.2":                  {builder, v02, `{"runDetails": {"builder": {"id": "https://b/2"}}}`, false},
		"another builder":           {builder, slsa, `{"runDetails": {"builder": {"id": "https://b/21"}}}`, false},
		"no builder":                {builder, slsa, `{}`, false},
		"a builder that is no text": {builder, slsa, `{"runDetails": {"builder": {"id": ["https://b/1"]}}}`, false},
		"a predicate that is none":  {builder, slsa, `[1]`, false},
		"GitHub":                    {source(acme), slsa, external(`{"workflow": {"repository": "https://github.com/acme/app", "ref": "refs/heads/main"}}`), true},
		"GitHub, of another":        {source(acme), slsa, external(`{"workflow": {"repository": "https://github.com/evil/app"}}`), false},
		"GitLab":                    {source("https://gitlab.com/acme/**"), slsa, external(`{"source": "https://gitlab.com/acme/a/b"}`), true},
		"slsa-github-generator":     {source(acme), slsa, external(`{"source": {"uri": "git+https://github.com/acme/app@refs/heads/main"}}`), true},
		"BuildKit":                  {source(acme), slsa, external(`{"configSource": {"uri": "https://github.com/acme/app.git#refs/heads/main"}}`), true},
		"with .git":                 {source("https://github.com/acme/app.git"), slsa, external(`{"configSource": {"uri": "https://github.com/acme/app.git#v1"}}`), true},
		"0.2":                       {source("https://github.com/acme/app"), v02, `{"invocation": {"configSource": {"uri": "git+https://github.com/acme/app@refs/tags/v1"}}}`, true},
		"0.2, materials":            {source(acme), v02, `{"materials": [{"uri": "git+https://github.com/acme/app"}]}`, false},
		"dependencies only":         {source(acme), slsa, external(`{}`), false},
		"two that differ":           {source(acme), slsa, external(`{"workflow": {"repository": "https://github.com/acme/app"}, "source": "https://github.com/evil/app"}`), false},
		"a longer owner":            {source(acme), slsa, external(`{"source": "https://github.com/acme-evil/app"}`), false},
		"a deeper path":             {source(acme), slsa, external(`{"source": "https://github.com/acme/app/more"}`), false},
		"dots":                      {source("https://github.com/acme/**"), slsa, external(`{"source": "https://github.com/acme/../evil/app"}`), false},
		"encoded dots":              {source("https://github.com/acme/**"), slsa, external(`{"source": "https://github.com/acme/%2e%2e/evil/app"}`), false},
		"a user that looks a host":  {source("https://github.com/**"), slsa, external(`{"source": "https://github.com@evil.example/acme/app"}`), false},
		"an @ in the path":          {source("https://github.com/evil/x@https://github.com/acme/app"), slsa, external(`{"source": "https://github.com/evil/x@https://github.com/acme/app"}`), false},
		"ssh":                       {source("ssh://git@github.com/acme/app"), slsa, external(`{"source": "git+ssh://git@github.com/acme/app@main"}`), true},
		"no URL":                    {source("**"), slsa, external(`{"source": "acme/app"}`), false},
		"a pattern that is none":    {source("[", "x"), slsa, external(`{"source": "https://github.com/acme/app"}`), false},
		"another glob that does":    {source("[", acme), slsa, external(`{"source": "https://github.com/acme/app"}`), true},
	} {
		want := verdict.Fail
		if c.pass {
			want = verdict.Pass
		}
		if o := outcome(decide(trusting(c.rule), signedBy(attestation(c.kind, object(t, c.predicate), "release"))), "s"); o.Result != want {
			t.Errorf("%s: %s %s", name, o.Result, o.Summary)
		}
	}
}

func TestConditions(t *testing.T) {
	const predicate = `{"result": "PASSED", "score": 7.5, "ok": true, "none": null, "big": "9", "when": "2026-03-08T12:00:00Z", "later": "2026-03-10T15:00:00Z",
		"soon": "2026-03-10T12:30:00Z", "day": "2026-03-08", "empty": [], "labels": {"a.b": "x"},
		"runs": [{"result": "ok", "n": 1, "tags": ["a"]}, {"result": "ok", "n": 2, "tags": ["a", "a"]}], "mixed": [{"result": "ok"}, {}], "list": ["a", 1]}`
	key, all := func(k string) policy.Step { return policy.Step{Key: k} }, policy.Step{All: true}
	index := func(i int) policy.Step { return policy.Step{Index: &i} }
	text := func(s string) *policy.Scalar { return &policy.Scalar{String: &s} }
	num := func(n float64) *policy.Scalar { return &policy.Scalar{Number: &n} }
	truth := func(b bool) *policy.Scalar { return &policy.Scalar{Bool: &b} }
	list := func(ss ...*policy.Scalar) []policy.Scalar {
		var out []policy.Scalar
		for _, s := range ss {
			out = append(out, *s)
		}
		return out
	}
	path := func(steps ...policy.Step) []policy.Step { return steps }
	for name, c := range map[string]struct {
		steps     []policy.Step
		condition policy.Condition
		met       bool
	}{
		"equals":                      {path(key("result")), policy.Condition{Equals: text("PASSED")}, true},
		"equals, another case":        {path(key("result")), policy.Condition{Equals: text("passed")}, false},
		"equals a number":             {path(key("score")), policy.Condition{Equals: num(7.5)}, true},
		"equals a number as text":     {path(key("score")), policy.Condition{Equals: text("7.5")}, false},
		"equals a text as number":     {path(key("big")), policy.Condition{Equals: num(9)}, false},
		"equals true":                 {path(key("ok")), policy.Condition{Equals: truth(true)}, true},
		"equals true as text":         {path(key("ok")), policy.Condition{Equals: text("true")}, false},
		"equals, of null":             {path(key("none")), policy.Condition{Equals: text("")}, false},
		"equals, of a list":           {path(key("runs")), policy.Condition{Equals: text("")}, false},
		"equals, of no value":         {path(key("nothing")), policy.Condition{Equals: text("")}, false},
		"equals nothing":              {path(key("result")), policy.Condition{Equals: &policy.Scalar{}}, false},
		"one of":                      {path(key("result")), policy.Condition{OneOf: list(text("FAILED"), text("PASSED"))}, true},
		"none of one of":              {path(key("result")), policy.Condition{OneOf: list(text("FAILED"), num(1))}, false},
		"none of":                     {path(key("result")), policy.Condition{NoneOf: list(text("FAILED"), num(1))}, true},
		"one of none of":              {path(key("result")), policy.Condition{NoneOf: list(text("FAILED"), text("PASSED"))}, false},
		"none of, of no value":        {path(key("nothing")), policy.Condition{NoneOf: list(text("FAILED"))}, false},
		"none of, of null":            {path(key("none")), policy.Condition{NoneOf: list(text("FAILED"))}, false},
		"none of, another type":       {path(key("score")), policy.Condition{NoneOf: list(text("7.5"))}, false},
		"none of, of a list":          {path(key("list")), policy.Condition{NoneOf: list(text("a"))}, false},
		"none of nothing":             {path(key("result")), policy.Condition{NoneOf: []policy.Scalar{{}}}, false},
		"matches":                     {path(key("result")), policy.Condition{Matches: "PASS.*"}, true},
		"matches a part":              {path(key("result")), policy.Condition{Matches: "PASS"}, false},
		"matches an alternative":      {path(key("result")), policy.Condition{Matches: "X|PASSED"}, true},
		"matches, of a number":        {path(key("score")), policy.Condition{Matches: ".*"}, false},
		"matches, no expression":      {path(key("result")), policy.Condition{Matches: "("}, false},
		"at least":                    {path(key("score")), policy.Condition{AtLeast: ptr(7.5)}, true},
		"less than at least":          {path(key("score")), policy.Condition{AtLeast: ptr(7.6)}, false},
		"at least, of a text":         {path(key("big")), policy.Condition{AtLeast: ptr(1.0)}, false},
		"at least NaN":                {path(key("score")), policy.Condition{AtLeast: ptr(math.NaN())}, false},
		"at most":                     {path(key("score")), policy.Condition{AtMost: ptr(7.5)}, true},
		"more than at most":           {path(key("score")), policy.Condition{AtMost: ptr(7.0)}, false},
		"at most, of no value":        {path(key("nothing")), policy.Condition{AtMost: ptr(7.0)}, false},
		"at most, of true":            {path(key("ok")), policy.Condition{AtMost: ptr(7.0)}, false},
		"both bounds":                 {path(key("score")), policy.Condition{AtLeast: ptr(7.0), AtMost: ptr(8.0)}, true},
		"young":                       {path(key("when")), policy.Condition{MaxAge: 72 * time.Hour}, true},
		"old":                         {path(key("when")), policy.Condition{MaxAge: 24 * time.Hour}, false},
		"to come":                     {path(key("later")), policy.Condition{MaxAge: 24 * time.Hour}, false},
		"of a clock that is ahead":    {path(key("soon")), policy.Condition{MaxAge: 24 * time.Hour}, true},
		"a day is no time":            {path(key("day")), policy.Condition{MaxAge: 72 * time.Hour}, false},
		"a number is no time":         {path(key("score")), policy.Condition{MaxAge: 72 * time.Hour}, false},
		"present":                     {path(key("result")), policy.Condition{Present: ptr(true)}, true},
		"present, false":              {path(key("labels"), key("a.b")), policy.Condition{Present: ptr(true)}, true},
		"not present":                 {path(key("nothing")), policy.Condition{Present: ptr(true)}, false},
		"present, null":               {path(key("none")), policy.Condition{Present: ptr(true)}, false},
		"absent":                      {path(key("nothing"), key("more")), policy.Condition{Present: ptr(false)}, true},
		"not absent":                  {path(key("result")), policy.Condition{Present: ptr(false)}, false},
		"absent, null":                {path(key("none")), policy.Condition{Present: ptr(false)}, false},
		"absent in all":               {path(key("runs"), all, key("error")), policy.Condition{Present: ptr(false)}, true},
		"absent in some":              {path(key("mixed"), all, key("result")), policy.Condition{Present: ptr(false)}, false},
		"absent and equal":            {path(key("nothing")), policy.Condition{Present: ptr(false), Equals: text("x")}, false},
		"all":                         {path(key("runs"), all, key("result")), policy.Condition{Equals: text("ok")}, true},
		"not all":                     {path(key("runs"), all, key("n")), policy.Condition{Equals: num(1)}, false},
		"all of all":                  {path(key("runs"), all, key("tags"), all), policy.Condition{Equals: text("a")}, true},
		"all of none":                 {path(key("empty"), all), policy.Condition{Equals: text("ok")}, false},
		"all of what is no list":      {path(key("result"), all), policy.Condition{Equals: text("ok")}, false},
		"all, of a mapping":           {path(key("labels"), all), policy.Condition{Equals: text("x")}, false},
		"missing in some":             {path(key("mixed"), all, key("result")), policy.Condition{Equals: text("ok")}, false},
		"present in some":             {path(key("mixed"), all, key("result")), policy.Condition{Present: ptr(true)}, false},
		"by index":                    {path(key("runs"), index(1), key("n")), policy.Condition{Equals: num(2)}, true},
		"beyond the end":              {path(key("runs"), index(2), key("n")), policy.Condition{Equals: num(2)}, false},
		"before the beginning":        {path(key("runs"), index(-1), key("n")), policy.Condition{Equals: num(2)}, false},
		"by key, of a list":           {path(key("runs"), key("0")), policy.Condition{Present: ptr(true)}, false},
		"a dotted key":                {path(key("labels"), key("a.b")), policy.Condition{Equals: text("x")}, true},
		"no demand":                   {path(key("result")), policy.Condition{}, false},
		"no path":                     {nil, policy.Condition{Equals: text("PASSED")}, false},
		"no path, absent, of a value": {nil, policy.Condition{Present: ptr(true)}, false},
	} {
		c.condition.Path, c.condition.Steps = "p", c.steps
		r := attestationRule(func(r *policy.AttestationRule) { r.Conditions = []policy.Condition{c.condition} })
		want, ids := verdict.Fail, "condition"
		if c.met {
			want, ids = verdict.Pass, ""
		}
		t.Run(name, signedCase{r, signedBy(attestation(slsa, object(t, predicate), "release")), want, ids, "", ""}.run)
	}
	if o := outcome(decide(trusting(attestationRule(func(r *policy.AttestationRule) {
		r.Conditions = []policy.Condition{{Path: "n", Steps: path(key("n")), Equals: num(3)}}
	})), signedBy(attestation(slsa, map[string]any{"n": json.Number("3")}, "release"))), "s"); o.Result != verdict.Pass {
		t.Errorf("json.Number: %s", o.Summary)
	}
}
